"""Runs that were seen of jobs: folded into a row a scope and flavor, so that their number is bounded."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from suanlian.model.event import EventType
from suanlian.model.ids import FlavorId
from suanlian.model.throughput import Runs
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit

NAMES_KEPT: Final = timedelta(days=180)
"""What was seen of a name is forgotten when nothing of that name ran for so long."""
ARRAYS_KEPT: Final = timedelta(days=14)
"""The same of one array: as long as its tasks may run."""
ARRAY: Final = "array:"
"""The scopes of arrays begin so."""
_ONLY: Final = 1


def of_scopes(unit: Unit, scopes: Collection[str]) -> dict[str, list[Runs]]:
    """What was seen of these scopes, in the order of flavors."""
    query = select(t.seen_runs).where(t.seen_runs.c.scope.in_(scopes)).order_by(t.seen_runs.c.flavor_id)
    found: dict[str, list[Runs]] = {}
    for row in unit.connection.execute(query).mappings():
        found.setdefault(row["scope"], []).append(_runs(row))
    return found


def _runs(row: Row) -> Runs:
    return Runs(FlavorId(row["flavor_id"]), row["count"], row["sum_log"], row["sum_log_squared"])


def add(unit: Unit, scope: str, account_id: str, runs: Runs) -> None:
    """Keep what is known of a scope on a flavor now."""
    which = (t.seen_runs.c.scope == scope) & (t.seen_runs.c.flavor_id == runs.flavor)
    values = {"count": runs.count, "sum_log": runs.sum_log, "sum_log_squared": runs.sum_log_squared, "at": unit.now}
    if unit.connection.execute(update(t.seen_runs).where(which).values(**values)).rowcount == 0:
        key = {"scope": scope, "flavor_id": runs.flavor, "account_id": account_id}
        unit.connection.execute(insert(t.seen_runs).values(**key, **values))


def seen_until(unit: Unit) -> int:
    """The number of the last event that was looked at."""
    query = select(t.seen_until.c.number).where(t.seen_until.c.id == _ONLY)
    return int(unit.connection.execute(query).scalar_one_or_none() or 0)


def newest_event(unit: Unit) -> int:
    """The number of the newest event."""
    return int(unit.connection.execute(select(func.max(t.event.c.number))).scalar_one() or 0)


def read_until(unit: Unit, number: int) -> None:
    """Events up to this one were looked at."""
    unit.connection.execute(update(t.seen_until).where(t.seen_until.c.id == _ONLY).values(number=number))


def ended_between(unit: Unit, after: int, until: int) -> Sequence[Row]:
    """Attempts of ordinary jobs that the events of these numbers say have ended well, with what they are of."""
    told = (t.event.c.number > after) & (t.event.c.number <= until) & (t.event.c.type == EventType.ATTEMPT_ENDED.value)
    query = (
        select(t.attempt.c.id, t.attempt.c.job_id, t.attempt.c.flavor_id, t.attempt.c.started_at)
        .add_columns(t.attempt.c.ended_at, t.attempt.c.number, t.job.c.account_id, t.job.c.spec)
        .join(t.attempt, t.attempt.c.id == t.event.c.subject)
        .join(t.job, t.job.c.id == t.attempt.c.job_id)
        .where(told, t.attempt.c.state == "COMPLETE", t.job.c.purpose == "", t.attempt.c.started_at.is_not(None))
        .order_by(t.event.c.number)
    )
    return unit.connection.execute(query).mappings().all()


def forget(unit: Unit) -> int:
    """Forget what was not seen for long; returns how many rows went."""
    is_array = t.seen_runs.c.scope.startswith(ARRAY)
    gone = delete(t.seen_runs).where(_older(is_array, ARRAYS_KEPT, unit) | _older(~is_array, NAMES_KEPT, unit))
    return unit.connection.execute(gone).rowcount


def _older(which: ColumnElement[bool], than: timedelta, unit: Unit) -> ColumnElement[bool]:
    return which & (t.seen_runs.c.at < unit.now - than)
