"""What the agent's commands take alike: where the state directory is."""

from pathlib import Path
from typing import Annotated

import typer

from suanlian.agent.config import Home
from suanlian.i18n.help import N_
from suanlian.settings import AgentSettings

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help=N_("The agent's state directory; else SUANLIAN_AGENT_HOME, else ./suanlian-agent.")),
]


def home(given: Path | None) -> Home:
    """The state directory that was given, else that of the settings."""
    return Home((given or AgentSettings().agent_home).absolute())
