"""What must hold of the rows of a hub at every moment, whatever happened."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select

from suanlian.model.job import ENDED
from suanlian.model.platform import Share
from suanlian.store import jobs
from suanlian.store import tables as t
from suanlian.store.unit import Row
from suanlian.testing.hub import InProcessHub


def counts_are_whole(hub: InProcessHub) -> None:
    """Every tally counts its tasks by state; ``queued`` counts those that wait for a place; an end is an end."""
    with hub.running.hub.reading() as unit:
        for row in unit.connection.execute(select(t.job)).mappings():
            rows = unit.connection.execute(select(t.task).where(t.task.c.job_id == row["id"])).mappings().all()
            assert {task["idx"] for task in rows} == set(range(row["made"]))
            tasks = [*rows, *(jobs.task_row(row["id"], index, row) for index in range(row["made"], row["tasks"]))]
            assert Counter(task["state"] for task in tasks) == json.loads(row["tally"])
            waiting = [task for task in tasks if task["state"] == "QUEUED" and task["attempt_id"] is None]
            waiting += [task for task in tasks if task["rerun"] == "yes"]
            assert row["queued"] == len(waiting)
            assert (row["ended_at"] is not None) == all(task["state"] in ENDED for task in tasks)


def jobs_ended_once(hub: InProcessHub) -> None:
    """A job that has ended has exactly one event that says so."""
    with hub.running.hub.reading() as unit:
        ended = unit.connection.execute(select(t.job.c.id).where(t.job.c.ended_at.is_not(None))).scalars().all()
        told = unit.connection.execute(select(t.event.c.subject).where(t.event.c.type == "job.ended")).scalars().all()
        assert Counter(told) == Counter(ended)


def never_over_committed(hub: InProcessHub) -> None:
    """Whenever something was taken, all that was held of the share then was within what it had then."""
    with hub.running.hub.reading() as unit:
        rows = unit.connection.execute(select(t.capacity)).mappings().all()
        versions = unit.connection.execute(select(t.published).where(t.published.c.subject == "share")).mappings().all()
    for row in rows:
        moment = row["start_at"]
        held = sum(
            other["quantity"]
            for other in rows
            if (other["share_id"], other["kind"]) == (row["share_id"], row["kind"]) and _holds(other, moment)
        )
        assert held <= _has(versions, row, moment), (row["share_id"], row["kind"], moment)


def _holds(row: Row, moment: datetime) -> bool:
    return bool(row["start_at"] <= moment and (row["end_at"] is None or row["end_at"] > moment))


def _has(versions: Sequence[Row], of: Row, moment: datetime) -> int:
    known = [row for row in versions if row["id"] == of["share_id"] and row["valid_from"] <= moment]
    newest = max(known, key=lambda row: int(row["version"]))
    amount: int = getattr(Share.model_validate_json(newest["body"]).capacity, of["kind"])
    return amount


def one_attempt_counts(hub: InProcessHub) -> None:
    """Of the attempts of a task one is current at most, one result counts at most, and no fenced one is paid for."""
    with hub.running.hub.reading() as unit:
        attempts = unit.connection.execute(select(t.attempt)).mappings().all()
        charges = unit.connection.execute(select(t.charge.c.attempt_id, t.charge.c.cost)).all()
    paid: dict[str, Decimal] = {}
    for attempt_id, cost in charges:
        paid[attempt_id] = paid.get(attempt_id, Decimal(0)) + cost
    for attempt in attempts:
        if attempt["fenced_at"] is not None:
            assert attempt["ended_at"] is not None
            assert paid.get(attempt["id"], Decimal(0)) == 0
    tasks = {(attempt["job_id"], attempt["idx"]) for attempt in attempts}
    for task in tasks:
        mine = [attempt for attempt in attempts if (attempt["job_id"], attempt["idx"]) == task]
        assert sum(attempt["ended_at"] is None for attempt in mine) <= 1
        assert sum(attempt["state"] == "COMPLETE" for attempt in mine) <= 1


def held_by_live_attempts_alone(hub: InProcessHub) -> None:
    """An attempt holds its share from its placing until its end, each kind once, and no longer."""
    with hub.running.hub.reading() as unit:
        rows = unit.connection.execute(select(t.capacity)).mappings().all()
        attempts = unit.connection.execute(select(t.attempt)).mappings().all()
    by_holder: dict[str, list[Row]] = {}
    for row in rows:
        by_holder.setdefault(row["holder_id"], []).append(row)
    assert set(by_holder) == {attempt["id"] for attempt in attempts}
    for attempt in attempts:
        mine = by_holder[attempt["id"]]
        assert len({row["kind"] for row in mine}) == len(mine)
        assert {row["token"] for row in mine} == {attempt["token"]}
        assert all((row["end_at"] is not None) == (attempt["ended_at"] is not None) for row in mine)


def all_laws(hub: InProcessHub) -> None:
    """Every law of this file."""
    counts_are_whole(hub)
    jobs_ended_once(hub)
    never_over_committed(hub)
    held_by_live_attempts_alone(hub)
    one_attempt_counts(hub)
