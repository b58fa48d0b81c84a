"""How old is what platforms told of their load, and how much is in use over all that is fresh? Pure.

Utilisation is weighted with capacity: in use / capacity, both summed over the shares whose state is fresh. A share that
told nothing, or too long ago, counts on neither side; of how many shares it is said stands beside it. Shares that
simulate something are left out: what they have is not there.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from suanlian.model.load import ShareFact, ShareState, Utilisation
from suanlian.model.quantity import ResourceKind, Resources
from suanlian.model.report import SupervisionReport

STEP: Final = Decimal("0.000001")
_AGE_STEP: Final = Decimal("0.1")


def age_s(observed_at: datetime, told_at: datetime, now: datetime) -> Decimal:
    """Seconds since it was observed; where the platform's clock runs ahead, since it was told."""
    passed = (now - min(observed_at, told_at)) // timedelta(microseconds=1)
    return Decimal(max(0, passed)).scaleb(-6).quantize(_AGE_STEP)


def state_of(fact: ShareFact, now: datetime, *, worded: bool) -> ShareState:
    """What is shown of a share; ``worded``: with the words of a fault, which are for its owner and for who watches."""
    told = fact.told
    load = None if told is None else told.load
    age = None if told is None or load is None else age_s(load.observed_at, told.told_at, now)
    return ShareState(
        share_id=fact.share_id,
        platform_id=fact.platform_id,
        platform=fact.platform,
        share=fact.share,
        level=fact.level,
        capacity=fact.capacity,
        in_use=None if load is None else load.in_use,
        ours=Resources() if load is None else load.ours,
        running=None if load is None else load.running,
        queued=None if load is None else load.queued,
        observed_at=None if load is None else load.observed_at,
        age_s=age,
        ttl_s=None if told is None else told.ttl_s,
        stale=told is None or age is None or age > told.ttl_s,
        faulty=told is not None and bool(told.fault),
        fault=told.fault if told is not None and worded else "",
        simulated=fact.simulated,
    )


def utilisation(states: Iterable[ShareState]) -> Utilisation:
    """The share of capacity in use, over what is fresh."""
    counted = [state for state in states if not state.simulated]
    fresh = [state for state in counted if not state.stale and state.in_use is not None]
    ages = [state.age_s for state in fresh if state.age_s is not None]
    return Utilisation(
        cpu=_ratio(fresh, ResourceKind.CPU),
        accelerator=_ratio(fresh, ResourceKind.ACCELERATOR),
        fresh=len(fresh),
        shares=len(counted),
        oldest_s=max(ages, default=None),
    )


def with_loads(report: SupervisionReport, states: Sequence[ShareState]) -> SupervisionReport:
    """The report with how much is in use at this moment, in all and by platform."""
    rows = tuple(
        row.model_copy(update={"in_use": utilisation(state for state in states if state.platform == row.platform)})
        for row in report.platforms
    )
    return report.model_copy(update={"platforms": rows, "in_use": utilisation(states)})


def _ratio(fresh: Iterable[ShareState], kind: ResourceKind) -> Decimal | None:
    used = most = 0
    for state in fresh:
        used += 0 if state.in_use is None else state.in_use.base()[kind]
        most += state.capacity.base()[kind]
    return (Decimal(used) / most).quantize(STEP, ROUND_HALF_EVEN) if most else None
