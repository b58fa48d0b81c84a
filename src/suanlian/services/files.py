"""Bytes that the hub carries: uploaded inputs, live logs, outputs. Only their owner reads them."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from suanlian.model.errors import ConflictError, InvalidError, NotFoundError, TooLargeError
from suanlian.model.event import EventType
from suanlian.model.ids import AttemptId
from suanlian.model.job import MAX_INLINE_BYTES, JobSpec
from suanlian.model.party import Caller
from suanlian.model.probe import PROBE_TASK
from suanlian.model.protocol import MAX_LOG_BYTES, LogCall, ObjectCall, OutputCall
from suanlian.rules.jobstate import TASK_ENDED
from suanlian.store import attempts, erasing, files, jobs, passed, probes
from suanlian.store.unit import Row, Unit

_LOG_BYTES: Final = 17 * 1024 * 1024
"""A stream of an attempt is kept up to here: a driver bounds it at 16 MiB, the keeper's own lines come on top."""


_PROBE_LOG_BYTES: Final = 1024 * 1024
"""So much of a stream of a probe: nobody reads more of it, and a hub makes probes without end."""


def _digest_fits(data: bytes, sha256: str, field: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        wrong = f"The bytes have the SHA-256 {found}, {sha256} was stated."
        raise InvalidError("checksum_mismatch", wrong, todo="Send the bytes again, or state their digest.", field=field)


def keep_object(unit: Unit, caller: Caller, sha256: str, data: bytes, quota_bytes: int) -> None:
    """Keep an uploaded input; the same again changes nothing. Raises InvalidError, TooLargeError, ConflictError."""
    if len(data) > MAX_INLINE_BYTES:
        wrong = f"{len(data)} bytes are more than the {MAX_INLINE_BYTES} that an object may have."
        raise TooLargeError("body_too_large", wrong, todo="Give it by URL.", field="data")
    _digest_fits(data, sha256, "sha256")
    if files.has_objects(unit, caller.account_id, [sha256]):
        return
    _hold(unit, caller.account_id, len(data), quota_bytes)
    row = {"account_id": caller.account_id, "sha256": sha256, "size": len(data), "data": data, "stored_at": unit.now}
    files.add_object(unit, row)
    # what it is called and what it holds is its owner's; the digest is what the hub keeps it under
    unit.record(EventType.OBJECT_STORED, sha256, account_id=caller.account_id, size=len(data))


def _hold(unit: Unit, account_id: str, more: int, quota_bytes: int) -> None:
    if not files.hold_bytes(unit, account_id, more, quota_bytes):
        wrong = f"{more} bytes more would pass the account's quota of {quota_bytes} bytes of inputs and outputs here."
        raise ConflictError("quota_exceeded", wrong, todo="Ask the operator for more, or give inputs by URL.")


def _attempt_of(unit: Unit, connector_id: str, attempt_id: str, token: int) -> Row:
    row = attempts.find(unit, attempt_id)
    if row is None or not attempts.is_current(row, connector_id, token):
        wrong = "This connector has no such attempt, or its token is not the current one."
        raise ConflictError("report_stale", wrong, todo="Poll, and do what the hub wishes now.", field="attempt_id")
    if row["ended_at"] is not None and erasing.is_erased(unit, row["account_id"]):
        wrong = "The account of this attempt was erased: nothing of it is taken any more."
        raise ConflictError("report_stale", wrong, todo="Forget the attempt.", field="attempt_id")
    return row


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise InvalidError("field_invalid", "data is not base64.", todo="Encode it anew.", field="data") from error


def object_for(unit: Unit, connector_id: str, call: ObjectCall) -> bytes:
    """An uploaded input of an attempt's own job, or what was handed to this very attempt.

    Raises ConflictError, NotFoundError.
    """
    row = _attempt_of(unit, connector_id, call.attempt_id, call.token)
    job = jobs.spec_of(unit, row["job_id"])
    named = {item.sha256 for item in JobSpec.model_validate_json(job).inputs if item.object}
    data = files.find_object(unit, row["account_id"], call.sha256) if call.sha256 in named else None
    if data is not None:
        return data[call.start : call.start + call.length] if call.length else data[call.start :]
    data = passed.find(unit, row, call.sha256, call.start, call.length)
    if data is None:
        raise NotFoundError("not_found", "The job names no such object.", field="sha256")
    return data


def append_log(unit: Unit, connector_id: str, call: LogCall, arrived_at: datetime | None = None) -> int:
    """Append what is new of a chunk that came at this moment; returns the length that is here now."""
    attempt = _attempt_of(unit, connector_id, call.attempt_id, call.token)
    data = _decoded(call.data)
    if len(data) > MAX_LOG_BYTES:
        wrong = f"A chunk has at most {MAX_LOG_BYTES} bytes."
        raise TooLargeError("body_too_large", wrong, todo="Send smaller chunks.", field="data")
    length = files.log_length(unit, call.attempt_id, call.stream)
    fresh = data[length - call.offset :] if call.offset <= length else b""
    kept = fresh[: max(0, _most_log(unit, attempt, length + len(fresh)) - length)]
    if kept:
        row = {"attempt_id": call.attempt_id, "stream": call.stream, "start": length, "length": len(kept), "data": kept}
        files.add_log(unit, {**row, "arrived_at": arrived_at or unit.now})
        if length == 0:
            unit.record(EventType.LOG_BEGUN, call.attempt_id, stream=call.stream)
        unit.wake(f"attempt:{call.attempt_id}")
    # what is beyond the bound is answered as if it lay here, so that nobody sends it for ever
    return length + len(fresh)


def _most_log(unit: Unit, attempt: Row, wanted: int) -> int:
    """Up to where a stream is kept that would be as long as ``wanted``."""
    is_long = wanted > _PROBE_LOG_BYTES and probes.asked(unit, attempt["job_id"]) is not None
    return _PROBE_LOG_BYTES if is_long else _LOG_BYTES


def keep_output(unit: Unit, connector_id: str, call: OutputCall, quota_bytes: int) -> None:
    """Keep an output file; the same again changes nothing. Raises InvalidError, ConflictError."""
    row = _attempt_of(unit, connector_id, call.attempt_id, call.token)
    data = _decoded(call.data)
    if len(data) > MAX_INLINE_BYTES:
        wrong = f"{len(data)} bytes are more than the {MAX_INLINE_BYTES} that an output may have."
        raise TooLargeError("body_too_large", wrong, field="data")
    _digest_fits(data, call.sha256, "sha256")
    before = files.find_output(unit, call.attempt_id, call.path)
    if before is not None and before["sha256"] == call.sha256:
        return
    if before is not None:
        raise ConflictError("already_done", f"The output {call.path!r} is here with other bytes.", field="path")
    if not _is_wanted(unit, row, call.path, len(data)):
        return
    _hold(unit, row["account_id"], len(data), quota_bytes)
    shared = {"account_id": row["account_id"], "size": len(data), "sha256": call.sha256, "data": data}
    files.add_output(unit, {"attempt_id": call.attempt_id, "path": call.path, **shared})
    unit.record(EventType.OUTPUT_KEPT, call.attempt_id, account_id=row["account_id"], size=len(data))


def _is_wanted(unit: Unit, attempt: Row, path: str, size: int) -> bool:
    """Whether an output is kept. Of probes only what they were to bring, while they run: their quota is the hub's own.

    What a cancelled probe brings is not kept, and answered as if it were. Raises InvalidError, TooLargeError,
    ConflictError ``report_stale``.
    """
    probe = probes.asked(unit, attempt["job_id"])
    if probe is None:
        return True
    task = PROBE_TASK.validate_json(probe["probe"])
    if path not in task.outputs:
        raise InvalidError("field_invalid", f"The probe was not to bring {path[:80]!r}.", field="path")
    if size > task.output_bytes:
        wrong = f"{size} bytes are more than the {task.output_bytes} that the probe was to bring."
        raise TooLargeError("body_too_large", wrong, field="data")
    if attempt["ended_at"] is not None:
        raise ConflictError("report_stale", "The probe has ended.", todo="Forget the attempt.", field="attempt_id")
    return not probe["canceling"]


def _own_job(unit: Unit, caller: Caller, ref: str) -> Row:
    row = jobs.find(unit, caller, ref)
    if row is None or row["account_id"] != caller.account_id:
        raise NotFoundError(
            "not_found", f"You have no job {ref[:80]!r}.", todo="suanlian jobs lists yours.", field="job"
        )
    return row


def _current(unit: Unit, job: Row, index: int, attempt_id: str | None) -> Row | None:
    made = [row for row in attempts.with_places(unit, job["id"], [index]) if attempt_id in (None, row["id"])]
    return made[-1] if made else None


class LogView:
    """Where a log is read: of which attempt, and whether more can come."""

    def __init__(self, job_id: str, attempt_id: AttemptId | None, *, ended: bool, live: bool = False) -> None:
        """``attempt_id`` is None while the task has no attempt yet."""
        self.attempt_id = attempt_id
        self.wakes = f"attempt:{attempt_id}" if live else f"job:{job_id}"
        """What is woken when more may be there."""
        self.ended = ended


def log_of(unit: Unit, caller: Caller, ref: str, index: int, attempt_id: str | None) -> LogView:
    """The attempt whose log is meant: the newest of the task, or the one that is named. Raises NotFoundError."""
    job = _own_job(unit, caller, ref)
    row = _current(unit, job, index, attempt_id)
    task = jobs.task(unit, job["id"], index)
    if task is None:
        wrong = f"The job has no task {index}."
        raise NotFoundError("not_found", wrong, todo=f"Indices run from 0 to {job['tasks'] - 1}.", field="index")
    if row is None:
        return LogView(job["id"], None, ended=task["state"] in TASK_ENDED)
    # an attempt that ended may have another one behind it, as long as its task has not ended
    ended = row["ended_at"] is not None and (attempt_id is not None or task["state"] in TASK_ENDED)
    return LogView(job["id"], AttemptId(row["id"]), ended=ended, live=row["ended_at"] is None)


def read_log(unit: Unit, attempt_id: str, stream: str, offset: int) -> bytes:
    """Up to 1 MiB of a stream from ``offset``; who may read it was decided by ``log_of``."""
    return files.read_log(unit, attempt_id, stream, offset, 1024 * 1024)


@dataclass(frozen=True, slots=True)
class WhichOutputs:
    """Of one task or of all; those behind (index, path), at most so many."""

    index: int | None
    after: tuple[int, str]
    limit: int


def outputs_of(unit: Unit, caller: Caller, ref: str, which: WhichOutputs) -> list[Row]:
    """The outputs of the tasks' newest attempts, without their bytes, by index and path. Raises NotFoundError."""
    job = _own_job(unit, caller, ref)
    rows = files.newest_outputs(unit, job["id"], which.index, after=which.after, limit=which.limit)
    return [dict(row) for row in rows]


def output(unit: Unit, caller: Caller, ref: str, index: int, path: str) -> bytes:
    """One output's bytes. Raises NotFoundError."""
    job = _own_job(unit, caller, ref)
    attempt = _current(unit, job, index, None)
    row = None if attempt is None else files.find_output(unit, attempt["id"], path)
    if row is None:
        wrong = f"Task {index} has no output {path[:80]!r}."
        raise NotFoundError("not_found", wrong, todo="suanlian outputs lists them.", field="path")
    return bytes(row["data"])
