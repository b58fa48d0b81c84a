"""What connectors report of transfers: how far, whole, or why not; and what becomes of those of which nothing is heard.

Each transfer ends or can go on: a failure is tried again after a while, from another source where the source is at
fault, until none is left. A mover that was only restarted goes on, and that counts as no try.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from suanlian.model.data import ReplicaState, TransferState
from suanlian.model.data_protocol import TaskKind, TaskReport, TaskState
from suanlian.model.link import LinkSample
from suanlian.rules.data.states import replica_moves, wait_after
from suanlian.store import datasets, links, replicas, storage_tasks, transfers
from suanlian.store.storages import UNHEARD, refs_of
from suanlian.store.unit import Row, Unit

MOST_TRIES: Final = 8
"""So often a source is tried; then another one is."""
STALLED: Final = timedelta(hours=1)
"""A transfer of which nothing was reported for so long is begun anew, though its connector is heard of."""
EXPIRED: Final = "grant_expired"
TOO_SLOW: Final = "too_slow"
MEASURED_BYTES: Final = 8 * 1024 * 1024
"""A move of so many bytes says how much goes through its link."""
_MEASURED_S: Final = 5
"""One that took less time says more of those who waited for each other."""
_PACED: Final = Decimal("0.8")
"""A move that was paced, and went at this part of its pace, says only that the link is no slower."""
STOPPED: Final = "stopped"
_AT_FAULT: Final = frozenset({"checksum_mismatch", "source_gone", "changed_in_place"})
"""Codes by which the copy that was read is not as stated."""
_FINAL: Final = frozenset({"target_full", "name_refused", "place_used"})
"""Codes that no other try or source would mend."""
_STATES: Final[Mapping[TaskState, TransferState]] = {
    TaskState.GOING: TransferState.GOING,
    TaskState.CHECKING: TransferState.CHECKING,
}


def moved(unit: Unit, version: Row, task: Row, report: TaskReport) -> None:
    """Who moves a version reports. The version is locked."""
    row = _open(unit, task)
    if row is None:
        return
    if report.state in _STATES:
        _goes_on(unit, row, task, report)
    elif report.state is TaskState.FAILED:
        _failed(unit, version, row, task, report)
    elif row["state"] == TransferState.CANCELING:
        transfers.end(unit, version, row, TransferState.CANCELED, ("canceled", ""))
    else:
        _measure(unit, row, task)
        if row["push"]:
            _take(unit, row, task)
        else:
            _whole(unit, version, row)


def _measure(unit: Unit, row: Row, task: Row) -> None:
    """What a whole move of many bytes says of the link between its sites: with reading back, so rather too little."""
    if row["bytes"] < MEASURED_BYTES or task["token"] != 1:  # of one that was begun anew it is not known how much came
        return
    grant = None if task["grant_task"] is None else storage_tasks.find(unit, task["grant_task"])
    moments = (task["created_at"], row["begins_at"], None if grant is None else grant["heard_at"])
    seconds = (unit.now - max(moment for moment in moments if moment is not None)).total_seconds()
    if seconds < _MEASURED_S:
        return
    mbps = Decimal(row["bytes"] * 8 / 1e6 / seconds).quantize(Decimal("0.001"))
    if json.loads(row["windows"]) and mbps >= _PACED * (row["rate_mbps"] or 0):
        return
    where = {id_: f"{ref.split('/')[0]}/{site}" for id_, (ref, site) in refs_of(unit, _ends(unit, row)).items()}
    start, end = (where.get(id_, "") for id_ in _ends(unit, row))
    if start and end and start != end:
        links.add_sample(unit, (start, end), LinkSample(at=unit.now, mbps=mbps, bytes=row["bytes"]))


def _ends(unit: Unit, row: Row) -> tuple[str, str]:
    return transfers.source_storage(unit, row), row["storage_id"]


def _open(unit: Unit, task: Row) -> Row | None:
    row = transfers.lock(unit, task["transfer_id"])
    if row is None or row["ended_at"] is not None:
        storage_tasks.end(unit, task)
        return None
    return row


def _goes_on(unit: Unit, row: Row, task: Row, report: TaskReport) -> None:
    values: dict[str, Any] = {"heard_at": unit.now, "bytes_done": min(report.bytes_done, row["bytes"])}
    values |= {"files_done": min(report.files_done, row["files"])}
    seen = _seen_mbps(unit.now, row, report)
    values |= {} if seen is None else {"seen_mbps": seen}
    new = _STATES[report.state]
    if row["state"] in (TransferState.GOING, TransferState.CHECKING) and row["state"] != new:
        transfers.moved(unit, row, new, **values)
    else:
        transfers.change(unit, row["id"], values)
    storage_tasks.heard(unit, task, state=report.state.value)
    if report.code == EXPIRED:
        _renew_grant(unit, task)


def _seen_mbps(now: datetime, row: Row, report: TaskReport) -> Decimal | None:
    if report.mbps is not None:
        return report.mbps
    seconds = 0 if row["heard_at"] is None else (now - row["heard_at"]).total_seconds()
    more = report.bytes_done - row["bytes_done"]
    return None if seconds <= 0 or more < 0 else Decimal(more * 8 / 1e6 / seconds).quantize(Decimal("0.01"))


def _renew_grant(unit: Unit, task: Row) -> None:
    grant = None if task["grant_task"] is None else storage_tasks.lock(unit, task["grant_task"])
    if grant is not None and grant["ended_at"] is None:
        storage_tasks.again(unit, grant)
        storage_tasks.change(unit, task)  # it is told anew, with the token of the fresh grant


def _take(unit: Unit, row: Row, task: Row) -> None:
    """All was written into the inbox: the target's connector takes it from there."""
    storage_tasks.change(unit, task, held=True, state=TaskState.DONE.value)
    for other in storage_tasks.open_of(unit, transfer_id=row["id"]):
        if other["kind"] == TaskKind.TAKE and other["held"]:
            storage_tasks.change(unit, other, held=False)
    values = {"heard_at": unit.now, "bytes_done": row["bytes"], "files_done": row["files"]}
    if row["state"] == TransferState.CHECKING:
        transfers.change(unit, row["id"], values)
    else:
        transfers.moved(unit, row, TransferState.CHECKING, **values)


def _whole(unit: Unit, version: Row, row: Row) -> None:
    copy = replicas.lock_of(unit, version["id"]).get(row["replica_id"])
    if copy is not None and replica_moves(ReplicaState(copy["state"]), ReplicaState.WHOLE):
        replicas.move(unit, version, copy, ReplicaState.WHOLE, verified_at=unit.now, reason="")
    transfers.change(unit, row["id"], {"bytes_done": row["bytes"], "files_done": row["files"]})
    transfers.end(unit, version, row, TransferState.DONE)


def taken(unit: Unit, version: Row, task: Row, report: TaskReport) -> None:
    """Who takes what was pushed reports. The version is locked."""
    row = _open(unit, task)
    if row is None:
        return
    if report.state in _STATES:
        transfers.change(unit, row["id"], {"heard_at": unit.now})
        storage_tasks.heard(unit, task, state=report.state.value)
    elif report.state is TaskState.FAILED:
        _failed(unit, version, row, task, report)
    elif row["state"] == TransferState.CANCELING:
        transfers.end(unit, version, row, TransferState.CANCELED, ("canceled", ""))
    else:
        _whole(unit, version, row)


def granted(unit: Unit, version: Row, task: Row, report: TaskReport) -> None:
    """Who gives leave has given all of it, or will not. The version is locked."""
    row = _open(unit, task)
    if row is None:
        return
    if report.state is not TaskState.FAILED:
        storage_tasks.heard(unit, task, state=report.state.value)
    elif report.again:
        tries = task["tries"] + 1
        storage_tasks.again(unit, task, tries=tries, not_before=unit.now + wait_after(tries), code=report.code)
    else:
        _failed(unit, version, row, task, report)


def _failed(unit: Unit, version: Row, row: Row, task: Row, report: TaskReport) -> None:
    """Try again, from another source where this one is at fault, or give up."""
    if row["state"] == TransferState.CANCELING:
        transfers.end(unit, version, row, TransferState.CANCELED, ("canceled", ""))
        return
    if report.code in (EXPIRED, TOO_SLOW) and report.bytes_done > row["bytes_done"]:
        # it came on meanwhile: the leave, or its hours, were only too short
        _set_back(unit, row, report, tries=row["tries"], at=unit.now)
        return
    by_source = task["storage_id"] != row["storage_id"]
    if report.code in _FINAL or (report.code == "refused" and not by_source):
        transfers.end(unit, version, row, TransferState.FAILED, (report.code, _words(report)))
        return
    # of what was pushed into an inbox it is only known that it is not there any more
    at_fault = report.code in _AT_FAULT and not (task["kind"] == TaskKind.TAKE and report.code == "source_gone")
    if at_fault:
        _doubt(unit, version, row, report)
    tries = row["tries"] + 1
    if at_fault or tries >= MOST_TRIES or (by_source and report.code == "refused"):
        excluded = sorted({*json.loads(row["excluded"]), *([row["source_id"]] if row["source_id"] else [])})
        _set_back(unit, row, report, tries=0, at=unit.now, excluded=json.dumps(excluded))
    else:
        _set_back(unit, row, report, tries=tries, at=unit.now + wait_after(tries))


def _words(report: TaskReport) -> str:
    return (f"{report.path}: {report.reason}" if report.path else report.reason)[:200]


def _doubt(unit: Unit, version: Row, row: Row, report: TaskReport) -> None:
    """What came was not as stated: its source is read anew before work reads it again."""
    copy = replicas.lock_of(unit, version["id"]).get(row["source_id"] or "")
    if copy is not None and copy["state"] == ReplicaState.WHOLE:
        replicas.move(unit, version, copy, ReplicaState.DOUBTED, reason=f"{report.code}: {_words(report)}"[:200])


def _set_back(unit: Unit, row: Row, report: TaskReport, *, tries: int, at: datetime, **more: object) -> None:
    values = {"code": report.code or "failed", "reason": _words(report), "tries": tries, "not_before": at, **more}
    _hold(unit, row)
    transfers.moved(unit, row, TransferState.WAITING, **values)


def _hold(unit: Unit, row: Row) -> None:
    """Nothing of a transfer's tasks counts any more until they are given anew."""
    replicas.unuse(unit, replicas.TRANSFER, row["id"])
    for task in storage_tasks.open_of(unit, transfer_id=row["id"]):
        storage_tasks.again(unit, task, held=True)


def unheard(unit: Unit, limit: int) -> list[tuple[str, bool]]:
    """Transfers of which nothing is heard, and whether that counts as a try."""
    by_id = dict[str, list[Row]]()
    for row in transfers.going(unit, limit):
        by_id.setdefault(row["id"], []).append(row)
    found = [(transfer_id, _is_over(unit.now, rows)) for transfer_id, rows in by_id.items()]
    return [(transfer_id, counts) for transfer_id, counts in found if counts is not None]


def _is_over(now: datetime, rows: Sequence[Row]) -> bool | None:
    """Whether a transfer is set back, as a try or not; None where it goes on."""
    moving = [row for row in rows if row["kind"] in (TaskKind.MOVE, TaskKind.TAKE) and not row["held"]]
    if rows[0]["state"] == TransferState.CANCELING:
        return None if moving and all(_is_heard(row, now) for row in moving) else False
    if not moving or not all(_is_heard(row, now) for row in moving):
        return False
    since = rows[0]["heard_at"]
    quiet = since is None or since < now - UNHEARD
    granting = [row for row in rows if row["kind"] == TaskKind.GRANT]
    if quiet and not all(_is_heard(row, now) for row in granting):
        return False
    return True if since is None or since < now - STALLED else None


def _is_heard(row: Row, now: datetime) -> bool:
    return row["seen_at"] is not None and bool(row["seen_at"] > now - UNHEARD)


def set_back(unit: Unit, transfer_id: str, *, counts: bool) -> bool:
    """Let a transfer of which nothing is heard wait anew; one that is being canceled is."""
    found = transfers.find(unit, transfer_id)
    version = None if found is None else datasets.lock(unit, found["version_id"])
    row = transfers.lock(unit, transfer_id)
    if version is None or row is None or row["ended_at"] is not None or row["state"] == TransferState.WAITING:
        return False
    if (transfer_id, counts) not in unheard(unit, 10_000):
        return False
    if row["state"] == TransferState.CANCELING:
        transfers.end(unit, version, row, TransferState.CANCELED, ("canceled", ""))
        return True
    said = TaskReport(task_id="", token=0, state=TaskState.FAILED, code="unreachable", reason="nothing was heard of it")
    if counts:
        task = {"storage_id": row["storage_id"], "kind": TaskKind.MOVE.value}
        _failed(unit, version, row, task, said)
    else:
        _set_back(unit, row, said, tries=row["tries"], at=unit.now)
    return True


def begin_anew(unit: Unit, transfer_id: str, source_replica_id: str) -> bool:
    """Let a transfer that is too slow stop and look for another source; what has come of it stays. It counts no try."""
    found = transfers.find(unit, transfer_id)
    version = None if found is None else datasets.lock(unit, found["version_id"])
    row = transfers.lock(unit, transfer_id)
    if version is None or row is None or row["state"] != TransferState.GOING or row["source_id"] != source_replica_id:
        return False
    said = TaskReport(task_id="", token=0, state=TaskState.FAILED, code=TOO_SLOW, reason="its link degraded")
    _set_back(unit, row, said, tries=row["tries"], at=unit.now)
    return True
