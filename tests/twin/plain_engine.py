"""An engine that is simple enough to be right: units without nodes, first come; elsewhere where it begins earlier."""

import heapq

import numpy as np

from suanlian.twin.results import Results
from suanlian.twin.simulate import Strategy
from suanlian.twin.trace import Trace
from suanlian.twin.world import World


class _Place:
    def __init__(self, units: int) -> None:
        self.free, self.last = units, 0.0
        self.running: list[tuple[float, int]] = []

    def begins(self, submit: float, units: int) -> float | None:
        free, moment, ends = self.free, max(self.last, submit), list(self.running)
        while ends and ends[0][0] <= moment:
            free += heapq.heappop(ends)[1]
        while free < units:
            if not ends:
                return None
            moment, freed = heapq.heappop(ends)
            free += freed
        return moment

    def take(self, moment: float, end: float, units: int) -> None:
        while self.running and self.running[0][0] <= moment:
            self.free += heapq.heappop(self.running)[1]
        self.free -= units
        self.last = moment
        heapq.heappush(self.running, (end, units))


def plain(world: World, trace: Trace, strategy: Strategy) -> Results:
    world.validate()
    trace.validate(len(world.names))
    places = [_Place(int(units)) for units in world.units]
    count = len(trace)
    ran_at, start = np.full(count, -1), np.full(count, np.nan)
    for row in range(count):
        home, units, submit = int(trace.home[row]), int(trace.units[row]), float(trace.submit[row])
        may = [home] if strategy is Strategy.ALONE or not trace.movable[row] else range(len(places))
        begins = {place: places[place].begins(submit, units) for place in may}
        could = {place: at for place, at in begins.items() if at is not None}
        if could:
            best = min(could, key=lambda place: (could[place] + world.move_s * (place != home), place))
            places[best].take(could[best], could[best] + float(trace.duration[row]), units)
            ran_at[row], start[row] = best, could[best]
    moved = (ran_at >= 0) & (ran_at != trace.home)
    return Results(
        strategy=strategy,
        job=trace.job,
        home=trace.home,
        ran_at=ran_at.astype(np.int64),
        submit=trace.submit,
        start=start,
        end=start + trace.duration,
        units=trace.units,
        moved=moved,
        delay=np.where(moved, world.move_s, 0.0),
        account=trace.account,
        owner=world.owner[trace.home],
        lost=np.zeros(count),
    )
