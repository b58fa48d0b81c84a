"""Which weights order a hub's market, what does each mean, and how far may an operator turn it? The policy, as data.

Seconds weigh against seconds: a weight in seconds is how much later a job may come and still stand before another.
What follows of them: ``rules/queueing/policy.py`` (who starts next) and ``rules/preferring.py`` (where).
"""

from decimal import Decimal
from typing import Annotated

from pydantic import Field, StringConstraints

from suanlian.model.base import LongText, Text, Utc, Value, Wire
from suanlian.model.market import USUAL_DETOUR

_DAY_S = 86_400

Weight = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=30 * _DAY_S, allow_inf_nan=False)]
HalfLife = Annotated[float, Field(ge=3600, le=365 * _DAY_S, allow_inf_nan=False)]
Reservations = Annotated[int, Field(ge=1, le=64)]
Margin = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Units = Annotated[int, Field(ge=0, le=10_000)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Detour = Annotated[Decimal, Field(ge=0, le=Decimal("0.2"), allow_inf_nan=False)]


class MarketPolicy(Wire):
    """The weights in force; the defaults are those of a hub at which nobody changed any."""

    short: Weight = Field(default=1.0, description="seconds for each second that a job is estimated to take: later")
    age: Weight = Field(default=1.0, description="seconds for each second that a job waited: sooner")
    fair_s: Seconds = Field(
        default=21_600.0, description="seconds for an account that used all there was of late: later; none used: 0"
    )
    half_life_s: HalfLife = Field(
        default=7.0 * _DAY_S, description="seconds after which what an account used counts half"
    )
    reservations: Reservations = Field(
        default=48, description="so many of the oldest jobs of a pool hold a time that nobody may push back"
    )
    move_s: Seconds = Field(default=600.0, description="seconds that a job must gain elsewhere to leave its home")
    hysteresis: Margin = Field(default=0.0, description="as a share of move_s: so much more it must gain")
    headroom: Units = Field(
        default=0, description="cards (else cores) that stay free in one piece at a pool that takes a guest"
    )
    brief_s: Seconds = Field(default=3600.0, description="seconds: guests that take no longer need leave no headroom")
    learn: Share = Field(
        default=0.02, description="the share of each job's error by which its account's estimates are corrected"
    )
    detour: Detour = Field(
        default=USUAL_DETOUR, description="so far above the least bill, as a share, a job is sent for others' sake"
    )


class Weights(Value):
    """Some weights; what is left out stays as it is. Bounds are those of ``MarketPolicy``."""

    short: Weight | None = None
    age: Weight | None = None
    fair_s: Seconds | None = None
    half_life_s: HalfLife | None = None
    reservations: Reservations | None = None
    move_s: Seconds | None = None
    hysteresis: Margin | None = None
    headroom: Units | None = None
    brief_s: Seconds | None = None
    learn: Share | None = None
    detour: Detour | None = None

    def over(self, policy: MarketPolicy) -> MarketPolicy:
        """The policy with these in place of its own."""
        said = {name: value for name in MarketPolicy.model_fields if (value := getattr(self, name)) is not None}
        return policy.model_copy(update=said)


class PolicyChange(Weights):
    """Weights as an operator wants them, and why. Whoever is signed in reads both."""

    why: Annotated[LongText, StringConstraints(min_length=1)]


class PolicyVersion(Wire):
    """A policy as it was set. Version 0: nobody set any, the defaults hold."""

    version: int = Field(default=0, ge=0)
    policy: MarketPolicy = MarketPolicy()
    at: Utc | None = None
    by: Text = Field(default="", description="the operator's name, and whose")
    why: LongText = ""
