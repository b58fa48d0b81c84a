"""Links between sites: list them, the way from one site to another, offer one, hold a part of one."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

import typer

from suanlian.cli.output import AsJson, listing, print_json, record, say, table
from suanlian.cli.session import open_hub
from suanlian.cli.shown import money, when
from suanlian.cli.specfile import parse
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.errors import InvalidError
from suanlian.model.link import (
    LatencyShares,
    LinkClass,
    LinkGrade,
    LinkView,
    NewLink,
    NewReservation,
    PathView,
    PathWhy,
    Reservation,
)
from suanlian.model.reading import read

commands = nouns()
_link = nouns()
commands.add_typer(
    _link,
    name="link",
    cls=Group,
    options_metavar=OPTIONS,
    subcommand_metavar=COMMAND,
    no_args_is_help=True,
    help=N_("One link between sites: offer, withdraw, reserve, reservations, give-back."),
)

Start = Annotated[str, typer.Argument(metavar="START", help=N_("The first site, as platform/site."))]
End = Annotated[str, typer.Argument(metavar="END", help=N_("The other site, as platform/site."))]
LinkName = Annotated[str, typer.Argument(metavar="LINK", help=N_("The link's name."))]
_GB: Final = 10**9


@commands.command(
    "links", cls=Command, options_metavar=OPTIONS, help=N_("List links between sites, and what is known of each.")
)
def _links(
    classes: Annotated[
        bool, typer.Option("--classes", help=N_("How many pairs of sites are measured within 1, 5 and 20 ms."))
    ] = False,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        if classes:
            _shares(hub.links.classes(), as_json=as_json)
        else:
            listing(hub.links.all(), _columns(), as_json=as_json)


def _columns() -> Sequence[tuple[str, Callable[[LinkView], object]]]:
    return [
        (_("From site"), lambda one: one.start),
        (_("To site"), lambda one: one.end),
        (_("Link between sites"), lambda one: one.name or ""),
        (_("Carrier"), lambda one: one.carrier or ""),
        (_("One way"), _latency),
        (_("Class"), lambda one: _class(one.latency_class)),
        (_("Throughput"), _throughput),
        (_("Price"), lambda one: _price(one.cny_per_gb)),
        (_("Hours"), _hours),
    ]


def _shares(told: LatencyShares, *, as_json: bool) -> None:
    fields: list[tuple[str, object]] = [
        (_("Pairs of sites"), told.pairs),
        (_("Measured"), _of(told.measured, told.pairs)),
        (_("Only estimated"), _of(told.estimated, told.pairs)),
    ]
    fields += [(_("Within {n}").format(n=_class(kind)), _of(n, told.pairs)) for kind, n in told.within.items()]
    record(told, fields, as_json=as_json)


def _of(count: int, pairs: int) -> str:
    return f"{count} ({count / pairs:.1%})" if pairs else str(count)


@commands.command(
    "path",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Show the way from one site to another: each figure with its grade and age, and the best relay."),
)
def _path(start: Start, end: End, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        told = hub.links.path(start, end)
    if as_json:
        print_json(told.model_dump(mode="json"))
        return
    if told.direct is None:
        say(_("Nothing is known of a direct way from {start} to {end}.").format(start=start, end=end))
    else:
        record(told, _fields(told.direct), as_json=False)
    if told.others:
        say("")
        say(_("Other links that lead there directly:"))
        table(told.others, _columns())
    say("")
    say(_WHY[told.why]())
    if told.relay is not None:
        _relay(told)


def _relay(told: PathView) -> None:
    fields: list[tuple[str, object]] = [
        (_("Relay"), told.relay or ""),
        (_("One way"), "" if told.relay_one_way_ms is None else f"{told.relay_one_way_ms:f} ms"),
        (_("Throughput of a stream"), _mbps(told.relay_mbps)),
        (_("Throughput of a copy that is whole there first"), _mbps(told.relay_copy_mbps)),
        (_("Price"), _price(told.relay_cny_per_gb or Decimal(0))),
    ]
    record(told, fields, as_json=False)
    say("")
    table(told.legs, _columns())


def _fields(one: LinkView) -> list[tuple[str, object]]:
    fields: list[tuple[str, object]] = [
        (_("Link between sites"), one.name or _("none is offered")),
        (_("Carrier"), one.carrier or ""),
        (_("One way"), _latency(one)),
        (_("Class"), _class(one.latency_class)),
        (_("Jitter"), "" if one.jitter_ms is None else f"{one.jitter_ms:f} ms"),
        (_("Loss"), "" if one.loss is None else f"{one.loss:.1%}"),
        (_("Throughput"), _throughput(one)),
        (_("Price"), _price(one.cny_per_gb)),
        (_("Hours"), _hours(one)),
        (_("Measured"), when(one.measured_at)),
        (_("Throughput measured"), when(one.mbps_measured_at)),
        (_("Samples"), one.samples or ""),
        (_("How it is known"), one.source),
    ]
    if one.courier_hours is not None and one.courier_bytes is not None:
        carried = _("{gb} GB in {hours} h").format(gb=f"{one.courier_bytes / _GB:,.0f}", hours=f"{one.courier_hours:f}")
        fields.append((_("A tour"), carried))
    return fields


def _latency(one: LinkView) -> str:
    if one.one_way_ms is None or one.latency_grade is None:
        return _("unknown")
    return f"{one.one_way_ms:f} ms ({_graded(one.latency_grade, one.measured_at)})"


def _throughput(one: LinkView) -> str:
    if one.mbps is None or one.mbps_grade is None:
        return _("unknown")
    if one.courier:
        return _("{rate}, by courier").format(rate=_mbps(one.mbps))
    return f"{_mbps(one.mbps)} ({_graded(one.mbps_grade, one.mbps_measured_at)})"


def _graded(grade: LinkGrade, at: datetime | None) -> str:
    """How a figure is known, and how long ago."""
    if grade is not LinkGrade.MEASURED or at is None:
        return _GRADES[grade]()
    minutes = max(int((datetime.now(UTC) - at).total_seconds() // 60), 0)
    age = _("{n} min ago").format(n=minutes) if minutes < 120 else _("{n} h ago").format(n=minutes // 60)  # noqa: PLR2004 - two hours
    return f"{_GRADES[grade]()}, {age}"


def _class(kind: LinkClass | None) -> str:
    if kind is None:
        return ""
    return _("over 20 ms") if kind is LinkClass.FAR else kind.value.replace("ms", " ms")


def _mbps(rate: Decimal | None) -> str:
    return "" if rate is None else f"{rate.normalize():f} Mbit/s"


def _price(per_gb: Decimal) -> str:
    return f"{per_gb.normalize():f} CNY/GB"


def _hours(one: LinkView) -> str:
    return ", ".join(f"{span.start:%H:%M}-{span.end:%H:%M}" for span in one.hours) or _("always")


@_link.command(
    "offer",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Offer a link between two sites, by a YAML or JSON file or by options (carrier, provider)."),
)
def _offer(  # noqa: PLR0913, PLR0917 - each is an option of the command
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help=N_("The link: name, start, end, capacity_mbps ..."))
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help=N_("Its name."))] = None,
    start: Annotated[
        str | None, typer.Option("--start", metavar="SITE", help=N_("The first site, as platform/site."))
    ] = None,
    end: Annotated[
        str | None, typer.Option("--end", metavar="SITE", help=N_("The other site, as platform/site."))
    ] = None,
    mbps: Annotated[str | None, typer.Option("--mbps", metavar="RATE", help=N_("Its capacity in Mbit/s."))] = None,
    price: Annotated[str | None, typer.Option("--price", metavar="CNY", help=N_("CNY for a GB (10^9 bytes)."))] = None,
    latency: Annotated[
        str | None, typer.Option("--one-way-ms", metavar="MS", help=N_("Its latency one way, where you state it."))
    ] = None,
    hours: Annotated[
        list[str] | None,
        typer.Option(
            "--hours", metavar="HH:MM-HH:MM", help=N_("When it is open, in China Standard Time; may be repeated.")
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    said = {"name": name, "start": start, "end": end, "capacity_mbps": mbps, "cny_per_gb": price, "one_way_ms": latency}
    written = {key: value for key, value in said.items() if value is not None}
    if hours:
        written |= {"hours": [_span(text) for text in hours]}  # type: ignore[dict-item]  # read below
    if file is None and not written:
        wrong = _("Neither a file nor options say which link.")
        raise InvalidError("field_invalid", wrong, todo=_("Write FILE, or --name, --start, --end and --mbps."))
    new = read(NewLink, {**(parse(file) if file is not None else {}), **written})
    with open_hub() as hub:
        made = hub.links.offer(new)
    record(made, [(_("From site"), made.start), (_("To site"), made.end), *_fields(made)], as_json=as_json)


def _span(text: str) -> dict[str, str]:
    start, _dash, end = text.partition("-")
    return {"start": start, "end": end}


@_link.command(
    "withdraw",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Offer a link no more; not while somebody holds a part of it (its carrier, operator)."),
)
def _withdraw(name: LinkName, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        hub.links.withdraw(name)
    if as_json:
        print_json({"name": name, "withdrawn": True})
    else:
        say(_("{name} is offered no more.").format(name=name))


@_link.command(
    "reserve",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Hold a part of a link from one moment until another; what is held is nobody else's (buyer)."),
)
def _reserve(
    name: LinkName,
    mbps: Annotated[str, typer.Option("--mbps", metavar="RATE", help=N_("How much of it, in Mbit/s."))],
    start: Annotated[
        str, typer.Option("--from", metavar="TIME", help=N_("From when on, such as 2026-05-04T22:00+08:00."))
    ],
    end: Annotated[str, typer.Option("--until", metavar="TIME", help=N_("Until when."))],
    as_json: AsJson = False,
) -> None:
    new = read(NewReservation, {"link": name, "start": start, "end": end, "mbps": mbps})
    with open_hub() as hub:
        made = hub.links.reserve(new)
    record(made, [(title, value(made)) for title, value in _held()], as_json=as_json)


def _held() -> Sequence[tuple[str, Callable[[Reservation], object]]]:
    return [
        (_("Link between sites"), lambda one: one.link),
        (_("Account"), lambda one: one.account),
        (_("From"), lambda one: when(one.start)),
        (_("Until"), lambda one: when(one.end)),
        (_("Held"), lambda one: _mbps(one.mbps)),
        (_("Price"), lambda one: money(one.cost_cny)),
        (_("Given back"), lambda one: when(one.ended_at)),
        (_("Id"), lambda one: one.id),
    ]


@_link.command(
    "reservations",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("List your reservations; a carrier's: those of its links."),
)
def _reservations(as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(hub.links.reservations(), _held(), as_json=as_json)


@_link.command(
    "give-back", cls=Command, options_metavar=OPTIONS, help=N_("Give back what is left of a reservation (buyer).")
)
def _give_back(
    reservation: Annotated[str, typer.Argument(metavar="ID", help=N_("The reservation's id."))],
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        made = hub.links.give_back(reservation)
    record(made, [(title, value(made)) for title, value in _held()], as_json=as_json)


_GRADES: Final = {
    LinkGrade.MEASURED: lambda: _("measured"),
    LinkGrade.DECLARED: lambda: _("declared"),
    LinkGrade.ESTIMATED: lambda: _("estimate"),
}
_WHY: Final = {
    PathWhy.QUICKER: lambda: _("Over a relay a copy is there sooner:"),
    PathWhy.CHEAPER: lambda: _("Over a relay it is cheaper:"),
    PathWhy.ONLY_WAY: lambda: _("Only over a relay is a throughput known:"),
    PathWhy.DIRECT: lambda: _("No relay is better than the direct way."),
    PathWhy.UNKNOWN: lambda: _(
        "Whether a relay is better cannot be said: the throughput of the direct way is unknown."
    ),
}
