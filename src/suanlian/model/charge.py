"""What is owed for a usage segment: one charge a resource, each line a product that anybody can work out again."""

from enum import StrEnum

from pydantic import Field

from suanlian.model.base import Utc, Value
from suanlian.model.ids import AccountId, AttemptId, JobId, PlatformId, ProjectId
from suanlian.model.money import Amount, Money, Price
from suanlian.model.quantity import ResourceKind
from suanlian.model.version import VersionRef


class Payer(StrEnum):
    """Who owes a charge to the platform."""

    ACCOUNT = "account"
    HUB = "hub"
    """The hub itself: the job ran within the free allowance."""


class Charge(Value):
    """``cost = quantity x rate``: quantity in unit-hours (core-hour, GiB-hour, card-hour)."""

    id: str
    account_id: AccountId
    project_id: ProjectId
    platform_id: PlatformId
    job_id: JobId
    attempt_id: AttemptId
    sequence: int
    kind: ResourceKind
    quantity: Amount = Field(description="unit-hours")
    rate: Price
    cost: Money
    offer: VersionRef
    simulated: bool
    free: bool = False
    payer: Payer = Payer.ACCOUNT
    payable: Money | None = Field(default=None, description="what the account owes of the cost")
    started_at: Utc
    ended_at: Utc
    written_at: Utc
