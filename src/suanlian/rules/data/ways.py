"""The simplest way of each transfer, for itself and now: direct from the cheapest copy, else by one S3 storage. Pure.

It knows no links, hours or other transfers: ``rules/data/planned.py`` does, and falls back to this where it finds no
place.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from suanlian.model.data import StorageKind
from suanlian.model.transfer_plan import NoWay, Planned, Source, StoragePlace, WaitingTransfer
from suanlian.rules.data.reach import Reach, reach_between

_GB = 10**9


def plan_simply(waiting: Sequence[WaitingTransfer], _now: datetime) -> list[Planned | NoWay]:
    """A way for each transfer, or why there is none."""
    return [_plan(one) for one in waiting]


def _plan(one: WaitingTransfer) -> Planned | NoWay:
    if not one.sources:
        return NoWay(one.id, "source_gone", "no copy is left from which it could come", over=True)
    ways = [(source, reach_between(source.place, one.target, one.largest)) for source in one.sources]
    direct = [(source, way) for source, way in ways if way is not Reach.NONE]
    able = [(source, way) for source, way in direct if ready(source.place)]
    if not ready(one.target):
        return NoWay(one.id, "unreachable", f"{one.target.ref} is not heard of, or has told no key to seal to")
    if able:
        source, way = min(able, key=lambda pair: _price(pair[0], one.bytes))
        return Planned(one.id, source.replica_id, push=way is Reach.PUSH, cost_cny=_egress(source, one.bytes))
    if direct:
        return NoWay(one.id, "unreachable", f"{direct[0][0].place.ref} is not heard of, or has told no key to seal to")
    return _over_a_third(one)


def _over_a_third(one: WaitingTransfer) -> Planned | NoWay:
    """By S3 storage that both sides reach."""
    if not one.is_relay:
        found = [
            (source, relay)
            for source in one.sources
            for relay in one.relays
            if relay.share.kind is StorageKind.S3
            and ready(source.place)
            and ready(relay)
            and relay.has_room(one.bytes)
            and reach_between(source.place, relay, one.largest) is not Reach.NONE
            and reach_between(relay, one.target, one.largest) is not Reach.NONE
        ]
        if found:
            source, relay = min(found, key=lambda pair: _price_over(pair[0], pair[1], one.bytes))
            push = reach_between(source.place, relay, one.largest) is Reach.PUSH
            return Planned(one.id, source.replica_id, push=push, via=relay.id)
    froms = ", ".join(sorted({source.place.ref for source in one.sources})[:3])
    wrong = f"no way leads from {froms} to {one.target.ref}: neither side can call the other, and no S3 storage between"
    return NoWay(one.id, "no_way", wrong[:200], over=True)


def ready(place: StoragePlace) -> bool:
    """Whether storage can be read or written now: its connector is heard of and has told a key to seal to."""
    return place.reachable and not place.withdrawn and bool(place.sealing_key)


def _egress(source: Source, size: int) -> Decimal:
    return (source.place.share.egress_cny_per_gb * size / _GB).quantize(Decimal("0.000001"))


def _price(source: Source, size: int) -> tuple[bool, Decimal, str, str]:
    return source.doubted, _egress(source, size), source.place.ref, source.replica_id


def _price_over(source: Source, relay: StoragePlace, size: int) -> tuple[bool, Decimal, str, str]:
    both = _egress(source, size) + _egress(Source("", relay), size)
    return source.doubted, both, relay.ref, source.replica_id
