"""The hub's queue for work that waits for its data: one call a moment. The queue decides; what it holds is told to it.

``loop.run`` cannot be used: how long a place is held depends on links, which know nothing of the queue. So ends come
from outside, and what each pool costs a job (s) changes as copies come and go.
"""

import numpy as np

from suanlian.rules.matching.compiled import compiled
from suanlian.rules.queueing.choose import arrive, end, rouse, step, wake
from suanlian.rules.queueing.policy import Policy
from suanlian.rules.queueing.state import Floats, Ints, State, make_state
from suanlian.twin.data_world import DataDemand, DataWorld

POLICY = Policy(age=1.0, reservations=12, headroom=0, promise=False, move_s=0.0, learn=0.0)
"""Everybody is a guest: no owner has a promise or headroom. A place held for data is no error of an estimate.

Fewer reservations than the hub's 48: those that come to their turn are soon enough known, and lines may be long here.
"""


@compiled
def turn(s: State, now: float, ended: Ints, arrived: Ints, out: Ints, woken: Floats) -> int:
    """Ends, then arrivals, then decisions. Rows that start go to ``out``; ``woken[0]``: when to look again at least."""
    for n in range(len(ended)):
        end(s, ended[n], now)
    for n in range(len(arrived)):
        arrive(s, arrived[n])
    if now >= woken[0]:
        rouse(s, now)
    count = step(s, now, out)
    woken[0] = wake(s, now)
    return count


def queue_of(world: DataWorld, demand: DataDemand, policy: Policy = POLICY) -> State:
    """A queue with a row for each job, none of which has arrived; each site is a pool of one node."""
    ones = np.ones(len(world.units), dtype=np.int64)
    s = make_state(policy.row(), ones, world.units, np.ones(1), len(demand), len(demand))
    s.submit[:], s.estimate[:], s.units[:] = demand.submit, demand.duration, demand.units
    s.movable[:] = s.guest[:] = True
    return s
