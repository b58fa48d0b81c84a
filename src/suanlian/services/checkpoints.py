"""Checkpoints as they come from connectors: piece by piece, and whole or not at all."""

import base64
import binascii
import hashlib
import json
from typing import Final

from suanlian.model.errors import ConflictError, InvalidError, TooLargeError
from suanlian.model.event import EventType
from suanlian.model.job import JobSpec, OutputFile
from suanlian.model.protocol import (
    MAX_CHECKPOINT_BYTES,
    MAX_PIECE_BYTES,
    CheckpointCall,
    CheckpointWholeCall,
)
from suanlian.store import attempts, checkpoints, files, jobs
from suanlian.store.unit import Row, Unit

_SETS: Final = 50


def keep(unit: Unit, connector_id: str, call: CheckpointCall, quota_bytes: int) -> None:
    """Keep a piece of a set; the same again changes nothing. Raises InvalidError, TooLargeError, ConflictError."""
    attempt, data = _attempt_of(unit, connector_id, call.attempt_id, call.token), _decoded(call.data)
    if len(data) > MAX_PIECE_BYTES:
        raise TooLargeError("body_too_large", f"A piece has at most {MAX_PIECE_BYTES} bytes.", field="data")
    declared = JobSpec.model_validate_json(jobs.spec_of(unit, attempt["job_id"])).checkpoint
    if declared is None or not call.path.startswith(f"{declared.path}/"):
        raise InvalidError("field_invalid", f"{call.path[:80]!r} is no part of the job's checkpoint.", field="path")
    row = checkpoints.find(unit, call.set_id) or _begun(unit, attempt, call.set_id)
    _is_open(row, attempt)
    if row["size"] + len(data) > MAX_CHECKPOINT_BYTES:
        wrong = f"The set would be larger than {MAX_CHECKPOINT_BYTES} bytes."
        raise TooLargeError("body_too_large", wrong, field="data")
    piece = {"checkpoint_id": call.set_id, "path": call.path, "start": call.start, "length": len(data), "data": data}
    if checkpoints.add_piece(unit, piece):
        if not files.hold_bytes(unit, attempt["account_id"], len(data), quota_bytes):
            wrong = f"{len(data)} bytes more would pass the account's quota of {quota_bytes} bytes."
            raise ConflictError("quota_exceeded", wrong, todo="Remove old jobs' outputs, or ask the operator for more.")
        checkpoints.grow(unit, call.set_id, len(data))


def _begun(unit: Unit, attempt: Row, set_id: str) -> Row:
    """Begin a set; what the same attempt began before and never finished goes."""
    for old in checkpoints.unfinished_of(unit, attempt["id"]):
        checkpoints.drop(unit, old)
    row = {name: attempt[name] for name in ("job_id", "idx", "account_id")}
    row |= {"id": set_id, "attempt_id": attempt["id"], "begun_at": unit.now, "size": 0}
    checkpoints.begin(unit, row)
    return {**row, "whole_at": None, "manifest": None, "dropped_at": None}


def look(unit: Unit, connector_id: str, call: CheckpointWholeCall) -> int:
    """How many bytes of the set are here, once every file is here as stated.

    In a unit that reads: a set may have a gibibyte, and whoever has to write would wait until all of it is read.
    Raises ConflictError, InvalidError ``checksum_mismatch``.
    """
    attempt = _attempt_of(unit, connector_id, call.attempt_id, call.token)
    row = checkpoints.look(unit, call.set_id)
    if row is not None and row["attempt_id"] == attempt["id"] and row["whole_at"] is not None:
        return int(row["size"])
    if row is not None:
        _is_open(row, attempt)
    lengths = checkpoints.lengths(unit, call.set_id)
    for file in call.files:
        if lengths.pop(file.path, 0) != file.size or _digest(unit, call.set_id, file) != file.sha256:
            wrong = f"What came of {file.path[:200]!r} is not what is stated."
            raise InvalidError("checksum_mismatch", wrong, todo="Send the set anew, under another id.", field="files")
    if lengths:
        wrong = f"{min(lengths)[:200]!r} came and is not stated."
        raise InvalidError("field_invalid", wrong, todo="State every file of the set.", field="files")
    return sum(file.size for file in call.files)


def make_whole(unit: Unit, connector_id: str, call: CheckpointWholeCall, size: int) -> None:
    """The set is whole: from now on it is the task's one checkpoint. Again, it changes nothing.

    ``size``: what ``look`` found in order, whose bytes never change. Raises ConflictError, InvalidError
    ``checksum_mismatch`` where more came since.
    """
    attempts.lock(unit, call.attempt_id)  # a fence comes before all of this, or after
    attempt = _attempt_of(unit, connector_id, call.attempt_id, call.token)
    row = checkpoints.find(unit, call.set_id)
    if row is None:
        row = _begun(unit, attempt, call.set_id)  # of empty files alone
    if row["whole_at"] is not None and row["attempt_id"] == attempt["id"]:
        return
    _is_open(row, attempt)
    if row["size"] != size:
        wrong = "More of the set came while it was looked at."
        raise InvalidError("checksum_mismatch", wrong, todo="Send the set anew, under another id.", field="files")
    manifest = json.dumps([file.model_dump(mode="json") for file in call.files])
    checkpoints.make_whole(unit, call.set_id, manifest)
    for old in checkpoints.others_of_task(unit, row):
        checkpoints.drop(unit, old)
    unit.record(EventType.CHECKPOINT_KEPT, attempt["id"], account_id=attempt["account_id"], size=size)


def _digest(unit: Unit, set_id: str, file: OutputFile) -> str:
    digest, at = hashlib.sha256(), 0
    for start, data in checkpoints.pieces(unit, set_id, file.path):
        if start != at:
            return ""
        digest.update(data)
        at += len(data)
    return digest.hexdigest()


def _attempt_of(unit: Unit, connector_id: str, attempt_id: str, token: int) -> Row:
    row = attempts.find(unit, attempt_id)
    if row is None or row["ended_at"] is not None or not attempts.is_current(row, connector_id, token):
        wrong = "This connector has no such attempt, or it ended, or its token is not the current one."
        raise ConflictError("report_stale", wrong, todo="Poll, and do what the hub wishes now.", field="attempt_id")
    return row


def _is_open(row: Row, attempt: Row) -> None:
    if row["attempt_id"] != attempt["id"] or row["whole_at"] is not None or row["dropped_at"] is not None:
        raise ConflictError("already_done", "The set is whole, given up, or another attempt's.", field="set_id")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise InvalidError("field_invalid", "data is not base64.", todo="Encode it anew.", field="data") from error


def sweep(unit: Unit) -> bool:
    """Drop the sets of jobs that have ended, and remove some of what was dropped; whether there is more."""
    rows = checkpoints.over(unit, _SETS)
    for row in rows:
        checkpoints.drop(unit, row)
    more = checkpoints.clear(unit)
    return more or len(rows) == _SETS
