"""By which weights does the hub order what waits? Shown with their meaning to everybody; set by operators."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Final

import typer

from suanlian.cli.output import AsJson, listing, record, say, table
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import N_
from suanlian.model.errors import InvalidError
from suanlian.model.market_policy import MarketPolicy, PolicyChange, PolicyVersion
from suanlian.model.reading import read

HELP: Final = N_("Show the weights by which what waits is ordered; with --set and --why set some (operator).")

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="WEIGHT=VALUE", help=N_("Set a weight, such as fair_s=43200; may be repeated.")),
]
Reason = Annotated[str, typer.Option("--why", metavar="TEXT", help=N_("Why; whoever is signed in reads it."))]
Versions = Annotated[bool, typer.Option("--versions", help=N_("List every version that was set, the newest first."))]


def policy(settings: Sets = None, why: Reason = "", versions: Versions = False, as_json: AsJson = False) -> None:
    """The command."""
    _check(settings, why, versions=versions)
    with open_hub() as hub:
        if versions:
            _list(hub.supervision.market_policies(), as_json=as_json)
        elif settings:
            change = read(PolicyChange, {**dict(map(_split, settings or ())), "why": why})
            _tell(hub.supervision.set_market_policy(change), as_json=as_json)
        else:
            _tell(hub.supervision.market_policy(), as_json=as_json)


def _check(settings: Sequence[str] | None, why: str, *, versions: bool) -> None:
    """What is said must go together: nothing of it is passed over in silence."""
    if versions and (settings or why):
        wrong = _("--versions only lists: it goes without --set and --why.")
        raise InvalidError("field_invalid", wrong, field="versions")
    if settings and not why.strip():
        wrong = _("Weights are set with a reason.")
        raise InvalidError("field_invalid", wrong, todo=_("Add --why TEXT."), field="why")
    if why and not settings:
        wrong = _("There is a reason, but no weight to set.")
        raise InvalidError("field_invalid", wrong, todo=_("Add --set WEIGHT=VALUE."), field="set")


def _split(setting: str) -> tuple[str, str]:
    name, equals, value = setting.partition("=")
    if not equals or name not in MarketPolicy.model_fields:
        raise InvalidError(
            "field_invalid",
            _("--set {setting!r} names no weight.").format(setting=setting[:80]),
            todo=_("Write it as WEIGHT=VALUE. There are: {names}.").format(names=", ".join(MarketPolicy.model_fields)),
            field="set",
        )
    return name, value


def _tell(held: PolicyVersion, *, as_json: bool) -> None:
    fields = [
        (_("Version"), held.version or _("0: nobody set any, the usual weights hold")),
        (_("Set by"), held.by),
        (_("When"), when(held.at)),
        (_("Why"), held.why),
    ]
    record(held, fields, as_json=as_json)
    if as_json:
        return
    say("")
    usual = MarketPolicy()
    columns: Sequence[tuple[str, Callable[[str], object]]] = [
        (_("Weight"), lambda name: name),
        (_("Value"), lambda name: _plain(getattr(held.policy, name))),
        (_("Usual"), lambda name: _plain(getattr(usual, name))),
        (_("From, to"), _bounds),
        (_("Meaning"), lambda name: MEANINGS[name]()),
    ]
    table(MarketPolicy.model_fields, columns)


def _list(found: Iterator[PolicyVersion], *, as_json: bool) -> None:
    rows: list[tuple[PolicyVersion, MarketPolicy]] = []
    listed = list(found)
    if as_json:
        listing(listed, [], as_json=True)
        return
    before = [one.policy for one in listed[1:]] + [MarketPolicy()]
    rows = list(zip(listed, before, strict=False))
    columns: Sequence[tuple[str, Callable[[tuple[PolicyVersion, MarketPolicy]], object]]] = [
        (_("Version"), lambda row: row[0].version),
        (_("When"), lambda row: when(row[0].at)),
        (_("Set by"), lambda row: row[0].by),
        (_("Changed"), lambda row: _changed(row[1], row[0].policy)),
        (_("Why"), lambda row: row[0].why),
    ]
    table(rows, columns)


def _changed(was: MarketPolicy, now: MarketPolicy) -> str:
    pairs = [(name, getattr(was, name), getattr(now, name)) for name in MarketPolicy.model_fields]
    return ", ".join(f"{name} {_plain(old)} -> {_plain(new)}" for name, old, new in pairs if old != new)


def _plain(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _bounds(name: str) -> str:
    """The least and the most, as the value states them."""
    of = MarketPolicy.model_fields[name].metadata
    ends = [next(getattr(one, end) for one in of if hasattr(one, end)) for end in ("ge", "le")]
    return " - ".join(map(_plain, ends))


MEANINGS: Final[Mapping[str, Callable[[], str]]] = {
    "short": lambda: _("seconds later for each second that a job is estimated to take"),
    "age": lambda: _("seconds sooner for each second that a job has waited"),
    "fair_s": lambda: _("seconds later for an account that used all there was of late, by its share of it"),
    "half_life_s": lambda: _("seconds after which what an account used counts half"),
    "reservations": lambda: _("so many of the oldest jobs of a pool hold a start that nobody pushes back"),
    "move_s": lambda: _("seconds that a job must gain elsewhere, or it stays at home"),
    "hysteresis": lambda: _("so much more than move_s it must gain, as a share of it"),
    "headroom": lambda: _("cards (else cores) that a pool keeps free in one piece when it takes a guest"),
    "brief_s": lambda: _("seconds: guests that take no longer need leave no headroom"),
    "learn": lambda: _("share of each job's error by which its account's estimates are corrected"),
    "detour": lambda: _("share of the least bill that a place may cost more, for others' sake"),
}
