"""Work for connectors with their storage, and the pages of grants that they hand each other through the hub.

Each change takes the connector's next revision and wakes its long poll. A task that has ended stays until the connector
has been told to forget it.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, delete, exists, insert, or_, select, update

from suanlian.model.data_protocol import StorageTask, TaskKind, TaskWish
from suanlian.model.ids import new_id
from suanlian.store import platforms
from suanlian.store import tables as t
from suanlian.store.unit import Row, Unit

_t, _p = t.storage_task.c, t.grant_page.c
DEFAULTS: Final[Mapping[str, Any]] = {
    "wish": TaskWish.DO.value,
    "held": False,
    "version": 1,
    "token": 1,
    "tries": 0,
    "not_before": None,
    "version_id": None,
    "replica_id": None,
    "transfer_id": None,
    "grant_task": None,
    "account_id": None,
    "state": "",
    "code": "",
    "reason": "",
    "expires_at": None,
    "heard_at": None,
    "ended_at": None,
}
_OF_THE_ROW: Final = {
    "wish",
    "version",
    "token",
    "grant_token",
    "version_id",
    "replica_id",
    "transfer_id",
    "grant_task",
}


def topic(connector_id: str) -> str:
    """What wakes a connector's poll for work on its storage."""
    return f"connector-data:{connector_id}"


def of_version(version: Row, kind: TaskKind, storage: str, **said: Any) -> StorageTask:  # noqa: ANN401
    """Something to do with a version, with all that its owner's policy is asked about."""
    known = {"entity": version["entity"], "level": version["level"], "residency": json.loads(version["residency"])}
    known |= {"files": version["files"], "bytes": version["bytes"], "version_id": version["id"]}
    return StorageTask.model_validate({"id": "", "kind": kind, "token": 0, "storage": storage, **known, **said})


def add(unit: Unit, connector_id: str, storage_id: str, said: StorageTask, **columns: Any) -> str:  # noqa: ANN401
    """Give a connector something to do; the task's id. ``said.id`` may be empty: it is made."""
    task_id = said.id or new_id()
    body = said.model_copy(update={"id": task_id}).model_dump_json(exclude=_OF_THE_ROW)
    own = {"version_id": said.version_id or None, "replica_id": said.replica_id or None}
    own |= {"transfer_id": said.transfer_id or None, "grant_task": said.grant_task or None}
    row = {**DEFAULTS, **own, "id": task_id, "connector_id": connector_id, "storage_id": storage_id}
    row |= {"kind": said.kind.value, "body": body, "created_at": unit.now, **columns}
    unit.connection.execute(insert(t.storage_task).values(**row, revision=_next(unit, connector_id)))
    return task_id


def _next(unit: Unit, connector_id: str) -> int:
    unit.wake(topic(connector_id))
    return platforms.next_revision(unit, connector_id)


def body_of(row: Row, **said: Any) -> str:  # noqa: ANN401
    """What is told of a task, with some of it said otherwise."""
    fresh = StorageTask.model_validate({**json.loads(row["body"]), "token": 0, **said})
    return fresh.model_dump_json(exclude=_OF_THE_ROW)


def change(unit: Unit, row: Row, **values: Any) -> None:  # noqa: ANN401
    """Say something else of a task that is locked: its version rises."""
    more = {"version": row["version"] + 1, "revision": _next(unit, row["connector_id"])}
    unit.connection.execute(update(t.storage_task).where(_t.id == row["id"]).values(**values, **more))


def again(unit: Unit, row: Row, **values: Any) -> None:  # noqa: ANN401
    """Give a task anew: what is reported for an older token is refused, pages of its grant go."""
    drop_pages(unit, row["id"])
    fresh = {"token": row["token"] + 1, "wish": TaskWish.DO.value, "state": "", "heard_at": None}
    change(unit, row, **{**fresh, **values})


def stop(unit: Unit, row: Row) -> None:
    """End it where it is; its connector reports that it did."""
    change(unit, row, wish=TaskWish.STOP.value)


def end(unit: Unit, row: Row) -> None:
    """It is over, however it went: its connector is told to forget it. Again, it changes nothing."""
    if row["ended_at"] is None:
        drop_pages(unit, row["id"])
        change(unit, row, wish=TaskWish.FORGET.value, held=False, not_before=None, ended_at=unit.now)


def heard(unit: Unit, row: Row, **values: Any) -> None:  # noqa: ANN401
    """Write what was reported; nothing new is told by that."""
    unit.connection.execute(update(t.storage_task).where(_t.id == row["id"]).values(heard_at=unit.now, **values))


def find(unit: Unit, task_id: str) -> Row | None:
    """By UUID."""
    return unit.connection.execute(select(t.storage_task).where(_t.id == task_id)).mappings().one_or_none()


def lock(unit: Unit, task_id: str) -> Row | None:
    """A task, locked until the unit ends."""
    query = select(t.storage_task).where(_t.id == task_id).with_for_update()
    return unit.connection.execute(query).mappings().one_or_none()


def open_of(
    unit: Unit, *, replica_id: str | None = None, transfer_id: str | None = None, version_id: str | None = None
) -> Sequence[Row]:
    """Tasks that have not ended of a copy, a transfer or a version, locked in the order of ids."""
    which: list[ColumnElement[bool]] = [_t.ended_at.is_(None)]
    which += [] if replica_id is None else [_t.replica_id == replica_id]
    which += [] if transfer_id is None else [_t.transfer_id == transfer_id]
    which += [] if version_id is None else [_t.version_id == version_id]
    query = select(t.storage_task).where(*which).order_by(_t.id).with_for_update()
    return unit.connection.execute(query).mappings().all()


def end_all(unit: Unit, rows: Collection[Row]) -> None:
    """All of these are over."""
    for row in rows:
        end(unit, row)


def _told(unit: Unit) -> ColumnElement[bool]:
    """Whether a task is to be told: not held, its hour come, and what it works with there."""
    grant = t.storage_task.alias("grant")
    has_page = exists().where(
        grant.c.id == _t.grant_task, _p.task_id == grant.c.id, _p.token == grant.c.token, _p.page == 0
    )
    ready = _t.grant_task.is_(None) | has_page
    due = _t.not_before.is_(None) | (_t.not_before <= unit.now)
    return or_(_t.wish != TaskWish.DO.value, and_(_t.held.is_(False), due, ready))


def listed(unit: Unit, connector_id: str, limit: int) -> Sequence[Row]:
    """What a connector is to be told: what it may forget, grants, deletions, then the oldest."""
    grant = t.storage_task.alias("granting")
    place = case(
        (_t.wish == TaskWish.FORGET.value, -1),
        (_t.kind == TaskKind.GRANT.value, 0),
        (_t.kind == TaskKind.DELETE.value, 1),
        else_=2,
    )
    by_revision = case((_t.wish == TaskWish.FORGET.value, _t.revision), else_=0)
    query = (
        select(t.storage_task, grant.c.token.label("grant_token"))
        .outerjoin(grant, grant.c.id == _t.grant_task)
        .where(_t.connector_id == connector_id, _told(unit))
        .order_by(place, by_revision, _t.created_at, _t.id)
    )
    return unit.connection.execute(query.limit(limit)).mappings().all()


def value_of(row: Row) -> StorageTask:
    """A task as it is told."""
    own = {name: row[name] or "" for name in ("version_id", "replica_id", "transfer_id", "grant_task")}
    own |= {name: row[name] for name in ("wish", "version", "token")}
    return StorageTask.model_validate({**json.loads(row["body"]), **own, "grant_token": row["grant_token"] or 0})


def acknowledge(unit: Unit, connector_id: str, revision: int) -> None:
    """A connector has been told all that it may forget up to a revision."""
    which = (_t.connector_id == connector_id) & (_t.wish == TaskWish.FORGET.value) & (_t.revision <= revision)
    ids = unit.connection.execute(select(_t.id).where(which)).scalars().all()
    if ids:
        unit.connection.execute(delete(t.grant_page).where(_p.task_id.in_(ids)))
        unit.connection.execute(delete(t.storage_task).where(_t.id.in_(ids)))


def over(unit: Unit, limit: int) -> Sequence[str]:
    """Grants for people whose time is over."""
    query = select(_t.id).where(_t.ended_at.is_(None), _t.expires_at <= unit.now).limit(limit)
    return unit.connection.execute(query).scalars().all()


def put_page(unit: Unit, row: Row) -> None:
    """Keep a page of a grant, in place of an older one."""
    which = (_p.task_id == row["task_id"]) & (_p.page == row["page"])
    unit.connection.execute(delete(t.grant_page).where(which))
    unit.connection.execute(insert(t.grant_page).values(**row))


def page(unit: Unit, task_id: str, number: int) -> Row | None:
    """A page of a grant."""
    query = select(t.grant_page).where(_p.task_id == task_id, _p.page == number)
    return unit.connection.execute(query).mappings().one_or_none()


def drop_pages(unit: Unit, task_id: str) -> None:
    """Forget the pages of a grant."""
    unit.connection.execute(delete(t.grant_page).where(_p.task_id == task_id))


def probes(unit: Unit) -> Sequence[Row]:
    """Measurements of links that go on: both sides of each."""
    probing = select(_t.grant_task).where(_t.kind == TaskKind.PROBE.value, _t.ended_at.is_(None))
    mine = or_(_t.kind == TaskKind.PROBE.value, _t.id.in_(probing))
    query = select(t.storage_task).where(mine, _t.ended_at.is_(None)).order_by(_t.id)
    return unit.connection.execute(query).mappings().all()


def waiting_for(unit: Unit, grant_task: str) -> Sequence[Row]:
    """Tasks that work with a grant and have not ended."""
    query = select(t.storage_task).where(_t.grant_task == grant_task, _t.ended_at.is_(None)).order_by(_t.id)
    return unit.connection.execute(query).mappings().all()
