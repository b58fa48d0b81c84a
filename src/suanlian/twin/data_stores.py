"""The storage of each site: which copies lie there or are coming, who uses them, what goes when room is wanted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from suanlian.twin.data_links import Flow, Links
from suanlian.twin.data_world import GB, DataDemand, DataWorld

MONTH_S: Final = 30 * 86_400.0


@dataclass(slots=True, eq=False)
class Copy:
    """A copy at a site. ``users``: work that reads it and flows that come from it; ``wanted``: jobs that will."""

    dataset: int
    site: int
    size: int
    is_origin: bool
    since: float
    flow: Flow | None = None
    users: int = 0
    wanted: int = 0
    used_at: float = 0.0


class Entry(NamedTuple):
    """A line of the journal: ``come`` (room is taken), ``whole``, ``go`` (room is free again)."""

    at: float
    what: str
    site: int
    dataset: int


Worth = Callable[[Copy], float]
"""What a copy is worth; the least goes first."""


@dataclass(slots=True)
class Stores:
    """All storage. ``free``: bytes by site; ``journal``: what came and went; ``kept_cny``: what keeping copies cost."""

    world: DataWorld
    links: Links
    free: list[int]
    copies: list[dict[int, Copy]]
    where: list[dict[int, Copy]]
    """By dataset: its copies by site."""
    whole: list[tuple[int, ...]]
    """By dataset: sites with a whole copy, in order."""
    journal: list[Entry] = field(default_factory=list)
    kept_cny: float = 0.0

    @classmethod
    def at_origin(cls, world: DataWorld, demand: DataDemand, links: Links) -> "Stores":
        """Each dataset lies where it comes from and nowhere else."""
        count = len(demand.size)
        found = cls(
            world,
            links,
            [int(one) for one in world.room],
            [{} for _ in world.names],
            [{} for _ in range(count)],
            [(int(one),) for one in demand.origin],
        )
        for dataset in range(count):
            site = int(demand.origin[dataset])
            copy = Copy(dataset, site, int(demand.size[dataset]), True, 0.0)
            found.copies[site][dataset] = found.where[dataset][site] = copy
        return found

    def come(self, dataset: int, source: int, site: int, size: int, now: float) -> Copy:
        """Bring a copy; there must be room. Its source stays until it is whole."""
        self.free[site] -= size
        self.where[dataset][source].users += 1
        flow = self.links.begin(dataset, source, site, size, now)
        copy = Copy(dataset, site, size, False, now, flow, used_at=now)
        self.copies[site][dataset] = self.where[dataset][site] = copy
        self.journal.append(Entry(now, "come", site, dataset))
        return copy

    def arrived(self, flow: Flow, now: float) -> Copy:
        """A flow is whole."""
        copy = self.copies[flow.target][flow.dataset]
        copy.flow = None
        self.where[flow.dataset][flow.source].users -= 1
        self.whole[flow.dataset] = tuple(sorted((*self.whole[flow.dataset], copy.site)))
        self.journal.append(Entry(now, "whole", copy.site, copy.dataset))
        return copy

    def go(self, copy: Copy, now: float) -> None:
        """A copy that nobody uses goes; what is coming is called off."""
        if copy.flow is not None:
            self.links.call_off(copy.flow, now)
            self.where[copy.dataset][copy.flow.source].users -= 1
        else:
            self.whole[copy.dataset] = tuple(one for one in self.whole[copy.dataset] if one != copy.site)
        del self.copies[copy.site][copy.dataset], self.where[copy.dataset][copy.site]
        self.free[copy.site] += copy.size
        self.kept_cny += self.keeping(copy, now)
        self.journal.append(Entry(now, "go", copy.site, copy.dataset))

    def keeping(self, copy: Copy, now: float) -> float:
        """What a further copy has cost until now (CNY)."""
        return 0.0 if copy.is_origin else copy.size / GB * self.world.keep_cny[copy.site] * (now - copy.since) / MONTH_S

    def to_be_had(self, site: int) -> int:
        """Bytes that are free, or would be if all that nobody uses went."""
        held = self.copies[site].values()
        return self.free[site] + sum(copy.size for copy in held if not copy.is_origin and not copy.users)

    def make_room(self, site: int, size: int, now: float, worth: Worth, *, gently: bool) -> list[Copy] | None:
        """Have so many bytes free: the copies that went, or None where those that nobody uses are not enough.

        ``gently``: what is coming and what a job that waits will read stays too.
        """
        if self.free[site] >= size:
            return []
        able = [
            copy
            for copy in self.copies[site].values()
            if not copy.is_origin and not copy.users and not (gently and (copy.wanted or copy.flow is not None))
        ]
        if self.free[site] + sum(copy.size for copy in able) < size:
            return None
        gone = []
        for copy in sorted(able, key=lambda one: (one.wanted > 0, one.flow is not None, worth(one), one.dataset)):
            if self.free[site] >= size:
                break
            self.go(copy, now)
            gone.append(copy)
        return gone
