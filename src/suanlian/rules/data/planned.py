"""All transfers planned together over links, hours and reservations: ``rules.transfers.plan`` in its terms. Pure.

That plan knows sites; here storage is asked who reaches whom. A transfer is handed over with the copies from which a
direct way leads, and an answer over a third site stands only where S3 storage there is reached by both sides. What
finds no place there goes as ``rules/data/ways.plan_simply`` says: at once.

A link that a carrier offers is kept to: what goes over it is paced by windows. Between sites of which only
measurements are known, or nothing, there is nothing to keep to: what goes there goes as fast as it can.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from suanlian.model.data import StorageKind
from suanlian.model.data_protocol import Window
from suanlian.model.transfer_plan import Changed, GoingTransfer, NoWay, Planned, Source, StoragePlace, WaitingTransfer
from suanlian.rules.data.bringing import ASSUMED_MBPS
from suanlian.rules.data.reach import Reach, reach_between
from suanlian.rules.data.ways import plan_simply, ready
from suanlian.rules.links.reserving import is_open
from suanlian.rules.transfers.plan import Plan, Way, plan
from suanlian.rules.transfers.plan import Planned as Found
from suanlian.rules.transfers.problem import (
    MAX_LINKS,
    MAX_RESERVED,
    MAX_SOURCES,
    Going,
    Link,
    Problem,
    Reserved,
    Transfer,
    TransfersError,
)
from suanlian.rules.transfers.problem import Source as From

MOST: Final = 500
"""So many transfers are planned together, the most urgent ones; the others go as ``plan_simply`` says."""
GRACE: Final = timedelta(minutes=2)
"""After its last hour a transfer has so long more, and a quarter of its time: it began late, or the link is slower."""
_URGENT: Final = 1000.0
_AHEAD: Final = 10.0
_LONGEST_S: Final = 14 * 86_400.0
_MOST_STEPS: Final = 9
_OTHERS: Final = "\0"
"""An account that nobody has: what is taken already is reserved for it."""
_STEP: Final = Decimal("0.000001")
_RATE: Final = Decimal("0.001")
_MEGA: Final = 1_000_000
_BITS: Final = 8
_LEAST_MBPS: Final = 0.01
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """All that is planned together at a moment. ``links`` and ``reserved`` as ``services.links.for_plan`` has them."""

    waiting: Sequence[WaitingTransfer]
    going: Sequence[GoingTransfer]
    links: Sequence[Link]
    reserved: Sequence[Reserved]
    moment: datetime


class Answers(NamedTuple):
    """A decision for each transfer that waits, and what changes of those that go on."""

    decided: list[Planned | NoWay]
    changed: list[Changed]


def plan_transfers(asked: Asked) -> Answers:
    """Plan them. Each answer is a way that ``rules/data/reach`` allows."""
    simple = {one.transfer_id: one for one in plan_simply(asked.waiting, asked.moment)}
    net = _Net(asked)
    direct = [one for one in asked.waiting if _is_direct(simple[one.id])][:MOST]
    found = _placed(net, direct, asked)
    decided: list[Planned | NoWay] = []
    for one in asked.waiting:
        said = simple[one.id]
        if isinstance(said, Planned) and said.via:
            said = _relayed(one, net) or said
        decided.append(found.decided.get(one.id, said))
    return Answers(decided, found.changed)


def pairs_of(waiting: Iterable[WaitingTransfer]) -> set[Pair]:
    """Between which sites transfers may go directly."""
    return {
        (source.place.where, one.target.where)
        for one in waiting
        for source in one.sources
        if source.place.where != one.target.where
    }


def _is_direct(said: Planned | NoWay) -> bool:
    return isinstance(said, Planned) and not said.via


class _Net:
    """Links as they are now: wires alone, slow ones with what went there; of pairs without any the assumed rate."""

    def __init__(self, asked: Asked) -> None:
        known = [one for one in asked.links if one.courier is None and one.mbps > 0]
        have = {(one.start, one.end) for one in known}
        every = [*asked.waiting, *(one.transfer for one in asked.going)]
        self.guesses = {
            f"{a}>{b}": Link(f"{a}>{b}", a, b, float(ASSUMED_MBPS)) for a, b in sorted(pairs_of(every) - have)
        }
        slow = {(one.slow[0], one.target.where): one.slow[1] for one in every if one.slow is not None}
        self.links = [
            replace(one, mbps=max(min(one.mbps, slow.get((one.start, one.end), one.mbps)), _LEAST_MBPS))
            for one in (*known, *self.guesses.values())
        ]
        self.by_name = {one.name: one for one in self.links}
        self.best = dict[Pair, Link]()
        for one in self.links:
            before = self.best.get((one.start, one.end))
            if before is None or one.mbps > before.mbps:
                self.best[one.start, one.end] = one
        self.moment = asked.moment

    def is_sold(self, name: str) -> bool:
        """Whether a carrier offers it: a link that nobody offers is called by its ends."""
        return ">" not in name


class _Outcome(NamedTuple):
    decided: dict[str, Planned | NoWay]
    changed: list[Changed]


def _placed(net: _Net, direct: Sequence[WaitingTransfer], asked: Asked) -> _Outcome:
    """By the plan: first with ways over third sites; those that are none of these again without, beside the others."""
    kept, open_ = _sorted_out(net, asked)
    reserved = [one for one in asked.reserved if one.link in net.by_name] + kept
    first = _plan(
        net,
        [*(_transfer(net, one) for one in direct), *(_under_way(net, one) for one in open_)],
        reserved,
        _relays(direct),
    )
    if first is None:
        return _Outcome({}, [])
    by_id = {one.id: one for one in first.transfers}
    decided = dict[str, Planned | NoWay]()
    again = list[WaitingTransfer]()
    for one in direct:
        said = _answer(net, one, by_id[one.id])
        if said is not None:
            decided[one.id] = said
        elif by_id[one.id].way is Way.RELAY:
            again.append(one)
    told = [_change(net, one, by_id[one.transfer.id]) for one in open_]
    changed = [one for one in told if one is not None]
    if again:
        taken = [_held(net, found) for found in first.transfers if found.id not in {one.id for one in again}]
        others = [held for spans in taken for held in spans]
        second = _plan(net, [_transfer(net, one) for one in again], [*reserved, *others], {})
        for one, found in zip(again, () if second is None else second.transfers, strict=False):
            said = _answer(net, one, found)
            if said is not None:
                decided[one.id] = said
    return _Outcome(decided, changed)


def _plan(
    net: _Net, transfers: Sequence[Transfer], reserved: Sequence[Reserved], relays: Mapping[str, float]
) -> Plan | None:
    """None where it is too much for one plan: then each goes by itself."""
    if not transfers or len(net.links) > MAX_LINKS or len(reserved) > MAX_RESERVED:
        return None
    try:
        return plan(Problem(tuple(transfers), tuple(net.links), net.moment, tuple(reserved), relays))
    except TransfersError:
        return None


def _direct_sources(one: WaitingTransfer) -> list[Source]:
    """Copies from which it may come without a third place, the cheapest first."""
    found = [
        source
        for source in one.sources
        if ready(source.place) and reach_between(source.place, one.target, one.largest) is not Reach.NONE
    ]
    return sorted(found, key=lambda source: (source.place.share.egress_cny_per_gb, source.replica_id))[:MAX_SOURCES]


def _transfer(net: _Net, one: WaitingTransfer) -> Transfer:
    sources = _direct_sources(one)
    return Transfer(
        id=one.id,
        bytes=one.bytes,
        target=one.target.where,
        sources=tuple(
            From(source.place.where, float(source.place.share.egress_cny_per_gb), source.replica_id)
            for source in sources
        ),
        account=one.account,
        deadline=_due(net, one, sources),
        weight=_weight(one),
    )


def _due(net: _Net, one: WaitingTransfer, sources: Sequence[Source]) -> datetime | None:
    """Its deadline; what work waits for is to be there in twice the time that it would take alone."""
    if not one.urgent:
        return one.deadline
    links = [net.best.get((source.place.where, one.target.where)) for source in sources]
    best = max((link.mbps for link in links if link is not None), default=float(ASSUMED_MBPS))
    hurry = net.moment + GRACE + timedelta(seconds=min(2 * one.bytes * _BITS / _MEGA / best, _LONGEST_S))
    return hurry if one.deadline is None else min(one.deadline, hurry)


def _weight(one: WaitingTransfer) -> float:
    """What work waits for goes first; each step of priority doubles it."""
    base = _URGENT if one.urgent else _AHEAD if one.ahead else 1.0
    return float(base * 2.0 ** max(-_MOST_STEPS, min(_MOST_STEPS, one.priority)))


def _relays(direct: Sequence[WaitingTransfer]) -> dict[str, float]:
    """Sites with S3 storage that is open, and what leaves there costs at least."""
    found = dict[str, float]()
    for one in direct:
        for place in one.relays:
            if place.share.kind is StorageKind.S3 and ready(place) and not one.is_relay:
                price = float(place.share.egress_cny_per_gb)
                found[place.where] = min(found.get(place.where, price), price)
    return found


def _answer(net: _Net, one: WaitingTransfer, found: Found) -> Planned | None:
    """The plan's word for a transfer; None where it is none, or a way that nobody can go."""
    source = next((s for s in one.sources if found.source is not None and s.replica_id == found.source.storage), None)
    if source is None or found.way is Way.NONE or (found.way is not Way.HERE and not found.windows):
        return None
    cost = Decimal(found.cost_cny).quantize(_STEP)
    if found.way is Way.RELAY:
        place = None if any(name in net.guesses for name in found.links) else _between(one, source, found.relay or "")
        if place is None:
            return None
        first = max((span.end for span in found.windows if span.leg == 0), default=None)
        push = reach_between(source.place, place, one.largest) is Reach.PUSH
        return Planned(one.id, source.replica_id, push=push, via=place.id, ends_at=first, cost_cny=cost)
    push = reach_between(source.place, one.target, one.largest) is Reach.PUSH
    paced = _windows(net, found)
    rate = max((Decimal(span.mbps).quantize(_RATE) for span in found.windows), default=None)
    return Planned(
        one.id,
        source.replica_id,
        push=push,
        begins_at=found.begins,
        ends_at=found.ends,
        windows=paced,
        rate_mbps=rate,
        cost_cny=cost,
    )


def _between(one: WaitingTransfer, source: Source, site: str) -> StoragePlace | None:
    """The storage at a site over which it can go; the cheapest."""
    if one.is_relay:
        return None
    found = [place for place in one.relays if place.where == site and _leads(one, source, place)]
    return min(found, key=lambda place: (place.share.egress_cny_per_gb, place.ref), default=None)


def _leads(one: WaitingTransfer, source: Source, place: StoragePlace) -> bool:
    return (
        place.share.kind is StorageKind.S3
        and ready(place)
        and place.has_room(one.bytes)
        and reach_between(source.place, place, one.largest) is not Reach.NONE
        and reach_between(place, one.target, one.largest) is not Reach.NONE
    )


def _windows(net: _Net, found: Found) -> tuple[Window, ...]:
    """Its hours on a link that is sold, the last one with a while more; of others none."""
    if not found.links or not net.is_sold(found.links[0]) or not found.windows:
        return ()
    told = [
        Window(start=span.start, end=span.end, mbps=Decimal(span.mbps).quantize(_RATE))
        for span in found.windows
        if span.end > span.start and span.mbps >= float(_RATE)
    ]
    if not told:
        return ()
    last = told[-1]
    more = GRACE + (last.end - told[0].start) / 4
    if is_open(net.by_name[found.links[0]].hours, last.end, last.end + more):
        told.append(Window(start=last.end, end=last.end + more, mbps=last.mbps))
    return tuple(told)


def _held(net: _Net, found: Found) -> list[Reserved]:
    """What one takes of links that are sold, so that others leave it that."""
    return [
        Reserved(span.link, _OTHERS, span.start, span.end, span.mbps)
        for span in found.windows
        if span.end > span.start and span.link in net.by_name
    ]


def _sorted_out(net: _Net, asked: Asked) -> tuple[list[Reserved], list[GoingTransfer]]:
    """What goes on as it is, as what it takes of its link; and what is planned again beside those that wait."""
    kept, open_ = list[Reserved](), list[GoingTransfer]()
    for one in asked.going[:MOST]:
        source = next((s for s in one.transfer.sources if s.replica_id == one.source_replica_id), None)
        if source is None or source.place.where == one.transfer.target.where:
            continue
        link = net.best.get((source.place.where, one.transfer.target.where))
        if link is None or (one.windows and one.transfer.slow is None and _suffice(one, asked.moment)):
            name = "" if link is None else link.name
            kept += [
                Reserved(name, _OTHERS, max(span.start, asked.moment), span.end, float(span.mbps))
                for span in one.windows
                if name and span.end > asked.moment
            ]
        else:
            open_.append(one)
    return kept, open_


def _suffice(one: GoingTransfer, now: datetime) -> bool:
    """Whether what is left of its hours is enough for what is left of it."""
    seconds = ((span.end - max(span.start, now)).total_seconds() * float(span.mbps) for span in one.windows)
    return sum(max(0.0, each) for each in seconds) * _MEGA / _BITS >= one.transfer.bytes


def _under_way(net: _Net, one: GoingTransfer) -> Transfer:
    source = next(s for s in one.transfer.sources if s.replica_id == one.source_replica_id)
    link = net.best[source.place.where, one.transfer.target.where]
    # only where it is too slow it looks for another source
    asked = one.transfer if one.transfer.slow is not None else replace(one.transfer, sources=(source,))
    return replace(_transfer(net, asked), going=Going(source.place.where, (link.name,)))


def _change(net: _Net, one: GoingTransfer, found: Found) -> Changed | None:
    """Other hours for what goes on; another source only where it is too slow. It leaves no way for one over a third."""
    if found.way is not Way.DIRECT or found.source is None:
        return None
    if found.source.storage != one.source_replica_id:
        return Changed(one.transfer.id, one.source_replica_id, anew=True)
    windows = _windows(net, found)
    if windows == one.windows:
        return None
    rate = max((span.mbps for span in windows), default=None)
    return Changed(one.transfer.id, one.source_replica_id, windows, found.ends, rate)


def _relayed(one: WaitingTransfer, net: _Net) -> Planned | None:
    """For one without a direct way: the storage between over which it is there first, the cheapest of equal ones."""
    ways = [
        (*_both(one, source, place, net), place.ref, source.replica_id, source, place)
        for source in one.sources
        for place in one.relays
        if not one.is_relay and ready(source.place) and _leads(one, source, place)
    ]
    if not ways:
        return None
    _hours, cost, _ref, _id, source, place = min(ways, key=lambda way: way[:4])
    push = reach_between(source.place, place, one.largest) is Reach.PUSH
    return Planned(one.id, source.replica_id, push=push, via=place.id, cost_cny=Decimal(cost).quantize(_STEP))


def _both(one: WaitingTransfer, source: Source, place: StoragePlace, net: _Net) -> tuple[float, float]:
    """Hours and CNY of both legs."""
    hours, gb = 0.0, one.bytes / 1e9
    cost = gb * float(source.place.share.egress_cny_per_gb + place.share.egress_cny_per_gb)
    for start, end in ((source.place.where, place.where), (place.where, one.target.where)):
        if start != end:
            link = net.best.get((start, end))
            hours += one.bytes * _BITS / _MEGA / (float(ASSUMED_MBPS) if link is None else link.mbps) / 3600
            cost += gb * (0.0 if link is None else link.cny_per_gb)
    return round(hours, 6), cost
