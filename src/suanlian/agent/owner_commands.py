"""Commands by which the owner says how far to join and what is allowed, with the hub up or down."""

import json
from pathlib import Path
from typing import Annotated

import typer

from suanlian.agent import owner
from suanlian.agent.arguments import HomeOption, home
from suanlian.agent.config import read_policy, read_policy_file
from suanlian.i18n import _
from suanlian.i18n.help import N_, Command, Group
from suanlian.model.owner import JoinLevel

_policy = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None)


def install(app: typer.Typer) -> None:
    """Add the commands to the agent's."""
    app.command(
        "level",
        cls=Command,
        help=N_("Show or choose how far to join: observe, run or trade. Holds over restarts; what runs goes on."),
    )(_level)
    app.add_typer(_policy, name="policy", help=N_("What the owner allows: policy.toml, else [policy] of agent.toml."))


def _level(
    level: Annotated[JoinLevel | None, typer.Argument(help=N_("observe, run or trade; left out: show it."))] = None,
    home_given: HomeOption = None,
) -> None:
    place = home(home_given)
    if level is None:
        typer.echo(owner.level_text(owner.current_level(place)))
        return
    for line in owner.choose_level(place, level):
        typer.echo(line)


@_policy.command("show", cls=Command, help=N_("Show the policy as it is written now, with what is left out filled in."))
def _show(home_given: HomeOption = None) -> None:
    policy = read_policy(home(home_given))
    typer.echo(json.dumps(policy.model_dump(mode="json"), ensure_ascii=False, indent=2))


@_policy.command("check", cls=Command, help=N_("Check a policy file before it is put in its place."))
def _check(file: Annotated[Path, typer.Argument(help=N_("The file, as policy.toml."))]) -> None:
    read_policy_file(file)
    typer.echo(_("{file} is a policy.").format(file=file))
