"""What a platform tells of its present load: counts of each share, from this hub or not, with an age and a lifetime."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, ValidationError

from suanlian.model.base import Name, Text, Utc, Value, Wire
from suanlian.model.ids import PlatformId, ShareId
from suanlian.model.money import Amount
from suanlian.model.owner import JoinLevel
from suanlian.model.platform import Share, ShareMode
from suanlian.model.quantity import Resources

LOAD_TTL_S: Final = 90
"""So long a state counts as fresh unless its platform says otherwise: three heartbeats."""
MAX_LOADS: Final = 2000
_MAX_TTL_S: Final = 24 * 3600


class ShareLoad(Wire):
    """The load of one share at one moment, or why it is not known. Counts only, nothing of what runs."""

    share: Name
    in_use: Resources | None = Field(default=None, description="what cannot be given away now, whoever uses it")
    ours: Resources = Field(default=Resources(), description="what of it was given to jobs of this hub")
    others: Resources | None = Field(
        default=None, description="what the owner's own work takes or waits for; none told: in_use without ours"
    )
    running: int | None = Field(default=None, ge=0, description="jobs of anybody, where the engine knows")
    queued: int | None = Field(default=None, ge=0, description="jobs of anybody that wait, where the engine knows")
    observed_at: Utc
    ttl_s: int = Field(default=LOAD_TTL_S, ge=1, le=_MAX_TTL_S)
    fault: Text = Field(default="", description="why it is not known; then in_use is left out")

    def owners(self) -> Resources:
        """What is not there for the market: the owner's own work."""
        return self.others if self.others is not None else (self.in_use or Resources()).minus(self.ours)


def for_the_market(share: Share, told: "ToldLoad | None", now: datetime) -> Resources:
    """What jobs of a hub may hold of a share at this moment, those that hold it already included.

    Of a share that is not exclusive it is what the owner's own work leaves; where that is not known, or was told too
    long ago, nothing. What this hub gave away since counts once: by the capacity book, not by the load.
    """
    if share.mode is ShareMode.EXCLUSIVE:
        return share.capacity
    load = None if told is None else told.load
    if told is None or load is None or now - min(load.observed_at, told.told_at) > timedelta(seconds=told.ttl_s):
        return Resources()
    return share.capacity.minus(load.owners())


def _readable(given: Any) -> Any:  # noqa: ANN401 - whatever a peer sent
    """One load that cannot be read is left out: it never blocks the others, nor the report that it came with."""
    if not isinstance(given, list | tuple):
        return given
    found = []
    for item in given[:MAX_LOADS]:
        try:
            found.append(item if isinstance(item, ShareLoad) else ShareLoad.model_validate(item))
        except ValidationError:
            continue
    return tuple(found)


Loads = Annotated[tuple[ShareLoad, ...], BeforeValidator(_readable)]
"""The loads of shares as a report brings them."""


@dataclass(frozen=True, slots=True)
class ToldLoad:
    """What is kept of a share: the last load that was told, and why there is no newer one where there is a fault."""

    load: ShareLoad | None
    fault: str
    ttl_s: int
    told_at: datetime


@dataclass(frozen=True, slots=True)
class ShareFact:
    """A share that is published, and what is kept of its load."""

    share_id: ShareId
    platform_id: PlatformId
    entity_id: str
    platform: str
    share: str
    level: JoinLevel
    capacity: Resources
    simulated: bool
    told: ToldLoad | None


class ShareState(Value):
    """What is known of a share's load, how old that is, and whether it is too old to count."""

    share_id: ShareId
    platform_id: PlatformId
    platform: Name
    share: Name
    level: JoinLevel
    capacity: Resources
    in_use: Resources | None = None
    ours: Resources = Resources()
    running: int | None = None
    queued: int | None = None
    observed_at: Utc | None = None
    age_s: Amount | None = None
    ttl_s: int | None = None
    stale: bool = Field(description="never told, or older than its lifetime")
    faulty: bool = Field(default=False, description="the platform could not tell it when it was asked last")
    fault: Text = Field(default="", description="for its owner and for those who watch")
    simulated: bool = False


class Utilisation(Value):
    """How much is in use, weighted with capacity, over the shares whose state is fresh; of how many that is said."""

    cpu: Amount | None = Field(default=None, description="in use / capacity, cores; none where no state is fresh")
    accelerator: Amount | None = Field(default=None, description="the same of cards")
    fresh: int = 0
    shares: int = 0
    oldest_s: Amount | None = Field(default=None, description="age of the oldest state that counts")
