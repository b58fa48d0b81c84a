"""How long may a round trip between two places take? `network_places.csv`, `rtt_estimate.csv`: an estimate by distance.

Twelve places of the East Data West Computing hubs; a site counts as the one in its city, else as the one of its
province. There is no more: of two sites of one province nothing is said unless both lie in the city of its place.
"""

import csv
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

SOURCE: Final = "estimate by great-circle distance, 0.0236 ms/km + 0.5 ms; not measured"
"""Named wherever a figure of the table is shown."""
_PROVINCE: Final = 2


class Estimate(NamedTuple):
    """Milliseconds there and back, and the km of the great circle. ``coarse``: a site counts as one of its province."""

    rtt_ms: Decimal
    km: int
    start: str
    end: str
    coarse: bool


class _Place(NamedTuple):
    name: str
    in_city: bool


@cache
def places() -> Mapping[str, str]:
    """The places by the first digits of the GB/T 2260 code of their cities, two of them for a municipality."""
    return {row["region"]: row["place"] for row in _rows("network_places.csv")}


@cache
def _table() -> Mapping[tuple[str, str], tuple[Decimal, int]]:
    return {
        (row["src"], row["dst"]): (Decimal(row["rtt_ms_typical"]), int(row["great_circle_km"]))
        for row in _rows("rtt_estimate.csv")
    }


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((files("suanlian.data") / name).read_text(encoding="utf-8").splitlines()))


@cache
def _place(region: str) -> _Place | None:
    """The place in a region's city, else the one of its province."""
    for code, name in places().items():
        if region.startswith(code):
            return _Place(name, in_city=True)
    for code, name in places().items():
        if region[:_PROVINCE] == code[:_PROVINCE]:
            return _Place(name, in_city=False)
    return None


def estimated(start: str, end: str) -> Estimate | None:
    """Between the sites of two GB/T 2260 codes of six digits; None where the table cannot say."""
    here, there = _place(start), _place(end)
    if here is None or there is None:
        return None
    coarse = not (here.in_city and there.in_city)
    if coarse and here.name == there.name:
        return None
    rtt, km = _table()[here.name, there.name]
    return Estimate(rtt, km, here.name, there.name, coarse)
