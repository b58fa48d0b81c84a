"""A slow gang simulator in plain Python, written apart from the package, that the fast one is held against."""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

Pick = Callable[[Iterable[int]], int]


def lowest(nodes: Iterable[int]) -> int:
    return min(nodes)


def by_hash(nodes: Iterable[int]) -> int:
    """The order in which CPython walks a set of small numbers: the tie rule behind the reference figures."""
    return next(iter(nodes))


@dataclass
class Place:
    """Nodes in sets by how much is free."""

    count: int
    size: int
    pick: Pick
    free: dict[int, int] = field(default_factory=dict)
    level: list[set[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.level = [set() for _ in range(self.size + 1)]
        self.level[self.size] = set(range(self.count))
        self.free = dict.fromkeys(range(self.count), self.size)

    def move(self, node: int, free: int) -> None:
        self.level[self.free[node]].discard(node)
        self.free[node] = free
        self.level[free].add(node)

    def fits(self, units: int) -> bool:
        if units <= self.size:
            return any(self.level[units:])
        return len(self.level[self.size]) >= -(-units // self.size)

    def take(self, units: int) -> list[tuple[int, int]]:
        if units <= self.size:
            least = next(free for free in range(units, self.size + 1) if self.level[free])
            node = self.pick(self.level[least])
            self.move(node, least - units)
            return [(node, units)]
        taken = []
        for _ in range(-(-units // self.size)):
            node = self.pick(self.level[self.size])
            self.move(node, 0)
            taken.append((node, self.size))
        return taken

    def give(self, taken: list[tuple[int, int]]) -> None:
        for node, units in taken:
            self.move(node, self.free[node] + units)


@dataclass
class Row:
    submit: float
    duration: float
    units: int


def first_come(count: int, size: int, rows: Sequence[Row], pick: Pick = lowest, *, skip: bool = False) -> list[float]:
    """When each of the rows, in order of submission, starts on one platform; ``skip`` lets others pass."""
    place, starts, waiting = Place(count, size, pick), [float("nan")] * len(rows), list[int]()
    ends: list[tuple[float, int, list[tuple[int, int]]]] = []
    at = 0
    while at < len(rows) or ends:
        now = min(rows[at].submit if at < len(rows) else float("inf"), ends[0][0] if ends else float("inf"))
        while ends and ends[0][0] <= now:
            place.give(heapq.heappop(ends)[2])
        while at < len(rows) and rows[at].submit <= now:
            waiting.append(at)
            at += 1
        left = []
        for n, row in enumerate(waiting):
            if place.fits(rows[row].units):
                starts[row] = now
                heapq.heappush(ends, (now + rows[row].duration, row, place.take(rows[row].units)))
            elif skip:
                left.append(row)
            else:
                left += waiting[n:]
                break
        waiting = left
    return starts


def easy(units: int, rows: Sequence[Row]) -> list[float]:  # noqa: C901 - as the textbook has it
    """Textbook EASY backfilling on one pool of units; estimates are exact."""
    starts, running, waiting, at, free = [float("nan")] * len(rows), list[tuple[float, int]](), list[int](), 0, units

    def begin(row: int, now: float) -> None:
        nonlocal free
        starts[row] = now
        free -= rows[row].units
        running.append((now + rows[row].duration, row))

    while at < len(rows) or running:
        now = min([rows[at].submit] if at < len(rows) else [float("inf")])
        now = min([now, *(end for end, _ in running)])
        free += sum(rows[row].units for end, row in running if end <= now)
        running = [(end, row) for end, row in running if end > now]
        while at < len(rows) and rows[at].submit <= now:
            waiting.append(at)
            at += 1
        while waiting and rows[waiting[0]].units <= free:
            begin(waiting.pop(0), now)
        if not waiting:
            continue
        room, shadow = free, now
        for end, row in sorted(running):
            room += rows[row].units
            shadow = end
            if room >= rows[waiting[0]].units:
                break
        room = units - sum(rows[row].units for end, row in running if end > shadow)
        spare = room - rows[waiting[0]].units
        for row in waiting[1:]:
            if rows[row].units <= free and (now + rows[row].duration <= shadow or rows[row].units <= spare):
                if now + rows[row].duration > shadow:
                    spare -= rows[row].units
                begin(row, now)
        waiting = [row for row in waiting if starts[row] != starts[row]]
    return starts
