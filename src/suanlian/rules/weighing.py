"""What counts beside the bill, for many jobs and places at once? The weights of an explanation as rows of arrays. Pure.

Carbon, latency, lateness and time, for one task, CNY. Only scarcity is not among them: that is what the matcher finds.
Rows are shared where jobs differ by size alone. Floating point: against an explanation they are off by its rounding.
"""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from suanlian.model.energy import Energy
from suanlian.model.ids import ShareId
from suanlian.model.job import JobSpec
from suanlian.model.owner import JoinLevel
from suanlian.model.place import Moving, Place
from suanlian.rules.energy import emission
from suanlian.rules.feasibility import latency_of
from suanlian.rules.matching.arrays import Floats
from suanlian.rules.placement import LATE_HOURS, LATENCY_CNY_PER_MS
from suanlian.rules.preferring import preset_of, time_weight
from suanlian.rules.pricing import data_cost

MOST_CELLS: Final = 4_000_000
"""Rows times places: of jobs beyond so many only carbon is weighed, so that a batch stays small enough to be sent."""
_HOUR_S: Final = 3600.0
_G_STEP: Final = 1e-3


class Weighed(NamedTuple):
    """``times`` the row ``row`` of the table: what one task of a job weighs at each place, CNY."""

    row: int
    times: float


class Task(NamedTuple):
    """One task as it is weighed: its spec, how many times faster than stated it is at each place [M], its rent [M]."""

    spec: JobSpec
    faster: Floats
    rent: Floats
    moving: Mapping[ShareId, Moving] = {}


class Weights:
    """The weights at these places. ``rows`` grows as jobs are weighed; the first one is nothing."""

    def __init__(self, places: Sequence[Place], energy: Energy, now: datetime) -> None:
        """What is known of the power at each place is worked out once."""
        self._places, self._energy, self._now = places, energy, now
        # where nothing is paid the explanation weighs nothing either
        self._paid = np.array([place.level is not JoinLevel.RUN for place in places], dtype=bool)
        self._grams = np.array([_grams(place, energy) for place in places], dtype=np.float64)
        self.rows: list[Floats] = [np.zeros(len(places))]
        self._numbers: dict[Hashable, int] = {}
        self._near: dict[str, Floats] = {}

    @property
    def table(self) -> Floats:
        """[V, M] CNY."""
        return np.stack(self.rows)

    def little_enough(self, spec: JobSpec, faster: Floats) -> npt.NDArray[np.bool_]:
        """[M] where a task stays within its own bound on CO2; nowhere where that is not known."""
        most = spec.wants.max_g_co2
        if most is None:
            return np.ones(len(self._places), dtype=bool)
        grams = self._grams * spec.total.accelerator * (spec.expected_s / _HOUR_S) / faster
        known = np.isfinite(grams) & (spec.total.accelerator > 0)
        return known & (np.rint(np.where(known, grams, 0.0) / _G_STEP) * _G_STEP <= float(most) * (1 + 1e-12))

    def of(self, task: Task, shared: Hashable) -> Weighed:
        """What it weighs. ``shared``: jobs of which this is equal are as fast everywhere.

        Jobs with a deadline that some place would miss, with a latency, or in a hurry have a row of their own.
        """
        size = task.spec.total.accelerator * task.spec.expected_s / _HOUR_S
        carbon = Weighed(self._carbon_row(task, shared), size) if size else Weighed(0, 0.0)
        brought = self._data(task)
        parts = (self._latency(task), self._lateness(task), self._time(task), brought)
        own = [part for part in parts if part is not None]
        if not own or (len(self.rows) + 1) * len(self._places) > MOST_CELLS:
            return carbon
        self.rows.append(carbon.times * self.rows[carbon.row] + np.sum(own, axis=0) * self._paid)
        return Weighed(len(self.rows) - 1, 1.0)

    def _carbon_row(self, task: Task, shared: Hashable) -> int:
        """The row of what CO2 weighs for a card and hour of what the job states."""
        preset = preset_of(task.spec.wants)
        key = (task.spec.wants.prefer, shared)
        if key not in self._numbers:
            unknown = 0.0 if preset.unknown_g is None else float(preset.unknown_g)
            grams = np.where(np.isfinite(self._grams), self._grams, unknown) * self._paid
            self._numbers[key] = len(self.rows)
            self.rows.append(grams * float(self._energy.carbon * preset.carbon) / 1e6 / task.faster)
        return self._numbers[key]

    def _data(self, task: Task) -> Floats | None:
        """What bringing its data to each place costs."""
        if not task.moving:
            return None
        return np.array([float(data_cost(task.moving.get(place.share_id))) for place in self._places])

    def _before(self, task: Task) -> Floats:
        """Hours until its data is at each place."""
        found = (task.moving.get(place.share_id) for place in self._places)
        return np.array([0.0 if one is None else float(one.hours) for one in found])

    def _latency(self, task: Task) -> Floats | None:
        wants = task.spec.wants
        if wants.one_way_ms is None or wants.user_region is None:
            return None
        region = wants.user_region
        if region not in self._near:
            known = [latency_of(place.site, region) for place in self._places]
            ms = [Decimal(0) if one is None else one.one_way_ms for one in known]
            self._near[region] = np.array([float(one * LATENCY_CNY_PER_MS) for one in ms])
        return self._near[region]

    def _lateness(self, task: Task) -> Floats | None:
        deadline = task.spec.deadline
        if deadline is None:
            return None
        hours = task.spec.expected_s / _HOUR_S / task.faster
        before = self._before(task)
        late = np.maximum(hours + before - (deadline - self._now) // timedelta(seconds=1) / _HOUR_S, 0.0)
        return np.asarray(late * task.rent / hours * LATE_HOURS) if late.any() else None

    def _time(self, task: Task) -> Floats | None:
        each, _how = time_weight(task.spec, Decimal(1))
        if not each:
            return None
        return float(each) * (task.spec.expected_s / _HOUR_S / task.faster + self._before(task))


def _grams(place: Place, energy: Energy) -> float:
    """G CO2 for a card and hour there; NaN where it is not known."""
    # of a thousand hours, since grams are rounded
    found = emission(1, Decimal(1000), place.flavor, place.site, energy)
    return float("nan") if found is None else float(found.g_co2) / 1000
