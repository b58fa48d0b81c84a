"""Transfers as people, jobs and rules deal with them: ask for a copy somewhere, look, cancel, try again."""

import json
from collections.abc import Sequence
from typing import Any, Final

from suanlian.model.data import DataTransfer, Purpose, StorageRef, TransferState, VersionState
from suanlian.model.data_protocol import TaskKind, TaskWish
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError
from suanlian.model.levels import LevelRules
from suanlian.model.party import Caller
from suanlian.model.transfer_plan import StoragePlace
from suanlian.rules.data.reach import unfit
from suanlian.store import datasets, storage_tasks, transfers
from suanlian.store.storages import Storages, refs_of
from suanlian.store.transfers import Wanted as Wanted  # noqa: PLC0414 - who asks says it
from suanlian.store.unit import Row, Unit

_REFUSED: Final = {
    "unsettled": ("copy_unsettled", "A copy is there that leaves, or is being read anew.", "Try again in a while."),
    "full": ("storage_full", "The storage has no room for it.", "Choose another one, or let copies leave there."),
}
_SHOWN: Final = (
    *("id", "version_id", "purpose", "state", "bytes", "bytes_done", "files", "files_done", "priority", "deadline"),
    *("begins_at", "ends_at", "rate_mbps", "cost_cny", "tries", "code", "reason", "seen_mbps", "created_at"),
)


def storage_named(unit: Unit, ref: StorageRef) -> StoragePlace:
    """The storage that is written so. Raises NotFoundError ``no_such_storage``."""
    place = Storages(unit).by_ref.get(ref)
    if place is None or place.withdrawn:
        wrong = f"No platform publishes storage {ref!r}."
        raise NotFoundError("no_such_storage", wrong, todo="suanlian storage lists them.", field="storage")
    return place


def check_target(unit: Unit, version: Row, place: StoragePlace, levels: LevelRules) -> None:
    """Refuse storage to which a version must not come. Raises ConflictError ``storage_unfit``."""
    wrong = unfit(place, version["level"], tuple(json.loads(version["residency"])), levels, unit.now)
    if place.share.read_only:
        wrong = "it is only read"
    elif not place.live:
        wrong = "its platform takes nothing now"
    if wrong:
        text = f"{version['dataset']}@{version['number']} may not come to {place.ref}: {wrong}."
        raise ConflictError("storage_unfit", text, todo="suanlian storage lists others.", field="to")


def ask(unit: Unit, version_id: str, place: StoragePlace, wanted: Wanted, levels: LevelRules) -> Row | None:
    """Let a sealed version come to a storage; None where it is there. Asked twice, it comes once.

    Raises ConflictError: ``state_conflict``, ``storage_unfit``, ``copy_unsettled``, ``storage_full``.
    """
    version = datasets.lock(unit, version_id)
    if version is None or version["state"] != VersionState.SEALED:
        state = "gone" if version is None else version["state"]
        raise ConflictError("state_conflict", f"The version is {state}, not sealed.", todo="Choose one that is sealed.")
    check_target(unit, version, place, levels)
    row, why = transfers.begin(unit, version, place, wanted)
    if why in _REFUSED:
        code, wrong, todo = _REFUSED[why]
        raise ConflictError(code, f"{place.ref}: {wrong}", todo=todo, field="to")
    return row


def ask_by_name(unit: Unit, version_id: str, ref: StorageRef, wanted: Wanted, levels: LevelRules) -> Row | None:
    """The same by how a storage is written. Raises NotFoundError ``no_such_storage`` besides."""
    return ask(unit, version_id, storage_named(unit, ref), wanted, levels)


def get(unit: Unit, caller: Caller, transfer_id: str) -> DataTransfer:
    """One transfer. Raises NotFoundError."""
    return views(unit, [_seen(unit, caller, transfer_id)])[0]


def _seen(unit: Unit, caller: Caller, transfer_id: str) -> Row:
    row = transfers.seen(unit, caller, transfer_id)
    if row is None:
        todo = "suanlian data transfers lists yours."
        raise NotFoundError("not_found", f"You have no transfer {transfer_id[:80]!r}.", todo=todo, field="transfer")
    return row


def list_of(
    unit: Unit, caller: Caller, *, after: str, limit: int, state: TransferState | None = None
) -> list[DataTransfer]:
    """The caller's transfers, newest first."""
    return views(unit, transfers.list_of(unit, caller, after=after, limit=limit, state=state))


def views(unit: Unit, rows: Sequence[Row]) -> list[DataTransfer]:
    """Transfers as they are told."""
    wanted = dict[str, list[str]]()
    for want in transfers.wants(unit, [row["id"] for row in rows]) if rows else ():
        wanted.setdefault(want["transfer_id"], []).append(f"{want['purpose']} {want['who']}")
    sources = {row["id"]: transfers.source_storage(unit, row) for row in rows}
    ids = {row[name] for row in rows for name in ("storage_id", "via_id") if row[name]} | set(sources.values()) - {""}
    refs = {storage_id: ref for storage_id, (ref, _site) in refs_of(unit, ids).items()}
    names = dict[str, str]()
    for version_id in {row["version_id"] for row in rows}:
        version = datasets.version(unit, version_id)
        names[version_id] = "" if version is None else f"{version['dataset']}@{version['number']}"
    return [
        DataTransfer.model_validate(
            {name: row[name] for name in _SHOWN}
            | {"dataset": names[row["version_id"]], "target": refs[row["storage_id"]], "after": row["after_id"] or ""}
            | {"source": refs.get(sources[row["id"]]), "via": refs.get(row["via_id"])}
            | {"wanted_by": wanted.get(row["id"], ())}
        )
        for row in rows
    ]


def cancel(unit: Unit, caller: Caller, transfer_id: str) -> DataTransfer:
    """The caller wants it no more, nor does anybody else of their account; it ends unless others want it.

    Raises NotFoundError, ConflictError ``state_conflict`` where it has ended.
    """
    row = _seen(unit, caller, transfer_id)
    _locked_open(unit, row)
    for want in transfers.wants(unit, [row["id"]]):
        if want["purpose"] in (Purpose.PERSON, Purpose.PREFETCH, Purpose.POPULAR):
            transfers.unwant(unit, row["id"], want["purpose"], want["who"])
    left = [want for want in transfers.wants(unit, [row["id"]]) if want["purpose"] != Purpose.RELAY]
    if left:
        who = ", ".join(f"{want['purpose']} {want['who']}" for want in left[:3])
        wrong = f"It is wanted by {who}."
        raise ConflictError("state_conflict", wrong, todo="End the rule, or cancel the job, that wants it.")
    transfers.unwant_all(unit, row["id"])
    give_up(unit, row["id"])
    return get(unit, caller, transfer_id)


def _locked_open(unit: Unit, row: Row) -> None:
    datasets.lock(unit, row["version_id"])
    now = transfers.lock(unit, row["id"])
    if now is None or now["ended_at"] is not None:
        state = "gone" if now is None else now["state"]
        raise ConflictError("state_conflict", f"The transfer is {state}.", todo="Nothing is left to cancel.")


def unwant(unit: Unit, version_id: str, purpose: Purpose, who: str) -> None:
    """A job or a rule wants none of a version's transfers any more; those that nobody else wants are given up."""
    datasets.lock(unit, version_id)
    for row in transfers.open_of(unit, version_id):
        transfers.unwant(unit, row["id"], purpose, who)
        if not transfers.wants(unit, [row["id"]]):
            give_up(unit, row["id"])


def give_up(unit: Unit, transfer_id: str) -> bool:
    """End a transfer that nobody wants: at once where nothing moves, else when who moves it says that it stopped."""
    found = transfers.find(unit, transfer_id)
    version = None if found is None else datasets.lock(unit, found["version_id"])
    row = transfers.lock(unit, transfer_id)
    if version is None or row is None or row["ended_at"] is not None or row["state"] == TransferState.CANCELING:
        return False
    moving = [
        task
        for task in storage_tasks.open_of(unit, transfer_id=transfer_id)
        if task["kind"] in (TaskKind.MOVE, TaskKind.TAKE) and not task["held"]
    ]
    if not moving:
        transfers.end(unit, version, row, TransferState.CANCELED, ("canceled", ""))
        return True
    for task in moving:
        if task["wish"] == TaskWish.DO:
            storage_tasks.stop(unit, task)
    transfers.moved(unit, row, TransferState.CANCELING, code="canceled")
    return True


def unwanted(unit: Unit, limit: int) -> Sequence[str]:
    """Transfers that go on and that nobody wants any more."""
    return transfers.unwanted(unit, limit)


def retry(unit: Unit, caller: Caller, transfer_id: str, levels: LevelRules) -> DataTransfer:
    """Begin anew what failed or was canceled: the transfer that does. Raises ConflictError as ``ask``."""
    row = _seen(unit, caller, transfer_id)
    if row["ended_at"] is None:
        if row["state"] == TransferState.WAITING:
            transfers.change(unit, row["id"], {"not_before": None})
            transfers.moved(unit, row, TransferState.WAITING)
            return get(unit, caller, transfer_id)
        raise ConflictError("state_conflict", f"The transfer is {row['state']}.", todo="Cancel it first.")
    if row["state"] == TransferState.DONE:
        raise ConflictError("already_done", "The transfer is done.", todo="Nothing is left to do.")
    place: Any = Storages(unit).by_id.get(row["storage_id"])
    if place is None:
        raise InvalidError("field_invalid", "Its target is published no more.", field="transfer")
    wanted = Wanted(Purpose.PERSON, caller.principal_id, row["priority"], row["deadline"])
    made = ask(unit, row["version_id"], place, wanted, levels)
    if made is None:
        raise ConflictError("already_done", "The copy is there.", todo="Nothing is left to do.")
    return get(unit, caller, made["id"])
