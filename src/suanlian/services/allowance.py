"""The free allowance of an entity that nobody has checked: reserved in the very unit that takes its jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from suanlian.model.errors import ConflictError
from suanlian.model.job import JobSpec
from suanlian.model.party import Allowance, Caller
from suanlian.rules.allowance import core_hours, counted, fits, longest
from suanlian.store import allowance
from suanlian.store.unit import Row, Unit

MONTH: Final = timedelta(days=30)
_TODO: Final = (
    "Ask for less or a shorter wall_time_s, wait until jobs end, or let an operator of the hub check your entity: "
    "suanlian whoami shows both."
)


@dataclass(frozen=True, slots=True)
class Granted:
    """Core-hours: to each entity that nobody has checked, and to all of them together in thirty days."""

    each: Decimal
    together: Decimal


def check(caller: Caller, specs: Sequence[JobSpec]) -> None:
    """Refuse what is never free. Raises ConflictError ``entity_unchecked``."""
    if not caller.checked and any(counted(spec.total) is None for spec in specs):
        wrong = "Your entity has not been checked: until then it uses processors only, and no accelerators."
        raise ConflictError("entity_unchecked", wrong, todo="Let an operator of the hub check it.", field="resources")


def reserve(unit: Unit, caller: Caller, specs: Sequence[JobSpec], rows: Sequence[Row], granted: Granted) -> None:
    """Reserve what the jobs of ``rows`` take at most. Of a checked entity nothing is asked and nothing written.

    Raises ConflictError ``allowance_exceeded`` with the sum.
    """
    if caller.checked:
        return
    wanted = [
        {
            "job_id": row["id"],
            "account_id": caller.account_id,
            "millicores": counted(spec.total) or 0,
            "wall_time_s": spec.wall_time_s,
            "reserved": longest(counted(spec.total) or 0, spec.wall_time_s, spec.tasks),
            "submitted_at": unit.now,
        }
        for spec, row in zip(specs, rows, strict=True)
    ]
    asked = sum(one["reserved"] for one in wanted)
    allowance.lock(unit)
    _check_own(unit, caller, asked, granted.each)
    if not fits(asked, allowance.reserved_since(unit, unit.now - MONTH), granted.together):
        wrong = "All that this hub gives away in thirty days is taken."
        raise ConflictError("allowance_exceeded", wrong, todo="Try again later, or let an operator check your entity.")
    allowance.add(unit, wanted)


def _check_own(unit: Unit, caller: Caller, asked: int, granted: Decimal) -> None:
    used, reserved = allowance.used(unit, caller.account_id), allowance.reserved(unit, caller.account_id)
    if not fits(asked, used + reserved, granted):
        wrong = (
            f"This asks for up to {core_hours(asked)} core-hours. Of your free {granted}, {core_hours(used)} are used "
            f"and {core_hours(reserved)} reserved by what has not ended."
        )
        raise ConflictError("allowance_exceeded", wrong, todo=_TODO, field="resources")


def of(unit: Unit, caller: Caller, granted: Granted) -> Allowance | None:
    """What is left to the caller's account; None where it needs none, being checked."""
    if caller.checked:
        return None
    used = core_hours(allowance.used(unit, caller.account_id))
    reserved = core_hours(allowance.reserved(unit, caller.account_id))
    left = max(Decimal(0), granted.each - used - reserved)
    return Allowance(core_hours=granted.each, used=used, reserved=reserved, left=left)
