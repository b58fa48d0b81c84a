"""Where the jobs of a trace may run: platforms with their nodes and owners, and what it takes to move work."""

from dataclasses import dataclass, field

import numpy as np

from suanlian.twin.results import Floats, Ints
from suanlian.twin.trace import TraceError

MOST_UNITS = 1_000_000_000
"""More accelerators at one platform cannot be meant."""


@dataclass(frozen=True, slots=True)
class Outage:
    """All nodes of a platform (``node`` -1), or one, are down from ``at`` until ``until`` (s); what runs is lost."""

    platform: int
    at: float
    until: float
    node: int = -1


@dataclass(frozen=True, slots=True)
class World:
    """P platforms. A node has ``node_units`` accelerators; a gang larger than that takes whole nodes of one platform.

    ``move_s`` is what every move costs (s); with ``gbps`` [P, P] (from, to; Gbit/s) the transfer of a job's data comes
    on top. ``price`` (CNY per accelerator-hour), ``carbon`` (kg per kWh) and ``green`` (share of contracted green
    power, 0..1) have shape (P, H): hour h of the simulation takes column h mod H. ``watts`` (P,) is the draw of a busy
    accelerator with its share of the site. All of these are optional: None leaves the measure out.
    """

    names: tuple[str, ...]
    nodes: Ints
    node_units: Ints
    owner: Ints
    owners: tuple[str, ...]
    move_s: float = 600.0
    gbps: Floats | None = None
    price: Floats | None = None
    carbon: Floats | None = None
    green: Floats | None = None
    watts: Floats | None = None
    outages: tuple[Outage, ...] = field(default=())

    @property
    def units(self) -> Ints:
        """Accelerators of each platform (P,)."""
        return self.nodes * self.node_units

    def validate(self) -> None:
        """Raise ``TraceError`` on shapes that differ, on no or absurd nodes and on figures that are none."""
        count = len(self.names)
        for name, value in (("nodes", self.nodes), ("node_units", self.node_units), ("owner", self.owner)):
            if value.shape != (count,):
                raise TraceError("world_shape", f"{name} has shape {value.shape}, wanted ({count},)")
        if count == 0 or np.any(self.nodes < 0) or np.any(self.node_units < 1) or np.any(self.units > MOST_UNITS):
            raise TraceError("world_size", "a platform has no nodes that can be meant")
        if np.any(self.owner < 0) or np.any(self.owner >= len(self.owners)):
            raise TraceError("world_owner", "a platform's owner is not among the owners")
        if not (np.isfinite(self.move_s) and self.move_s >= 0):
            raise TraceError("world_move", "move_s is not a time")
        self._validate_options(count)

    def _validate_options(self, count: int) -> None:
        for name, value in (("price", self.price), ("carbon", self.carbon), ("green", self.green)):
            if value is not None and (value.ndim != 2 or value.shape[0] != count or not np.all(np.isfinite(value))):  # noqa: PLR2004 - two axes
                raise TraceError("world_hours", f"{name} must be finite, of shape ({count}, hours)")
        if self.gbps is not None and (self.gbps.shape != (count, count) or np.any(~(self.gbps > 0))):
            raise TraceError("world_links", f"gbps must be above zero, of shape ({count}, {count})")
        if self.watts is not None and (self.watts.shape != (count,) or np.any(~(self.watts >= 0))):
            raise TraceError("world_watts", f"watts must not be below zero, of shape ({count},)")
        if any(not 0 <= o.platform < count or not o.at < o.until for o in self.outages):
            raise TraceError("world_outage", "an outage is of no platform or ends before it begins")


def sized(names: tuple[str, ...], nodes: list[int], *, node_units: int = 8, move_s: float = 600.0) -> World:
    """Platforms of equal nodes, each of an owner of the same name."""
    count = len(names)
    return World(
        names=names,
        nodes=np.array(nodes, dtype=np.int64),
        node_units=np.full(count, node_units, dtype=np.int64),
        owner=np.arange(count, dtype=np.int64),
        owners=names,
        move_s=move_s,
    )
