"""Bytes on links: all that go over a link at a moment share it in equal parts, and nothing else slows them.

A link keeps how many bytes each of its flows has had since it was first used; a flow ends when that has grown by its
size. So whatever comes and goes beside it, nothing is touched but its link.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush

from suanlian.twin.results import Floats

NEVER = 1e18
_BIT_S = 1e6 / 8.0
DONE = 1000.0
"""Bytes: so little left of a flow is rounding of times."""


@dataclass(slots=True, eq=False)
class Flow:
    """Bytes of a dataset on their way. ``since``, ``until``: bytes that each flow of the link had, and will have."""

    number: int
    dataset: int
    source: int
    target: int
    size: int
    since: float
    until: float
    open: bool = True


@dataclass(slots=True, eq=False)
class Link:
    """A way between two sites: ``rate`` bytes a second; ``each``: bytes that each flow has had until ``at`` (s)."""

    rate: float
    at: float = 0.0
    each: float = 0.0
    busy_s: float = 0.0
    carried: float = 0.0
    """Bytes, those of flows that were called off included."""
    going: int = 0
    line: list[tuple[float, int, Flow]] = field(default_factory=list)

    def forward(self, now: float) -> None:
        """Time goes by until ``now``."""
        if self.going:
            passed = now - self.at
            self.each += passed * self.rate / self.going
            self.carried += passed * self.rate
            self.busy_s += passed
        self.at = now

    def next_end(self) -> float:
        """When the next flow is whole (s), if nothing comes or goes."""
        while self.line and not self.line[0][2].open:
            heappop(self.line)
        if not self.line:
            return NEVER
        return self.at + max(self.line[0][0] - self.each, 0.0) * self.going / self.rate


class Links:
    """All links between sites; ``mbps`` (S, S) from, to."""

    def __init__(self, mbps: Floats) -> None:
        """Nothing goes."""
        self.links = {
            (a, b): Link(float(mbps[a, b]) * _BIT_S) for a in range(len(mbps)) for b in range(len(mbps)) if a != b
        }
        self._active: dict[tuple[int, int], Link] = {}
        self._flows = 0

    def begin(self, dataset: int, source: int, target: int, size: int, now: float) -> Flow:
        """So many bytes go from now on."""
        link = self.links[source, target]
        link.forward(now)
        if not link.going:  # sums begin anew, so that they stay exact
            link.each, link.line = 0.0, []
            self._active[source, target] = link
        self._flows += 1
        flow = Flow(self._flows, dataset, source, target, size, link.each, link.each + size)
        heappush(link.line, (flow.until, flow.number, flow))
        link.going += 1
        return flow

    def call_off(self, flow: Flow, now: float) -> None:
        """What is left of it does not go."""
        link = self.links[flow.source, flow.target]
        link.forward(now)
        flow.open = False
        flow.until = min(flow.until, link.each)
        self._less(flow, link)

    def _less(self, flow: Flow, link: Link) -> None:
        link.going -= 1
        if not link.going:
            del self._active[flow.source, flow.target]

    def left(self, flow: Flow, now: float) -> float:
        """Bytes of it that are still to come."""
        link = self.links[flow.source, flow.target]
        link.forward(now)
        return max(flow.until - link.each, 0.0)

    def beside(self, source: int, target: int) -> int:
        """How many go there now."""
        return self.links[source, target].going

    def next_end(self) -> float:
        """When the next flow of all is whole (s)."""
        return min((link.next_end() for link in self._active.values()), default=NEVER)

    def ended(self, now: float) -> list[Flow]:
        """Those that are whole now, in order of their beginning."""
        found: list[Flow] = []
        for link in list(self._active.values()):
            if link.next_end() > now:
                continue
            link.forward(now)
            while link.line and (not link.line[0][2].open or link.line[0][0] - link.each <= DONE):
                flow = heappop(link.line)[2]
                if flow.open:
                    flow.open = False
                    self._less(flow, link)
                    found.append(flow)
        return sorted(found, key=lambda flow: flow.number)
