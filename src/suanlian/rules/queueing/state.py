"""All that a queue knows, as arrays: pools, nodes, jobs, who waits, the plan, what each owner would have alone."""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

# how a job stands
ABSENT: Final = 0
WAITING: Final = 1
RUNNING: Final = 2
ENDED: Final = 3

# counters
QUEUED: Final = 0
ARRIVED: Final = 1

# where each weight stands in a policy's row
SHORT: Final = 0
AGE: Final = 1
PRIORITY: Final = 2
FAIR: Final = 3
HALF_LIFE: Final = 4
RESERVATIONS: Final = 5
PROMISE: Final = 6
DEADLINE: Final = 7
MOVE: Final = 8
HYSTERESIS: Final = 9
HEADROOM: Final = 10
BRIEF: Final = 11
LEARN: Final = 12
RISE: Final = 13
ELSEWHERE: Final = 14

MOST_ENTRIES: Final = 2048
"""Work on a node is told apart by so many times at which it ends; beyond that the two that are nearest become one."""
MOST_SHADOWS: Final = 4096
"""So many jobs at once are followed at each home alone; further ones are promised nothing."""
NEVER: Final = 1e18
"""Later than anything (s)."""
NOBODY: Final = -1
DOWN: Final = -2
"""In ``gang``: the node is out of order."""


class State(NamedTuple):
    """P pools, M nodes in all, R reservations a node at most, N rows of jobs, A accounts.

    Pool p has the nodes ``first[p]`` to ``first[p + 1]``, each of ``size[p]`` units. A job of more units than a
    node has takes whole nodes. A pool whose nodes are not known is one node of all its units.
    """

    policy: Floats
    counters: Ints
    # pools and nodes
    first: Ints
    size: Ints
    worth: Floats  # what a unit weighs in fair share
    whole: Floats  # so many units are one core, or one card
    touched: Bools
    crowded: Bools  # more wait there than hold a reservation
    free: Ints  # units free on each node
    away: Ints  # units of each node that others use, of whom the queue knows nothing
    gang: Ints  # the job that has the whole node with others; NOBODY, or DOWN
    head: Ints  # first job that runs on the node beside others
    # what runs on each node beside others, by when it ends: times ascend, of equal times there is one entry
    entries: Ints  # so many on each node
    entry_end: Floats  # (M, K)
    entry_units: Ints  # (M, K) units of this entry and of all that end later
    # the plan: reservations on nodes
    held: Ints  # so many on each node
    held_from: Floats
    held_until: Floats
    held_units: Ints
    held_by: Ints
    # jobs
    status: Ints
    home: Ints
    submit: Floats
    estimate: Floats
    units: Ints
    movable: Bools
    guest: Bools  # the home is not its owner's
    account: Ints
    priority: Ints
    deadline: Floats
    promise: Floats  # when it would have started at a home alone; NEVER for guests
    reserved: Floats  # when its reservation begins; NEVER without one
    started: Floats
    ends: Floats  # by estimate
    pool: Ints  # where it runs
    node: Ints  # the one node, or NOBODY for a gang
    after: Ints  # the next job on the same node
    cost: Floats  # (N, P) what each pool costs it (s), or (0, 0): move_s everywhere but at home
    queue: Ints  # rows that wait, by arrival
    rank: Ints  # in the order in which they stand
    # what each owner's own jobs would do alone, strictly first come
    alone_free: Ints
    alone_gang: Ints
    alone_node: Ints
    alone_time: Floats
    alone_count: Ints
    alone_end: Floats
    alone_job: Ints
    alone_first: Ints
    # what owners ask for at once
    risen: Floats  # (P,) sum of the squares of bursts, decayed
    risen_at: Floats  # (P,) as of then
    seen_from: Floats  # (P,) since when that has been watched
    burst: Floats  # (P,) units that came lately, decayed
    # accounts
    usage: Floats
    stamp: Floats
    weight: Floats
    learned: Floats  # logarithm of how long an account's jobs take, as a multiple of their estimates


def _ints(length: int, value: int = 0) -> Ints:
    return np.full(length, value, dtype=np.int64)


def make_state(policy: Floats, nodes: Ints, size: Ints, weight: Floats, rows: int, cost_rows: int = 0) -> State:
    """An empty queue: ``nodes`` (P,) of ``size`` (P,) units each; room for ``rows`` jobs."""
    pools, count, kept = len(nodes), int(nodes.sum()), max(int(policy[RESERVATIONS]), 1)
    first = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(nodes)])
    free = np.repeat(size, nodes)
    alone_first = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.minimum(nodes * size, MOST_SHADOWS))])
    most = min(int(size.max(initial=1)), MOST_ENTRIES)
    return State(
        policy=policy,
        counters=_ints(2),
        first=first,
        size=size,
        touched=np.zeros(pools, dtype=np.bool_),
        crowded=np.zeros(pools, dtype=np.bool_),
        free=free,
        away=_ints(count),
        gang=_ints(count, NOBODY),
        head=_ints(count, NOBODY),
        entries=_ints(count),
        entry_end=np.zeros((count, most)),
        entry_units=np.zeros((count, most), dtype=np.int64),
        held=_ints(count),
        held_from=np.zeros((count, kept)),
        held_until=np.zeros((count, kept)),
        held_units=np.zeros((count, kept), dtype=np.int64),
        held_by=np.zeros((count, kept), dtype=np.int64),
        status=_ints(rows),
        home=_ints(rows),
        units=_ints(rows),
        movable=np.zeros(rows, dtype=np.bool_),
        guest=np.zeros(rows, dtype=np.bool_),
        account=_ints(rows),
        priority=_ints(rows),
        deadline=np.full(rows, np.inf),
        promise=np.full(rows, NEVER),
        reserved=np.full(rows, NEVER),
        pool=_ints(rows, NOBODY),
        node=_ints(rows, NOBODY),
        after=_ints(rows, NOBODY),
        cost=np.zeros((cost_rows, pools if cost_rows else 0)),
        queue=_ints(rows),
        rank=_ints(rows),
        alone_free=free.copy(),
        alone_gang=_ints(count, NOBODY),
        alone_node=_ints(rows, NOBODY),
        alone_time=np.zeros(pools),
        alone_count=_ints(pools),
        alone_end=np.zeros(int(alone_first[-1])),
        alone_job=_ints(int(alone_first[-1])),
        alone_first=alone_first,
        usage=np.zeros(len(weight)),
        stamp=np.zeros(len(weight)),
        weight=weight,
        learned=np.zeros(len(weight)),
        **{name: np.zeros(rows) for name in ("submit", "estimate", "started", "ends")},
        **{name: np.ones(pools) for name in ("worth", "whole")},
        **{name: np.zeros(pools) for name in ("risen", "risen_at", "seen_from", "burst")},
    )
