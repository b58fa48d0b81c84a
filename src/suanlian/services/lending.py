"""Jobs that platforms lend: offered, confirmed, followed, ended. Only the lender's own connectors speak for them.

A lent job belongs to the platform's entity, in a project of its account called ``lent``, and was made by a principal
without a key that stands for one user at home. It is an ordinary job but for one thing: its lender's shares are no
place for it.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from suanlian.model.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import AccountId, AttemptId, EntityId, JobId, PrincipalId, ProjectId, new_id
from suanlian.model.job import JobSpec, JobState, Outcome
from suanlian.model.lending import (
    MAX_LENT_BYTES,
    LendCall,
    LendKey,
    LentAttempt,
    LentLogCall,
    LentOutputCall,
    LentState,
)
from suanlian.model.party import Caller, Role, Standing
from suanlian.model.platform import PlatformState, Share
from suanlian.rules.lending import Tried, is_stopped, unlendable
from suanlian.rules.onboarding import CLOSED
from suanlian.store import attempts, files, lending, parties, platforms
from suanlian.store.gates import standing_of
from suanlian.store.unit import Row, Unit

PROJECT: Final = "lent"
MAX_OPEN: Final = 2000
"""So many jobs of a platform are offered or lent at once."""
_SHUT: Final = (*CLOSED, PlatformState.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """An offer that is confirmed: who it is for, and what is to be run."""

    caller: Caller
    spec: JobSpec
    lender: str


def offer(unit: Unit, connector_id: str, call: LendCall) -> LentState:
    """Keep an offer; the same key again changes nothing. Raises InvalidError, ForbiddenError, ConflictError."""
    platform = _platform(unit, connector_id)
    if lending.find(unit, platform["id"], call.key.text) is not None:
        return _one(unit, platform, call.key)
    _check_lender(unit, platform)
    if (fault := unlendable(call.spec, platform["name"])) is not None:
        raise InvalidError("not_lendable", f"The job cannot be lent: {fault[1]}.", field=f"spec.{fault[0]}")
    if lending.open_count(unit, platform["id"]) >= MAX_OPEN:
        wrong = f"{MAX_OPEN} jobs of this platform are lent already."
        raise ConflictError("quota_exceeded", wrong, todo="Wait until some have ended.")
    row = {
        "platform_id": platform["id"],
        "key": call.key.text,
        "connector_id": connector_id,
        "principal_id": _principal(unit, platform, call.user)["id"],
        "spec": call.spec.model_dump_json(),
        "job_id": None,
        "offered_at": unit.now,
        "confirmed_at": None,
        "withdrawn_at": None,
    }
    lending.add(unit, row)
    unit.record(EventType.LEND_OFFERED, call.key.mark, platform=platform["name"])
    return _one(unit, platform, call.key)


def confirm(unit: Unit, connector_id: str, key: LendKey, submit: Callable[[Unit, Confirmed], str]) -> LentState:
    """Make the job of an offer, by ``submit``, which returns its id; again it changes nothing.

    Raises NotFoundError when it was never offered, ConflictError when the offer was taken back, ForbiddenError.
    """
    platform = _platform(unit, connector_id)
    row = _locked(unit, platform, key)
    if row["withdrawn_at"] is not None:
        raise ConflictError("state_conflict", "The offer was taken back.", todo="Offer it again as another job.")
    if row["confirmed_at"] is None:
        _check_lender(unit, platform)
        spec = JobSpec.model_validate_json(row["spec"])
        job_id = submit(unit, Confirmed(_caller(unit, row), spec, platform["name"]))
        values = {"job_id": job_id, "confirmed_at": unit.now, "spec": None}
        lending.change(unit, platform["id"], key.text, values)
    return _one(unit, platform, key)


def cancel(unit: Unit, connector_id: str, key: LendKey, end: Callable[[Unit, Caller, str], None]) -> LentState:
    """Take an offer back, or end the job by ``end``. What is unknown or has ended is no error."""
    platform = _platform(unit, connector_id)
    row = lending.lock(unit, platform["id"], key.text)
    if row is None:
        return _one(unit, platform, key)
    if row["job_id"] is not None:
        state = _one(unit, platform, key)
        if not (state.canceling or state.state in _ENDS):
            end(unit, _caller(unit, row), row["job_id"])
    elif row["withdrawn_at"] is None:
        lending.change(unit, platform["id"], key.text, {"withdrawn_at": unit.now, "spec": None})
        unit.record(EventType.LEND_WITHDRAWN, key.mark, platform=platform["name"])
    return _one(unit, platform, key)


def states(unit: Unit, connector_id: str, keys: tuple[LendKey, ...]) -> tuple[LentState, ...]:
    """What is true of each, in this order."""
    platform = _platform(unit, connector_id)
    found = lending.with_jobs(unit, platform["id"], [key.text for key in keys])
    return tuple(_state(unit, key, found.get(key.text)) for key in keys)


def log(unit: Unit, connector_id: str, call: LentLogCall) -> tuple[str, int]:
    """Bytes of an attempt's stream in base64, and how long it is. Raises NotFoundError."""
    attempt = _attempt(unit, connector_id, call.key, call.attempt_id)
    data = files.read_log(unit, attempt["id"], call.stream, call.offset, MAX_LENT_BYTES)
    return base64.b64encode(data).decode(), files.log_length(unit, attempt["id"], call.stream)


def output(unit: Unit, connector_id: str, call: LentOutputCall) -> str:
    """One output's bytes in base64. Raises NotFoundError."""
    attempt = _attempt(unit, connector_id, call.key, call.attempt_id)
    row = files.find_output(unit, attempt["id"], call.path)
    if row is None:
        raise NotFoundError("not_found", f"The attempt has no output {call.path[:80]!r}.", field="path")
    return base64.b64encode(bytes(row["data"])).decode()


def _platform(unit: Unit, connector_id: str) -> Row:
    connector = platforms.find_connector(unit, connector_id)
    found = None if connector is None else platforms.find(unit, connector["platform_id"])
    if found is None:
        raise NotFoundError("not_found", "The connector has no platform here.")
    return found


def _check_lender(unit: Unit, platform: Row) -> None:
    if platform["state"] in _SHUT:
        wrong = f"The platform is {platform['state']}: it lends nothing."
        raise ForbiddenError("lending_closed", wrong, todo="Ask the hub's operator.")
    if standing_of(unit, parties.entity_of(unit, platform["entity_id"])) is not Standing.CHECKED:
        wrong = "The platform's entity does not stand checked: nothing is run for it."
        raise ForbiddenError("lending_closed", wrong, todo="Let the hub's operator check it.")


def _locked(unit: Unit, platform: Row, key: LendKey) -> Row:
    row = lending.lock(unit, platform["id"], key.text)
    if row is None:
        raise NotFoundError("not_found", "This platform has offered no such job.", todo="Offer it first.", field="key")
    return row


def _one(unit: Unit, platform: Row, key: LendKey) -> LentState:
    return _state(unit, key, lending.with_jobs(unit, platform["id"], [key.text]).get(key.text))


def _state(unit: Unit, key: LendKey, row: Row | None) -> LentState:
    if row is None:
        return LentState(key=key, known=False)
    if row["job_id"] is None:
        gone = row["withdrawn_at"] is not None
        state = JobState.CANCELED if gone else JobState.QUEUED
        return LentState(key=key, known=True, withdrawn=gone, state=state, stopped=gone)
    made = attempts.with_places(unit, row["job_id"], [0])
    waits = json.loads(row["waiting"])["text"] if row["queued"] and row["waiting"] else ""
    return LentState(
        key=key,
        known=True,
        confirmed=True,
        job_id=JobId(row["job_id"]),
        public_id=row["public_id"],
        state=JobState(row["state"]),
        canceling=row["canceling"],
        stopped=is_stopped(row["ended_at"] is not None, [_tried(one) for one in made]),
        waiting=waits,
        attempt=_shown(unit, made[-1]) if made else None,
    )


def _tried(attempt: Row) -> Tried:
    """An end is its place's own word, unless the hub fenced it; then only that nothing of it is left there is one."""
    ended = attempt["ended_at"] is not None
    return Tried(ended=ended, acknowledged=ended and (attempt["fenced_at"] is None or attempt["gone_at"] is not None))


def _shown(unit: Unit, attempt: Row) -> LentAttempt:
    share = Share.model_validate_json(attempt["share_body"])
    return LentAttempt(
        id=AttemptId(attempt["id"]),
        number=attempt["number"],
        platform=attempt["platform"],
        site=share.site,
        state=JobState(attempt["state"]),
        started_at=attempt["started_at"],
        ended_at=attempt["ended_at"],
        outcome=Outcome.model_validate_json(attempt["outcome"]),
        stdout=files.log_length(unit, attempt["id"], "stdout"),
        stderr=files.log_length(unit, attempt["id"], "stderr"),
    )


def _attempt(unit: Unit, connector_id: str, key: LendKey, attempt_id: str) -> Row:
    row = lending.find(unit, _platform(unit, connector_id)["id"], key.text)
    attempt = None if row is None or row["job_id"] is None else attempts.find(unit, attempt_id)
    if row is None or attempt is None or attempt["job_id"] != row["job_id"]:
        raise NotFoundError("not_found", "This platform has lent no job with such an attempt.", field="attempt_id")
    return attempt


def _principal(unit: Unit, platform: Row, user: str) -> Row:
    """Who stands at the hub for one user at home: a principal that nobody holds a key of."""
    entity_id = platform["entity_id"]
    name = f"lent-{user}"[:63].rstrip("-.")
    row = parties.principal_named(unit, entity_id, name)
    if row is not None:
        return row
    account = parties.account_of(unit, entity_id)
    if account is None:
        raise NotFoundError("not_found", "The platform's entity has no account.", todo="Ask the hub's operator.")
    project = lending.project_named(unit, account["id"], PROJECT)
    if project is None:
        project = {"id": new_id(), "account_id": account["id"], "name": PROJECT}
        parties.add_project(unit, project)
    made = {"id": new_id(), "name": name, "role": Role.BUYER.value, "entity_id": entity_id, "minted_by": None}
    made |= {"account_id": account["id"], "project_id": project["id"], "invited_by": None}
    parties.add_principal(unit, made)
    return made


def _caller(unit: Unit, row: Row) -> Caller:
    principal = parties.find_principal(unit, row["principal_id"])
    if principal is None:
        raise NotFoundError("not_found", "Nobody stands for this job here any more.")
    return Caller(
        principal_id=PrincipalId(principal["id"]),
        role=Role.BUYER,
        entity_id=EntityId(principal["entity_id"]),
        account_id=AccountId(principal["account_id"]),
        project_id=ProjectId(principal["project_id"]),
        source="lent",
    )


_ENDS: Final = frozenset({JobState.COMPLETE, JobState.EXECUTOR_ERROR, JobState.SYSTEM_ERROR, JobState.CANCELED})
