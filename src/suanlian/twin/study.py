"""Strategies side by side over one demand, swept over what matters, and asked what if. The answer is a ``Report``."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import numpy as np

from suanlian import __version__
from suanlian.twin.document import Point, Report, Run, Sweep, WhatIf
from suanlian.twin.figures import lateness, run_of, sites, spent, spread
from suanlian.twin.generate import with_data, with_portable
from suanlian.twin.metrics import GRACE_S
from suanlian.twin.request import Axis, Request, Tell
from suanlian.twin.results import Floats, Results
from suanlian.twin.setting import Setting, arranged, sized_by
from suanlian.twin.simulate import Strategy, simulate
from suanlian.twin.trace import Trace
from suanlian.twin.whatif import changed
from suanlian.twin.world import World

Engine = Callable[[World, Trace, Strategy], Results]

LOADS: Final = (0.5, 0.6, 0.7, 0.8, 0.9)
PORTABLE: Final = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
LINKS: Final = (0.1, 1.0, 10.0, 100.0)
MOVES: Final = (0.0, 60.0, 600.0, 3600.0, 14_400.0)
GREENS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
DATA_GB: Final = 200.0
"""Median of the data that a job is given where links are swept and the demand has none."""
_INTERVALS: Final = 200
_SWEPT: Final = (Strategy.ALONE, Strategy.SKIP, Strategy.SUANLIAN)
_CASES: Final = {Axis.LOAD: LOADS, Axis.PORTABILITY: PORTABLE, Axis.LINK: LINKS, Axis.MOVE: MOVES, Axis.GREEN: GREENS}


class Counted:
    """An engine that tells how far the whole has come."""

    def __init__(self, engine: Engine, total: int, tell: Tell) -> None:
        """``total`` simulations are expected."""
        self._engine, self._total, self._tell, self._done = engine, total, tell, 0

    def __call__(self, world: World, trace: Trace, strategy: Strategy, what: str = "") -> Results:
        """One simulation."""
        self._tell(self._done, self._total, " ".join(filter(None, (strategy, what))))
        results = self._engine(world, trace, strategy)
        self._done += 1
        return results

    def end(self) -> None:
        """All are done."""
        self._tell(self._total, self._total, "")


def study(request: Request, tell: Tell, engine: Engine = simulate) -> Report:
    """All that the request asks for. Raises ``TraceError`` and ``OSError``."""
    setting = arranged(request)
    wanted = strategies(request)
    for asked in request.what_if:  # what is not understood is said before anything is simulated
        changed(setting.world, setting.trace, asked)
    counted = Counted(engine, expected(request, wanted), tell)
    results = {strategy: counted(setting.world, setting.trace, strategy) for strategy in wanted}
    report = told(request, setting, results)
    swept = tuple(_sweep(axis, request, setting, results, counted) for axis in request.sweep)
    answered = tuple(_what_if(asked, setting, results, counted) for asked in request.what_if)
    counted.end()
    return report.model_copy(update={"sweeps": swept, "what_ifs": answered})


def strategies(request: Request) -> tuple[Strategy, ...]:
    """Those asked for, and each alone, which all are held against."""
    return tuple(dict.fromkeys((Strategy.ALONE, *map(Strategy, request.strategies))))


def expected(request: Request, wanted: Sequence[Strategy]) -> int:
    """How many simulations it takes."""
    swept = len([one for one in _SWEPT if one in wanted])
    cases = sum(len(_CASES[axis]) for axis in request.sweep if axis is not Axis.GREEN)
    return len(wanted) + cases * swept + len(request.what_if) * 2


def told(request: Request, setting: Setting, results: dict[Strategy, Results]) -> Report:
    """The report of some results, without sweeps."""
    trace, world = setting.trace, setting.world
    ends = intervals(trace)
    pooled = results.get(Strategy.POOLED)
    runs = tuple(run_of(one, world, ends, results[Strategy.ALONE], pooled) for one in results.values())
    return Report(
        made_at=datetime.now(UTC),
        version=__version__,
        source=trace.source,
        jobs=len(trace),
        work=float(np.sum(trace.duration * trace.units)) / 3600,
        span_s=float(trace.submit[-1]),
        portable=float(trace.movable.mean()),
        move_s=world.move_s,
        seed=request.seed,
        sites=sites(world),
        hours=tuple(round(float(end) / 3600, 3) for end in ends),
        runs=runs,
        synthetic=setting.assumed,
        notes=tuple(dict.fromkeys((*trace.notes, *(note for run in runs for note in run.notes)))),
    )


def intervals(trace: Trace) -> Floats:
    """Ends of equal intervals over the span of submissions, at least an hour each (s)."""
    span = max(float(trace.submit[-1]), 3600.0)
    count = int(min(_INTERVALS, max(1.0, span // 3600)))
    return np.linspace(0.0, span, count + 1)[1:]


def _sweep(axis: Axis, request: Request, setting: Setting, results: dict[Strategy, Results], run: Counted) -> Sweep:
    wanted = [one for one in _SWEPT if one in results]
    if axis is Axis.GREEN:
        return Sweep(axis=axis, points=tuple(_greens(setting, results, wanted)), note="green")
    points: list[Point] = []
    for value, world, trace in _cases(axis, request, setting):
        alone = run(world, trace, Strategy.ALONE, f"{axis} {value:g}")
        points += [
            _point(value, alone if one is Strategy.ALONE else run(world, trace, one, f"{axis} {value:g}"), alone, world)
            for one in wanted
        ]
    no_data = axis is Axis.LINK and not setting.trace.data_gb.any()
    return Sweep(axis=axis, points=tuple(points), note="data" if no_data else "")


def _cases(axis: Axis, request: Request, setting: Setting) -> Iterator[tuple[float, World, Trace]]:
    world, trace = setting.world, setting.trace
    if axis is Axis.LOAD:
        for rho in LOADS:
            yield (rho, *_loaded(rho, request, setting))
    elif axis is Axis.PORTABILITY:
        # the request's own share is one of the cases, not a limit of the others
        whole = replace(trace, movable=np.ones(len(trace), dtype=np.bool_))
        for share in PORTABLE:
            yield share, world, with_portable(whole, share)
    elif axis is Axis.MOVE:
        for move_s in MOVES:
            yield move_s, replace(world, move_s=move_s), trace
    else:
        full = trace if trace.data_gb.any() else with_data(trace, DATA_GB, request.seed)
        for gbps in LINKS:
            yield gbps, replace(world, gbps=np.full((len(world.names), len(world.names)), gbps)), full


def _loaded(rho: float, request: Request, setting: Setting) -> tuple[World, Trace]:
    """The load by fewer or more nodes where demand made their number; by time that passes faster elsewhere."""
    world, trace = setting.world, setting.trace
    if setting.by_rho:
        nodes = sized_by(trace, len(world.names), rho, int(world.node_units[0]))
        return replace(world, nodes=nodes), trace
    factor = rho / request.rho
    return world, replace(trace, submit=trace.submit / factor, deadline=trace.deadline / factor)


def _greens(setting: Setting, results: dict[Strategy, Results], wanted: Sequence[Strategy]) -> Iterator[Point]:
    """Where work ran does not depend on it here; what its energy emitted does."""
    alone = results[Strategy.ALONE]
    for share in GREENS:
        world = replace(setting.world, green=np.full((len(setting.world.names), 1), share))
        for one in wanted:
            yield _point(share, results[one], alone, world)


def _point(value: float, results: Results, alone: Results, world: World) -> Point:
    later = lateness(results, alone) > world.move_s + GRACE_S
    return Point(
        value=value,
        strategy=str(results.strategy),
        wait=spread(results.wait),
        later_share=float(later.mean()),
        moved_share=float(results.moved.mean()),
        spent=spent(results, world),
    )


def _what_if(asked: str, setting: Setting, results: dict[Strategy, Results], run: Counted) -> WhatIf:
    """Held against the same strategy in the world as it is: Suanlian where it was simulated, else the first."""
    strategy = Strategy.SUANLIAN if Strategy.SUANLIAN in results else next(iter(results))
    ends = intervals(setting.trace)
    world, trace = changed(setting.world, setting.trace, asked)
    # who is alone is not simulated with failures: what federation does about them is held against a world without
    alone = results[Strategy.ALONE] if world.outages else run(world, trace, Strategy.ALONE, asked)
    after = alone if strategy is Strategy.ALONE else run(world, trace, strategy, asked)
    return WhatIf(
        asked=asked,
        before=_brief(results[strategy], setting.world, ends, results[Strategy.ALONE]),
        after=_brief(after, world, intervals(trace), alone),
    )


def _brief(results: Results, world: World, ends: Floats, alone: Results) -> Run:
    return run_of(results, world, ends, alone, None).model_copy(update={"busy": ()})
