"""One moment: who starts, and where. All of it is decided by estimates; nothing here knows how long work will take."""

import numpy as np

from suanlian.rules.matching.compiled import compiled
from suanlian.rules.queueing.alone import correct, promise
from suanlian.rules.queueing.nodes import allows, enter, needed, release, room
from suanlian.rules.queueing.plan import drop, due, headroom, plan
from suanlian.rules.queueing.rise import note
from suanlian.rules.queueing.state import (
    ABSENT,
    AGE,
    ARRIVED,
    DOWN,
    ENDED,
    FAIR,
    HALF_LIFE,
    HYSTERESIS,
    LEARN,
    MOVE,
    NEVER,
    NOBODY,
    PRIORITY,
    QUEUED,
    RESERVATIONS,
    RUNNING,
    SHORT,
    WAITING,
    Floats,
    Ints,
    State,
)

MOST_LEARNED = 2.0
"""No job teaches more than a factor of e squared, nor all together."""
EXACT = 1e-6
"""Rounding of times is no error of an estimate."""
DUE_FIRST = 1e15
"""Jobs whose promise is due come before all others (s)."""


@compiled
def charge(s: State, account: int, now: float, amount: float) -> None:
    """Add to what an account has used (unit-seconds), decayed; never below nothing."""
    left = s.usage[account] * 0.5 ** ((now - s.stamp[account]) / s.policy[HALF_LIFE])
    s.usage[account] = max(left + amount, 0.0)
    s.stamp[account] = now


@compiled
def excess(s: State, now: float) -> Floats:
    """How far each account is above its fair share of what was used, -1..1."""
    used = s.usage * 0.5 ** ((now - s.stamp) / s.policy[HALF_LIFE])
    above: Floats = used / max(used.sum(), 1.0) - s.weight / s.weight.sum()
    return above


@compiled
def arrive(s: State, job: int) -> None:
    """A job comes to wait; its row is filled in. What it is promised is found here."""
    if s.status[job] != RUNNING:  # it does not come again after a failure
        s.estimate[job] *= np.exp(s.learned[s.account[job]])
        s.rank[job] = s.counters[ARRIVED]
        s.counters[ARRIVED] += 1
    s.status[job] = WAITING
    s.queue[s.counters[QUEUED]] = job
    s.counters[QUEUED] += 1
    s.touched[s.home[job]] = True
    if not s.guest[job] and s.promise[job] == NEVER:
        s.promise[job] = promise(s, job)
        if s.promise[job] <= s.submit[job]:
            note(s, job)


@compiled
def end(s: State, job: int, now: float) -> None:
    """A running job ends, or is ended."""
    release(s, job)
    charge(s, s.account[job], now, s.worth[s.pool[job]] * s.units[job] * (now - s.started[job] - s.estimate[job]))
    error = np.log((now - s.started[job]) / s.estimate[job]) if now > s.started[job] else 0.0
    if abs(error) > EXACT:
        learned = s.learned[s.account[job]] + s.policy[LEARN] * min(max(error, -MOST_LEARNED), MOST_LEARNED)
        s.learned[s.account[job]] = min(max(learned, -MOST_LEARNED), MOST_LEARNED)
    s.status[job] = ENDED
    s.ends[job] = now
    s.touched[s.pool[job]] = True
    correct(s, job)


@compiled
def fail(s: State, job: int, now: float) -> None:
    """A running job is lost with its node and waits again; its promise, and what its shadow does, stay."""
    release(s, job)
    charge(s, s.account[job], now, s.worth[s.pool[job]] * s.units[job] * (now - s.started[job] - s.estimate[job]))
    s.touched[s.pool[job]] = True
    s.pool[job] = NOBODY
    arrive(s, job)


@compiled
def relocate(s: State, job: int, pool: int, node: int, now: float) -> None:
    """A job that was to start now starts at another pool, where ``fit`` said."""
    release(s, job)
    charge(s, s.account[job], now, -s.worth[s.pool[job]] * s.units[job] * s.estimate[job])
    s.touched[s.pool[job]] = True
    start(s, job, pool, node, now)


@compiled
def leave(s: State, job: int) -> None:
    """A waiting job goes away."""
    drop(s, job)
    s.status[job] = ABSENT
    s.touched[s.home[job]] = True
    _compact(s)


@compiled
def _compact(s: State) -> None:
    kept = 0
    for n in range(s.counters[QUEUED]):
        if s.status[s.queue[n]] == WAITING:
            s.queue[kept] = s.queue[n]
            kept += 1
    s.counters[QUEUED] = kept


@compiled
def down(s: State, node: int, pool: int) -> None:
    """A node without work is out of order."""
    s.free[node] = -s.size[pool]
    s.gang[node] = DOWN
    s.touched[pool] = True


@compiled
def up(s: State, node: int, pool: int) -> None:
    """A node is in order again."""
    s.free[node] = s.size[pool]
    s.gang[node] = NOBODY
    s.touched[pool] = True


@compiled
def fit(s: State, job: int, pool: int, now: float) -> int:
    """Where a job could start now at a pool, pushing nobody back: its node, or the pool's first node for a gang."""
    low, high, size, units = s.first[pool], s.first[pool + 1], s.size[pool], s.units[job]
    until = now + s.estimate[job]
    if units <= size:
        best, least = NOBODY, 0
        for node in range(low, high):
            free = s.free[node]
            if free >= units and (best == NOBODY or free < least) and allows(s, node, size, units, now, until, job):
                best, least = node, free
        return best
    wanted = needed(units, size)
    for node in range(low, high):
        if s.free[node] == size and allows(s, node, size, size, now, until, job):
            wanted -= 1
    return low if wanted <= 0 else NOBODY


@compiled
def start(s: State, job: int, pool: int, node: int, now: float) -> None:
    """Begin a job where ``fit`` said."""
    size, until = s.size[pool], now + s.estimate[job]
    if s.units[job] <= size:
        s.free[node] -= s.units[job]
        enter(s, node, until, s.units[job])
        s.after[job] = s.head[node]
        s.head[node] = job
        s.node[job] = node
    else:
        wanted = needed(s.units[job], size)
        for at in range(s.first[pool], s.first[pool + 1]):
            if wanted and s.free[at] == size and allows(s, at, size, size, now, until, job):
                s.free[at] = 0
                s.gang[at] = job
                wanted -= 1
        s.node[job] = NOBODY
    drop(s, job)
    s.status[job], s.pool[job], s.started[job], s.ends[job] = RUNNING, pool, now, until
    charge(s, s.account[job], now, s.worth[s.pool[job]] * s.units[job] * s.estimate[job])


@compiled
def toll(s: State, job: int, pool: int) -> float:
    """What it costs a job (s) to run at a pool; NEVER where it may not."""
    if s.cost.shape[0]:
        return float(s.cost[job, pool])
    if pool == s.home[job]:
        return 0.0
    return float(s.policy[MOVE]) if s.movable[job] else NEVER


@compiled
def _welcome(s: State, job: int, pool: int, now: float) -> bool:
    """Whether a guest leaves the owner enough in one piece for as long as it stays, is short, or is due itself."""
    wanted = headroom(s, job, pool, now)
    if wanted == 0.0:
        return True
    size = s.size[pool]
    free = room(s, pool)
    if s.first[pool + 1] - s.first[pool] == 1:
        return bool(free - s.units[job] >= wanted)
    if s.units[job] > size:
        return bool(free - needed(s.units[job], size) * size >= wanted)
    for node in range(s.first[pool], s.first[pool + 1]):
        if s.units[job] <= s.free[node] < size:
            return bool(free >= wanted)
    return bool(free - size >= wanted)


_KEPT = 4
"""So many refusals of each pool are kept in mind during a round."""


@compiled
def _is_hopeless(refused: Floats, guest: int, pool: int, units: float, estimate: float) -> bool:
    """Whether one that wants no more, for no longer, was refused there before: what came since made it no easier.

    What is kept from a guest is kept from an owner's job abroad as well, but not the other way round.
    """
    for who in range(guest, 2):
        for n in range(_KEPT):
            if units >= refused[who, pool, n, 0] and estimate >= refused[who, pool, n, 1]:
                return True
    return False


@compiled
def _keep(refused: Floats, guest: int, pool: int, units: float, estimate: float) -> None:
    """In the place of one that says less, else of the first that was kept."""
    kept = refused[guest, pool]
    for n in range(_KEPT):
        if units <= kept[n, 0] and estimate <= kept[n, 1]:
            kept[n, 0], kept[n, 1] = units, estimate
            return
    kept[: _KEPT - 1] = kept[1:].copy()
    kept[_KEPT - 1, 0], kept[_KEPT - 1, 1] = units, estimate


@compiled
def _abroad(s: State, job: int, now: float, refused: Floats) -> int:
    """The best pool that would take a job now as a guest: lowest cost, then most room in one piece, then the first.

    Who is a guest where it queues may start there too: that is its home in name alone.

    ``refused`` (2, P, kept, 2): of owners' jobs and of guests, by pool, units and lengths that found no place there
    since its reservations were renewed.
    """
    best, least, most = NOBODY, NEVER, 0
    home, units, gain, guest = s.home[job], s.units[job], s.reserved[job] - now, int(s.guest[job])
    everywhere, priced = s.touched[home], s.cost.shape[0] > 0
    for pool in range(len(s.size)):
        # nearly always nothing happened there, all is taken, or it may not: calls with the whole state cost far more
        if (pool == home and not guest) or not (everywhere or s.touched[pool]):
            continue
        low = s.first[pool]
        if s.first[pool + 1] - low == 1 and s.free[low] < units:
            continue
        if priced and s.cost[job, pool] >= NEVER:
            continue
        # what others may not take at its home may be what is held for it
        if pool != home and _is_hopeless(refused, guest, pool, units, s.estimate[job]):
            continue
        cost = toll(s, job, pool)
        if cost >= NEVER or (pool != home and gain <= cost * (1.0 + s.policy[HYSTERESIS])):
            continue
        free = room(s, pool)
        if cost > least or (cost == least and free <= most and best != NOBODY):
            continue
        if not _welcome(s, job, pool, now):
            continue
        if fit(s, job, pool, now) != NOBODY:
            best, least, most = pool, cost, free
        elif pool != home:
            _keep(refused, guest, pool, units, s.estimate[job])
    return best


@compiled
def keys(s: State, chosen: Ints, now: float) -> Floats:
    """Who of these comes first: the lowest."""
    found = np.empty(len(chosen))
    above = excess(s, now) if s.policy[FAIR] > 0 else s.usage
    for n in range(len(chosen)):
        job = chosen[n]
        key = s.policy[SHORT] * s.estimate[job] - s.policy[AGE] * (now - s.submit[job])
        key -= s.policy[PRIORITY] * s.priority[job]
        if s.policy[FAIR] > 0:
            key += s.policy[FAIR] * above[s.account[job]]
        if due(s, job) <= now:
            key -= DUE_FIRST
        found[n] = key
    return found


@compiled
def _chosen(s: State) -> Ints:
    """Who could start now: those whose home changed, and those that fit elsewhere where something changed."""
    most, count = 0, 0
    for pool in range(len(s.size)):
        if s.touched[pool]:
            most = max(most, room(s, pool))
            for node in range(s.first[pool], s.first[pool + 1]):
                most = max(most, s.free[node])
    found = np.empty(s.counters[QUEUED], dtype=np.int64)
    for n in range(s.counters[QUEUED]):
        job = s.queue[n]
        if s.touched[s.home[job]] or (s.movable[job] and s.units[job] <= most):
            found[count] = job
            count += 1
    return found[:count]


@compiled
def _round(s: State, now: float, out: Ints, count: int) -> int:
    """One pass over those who wait: first owners' jobs at home, then guests and those who had better go elsewhere."""
    for pool in range(len(s.size)):
        if s.touched[pool] and s.policy[RESERVATIONS] > 0:
            plan(s, pool, now)
    chosen = _chosen(s)
    order = chosen[np.argsort(keys(s, chosen, now), kind="mergesort")]
    before = count
    changed, stale = np.zeros((2, len(s.size)), dtype=np.bool_)
    refused = np.full((2, len(s.size), _KEPT, 2), np.inf)
    for abroad in range(2):
        for job in order:
            home = s.home[job]
            if s.status[job] != WAITING or (abroad == 0 and (s.guest[job] or not s.touched[home])):
                continue
            if abroad == 1 and stale[home] and s.guest[job] and s.reserved[job] <= now:
                plan(s, home, now)  # who stood before it may have taken what was held for it
                refused[:, home] = np.inf
                stale[home] = False
            pool = home if abroad == 0 else _abroad(s, job, now, refused)
            node = fit(s, job, pool, now) if pool != NOBODY and toll(s, job, pool) < NEVER else NOBODY
            if node != NOBODY:
                planned = s.reserved[job] < NEVER
                start(s, job, pool, node, now)
                refused[:, home] = np.inf  # what was reserved for it there is free again
                if planned and s.crowded[home]:
                    plan(s, home, now)  # the next in line is not passed by those behind it
                out[count] = job
                count += 1
                changed[home] = True
                changed[pool] = stale[pool] = True
    s.touched[:] = changed
    if count > before:
        _compact(s)
    return count


@compiled
def step(s: State, now: float, out: Ints) -> int:
    """Decide what starts now, until nothing more does. Rows that start go to ``out``; how many is returned."""
    count = 0
    while s.counters[QUEUED] and np.any(s.touched):
        before = count
        count = _round(s, now, out, count)
        if count == before:
            break
    if s.counters[QUEUED] == 0:
        s.touched[:] = False
    return count


@compiled
def wake(s: State, now: float) -> float:
    """When a reservation begins next (s), though nothing else happens: a step is due then. NEVER without one."""
    least = NEVER
    for n in range(s.counters[QUEUED]):
        at = s.reserved[s.queue[n]]
        if now < at < least:
            least = at
    return least


@compiled
def rouse(s: State, now: float) -> None:
    """Have the next step look at pools where a reservation has begun."""
    for n in range(s.counters[QUEUED]):
        if s.reserved[s.queue[n]] <= now:
            s.touched[s.home[s.queue[n]]] = True
