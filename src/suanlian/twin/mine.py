"""One's own queue, from Slurm's accounting: the demand and the platform that its records show."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from suanlian.i18n import _
from suanlian.i18n.told import T_
from suanlian.twin.demand import Demand, tidied, wrong
from suanlian.twin.request import Unit
from suanlian.twin.results import Floats, Ints
from suanlian.twin.sacct import Accounting
from suanlian.twin.trace import COLUMNS, Trace, TraceError
from suanlian.twin.world import World

MINE = "mine"
"""The name of one's own platform; partitions are not told apart, as they share nodes more often than not."""


@dataclass(frozen=True, slots=True)
class Mine:
    """The demand of one platform with the waits that were recorded. ``ids`` and ``waited`` go with the trace's rows."""

    demand: Demand
    world: World
    unit: Unit
    ids: tuple[str, ...]
    waited: Floats
    """From when a job could start until it did, as recorded (s), shape (N,)."""


def mine(accounting: Accounting, *, unit: Unit = Unit.AUTO, nodes: int = 0, node_units: int = 0) -> Mine:
    """The demand of the records. ``nodes`` and ``node_units`` 0: the least that could have run what was recorded.

    Raises ``TraceError``.
    """
    records = accounting.records
    gpus = np.array([record.gpus for record in records], dtype=np.int64)
    counted = (Unit.GPU if gpus.any() else Unit.CPU) if unit is Unit.AUTO else unit
    amounts = gpus if counted is Unit.GPU else np.array([record.cpus for record in records], dtype=np.int64)
    kept = np.flatnonzero(amounts > 0)
    if not kept.size:
        raise wrong(
            accounting.source,
            _("no job in it has a {unit}.").format(unit=counted),
            _("Choose another --unit."),
            "trace_units",
        )
    notes = list(accounting.notes)
    if kept.size < len(records):
        notes.append(T_("{0} jobs have no {1}: left out.").format(len(records) - kept.size, counted))
    unlimited = int(np.isnan([records[row].limit for row in kept.tolist()]).sum())
    if unlimited:
        notes.append(
            T_("{0} jobs have no time limit: their durations are taken as known beforehand.").format(unlimited)
        )
    order = sorted(kept.tolist(), key=lambda row: (records[row].eligible, row))
    trace = _trace(accounting, order, amounts)
    start = np.array([records[row].start for row in order])
    waited = start - np.array([records[row].eligible for row in order])
    world, sizes = _platform(trace, start, np.array([records[row].nodes for row in order]), nodes, node_units)
    demand = Demand(tidied(trace, [*notes, *sizes]), (MINE,))
    return Mine(demand, world, counted, tuple(records[row].job for row in order), waited)


def _trace(accounting: Accounting, order: Sequence[int], amounts: Ints) -> Trace:
    rows = [accounting.records[row] for row in order]
    elapsed = np.array([row.elapsed for row in rows])
    limit = np.array([row.limit for row in rows])
    who, account = np.unique(np.array([row.user or row.account or "-" for row in rows]), return_inverse=True)
    trace = Trace.of(
        job=np.arange(len(rows), dtype=np.int64),
        home=np.zeros(len(rows), dtype=np.int64),
        submit=np.array([row.eligible for row in rows]),
        duration=elapsed,
        units=amounts[list(order)],
        account=account.astype(np.int64),
        accounts=tuple(who.tolist()),
        source=accounting.source,
    )
    # without a limit nothing is known beforehand but the run itself (told in the notes); with one,
    # what a scheduler knows is the limit that was asked for, never the run itself
    return replace(trace, estimate=np.where(limit > elapsed, limit, elapsed))


def _platform(trace: Trace, start: Floats, spread: Ints, nodes: int, node_units: int) -> tuple[World, list[str]]:
    """The platform, and what was taken to be so."""
    said = []
    a_node = node_units
    if not a_node:
        a_node = int(np.max(-(-trace.units // np.maximum(1, spread))))
        said.append(
            T_("A node has {0}: the most that a job had on one. Say --node-units if it has more.").format(a_node)
        )
    busy = peak(start, start + trace.duration, trace.units)
    count = nodes or max(1, -(-busy // a_node))
    if not nodes:
        said.append(
            T_("{0} nodes: the least for the {1} that ran at once. If there are more: --nodes mine=N.").format(
                count, busy
            )
        )
    elif busy > count * a_node:
        raise TraceError(
            "trace_overlap",
            _(
                "{busy} ran at once by the records, more than {nodes} nodes of {node_units} have: put --nodes right."
            ).format(busy=busy, nodes=nodes, node_units=a_node),
        )
    world = World(
        names=(MINE,),
        nodes=np.array([count], dtype=np.int64),
        node_units=np.array([a_node], dtype=np.int64),
        owner=np.zeros(1, dtype=np.int64),
        owners=(MINE,),
    )
    return world, said


def peak(start: Floats, end: Floats, units: Ints) -> int:
    """The most units in use at once; what ends at a moment is free for what begins then."""
    when = np.concatenate((end, start))
    change = np.concatenate((-units, units))
    order = np.lexsort((change > 0, when))
    return int(np.max(np.cumsum(change[order]), initial=0))


def beside(own: World, own_trace: Trace, other: World, other_trace: Trace) -> tuple[World, Trace]:
    """One's own platform and the assumed partners as one world; the partners' demand repeated over one's own span."""
    count = len(own.names)
    partners = repeated(other_trace, float(own_trace.submit[-1]))
    world = World(
        names=(*own.names, *other.names),
        nodes=np.concatenate((own.nodes, other.nodes)),
        node_units=np.concatenate((own.node_units, other.node_units)),
        owner=np.concatenate((own.owner, other.owner + len(own.owners))),
        owners=(*own.owners, *other.owners),
        move_s=own.move_s,
    )
    shifted = replace(
        partners,
        job=partners.job + int(own_trace.job.max()) + 1,
        home=partners.home + count,
        account=partners.account + len(own_trace.accounts),
    )
    joined = {name: np.concatenate((getattr(own_trace, name), getattr(shifted, name))) for name in COLUMNS}
    trace = Trace(
        **joined,
        accounts=(*own_trace.accounts, *partners.accounts),
        source=own_trace.source,
        notes=own_trace.notes,
    )
    return world, trace.ordered()


def repeated(trace: Trace, span_s: float) -> Trace:
    """The trace again and again until ``span_s`` is filled, cut off there."""
    length = float(trace.submit[-1]) + 1.0
    times = max(1, int(np.ceil(span_s / length)))
    rows = np.tile(np.arange(len(trace)), times)
    turn = np.repeat(np.arange(times), len(trace))
    longer = trace.take(rows)
    stride = int(trace.job.max()) + 1
    longer = replace(longer, job=longer.job + turn * stride, submit=longer.submit + turn * length)
    return longer.take(longer.submit <= span_s)
