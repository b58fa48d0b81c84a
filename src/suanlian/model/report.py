"""The one-page supervision report of a node, how it goes up, and the receipt that comes down.

Figures of different grades are never added up: what is simulated has a column of its own.
"""

from datetime import date
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from suanlian.model.base import LongText, Name, Region, Text, Utc, Wire
from suanlian.model.ids import HubId
from suanlian.model.load import Utilisation
from suanlian.model.money import Amount
from suanlian.model.performance import ComputeClass, Grade, Precision
from suanlian.model.platform import PlatformState
from suanlian.model.protocol import Call, Envelope

REPORT_TYPE: Final = "suanlian-supervision-report"
"""The ``typ`` of a signed report."""
RECEIPT_TYPE: Final = "suanlian-receipt"
"""The ``typ`` of a signed receipt."""


class CapacityRow(Wire):
    """Performance of one class at one precision, one column a grade. Unit: tera-operations per second."""

    compute_class: ComputeClass
    precision: Precision
    by_grade: dict[Grade, Amount]


class PlatformRow(Wire):
    """One platform in figures over the report's window; utilisation is used / offered, both in core-seconds."""

    platform: Name
    title: Text
    title_zh: Text
    region: Region
    west: bool
    jobs: int
    tasks_ended: int
    tasks_failed: int
    cores: Amount
    used_core_s: Amount
    offered_core_s: Amount
    utilisation: Amount
    green_share: Amount
    waited_s_mean: Amount | None
    waited_s_p95: Amount | None
    cost: Amount
    cost_simulated: Amount
    in_use: Utilisation = Field(default=Utilisation(), description="at the time of the report, work of others included")


class FlowRow(Wire):
    """Tasks whose users are in one region and which ran in another."""

    user_region: Region
    site_region: Region
    tasks: int
    core_s: Amount


class SupplyRow(Wire):
    """Cores of one platform by every word on them, and what checks of them found within the window.

    The three figures are never added up: ``claimed`` is published now, ``seen_in_jobs`` and ``shown_free`` are the sums
    of the most that was held at once of each share within the last 30 days.
    """

    platform: Name
    claimed: Amount
    seen_in_jobs: Amount
    shown_free: Amount
    checks: int
    held: int
    phantom: int
    excused: int


class StoppedRow(Wire):
    """A platform that is suspended, frozen or rectifying: since when, why, and whether a second person confirmed it."""

    platform: Name
    state: PlatformState
    since: Utc
    why: LongText = ""
    confirmed: bool = True


class ExpiringRow(Wire):
    """A qualification that has run out or runs out soon."""

    entity: Name
    qualification: Name
    valid_until: date


class SupervisionReport(Wire):
    """What a node tells supervision about a window of time."""

    hub_id: HubId
    hub: Name
    prefix: Text
    since: Utc
    until: Utc
    made_at: Utc
    capacity: tuple[CapacityRow, ...]
    platforms: tuple[PlatformRow, ...]
    flows: tuple[FlowRow, ...]
    jobs: int
    jobs_by_state: dict[str, int]
    core_s: Amount
    core_s_east_to_west: Amount
    core_s_green: Amount = Field(description="core-seconds weighted with the contracted green share of their site")
    cost: Amount
    cost_simulated: Amount
    in_use: Utilisation = Field(default=Utilisation(), description="at the time of the report, work of others included")
    supply: tuple[SupplyRow, ...] = Field(default=(), description="of the cores: what is claimed, seen, shown free")
    platforms_by_state: dict[str, int] = Field(default={}, description="at the time of the report")
    stopped: tuple[StoppedRow, ...] = ()
    expiring: tuple[ExpiringRow, ...] = ()


class ReportUpCall(Call):
    """A report going up, signed as a kept document by the hub below. Path ``/connector/v1/supervision``."""

    report: SupervisionReport
    signature: Annotated[str, StringConstraints(max_length=1000)]


class Receipt(Wire):
    """The hub above has it: over which bytes, when, under which number."""

    id: str
    public_id: str
    hub: Name
    digest: Text
    received_at: Utc


class ReportUpAnswer(Envelope):
    """The receipt, signed by the hub above as a kept document."""

    receipt: Receipt
    signature: Annotated[str, StringConstraints(max_length=1000)]
