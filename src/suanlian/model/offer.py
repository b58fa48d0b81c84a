"""What can be bought: an offer puts a price per resource on a share; a change is a new version, never an edit."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from suanlian.model.base import Name, Utc, Value
from suanlian.model.money import Currency, Rate


class Tier(StrEnum):
    """On which terms capacity is sold."""

    ON_DEMAND = "on-demand"
    PREEMPTIBLE = "preemptible"
    """The owner may take it back at any time, within the share's notice."""
    RESERVED = "reserved"
    """For those with a contract, who ask for it by name."""


class NewOffer(Value):
    """What a provider states. ``valid_from`` left out means now; a time past is refused."""

    name: Name
    share: Name
    tier: Tier = Tier.ON_DEMAND
    currency: Currency = Currency.CNY
    rates: tuple[Rate, ...] = Field(min_length=1, max_length=4)
    valid_from: Utc | None = None

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        kinds = [rate.kind for rate in self.rates]
        if len(set(kinds)) != len(kinds):
            msg = "a kind of resource is priced twice"
            raise ValueError(msg)
        return self
