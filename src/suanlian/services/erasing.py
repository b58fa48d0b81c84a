"""Erasing a person: shut out at once, what they ran is ended, then all that tells who they were and what it was goes.

Books and journal keep ids: usage, charges, assignments, events. Of a member of a legal person only the member goes.
"""

import json
from typing import Final

from suanlian.model.errors import ConflictError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import AccountId, EntityId, PrincipalId, ProjectId
from suanlian.model.job import JobSpec, Outcome
from suanlian.model.party import Caller, EntityKind, Erasure, Role
from suanlian.rules.erasing import BLANK, blank_name, blank_outcome, blank_spec
from suanlian.store import checkpoints, datasets, erasing, parties
from suanlian.store.unit import Row, Unit

BATCH: Final = 50
"""So many jobs are looked at in one unit."""


def ask(unit: Unit, caller: Caller, name: str) -> Erasure:
    """Begin to erase the caller, who says their own name to mean it. From now on nothing opens for them.

    Raises InvalidError for another name, ConflictError where a platform or colleagues depend on the entity.
    """
    principal, entity = parties.find_principal(unit, caller.principal_id), parties.entity_of(unit, caller.entity_id)
    if principal is None or entity is None:
        raise NotFoundError("not_found", "There is no such principal.")
    if name != principal["name"]:
        wrong = "That is not your name here."
        raise InvalidError("field_invalid", wrong, todo="suanlian whoami shows it; say it to mean it.", field="name")
    whole = entity["kind"] == EntityKind.PERSON
    if whole and erasing.owns_platform(unit, entity["id"]):
        raise ConflictError("state_conflict", "Your entity has a platform here.", todo="Withdraw it first.")
    row = {"principal_id": principal["id"], "account_id": caller.account_id, "entity_id": entity["id"]}
    erasing.add(unit, {**row, "whole": whole, "asked_at": unit.now})
    erasing.shut_out(unit, principal["id"])
    unit.record(EventType.ACCOUNT_ERASING, principal["id"], whole=whole)
    # other processes forget whom they know by a key
    unit.record(EventType.KEY_REVOKED, principal["id"], all=True)
    return Erasure(asked_at=unit.now, whole=whole)


def pending(unit: Unit) -> list[Row]:
    """Erasures that are not done."""
    return list(erasing.pending(unit))


def to_cancel(unit: Unit, row: Row) -> list[str]:
    """Jobs of the account that nobody has cancelled yet, some at a time."""
    return [job["id"] for job in erasing.open_jobs(unit, row["account_id"], BATCH)] if row["whole"] else []


def as_caller(row: Row) -> Caller:
    """The one who is erased, as the author of what follows from it."""
    return Caller(
        principal_id=PrincipalId(row["principal_id"]),
        role=Role(row["role"]),
        entity_id=EntityId(row["entity_id"]),
        account_id=AccountId(row["account_id"]),
        project_id=ProjectId(row["project_id"]),
    )


def go_on(unit: Unit, row: Row) -> bool:
    """Erase some more, once nothing runs; whether there is more at once. Done twice, it changes nothing more."""
    if not row["whole"]:
        return _end(unit, row)
    if erasing.anything_runs(unit, row["account_id"]):
        return False
    found = erasing.jobs_after(unit, row["account_id"], row["job_id"], BATCH)
    for job in found:
        _blank(unit, job)
    if found:
        erasing.change(unit, row["principal_id"], {"job_id": found[-1]["id"]})
        return True
    # what was dropped above is not erased before its last piece is gone
    return checkpoints.clear(unit, row["account_id"]) or _end(unit, row)


def _blank(unit: Unit, job: Row) -> None:
    spec = blank_spec(JobSpec.model_validate_json(job["spec"]))
    values = {
        "name": BLANK,
        "spec": spec.model_dump_json(),
        "waiting": None,
        "delegated_buyer": "",
        "reason": "",
        "webhook": "",
    }
    erasing.blank_job(unit, job["id"], values)
    for attempt in erasing.attempts_of(unit, job["id"]):
        outcome = blank_outcome(Outcome.model_validate(json.loads(attempt["outcome"])))
        erasing.blank_attempt(unit, attempt["id"], outcome.model_dump_json())


def _end(unit: Unit, row: Row) -> bool:
    name = blank_name(row["principal_id"])
    erasing.shut_out(unit, row["principal_id"])
    erasing.blank_principal(unit, row["principal_id"], name)
    if row["whole"]:
        erasing.blank_account(unit, row["account_id"], name)
        datasets.erase(unit, row["account_id"], name)
        erasing.blank_entity(unit, row["entity_id"], name)
    erasing.change(unit, row["principal_id"], {"done_at": unit.now})
    unit.record(EventType.ACCOUNT_ERASED, row["principal_id"], whole=row["whole"])
    return False
