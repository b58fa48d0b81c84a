"""What the matcher found: how far the market is from the best that is possible, and what is scarce."""

from collections.abc import Iterator

import typer

from suanlian.cli.market_policy import HELP, policy
from suanlian.cli.output import AsJson, listing, print_json, record, say
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when, yes_no
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.i18n.reasons import words
from suanlian.model.market import MarketNow, MoveProposal, Tick, TickState

commands = nouns()
_noun = nouns()
commands.add_typer(
    _noun,
    name="market",
    cls=Group,
    options_metavar=OPTIONS,
    subcommand_metavar=COMMAND,
    help=N_("What is scarce, and how far the market is from the best possible (operator, supervisor); policy."),
)
_noun.command("policy", cls=Command, options_metavar=OPTIONS, help=HELP)(policy)


@_noun.callback(invoke_without_command=True)
def _market(context: typer.Context, as_json: AsJson = False) -> None:
    if context.invoked_subcommand is not None:
        return
    with open_hub() as hub:
        told = hub.supervision.market()
    if as_json:
        print_json(told.model_dump(mode="json"))
    elif told.newest is None:
        say(_("Nothing has waited yet, so nothing was matched: every place is compared by its price alone."))
    else:
        _tell(told, told.newest)


def _tell(told: MarketNow, tick: Tick) -> None:
    fields = [
        (_("Matched last"), when(tick.at)),
        (_("How it ended"), _STATES[tick.state]() + (f": {tick.why}" if tick.why else "")),
        (_("Took"), f"{tick.took_ms / 1000:.2f} s"),
        (_("Jobs that waited"), tick.jobs),
        (_("Demands"), tick.demands),
        (_("Without room within 24 h"), tick.unserved),
        (_("Places"), tick.places),
        (_("Cost of the matching, estimate"), f"{tick.total:.2f} CNY"),
        (_("No matching costs less than"), "" if tick.bound is None else f"{tick.bound:.2f} CNY"),
        (_("Gap"), _percent(tick.gap)),
        (_("Gap in 24 h, median"), _percent(told.gap_median)),
        (_("Gap in 24 h, largest"), _percent(told.gap_max)),
        (_("Ticks in 24 h"), told.ticks),
        (_("Of these failed"), told.failed),
        (_("Places are compared by its prices"), yes_no(told.fresh)),
    ]
    record(told, fields, as_json=False)
    if told.scarce:
        say("")
        say(_("Scarce: what an hour more is worth above its price. Nobody is billed for it."))
        listing(
            told.scarce,
            [
                (_("Platform"), lambda row: row.platform),
                (_("Share"), lambda row: row.share),
                (_("Resource"), lambda row: words(row.kind.value)),
                (_("CNY per unit-hour"), lambda row: f"{row.price:f}"),
            ],
            as_json=False,
        )
    if told.moves:
        say("")
        say(_("Running work that had better go on elsewhere, by what is left of it:"))
        for move in told.moves:
            for line in _move_lines(move):
                say(line)


def _move_lines(move: MoveProposal) -> Iterator[str]:
    """What, from where to where; why; and what comes of it."""
    yield _("{job}, task {index}").format(job=move.job, index=move.index)
    source, target = f"{move.from_platform}/{move.from_share}", f"{move.to_platform}/{move.to_share}"
    yield "  " + _("{source} -> {target}: saves {part} of {home} CNY").format(
        source=source, target=target, part=f"{move.part:.0%}", home=f"{move.home:.2f}"
    )
    yield "  " + _("{there} CNY there, {moving} CNY for the move, {n} s of work done again").format(
        there=f"{move.there:.2f}", moving=f"{move.moving:.2f}", n=move.lost_s
    )
    yield "  " + (_("It was told to make room.") if move.told else _("Nothing was done: it is a proposal."))


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


_STATES = {
    TickState.OK: lambda: _("well"),
    TickState.TIMEOUT: lambda: _("it took too long and was broken off"),
    TickState.DIED: lambda: _("the matcher ended"),
    TickState.REFUSED: lambda: _("the matcher refused it"),
    TickState.UNKNOWN: lambda: _("in a way that this version does not know"),
}
