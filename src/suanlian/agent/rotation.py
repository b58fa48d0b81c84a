"""The owner's command that begins a new key to which secrets of jobs are sealed."""

from pathlib import Path
from typing import Annotated

import typer

from suanlian.agent.config import Home
from suanlian.agent.enrol import read_identity
from suanlian.agent.vault import rotate
from suanlian.i18n import _
from suanlian.i18n.help import N_, Command
from suanlian.settings import AgentSettings


def install(app: typer.Typer) -> None:
    """Add `rotate-sealing-key`."""

    @app.command(
        "rotate-sealing-key",
        cls=Command,
        help=N_("Begin a new key for the secrets of jobs; the old one is kept until what was sealed to it is gone."),
    )
    def rotate_command(
        home: Annotated[
            Path | None,
            typer.Option(
                "--home", help=N_("The agent's state directory; else SUANLIAN_AGENT_HOME, else ./suanlian-agent.")
            ),
        ] = None,
    ) -> None:
        """Begin a new sealing key; a running agent tells it to the hub at its next look."""
        place = Home((home or AgentSettings().agent_home).absolute())
        read_identity(place)  # says what to do where there is none
        key = rotate(place)
        typer.echo(_("The new sealing key is {key}; the hub is told of it at the next look.").format(key=key.text))
