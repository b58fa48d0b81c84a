"""Which way is better, the direct one or one over a third site? By throughput and price, as far as they are known."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from suanlian.model.link import LinkView, PathView, PathWhy
from suanlian.rules.transfers.problem import Courier, Link

WORTH: Final = Decimal("0.2")
"""A relay has to be quicker, or cheaper, by such a share: less is not worth a second copy."""
_STEP: Final = Decimal("0.001")
_NO_EGRESS: Final[Mapping[str, Decimal]] = {}


class _Over(NamedTuple):
    site: str
    legs: tuple[LinkView, LinkView]
    copied: Decimal
    price: Decimal


def path(
    start: str,
    end: str,
    views: Sequence[LinkView],
    relays: Collection[str],
    egress: Mapping[str, Decimal] = _NO_EGRESS,
) -> PathView:
    """The best direct link and the best relay, where that is better.

    Args:
        start: a site.
        end: a site.
        views: of all pairs of sites that matter.
        relays: sites where a copy may stand between.
        egress: CNY that a GB costs that leaves a relay.
    """
    by_pair: dict[tuple[str, str], list[LinkView]] = defaultdict(list)
    for one in views:
        by_pair[one.start, one.end].append(one)
    direct = sorted(by_pair[start, end], key=_best_first)
    over = _over(start, end, by_pair, sorted(set(relays) - {start, end}), egress)
    first = direct[0] if direct else None
    best, why = _better(first, over)
    told = PathView(start=start, end=end, direct=first, others=tuple(direct[1:]), why=why)
    return told if best is None else told.model_copy(update=_shown(best))


def _best_first(one: LinkView) -> tuple[bool, Decimal, Decimal, str]:
    """Wires before couriers, the quickest, the cheapest."""
    return one.courier, -(one.mbps or Decimal(0)), one.cny_per_gb, one.name or ""


def _over(
    start: str,
    end: str,
    by_pair: Mapping[tuple[str, str], list[LinkView]],
    relays: Sequence[str],
    egress: Mapping[str, Decimal],
) -> list[_Over]:
    """Wires over each relay, by each pair of links of known throughput."""
    found = []
    for site in relays:
        for first in by_pair.get((start, site), ()):
            for second in by_pair.get((site, end), ()):
                if first.courier or second.courier or not first.mbps or not second.mbps:
                    continue
                copied = (first.mbps * second.mbps / (first.mbps + second.mbps)).quantize(_STEP)
                price = first.cny_per_gb + second.cny_per_gb + egress.get(site, Decimal(0))
                found.append(_Over(site, (first, second), copied, price))
    return found


def _better(direct: LinkView | None, over: Sequence[_Over]) -> tuple[_Over | None, PathWhy]:
    if direct is None:
        quickest = min(over, key=_quick, default=None)
        return quickest, PathWhy.UNKNOWN if quickest is None else PathWhy.ONLY_WAY
    if direct.mbps is None:
        return None, PathWhy.UNKNOWN
    quicker = [one for one in over if one.copied > direct.mbps * (1 + WORTH)]
    if quicker:
        return min(quicker, key=_quick), PathWhy.QUICKER
    cheaper = [one for one in over if one.price < direct.cny_per_gb * (1 - WORTH)]
    if cheaper:
        return min(cheaper, key=lambda one: (one.price, *_quick(one))), PathWhy.CHEAPER
    return None, PathWhy.DIRECT


def _quick(one: _Over) -> tuple[Decimal, Decimal, str]:
    return -one.copied, one.price, one.site


def _shown(best: _Over) -> dict[str, object]:
    first, second = best.legs
    one_way = None
    if first.one_way_ms is not None and second.one_way_ms is not None:
        one_way = first.one_way_ms + second.one_way_ms
    return {
        "relay": best.site,
        "legs": best.legs,
        "relay_mbps": min(first.mbps or Decimal(0), second.mbps or Decimal(0)),
        "relay_copy_mbps": best.copied,
        "relay_one_way_ms": one_way,
        "relay_cny_per_gb": best.price,
    }


def as_link(view: LinkView, assumed_mbps: float | None = None) -> Link | None:
    """A view as the planner of transfers takes it; None where nothing is known of its rate and none is assumed.

    A link without a name of its own is called ``start>end``.
    """
    rate = float(view.mbps) if view.mbps is not None else assumed_mbps
    if rate is None:
        return None
    courier = None
    if view.courier_hours is not None and view.courier_bytes is not None:
        courier = Courier(float(view.courier_hours), view.courier_bytes)
    return Link(
        name=view.name or f"{view.start}>{view.end}",
        start=view.start,
        end=view.end,
        mbps=rate,
        cny_per_gb=float(view.cny_per_gb),
        hours=view.hours,
        courier=courier,
    )
