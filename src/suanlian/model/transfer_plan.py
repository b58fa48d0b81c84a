"""What whoever plans transfers is handed and what it decides: values between the store, the planner and the hub."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from suanlian.model.data import StorageShare
from suanlian.model.data_protocol import Window
from suanlian.model.levels import SiteCheck
from suanlian.model.platform import Site


@dataclass(frozen=True, slots=True)
class StoragePlace:
    """A storage share with all that is asked of it: where it lies, who owns it, whether it is heard of, what is free.

    ``booked``: bytes of copies that the market keeps or expects there. ``withdrawn``: published no more.
    """

    id: str
    platform: str
    platform_id: str
    entity: str
    connector_id: str
    share: StorageShare
    site: Site | None
    check: SiteCheck | None
    live: bool
    reachable: bool
    withdrawn: bool
    sealing_key: str
    booked: int

    @property
    def ref(self) -> str:
        """As people write it."""
        return f"{self.platform}/{self.share.name}"

    @property
    def where(self) -> str:
        """The site, by platform and name: copies at one site are lost together."""
        return f"{self.platform}/{self.share.site}"

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may be kept there."""
        return self.share.capacity is None or self.booked + size <= self.share.capacity


@dataclass(frozen=True, slots=True)
class Source:
    """A copy that may be read, and where; a ``doubted`` one is the last that is tried."""

    replica_id: str
    place: StoragePlace
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class WaitingTransfer:
    """A transfer that has no way yet, or goes on: ``bytes`` are still to come.

    ``largest``: its largest file in bytes. ``account``: whose reservations of links count. ``urgent``: work waits for
    it; ``ahead``: work is only likely to. ``planned``: it has its hour already, which has not come. ``slow``: where it
    came from last (``platform/site``), and the Mbit/s that went there, where that was too slow.
    """

    id: str
    version_id: str
    bytes: int
    largest: int
    files: int
    priority: int
    deadline: datetime | None
    created_at: datetime
    target: StoragePlace
    sources: tuple[Source, ...]
    relays: tuple[StoragePlace, ...] = ()
    is_relay: bool = False
    account: str = ""
    urgent: bool = False
    ahead: bool = False
    planned: bool = False
    slow: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class GoingTransfer:
    """A transfer that goes on, from which copy and by which plan.

    ``transfer.slow`` stands where that is far below its plan.
    """

    transfer: WaitingTransfer
    source_replica_id: str
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """A transfer that goes on gets other windows; ``anew``: it stops, and looks for another source."""

    transfer_id: str
    source_replica_id: str
    windows: tuple[Window, ...] = ()
    ends_at: datetime | None = None
    rate_mbps: Decimal | None = None
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """The way of a transfer: from which copy, when, at what rate; ``via``: first to this storage, then anew from there.

    ``push``: the source's connector writes, else the target's reads.
    """

    transfer_id: str
    source_replica_id: str
    push: bool = False
    via: str = ""
    begins_at: datetime | None = None
    ends_at: datetime | None = None
    windows: tuple[Window, ...] = ()
    rate_mbps: Decimal | None = None
    cost_cny: Decimal | None = None


@dataclass(frozen=True, slots=True)
class NoWay:
    """A transfer that cannot go now; ``over``: nor ever, as things are."""

    transfer_id: str
    code: str
    reason: str
    over: bool = False
