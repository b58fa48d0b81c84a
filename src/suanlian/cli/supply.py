"""Truth of supply: what checks of a platform found, and whether their moments were really drawn."""

from typing import Annotated, Final

import typer

from suanlian.cli.arguments import PlatformName
from suanlian.cli.output import AsJson, listing, print_json, remark, say
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.supply import SupplyCheck, misdrawn

commands = nouns()
_WRONG: Final = 1


@commands.command(
    "supply",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Show where capacity that a platform reported free was claimed, and what came of it."),
)
def _supply(
    platform: PlatformName,
    reply: Annotated[str | None, typer.Option("--reply", metavar="TEXT", help=N_("Say this to a check, once."))] = None,
    check: Annotated[str | None, typer.Option("--check", metavar="UUID", help=N_("To which check."))] = None,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        if reply is not None and check is not None:
            hub.supply.reply(check, reply)
        listing(
            hub.supply.checks(platform),
            [
                (_("Time"), lambda one: when(one.due_at)),
                (_("Period"), lambda one: one.period),
                (_("Share"), lambda one: one.share),
                (_("Reported free"), lambda one: _cores(f"{one.free_cores:f}")),
                (_("Age"), lambda one: "" if one.free_age_s is None else f"{one.free_age_s:f} s"),
                (_("Claimed from it"), lambda one: _cores(f"{one.asked_cores:f}") if one.asked_at else ""),
                (_("Outcome"), _outcome),
                (_("Reason"), lambda one: one.reason),
                (_("Reply"), lambda one: one.reply),
                ("UUID", lambda one: one.id),
            ],
            as_json=as_json,
        )


@commands.command(
    "check-draw",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Draw the moments of a period again from its revealed seed, and compare."),
)
def _check_draw(
    period: Annotated[int, typer.Argument(metavar="PERIOD", help=N_("The period, as `supply` shows it."))],
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        draw = hub.supply.draw(period)
    if not draw.period.seed:
        remark(_("The seed of period {period} is not revealed yet.").format(period=period))
        raise typer.Exit(_WRONG)
    wrong = misdrawn(draw)
    if as_json:
        print_json({"draw": draw.model_dump(mode="json"), "wrong": wrong})
    else:
        say(_("Committed at {at}: {digest}").format(at=when(draw.period.committed_at), digest=draw.period.digest))
        for line in wrong:
            say(line)
        if not wrong:
            say(_("All {count} moments follow from the seed.").format(count=len(draw.checks)))
    if wrong:
        raise typer.Exit(_WRONG)


def _cores(cores: str) -> str:
    return _("{cores} cores").format(cores=cores)


def _outcome(check: SupplyCheck) -> str:
    if check.outcome is None:
        return _("under way")
    return f"{check.outcome} ({_('phantom')})" if check.phantom else check.outcome.value
