"""In which class of East Data West Computing does a latency lie, and how many pairs of sites are within each?"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from suanlian.model.link import LatencyShares, LinkClass, LinkGrade, LinkView

BOUNDS: Final = ((Decimal(1), LinkClass.CITY), (Decimal(5), LinkClass.REGION), (Decimal(20), LinkClass.HUB))
"""Milliseconds one way, up to which a class reaches."""


def latency_class(one_way_ms: Decimal) -> LinkClass:
    """The class of a one-way latency; its bound belongs to it."""
    return next((kind for most, kind in BOUNDS if one_way_ms <= most), LinkClass.FAR)


def shares(views: Iterable[LinkView], pairs: int) -> LatencyShares:
    """Of ``pairs`` pairs of sites, those measured within 1, 5 and 20 ms; the best view of a pair counts."""
    best: dict[tuple[str, str], tuple[bool, Decimal]] = {}
    for one in views:
        if one.one_way_ms is None or one.latency_grade is LinkGrade.DECLARED:
            continue
        key, score = (one.start, one.end), (one.latency_grade is not LinkGrade.MEASURED, one.one_way_ms)
        best[key] = min(best.get(key, score), score)
    measured = [one_way for guessed, one_way in best.values() if not guessed]
    within = {kind: sum(one <= most for one in measured) for most, kind in BOUNDS}
    return LatencyShares(pairs=pairs, measured=len(measured), estimated=len(best) - len(measured), within=within)
