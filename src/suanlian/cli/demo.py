"""The demonstration: found by its entry point, so that what it needs is installed only where it is wanted."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Annotated, Final, cast

import typer

from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.errors import NotFoundError

commands = nouns()

GROUP: Final = "suanlian.demo"
"""Each entry point of this group takes the list of arguments and returns the exit code."""

Start = Callable[[list[str]], int | None]
# every option goes through to the demonstration, --help included
_THROUGH: Final = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

Arguments = Annotated[
    list[str] | None, typer.Argument(metavar="ARGS...", help=N_("Passed on; --help shows what it takes."))
]


@commands.command(
    "demo",
    cls=Command,
    context_settings=_THROUGH,
    options_metavar=OPTIONS,
    help=N_("Run the demonstration: a national hub, a regional hub and five platforms with real work."),
)
def _demo(arguments: Arguments = None) -> None:
    raise typer.Exit(started("run")(arguments or []) or 0)


@commands.command(
    "up",
    cls=Command,
    context_settings=_THROUGH,
    options_metavar=OPTIONS,
    help=N_("Start the same hubs and platforms and keep them until interrupted."),
)
def _up(arguments: Arguments = None) -> None:
    raise typer.Exit(started("up")(arguments or []) or 0)


def started(name: str, group: str = GROUP) -> Start:
    """What the entry point names. Raises NotFoundError ``not_found`` when the demonstration is not installed."""
    try:
        (found,) = entry_points(group=group, name=name)
        return cast("Start", found.load())
    except (ValueError, ImportError) as error:
        raise NotFoundError(
            "not_found",
            _("The demonstration is not installed ({error}).").format(error=error),
            todo=_('Install it: pip install "suanlian[demo]"'),
        ) from error
