"""Changing the weights of the market: by operators, with a reason, as a new version that anybody signed in may read."""

from collections.abc import Sequence

from suanlian.model.event import EventType
from suanlian.model.market_policy import PolicyChange, PolicyVersion
from suanlian.model.party import Caller
from suanlian.store import policies
from suanlian.store.dialect import lock_name
from suanlian.store.unit import Unit


def newest(unit: Unit) -> PolicyVersion:
    """The version that holds."""
    return policies.newest(unit)


def versions(unit: Unit, *, before: int, limit: int) -> Sequence[PolicyVersion]:
    """All versions that were set, the newest first."""
    return policies.versions(unit, before=before, limit=limit)


def change(unit: Unit, caller: Caller, wanted: PolicyChange) -> PolicyVersion:
    """Set weights over those that hold; what changes nothing makes no version."""
    lock_name(unit.connection, "market-policy")
    before = policies.newest(unit)
    policy = wanted.over(before.policy)
    if policy == before.policy:
        return before
    row = {
        "version": before.version + 1,
        "body": policy.model_dump_json(),
        "at": unit.now,
        "set_by": caller.principal_id,
        "why": wanted.why,
    }
    policies.add(unit, row)
    was, now = before.policy.model_dump(mode="json"), policy.model_dump(mode="json")
    others = [name for name in now if now[name] != was[name]]
    unit.record(
        EventType.MARKET_POLICY_CHANGED,
        "market",
        version=row["version"],
        before={name: was[name] for name in others},
        after={name: now[name] for name in others},
        why=wanted.why,
    )
    return policies.newest(unit)
