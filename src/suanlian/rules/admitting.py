"""Which places may run which waiting jobs? The filters of placement as a table of bits, for thousands of jobs.

Every answer comes from the checks that an explanation asks too (``rules.feasibility``). Most of them do not ask how
much a job wants nor for how long: what they say of a place is kept, until what they read of the place is another.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from suanlian.model.demand import Prefer
from suanlian.model.job import JobSpec
from suanlian.model.place import Demand, Place
from suanlian.model.placement import ASKED, Filter
from suanlian.model.quantity import ResourceKind, Resources
from suanlian.rules.feasibility import CHECKS, Question
from suanlian.rules.levels import footing, level_grade

Bits = npt.NDArray[np.uint32]
"""[M] of each place, a bit for each variant of the job that may run there."""
Amounts = npt.NDArray[np.int64]
"""[M, kinds] in base units, in the order of ``KINDS``."""

KINDS: Final = tuple(ResourceKind)
NUMERIC: Final = frozenset(
    {Filter.NODE_SIZE, Filter.SHARE_SIZE, Filter.ROOM, Filter.CLOSING, Filter.MAX_COST, Filter.CARBON}
)
"""Filters that ask how much a job wants, for how long, at what cost or emitting how much."""
OF_A_TASK: Final = frozenset({Filter.ELSEWHERE, Filter.OWNER_REFUSED, Filter.DATA})
"""Filters that ask what became of earlier attempts of one task, and where its data may come."""
LASTING: Final = tuple(name for name in ASKED if name not in NUMERIC | OF_A_TASK)
"""Filters whose answers are kept."""

MOST_KEPT: Final = 20_000
"""So many kinds of jobs are remembered; beyond it everything is forgotten, and asked again."""


def kind_of(demand: Demand) -> Hashable:
    """All of a demand that ``LASTING`` filters ask of, and what it reads: equal ones are answered alike."""
    spec = demand.spec
    wants = spec.wants.model_copy(update={"max_cost": None, "max_g_co2": None, "detour": None, "prefer": Prefer.COST})
    kinds = frozenset(kind for kind, amount in spec.resources.base().items() if amount)
    grace = None if spec.checkpoint is None else spec.checkpoint.grace_s
    asked = (
        spec.variants,
        wants,
        spec.features,
        bool(spec.secrets),
        kinds,
        grace,
        spec.job_class,
        spec.data,
        bool(spec.save),
    )
    return (*asked, demand.entity, demand.lender, demand.order, level_grade(spec.wants, demand.levels))


def stamp_of(place: Place, now: datetime) -> Hashable:
    """All of a place that ``LASTING`` filters read; what time changes of it is in it by value."""
    offer = place.offer
    valid = offer is not None and (offer.valid_from is None or offer.valid_from <= now)
    standing = (place.platform_live, place.accepting, place.admitted, place.seals, place.level, place.partners)
    return (place.share_id, place.versions, place.entity, valid, footing(place.site, place.check, now), *standing)


@dataclass(slots=True)
class _Answer:
    """What was said of one kind of job, and of what state of the places."""

    catalogue: int
    bits: Bits


@dataclass(slots=True)
class Admissions:
    """What is remembered between looks. Not shared between threads."""

    _answers: dict[Hashable, _Answer] = field(default_factory=dict)
    _stamps: tuple[Hashable, ...] = ()
    _catalogue: int = 0
    asked: int = 0
    """How often checks were really asked, in places."""

    def of(
        self,
        demands: Sequence[Demand],
        places: Sequence[Place],
        now: datetime,
        rest: Callable[[], None] = lambda: None,
    ) -> list[Bits]:
        """The lasting answer for each demand, [M] of places each, for the places in their order.

        ``rest`` is called after each: others that wait for this processor may go first.
        """
        self._see(places, now)
        found = dict[int, Bits]()
        for demand in demands:  # many are the very same
            if id(demand) not in found:
                found[id(demand)] = self._answer(demand, places, now)
                rest()
        return [found[id(demand)] for demand in demands]

    def _see(self, places: Sequence[Place], now: datetime) -> None:
        stamps = tuple(stamp_of(place, now) for place in places)
        if stamps == self._stamps:
            return
        old = {stamp: n for n, stamp in enumerate(self._stamps)}
        source = np.array([old.get(stamp, -1) for stamp in stamps], dtype=np.int64)
        self._stamps, self._catalogue = stamps, self._catalogue + 1
        if len(self._answers) > MOST_KEPT:
            self._answers.clear()
        for known in self._answers.values():
            # of a place that is another or new nothing is known: it is asked again in `_answer`
            known.bits = _moved(known.bits, source)

    def _answer(self, demand: Demand, places: Sequence[Place], now: datetime) -> Bits:
        key = kind_of(demand)
        known = self._answers.get(key)
        if known is None:
            known = self._answers[key] = _Answer(0, np.full(len(places), _UNASKED, dtype=np.uint32))
        if known.catalogue != self._catalogue:
            for n in np.flatnonzero(known.bits == _UNASKED):
                known.bits[n] = _bits(demand, places[int(n)], now)
                self.asked += 1
            known.catalogue = self._catalogue
        return known.bits


_UNASKED: Final = 0xFFFFFFFF
"""No answer yet; a job has at most 16 variants."""


def _moved(bits: Bits, source: npt.NDArray[np.int64]) -> Bits:
    taken = np.full(len(source), _UNASKED, dtype=np.uint32)
    known = source >= 0
    taken[known] = bits[source[known]]
    return taken


def _bits(demand: Demand, place: Place, now: datetime) -> int:
    """A bit for each variant that passes all lasting filters here."""
    found = 0
    for number, variant in enumerate(demand.spec.variants):
        question = Question(demand, place, variant, now)
        if all(CHECKS[name](question) is None for name in LASTING):
            found |= 1 << number
    return found


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the places are, as tables of base units."""

    node: Amounts
    share: Amounts
    free: Amounts

    @classmethod
    def of(cls, places: Sequence[Place]) -> "Sizes":
        """Read them once for all jobs of a look; a place that is kept for a gang has nothing free."""
        free = [_row({}) if place.kept else _row(place.free.base()) for place in places]
        return cls(
            node=_table([_row(place.flavor.node.base()) for place in places]),
            share=_table([_row(place.share.capacity.base()) for place in places]),
            free=_table(free),
        )

    def hold(self, spec: JobSpec) -> npt.NDArray[np.bool_]:
        """[M] whether a place could hold one task when empty."""
        node, total = _array(spec.resources.base()), _array(spec.total.base())
        return _fits(node, self.node) & _fits(total, self.share)

    def have_room(self, spec: JobSpec) -> npt.NDArray[np.bool_]:
        """[M] whether a place has room for one task now."""
        return self.have_room_for(spec.total)

    def have_room_for(self, amount: Resources) -> npt.NDArray[np.bool_]:
        """[M] whether a place has room for so much now."""
        return _fits(_array(amount.base()), self.free)


def closes_too_soon(demand: Demand, places: Sequence[Place], now: datetime) -> list[int]:
    """The places, by number, that are to be empty before the job would be out of them."""
    asked = ((n, place) for n, place in enumerate(places) if place.closing is not None)
    variant = demand.spec.variants[0]
    return [n for n, place in asked if CHECKS[Filter.CLOSING](Question(demand, place, variant, now)) is not None]


def barred(demand: Demand, places: Sequence[Place]) -> list[int]:
    """The places, by number, that earlier attempts of this task keep it away from, or where its data cannot come."""
    shares = demand.avoid | demand.refused | {share for share, moving in demand.moving.items() if moving.wrong}
    return [n for n, place in enumerate(places) if place.share_id in shares] if shares else []


def _fits(wanted: Amounts, within: Amounts) -> npt.NDArray[np.bool_]:
    # of what is not wanted there may be less than nothing, as in a share that shrank
    fits: npt.NDArray[np.bool_] = ((wanted <= within) | (wanted == 0)).all(axis=1)
    return fits


def _row(base: Mapping[ResourceKind, int]) -> list[int]:
    return [base.get(kind, 0) for kind in KINDS]


def _array(base: Mapping[ResourceKind, int]) -> Amounts:
    return np.array(_row(base), dtype=np.int64)


def _table(rows: list[list[int]]) -> Any:  # noqa: ANN401 - Amounts, also of no rows
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(KINDS))
