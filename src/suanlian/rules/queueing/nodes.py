"""Gangs on nodes: what is free, what is taken and given back. Best fit; among equal nodes the first."""

from suanlian.rules.matching.compiled import compiled
from suanlian.rules.queueing.state import DOWN, NEVER, NOBODY, Floats, Ints, State


@compiled
def best_fit(free: Ints, low: int, high: int, units: int) -> int:
    """The node from ``low`` to ``high`` with the least free room that is enough; NOBODY where there is none."""
    best, least = NOBODY, 0
    for node in range(low, high):
        room = free[node]
        if room >= units and (best == NOBODY or room < least):
            best, least = node, room
    return best


@compiled
def whole(free: Ints, low: int, high: int, size: int) -> int:
    """How many nodes are wholly free."""
    count = 0
    for node in range(low, high):
        if free[node] == size:
            count += 1
    return count


@compiled
def take_whole(free: Ints, gang: Ints, low: int, high: int, size: int, job: int, wanted: int) -> None:
    """Give a job the first ``wanted`` nodes that are wholly free."""
    for node in range(low, high):
        if wanted and free[node] == size:
            free[node] = 0
            gang[node] = job
            wanted -= 1


@compiled
def give_whole(free: Ints, gang: Ints, low: int, high: int, size: int, job: int) -> None:
    """Take back all nodes of a gang."""
    for node in range(low, high):
        if gang[node] == job:
            free[node] = size
            gang[node] = NOBODY


@compiled
def needed(units: int, size: int) -> int:
    """How many whole nodes a gang takes that is larger than one."""
    return (units + size - 1) // size


@compiled
def _first_after(ends: Floats, count: int, time: float) -> int:
    """The first of ascending times that is later; ``count`` if none is."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ends[middle] > time:
            high = middle
        else:
            low = middle + 1
    return low


@compiled
def enter(s: State, node: int, end: float, units: int) -> None:
    """Work of so many units begins to run on a node beside others, until ``end`` by estimate."""
    ends, left, count = s.entry_end[node], s.entry_units[node], s.entries[node]
    at = _first_after(ends, count, end)
    if at > 0 and ends[at - 1] == end:
        for n in range(at):
            left[n] += units
        return
    if count == len(ends):
        _unite(s, node)
        count = s.entries[node]
        at = _first_after(ends, count, end)
    for n in range(count, at, -1):
        ends[n], left[n] = ends[n - 1], left[n - 1]
    ends[at] = end
    left[at] = units + (left[at + 1] if at < count else 0)
    for n in range(at):
        left[n] += units
    s.entries[node] = count + 1


@compiled
def _unite(s: State, node: int) -> None:
    """The two entries that end nearest to each other become one that ends as the later one does."""
    ends, left, count = s.entry_end[node], s.entry_units[node], s.entries[node]
    least, at = NEVER, 0
    for n in range(count - 1):
        if ends[n + 1] - ends[n] < least:
            least, at = ends[n + 1] - ends[n], n
    ends[at] = ends[at + 1]
    for n in range(at + 1, count - 1):
        ends[n], left[n] = ends[n + 1], left[n + 1]
    s.entries[node] = count - 1


@compiled
def withdrawn(s: State, node: int, end: float, units: int) -> None:
    """Work of so many units that was to run until ``end`` runs on a node no more."""
    ends, left, count = s.entry_end[node], s.entry_units[node], s.entries[node]
    at = _first_after(ends, count, end)
    if at > 0 and ends[at - 1] == end:
        at -= 1
    while units > 0 and at < count:
        # its entry may have been united with a later one
        own = left[at] - (left[at + 1] if at + 1 < count else 0)
        taken = min(own, units)
        for n in range(at + 1):
            left[n] -= taken
        units -= taken
        if taken == own:
            for n in range(at, count - 1):
                ends[n], left[n] = ends[n + 1], left[n + 1]
            count -= 1
        else:
            at += 1
    s.entries[node] = count


@compiled
def next_end(s: State, node: int, after: float) -> float:
    """When work that runs on a node beside others ends next, by estimate; NEVER without any."""
    at = _first_after(s.entry_end[node], s.entries[node], after)
    return float(s.entry_end[node, at]) if at < s.entries[node] else NEVER


@compiled
def release(s: State, job: int) -> None:
    """A running job gives back what it had."""
    pool, node = s.pool[job], s.node[job]
    if node == NOBODY:
        give_whole(s.free, s.gang, s.first[pool], s.first[pool + 1], s.size[pool], job)
        return
    s.free[node] += s.units[job]
    withdrawn(s, node, s.ends[job], s.units[job])
    if s.head[node] == job:
        s.head[node] = s.after[job]
        return
    other = s.head[node]
    while s.after[other] != job:
        other = s.after[other]
    s.after[other] = s.after[job]


@compiled
def room(s: State, pool: int) -> int:
    """Units free in one piece: those of wholly free nodes; of a pool of one node, all that is free."""
    low, high = s.first[pool], s.first[pool + 1]
    if high - low == 1:
        return max(int(s.free[low]), 0)
    return int(whole(s.free, low, high, s.size[pool]) * s.size[pool])


@compiled
def stands_before(s: State, other: int, me: int) -> bool:
    """Whether what is held for another job is kept from ``me`` (-1: nobody in particular).

    Guests stand in one line wherever they queue: what is held for one is kept from those behind it. An owner's job
    comes before guests where it is at home.
    """
    if other == me or me < 0 or not s.guest[other]:
        return bool(other != me)
    return bool(s.rank[other] < s.rank[me]) if s.guest[me] else bool(s.home[other] != s.home[me])


@compiled
def used_at(s: State, node: int, size: int, time: float, me: int) -> int:
    """Units of a node in use at a time by estimate, with the reservations of those who stand before ``me``.

    What others use of whom nothing is known is thought to stay.
    """
    owner = s.gang[node]
    used = int(s.away[node])
    if owner == DOWN or (owner != NOBODY and s.ends[owner] > time):
        used = size
    at = _first_after(s.entry_end[node], s.entries[node], time)
    if at < s.entries[node]:
        used += s.entry_units[node, at]
    for n in range(s.held[node]):
        if s.held_from[node, n] <= time < s.held_until[node, n] and stands_before(s, s.held_by[node, n], me):
            used += s.held_units[node, n]
    return used


@compiled
def fits_span(s: State, node: int, size: int, units: int, begin: float, end: float, me: int) -> bool:
    """Whether a node has room from ``begin`` to ``end``, by estimate, beside what is held for those before ``me``."""
    if used_at(s, node, size, begin, me) + units > size:
        return False
    for n in range(s.held[node]):
        at = s.held_from[node, n]
        if not begin < at < end or not stands_before(s, s.held_by[node, n], me):
            continue
        if used_at(s, node, size, at, me) + units > size:
            return False
    return True


@compiled
def allows(s: State, node: int, size: int, units: int, now: float, end: float, me: int) -> bool:
    """Whether a job that fits now may run until ``end`` without pushing back those before it."""
    for n in range(s.held[node]):
        at = max(s.held_from[node, n], now)
        if at >= end or not stands_before(s, s.held_by[node, n], me):
            continue
        if used_at(s, node, size, at, me) + units > size:
            return False
    return True


@compiled
def push(keys: Floats, jobs: Ints, base: int, count: int, key: float, job: int) -> None:
    """Into a heap of ``count`` entries at ``base``: the earliest key first, ties by job."""
    at = count
    while at > 0:
        up = (at - 1) // 2
        if keys[base + up] < key or (keys[base + up] == key and jobs[base + up] < job):
            break
        keys[base + at], jobs[base + at] = keys[base + up], jobs[base + up]
        at = up
    keys[base + at], jobs[base + at] = key, job


@compiled
def pop(keys: Floats, jobs: Ints, base: int, count: int) -> int:
    """The job of the earliest key out of a heap of ``count`` entries at ``base``."""
    found = int(jobs[base])
    last = count - 1
    key, job = keys[base + last], jobs[base + last]
    at = 0
    while True:
        low = 2 * at + 1
        if low >= last:
            break
        if low + 1 < last and (
            keys[base + low + 1] < keys[base + low]
            or (keys[base + low + 1] == keys[base + low] and jobs[base + low + 1] < jobs[base + low])
        ):
            low += 1
        if keys[base + low] > key or (keys[base + low] == key and jobs[base + low] > job):
            break
        keys[base + at], jobs[base + at] = keys[base + low], jobs[base + low]
        at = low
    keys[base + at], jobs[base + at] = key, job
    return found


@compiled
def withdraw(keys: Floats, jobs: Ints, base: int, count: int, job: int) -> bool:
    """Take a job out of a heap of ``count`` entries, wherever it stands; whether it was there."""
    for n in range(count):
        if jobs[base + n] == job:
            at = n
            while at > 0:
                up = (at - 1) // 2
                keys[base + at], jobs[base + at] = keys[base + up], jobs[base + up]
                at = up
            keys[base], jobs[base] = -NEVER, job
            pop(keys, jobs, base, count)
            return True
    return False
