"""Datasets, their versions, and files by pages. Every read of an owned row demands the caller.

Lock order of all that has to do with data: job, attempt, version, storage, replica, transfer, task.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, or_, select, true, update

from suanlian.model.data import MAX_FILES, DataFile
from suanlian.model.party import Caller
from suanlian.store import tables as t
from suanlian.store.dialect import insert_new, lock_name
from suanlian.store.unit import Row, Unit

_d, _v, _f = t.dataset.c, t.dataset_version.c, t.dataset_file.c


def _visible(caller: Caller) -> ColumnElement[bool]:
    return true() if caller.sees_all else or_(_d.account_id == caller.account_id, _d.public.is_(True))


def _with_account() -> Select[Any]:
    return (
        select(t.dataset, t.account.c.name.label("account"))
        .join(t.account, t.account.c.id == _d.account_id)
        .where(_d.deleted_at.is_(None))
    )


def _versions() -> Select[Any]:
    dataset = (_d.name.label("dataset"), _d.title, _d.entity_id, t.account.c.name.label("account"))
    return (
        select(t.dataset_version, *dataset, t.entity.c.name.label("entity"))
        .join(t.dataset, _d.id == _v.dataset_id)
        .join(t.account, t.account.c.id == _v.account_id)
        .join(t.entity, t.entity.c.id == _d.entity_id)
    )


def add(unit: Unit, row: Row) -> None:
    """Insert a dataset."""
    unit.connection.execute(insert(t.dataset).values(**row))


def named(unit: Unit, account_id: str, name: str) -> Row | None:
    """The dataset of an account by its name, deleted ones too, locked until the unit ends."""
    query = select(t.dataset).where(_d.account_id == account_id, _d.name == name).with_for_update()
    return unit.connection.execute(query).mappings().one_or_none()


def change(unit: Unit, dataset_id: str, values: Mapping[str, Any]) -> None:
    """Update a dataset."""
    unit.connection.execute(update(t.dataset).where(_d.id == dataset_id).values(**values))


def find(unit: Unit, caller: Caller, name: str, account: str = "") -> Row | None:
    """A dataset by name, of the caller's account or the one named; by UUID or public identifier."""
    whose = t.account.c.name == account if account else _d.account_id == caller.account_id
    which = or_((_d.name == name) & whose, _d.id == name, _d.public_id == name)
    return unit.connection.execute(_with_account().where(which, _visible(caller)).limit(1)).mappings().first()


def by_id(unit: Unit, dataset_id: str) -> Row | None:
    """A dataset as it is; who may see it is decided elsewhere."""
    return unit.connection.execute(select(t.dataset).where(_d.id == dataset_id)).mappings().one_or_none()


def list_of(unit: Unit, caller: Caller, *, after: str, limit: int) -> Sequence[Row]:
    """What the caller may read, the newest first."""
    query = _with_account().where(_visible(caller))
    if after:
        query = query.where(_d.id < after)
    return unit.connection.execute(query.order_by(_d.id.desc()).limit(limit)).mappings().all()


def by_origin(unit: Unit, account_id: str, name: str, origin: str) -> str | None:
    """The newest version of an account's dataset that says that it comes from there, deleted or not."""
    query = select(_v.id).join(t.dataset, _d.id == _v.dataset_id).where(_d.account_id == account_id, _d.name == name)
    found = unit.connection.execute(query.where(_v.origin == origin).order_by(_v.number.desc()).limit(1))
    return found.scalar_one_or_none()


def count(unit: Unit, account_id: str) -> int:
    """How many versions of an account are not deleted."""
    query = select(func.count()).select_from(t.dataset_version)
    return int(unit.connection.execute(query.where(_v.account_id == account_id, _v.deleted_at.is_(None))).scalar_one())


def count_datasets(unit: Unit, account_id: str) -> int:
    """How many datasets an account ever made."""
    query = select(func.count()).select_from(t.dataset).where(_d.account_id == account_id)
    return int(unit.connection.execute(query).scalar_one())


def add_version(unit: Unit, row: Row) -> None:
    """Insert a version, with the next number of its dataset, which is locked."""
    unit.connection.execute(insert(t.dataset_version).values(**row))
    change(unit, row["dataset_id"], {"versions": row["number"]})


def versions_of(unit: Unit, dataset_ids: Collection[str], *, number: int | None = None, limit: int = 20) -> list[Row]:
    """Versions that are not deleted, the newest first."""
    query = _versions().where(_v.dataset_id.in_(list(dataset_ids)), _v.state != "deleted")
    if number is not None:
        query = query.where(_v.number == number)
    return list(unit.connection.execute(query.order_by(_v.number.desc()).limit(limit)).mappings())


def version(unit: Unit, version_id: str) -> Row | None:
    """A version with its dataset, account and entity by name; who may see it is decided elsewhere."""
    return unit.connection.execute(_versions().where(_v.id == version_id)).mappings().one_or_none()


def version_seen(unit: Unit, caller: Caller, ref: str) -> Row | None:
    """A version by UUID or public identifier, if the caller may see it."""
    seen = _versions().where(or_(_v.id == ref, _v.public_id == ref), _visible(caller), _v.state != "deleted")
    return unit.connection.execute(seen).mappings().one_or_none()


def lock(unit: Unit, version_id: str) -> Row | None:
    """A version as ``version`` tells it, locked until the unit ends: whatever is decided of its copies comes after."""
    query = select(_v.id).where(_v.id == version_id).with_for_update()
    if unit.connection.execute(query).scalar_one_or_none() is None:
        return None
    return version(unit, version_id)


def change_version(unit: Unit, version_id: str, values: Mapping[str, Any]) -> None:
    """Update a version that is locked."""
    unit.connection.execute(update(t.dataset_version).where(_v.id == version_id).values(**values))


def newest_sealed(unit: Unit, dataset_id: str) -> Row | None:
    """The newest version of a dataset that is sealed or lost."""
    query = _versions().where(_v.dataset_id == dataset_id, _v.state.in_(("sealed", "lost")))
    return unit.connection.execute(query.order_by(_v.number.desc()).limit(1)).mappings().first()


def over(unit: Unit, opened_before: datetime, limit: int) -> Sequence[str]:
    """Versions whose time is over, and those that were opened long ago and never sealed."""
    live = _v.state != "deleted"
    late = (_v.expires_at <= unit.now) | ((_v.state == "open") & (_v.created_at < opened_before))
    return unit.connection.execute(select(_v.id).where(live, late).order_by(_v.id).limit(limit)).scalars().all()


def by_full_ref(unit: Unit, ref: str) -> Row | None:
    """The version that ``account/name@number`` means, deleted ones left out; who may see it was decided before."""
    account, _, rest = ref.partition("/")
    name, _, number = rest.partition("@")
    query = _versions().where(t.account.c.name == account, _d.name == name, _v.number == int(number or 0))
    return unit.connection.execute(query.where(_v.state != "deleted")).mappings().one_or_none()


def name_by_job(unit: Unit, job_id: str, version_ids: Collection[str]) -> None:
    """A job names these versions: until it has ended, none of them is deleted."""
    insert_new(unit.connection, t.job_data, [{"version_id": one, "job_id": job_id} for one in sorted(set(version_ids))])


def named_by(unit: Unit, version_id: str, limit: int = 10) -> list[str]:
    """Jobs that name a version and have not ended, by public identifier."""
    query = select(t.job.c.public_id).join(t.job_data, t.job_data.c.job_id == t.job.c.id)
    query = query.where(t.job_data.c.version_id == version_id, t.job.c.ended_at.is_(None))
    return list(unit.connection.execute(query.order_by(t.job.c.id).limit(limit)).scalars())


def put_page(unit: Unit, version_id: str, reading: int, start: int, files: Sequence[DataFile]) -> str:
    """Keep a page of files of a version that is locked; the same again changes nothing. Why not, in words; or empty."""
    body = json.dumps([[file.path, file.size, file.sha256] for file in files], ensure_ascii=False)
    which = (_f.version_id == version_id, _f.reading == reading, _f.start == start)
    before = unit.connection.execute(select(_f.body).where(*which)).scalar_one_or_none()
    if before is not None:
        return "" if before == body else f"other files were told from {start} on before"
    count, _size, _largest, last = told(unit, version_id, reading)
    if start != count:
        return f"{count} files were told: the next page starts there, not at {start}"
    if not files:
        return ""
    if count + len(files) > MAX_FILES:
        return f"a version has at most {MAX_FILES} files: pack small ones"
    paths = [last, *(file.path for file in files)] if count else [file.path for file in files]
    for one, other in pairwise(paths):
        if other <= one:
            return f"{other!r} comes after {one!r}: files are told once each, in the order of their paths"
    sizes = [file.size for file in files]
    row = {"version_id": version_id, "reading": reading, "start": start, "count": len(files), "bytes": sum(sizes)}
    unit.connection.execute(insert(t.dataset_file).values(**row, largest=max(sizes), last=paths[-1], body=body))
    return ""


def told(unit: Unit, version_id: str, reading: int) -> tuple[int, int, int, str]:
    """How many files of a reading are here, their bytes, the largest, and the last path."""
    mine = (_f.version_id == version_id, _f.reading == reading)
    query = select(func.coalesce(func.sum(_f.count), 0), func.coalesce(func.sum(_f.bytes), 0))
    files, size, largest = unit.connection.execute(
        query.add_columns(func.coalesce(func.max(_f.largest), 0)).where(*mine)
    ).one()
    last = select(_f.last).where(*mine).order_by(_f.start.desc()).limit(1)
    return int(files), int(size), int(largest), str(unit.connection.execute(last).scalar_one_or_none() or "")


def lines(unit: Unit, version_id: str, reading: int, start: int = 0) -> Iterator[tuple[str, int, str]]:
    """The files of a version in the order of paths from the ``start``-th on: path, size, SHA-256; a page at a time."""
    pages = select(_f.start, _f.count, _f.body).where(_f.version_id == version_id, _f.reading == reading)
    pages, at = pages.order_by(_f.start).limit(1), start
    # a page by its own query: whoever stops in the middle leaves no cursor open
    while (page := unit.connection.execute(pages.where(_f.start + _f.count > at)).first()) is not None:
        first, count, body = page
        for path, size, sha256 in json.loads(body)[max(0, at - first) :]:  # noqa: UP028 - tuples, not lists
            yield path, size, sha256
        at = first + count


def drop_pages(unit: Unit, version_id: str, but: int | None = None) -> None:
    """Forget the files of a version, or of all readings but one."""
    query = delete(t.dataset_file).where(_f.version_id == version_id)
    unit.connection.execute(query if but is None else query.where(_f.reading != but))


def deleted_with_files(unit: Unit, limit: int) -> Sequence[str]:
    """Versions that are deleted, of which no copy is left but the list of files."""
    left = select(t.replica.c.id).where(t.replica.c.version_id == _v.id, t.replica.c.state != "gone").exists()
    listed = select(_f.version_id).where(_f.version_id == _v.id).exists()
    query = select(_v.id).where(_v.state == "deleted", ~left, listed).limit(limit)
    return unit.connection.execute(query).scalars().all()


def lock_account(unit: Unit, account_id: str) -> None:
    """Who counts an account's datasets counts alone."""
    lock_name(unit.connection, f"datasets:{account_id}")


def erase(unit: Unit, account_id: str, name: str) -> None:
    """What an account had is deleted, and its words go; copies leave as those of any deleted version."""
    gone = {"state": "deleted", "deleted_at": unit.now, "origin": "", "reason": ""}
    mine = (_v.account_id == account_id, _v.state != "deleted")
    unit.connection.execute(update(t.dataset_version).where(*mine).values(**gone))
    unit.connection.execute(update(t.copy_rule).where(t.copy_rule.c.account_id == account_id).values(ended_at=unit.now))
    theirs = select(t.data_transfer.c.id).where(t.data_transfer.c.account_id == account_id)
    unit.connection.execute(delete(t.transfer_want).where(t.transfer_want.c.transfer_id.in_(theirs)))
    found = unit.connection.execute(select(_d.id).where(_d.account_id == account_id)).scalars().all()
    for number, dataset_id in enumerate(found):
        change(unit, dataset_id, {"name": f"{name}-{number}", "title": "", "deleted_at": unit.now, "public": False})


def residency_of(version: Row) -> tuple[str, ...]:
    """Where a version may lie; nothing said: anywhere."""
    return tuple(json.loads(version["residency"]))
