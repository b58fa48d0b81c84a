"""What would have become of these jobs in this world? One deterministic event simulation, five strategies.

At one moment ends come first, then failures and repairs, then arrivals, then decisions. A gang of up to a node's
units runs on one node (best fit, among equal nodes the first), a larger one on whole nodes of one platform. Ties go by
time of submission, then by id. Work that is moved holds its accelerators for its duration alone; the delay of moving
comes on top of its wait.
"""

from dataclasses import replace
from enum import StrEnum

import numpy as np

from suanlian.i18n.told import T_
from suanlian.rules.queueing.policy import Policy
from suanlian.rules.queueing.state import ENDED, NOBODY, State, make_state
from suanlian.twin import firstcome, loop
from suanlian.twin.results import Bools, Floats, Ints, Results
from suanlian.twin.trace import Trace
from suanlian.twin.world import World

BITS_PER_GB = 8.0


class Strategy(StrEnum):
    """Who decides.

    ``ALONE``: each platform by itself, strictly first come; ``POOLED``: one platform of all nodes, first come, at no
    cost of moving (where nodes differ a gang stays on nodes of one size, the smallest first, then where it fits best);
    ``FIFO``: federated, strict queues, a head goes where there is room; ``SKIP``: federated, first fit; ``SUANLIAN``:
    the queueing policy of the hub.
    """

    ALONE = "alone"
    POOLED = "pooled"
    FIFO = "fifo"
    SKIP = "skip"
    SUANLIAN = "suanlian"


def simulate(world: World, trace: Trace, strategy: Strategy, *, policy: Policy | None = None) -> Results:
    """Run the trace to its end; the same input gives the same result. ``TraceError`` for what cannot be meant.

    ``policy`` is that of ``SUANLIAN``; its ``move_s`` is the world's. What runs on a node that fails begins anew. A job
    larger than every platform it may use never runs: ``ran_at`` is -1.
    """
    world.validate()
    trace.validate(len(world.names))
    able = _able(world, trace, strategy)
    rows = np.flatnonzero(able)
    some = trace if rows.size == len(trace) else trace.take(rows)
    if strategy is Strategy.SUANLIAN:
        start, pool, lost = _queue(world, some, policy or Policy())
    else:
        start, pool, lost = _first_come(world, some, strategy)
    return _results(world, trace, strategy, rows, (start, pool, start + some.duration, lost))


def _able(world: World, trace: Trace, strategy: Strategy) -> Bools:
    """Which jobs fit on a platform they may use."""
    most = np.where(world.nodes > 0, world.units, 0)
    if strategy is Strategy.POOLED:
        together = max(int(most[world.node_units == size].sum()) for size in world.node_units)
        return np.asarray(trace.units <= together, dtype=np.bool_)
    elsewhere = trace.movable & (strategy is not Strategy.ALONE)
    fits: Bools = trace.units <= np.where(elsewhere, most.max(), most[trace.home])
    return fits


def _first_come(world: World, trace: Trace, strategy: Strategy) -> tuple[Floats, Ints, Floats]:
    nodes, size, home = world.nodes, world.node_units, trace.home
    movable = trace.movable if strategy in {Strategy.FIFO, Strategy.SKIP} else np.zeros_like(trace.movable)
    when, where, whose = _failures(world)
    if strategy is Strategy.POOLED:
        # one queue, that of the smallest nodes; those of each larger size are a place where its head may go
        size, part = np.unique(size, return_inverse=True)
        nodes = np.bincount(part, weights=world.nodes).astype(np.int64)
        home, movable = np.zeros_like(home), np.ones_like(movable)
        where, whose = _renumbered(world, part, where), part[whose]
    floor = firstcome.make_floor(nodes, size, home, trace.units, movable)
    lost = np.zeros(len(trace))
    firstcome.run(floor, trace.submit, trace.duration, when, where, whose, lost, int(strategy is Strategy.SKIP))
    return floor.start, np.where(floor.done, trace.home if strategy is Strategy.POOLED else floor.pool, NOBODY), lost


def _renumbered(world: World, part: Ints, where: Ints) -> Ints:
    """Nodes that fail (-1 - node: up again), counted with all nodes of one size in a row."""
    place = np.repeat(part, world.nodes)
    number = np.empty(len(place), dtype=np.int64)
    number[np.argsort(place, kind="stable")] = np.arange(len(place))
    if not where.size:
        return where
    return np.where(where >= 0, number[where], -1 - number[-1 - where])


def fill(world: World, trace: Trace, policy: Policy) -> State:
    """A queue with a row for every job of the trace, none of which has arrived."""
    weight = np.bincount(trace.account, minlength=len(trace.accounts)).astype(np.float64)
    links = world.gbps is not None and bool(np.any(trace.data_gb > 0))
    rows = len(trace) if links else 0
    row = replace(policy, move_s=world.move_s).row()
    s = make_state(row, world.nodes, world.node_units, np.maximum(weight, 1.0), len(trace), rows)
    s.home[:], s.submit[:], s.estimate[:], s.units[:] = trace.home, trace.submit, trace.estimate, trace.units
    s.movable[:], s.account[:], s.priority[:], s.deadline[:] = (
        trace.movable,
        trace.account,
        trace.priority,
        trace.deadline,
    )
    if links:
        for platform in range(len(world.names)):
            s.cost[:, platform] = np.where(trace.movable, delays(world, trace, platform), np.inf)
        s.cost[np.arange(len(trace)), trace.home] = 0.0
    return s


def delays(world: World, trace: Trace, platform: int | Ints) -> Floats:
    """Seconds that moving each job from its home to a platform takes: ``move_s`` and the transfer of its data."""
    moved: Floats = np.full(len(trace), world.move_s)
    if world.gbps is not None:
        moved = moved + trace.data_gb * BITS_PER_GB / world.gbps[trace.home, platform]
    return np.where(trace.home == platform, 0.0, moved)


def _queue(world: World, trace: Trace, policy: Policy) -> tuple[Floats, Ints, Floats]:
    s = fill(world, trace, policy)
    lost = np.zeros(len(trace))
    when, where, whose = _failures(world)
    loop.run(s, trace.duration, when, where, whose, lost)
    ran = s.status == ENDED
    return np.where(ran, s.started, np.nan), np.where(ran, s.pool, NOBODY), lost


def _failures(world: World) -> tuple[Floats, Ints, Ints]:
    """Times, nodes (-1 - node where it is up again) and platforms of all failures, in order; repairs come first."""
    first = np.concatenate([[0], np.cumsum(world.nodes)])
    events: list[tuple[float, int, int, int]] = []
    for outage in world.outages:
        low, high = int(first[outage.platform]), int(first[outage.platform + 1])
        nodes = range(low, high) if outage.node < 0 else (low + outage.node,)
        for node in nodes:
            events += [(outage.at, 1, node, outage.platform), (outage.until, 0, -1 - node, outage.platform)]
    events.sort()
    return (
        np.array([event[0] for event in events], dtype=np.float64),
        np.array([event[2] for event in events], dtype=np.int64),
        np.array([event[3] for event in events], dtype=np.int64),
    )


def _results(
    world: World,
    trace: Trace,
    strategy: Strategy,
    rows: Ints,
    found: tuple[Floats, Ints, Floats, Floats],
) -> Results:
    count = len(trace)
    start, end = np.full(count, np.nan), np.full(count, np.nan)
    ran_at, lost = np.full(count, NOBODY, dtype=np.int64), np.zeros(count)
    start[rows], ran_at[rows], end[rows], lost[rows] = found
    moved = (ran_at >= 0) & (ran_at != trace.home)
    notes = trace.notes
    if rows.size < count:
        notes = (
            *notes,
            T_("{0} jobs are larger than every platform that they may use; they never run").format(count - rows.size),
        )
    return Results(
        strategy=strategy.value,
        job=trace.job,
        home=trace.home,
        ran_at=ran_at,
        submit=trace.submit,
        start=start,
        end=end,
        units=trace.units,
        moved=moved,
        delay=np.where(moved, delays(world, trace, np.maximum(ran_at, 0)), 0.0),
        account=trace.account,
        owner=world.owner[trace.home],
        lost=lost,
        notes=notes,
    )
