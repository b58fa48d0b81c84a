"""What waits to be moved, as a planner is asked about it, and its answer put to work: leave to read, a task to move.

The plan itself is ``rules/data/planned.py``. What it decided is checked again under the lock of the version: a copy
that may no longer be read, or a transfer that waits no longer, is left to the next round.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from suanlian.model.data import Purpose, ReplicaState, TransferState, VersionState
from suanlian.model.data_protocol import Direction, TaskKind, Window
from suanlian.model.ids import new_id
from suanlian.model.levels import LevelRules
from suanlian.model.transfer_plan import (
    Changed,
    GoingTransfer,
    NoWay,
    Planned,
    Source,
    StoragePlace,
    WaitingTransfer,
)
from suanlian.rules.data.planned import Answers as Answers  # noqa: PLC0414 - who asks for a plan gets it
from suanlian.rules.data.planned import Asked, plan_transfers
from suanlian.rules.data.reach import unfit
from suanlian.rules.data.states import READABLE, wait_after
from suanlian.rules.data.ways import plan_simply
from suanlian.rules.transfers.problem import Link, Reserved
from suanlian.store import datasets, replicas, storage_tasks, transfers
from suanlian.store.storages import Storages
from suanlian.store.transfers import Wanted
from suanlian.store.unit import Row, Unit

LEAD: Final = timedelta(seconds=60)
"""A transfer is given to whoever moves it so long before it begins by plan."""
MOST_RELAYS: Final = 4
"""So many ways over a third place are tried."""
SLOW: Final = Decimal("0.25")
"""A transfer that goes slower than this part of its plan is planned anew."""
HURRIED: Final = timedelta(minutes=2)
"""So long a transfer has before anybody says that it is slow."""
RELAYED: Final = timedelta(days=1)
"""The copy of a way over a third place is kept for so long, where no rule needs it."""


def waiting(unit: Unit, levels: LevelRules, limit: int) -> list[WaitingTransfer]:
    """Transfers that wait for a way, the most urgent first, with all copies from which each may come."""
    return _all(unit, transfers.waiting(unit, limit), levels)


def going(unit: Unit, levels: LevelRules, limit: int) -> list[GoingTransfer]:
    """Transfers whose bytes are on their way, the most urgent first, with what is left of each."""
    rows = {row["id"]: row for row in transfers.under_way(unit, limit)}
    return [
        GoingTransfer(
            transfer=replace(one, bytes=max(one.bytes - rows[one.id]["bytes_done"], 0)),
            source_replica_id=rows[one.id]["source_id"],
            windows=windows_of(rows[one.id]),
        )
        for one in _all(unit, list(rows.values()), levels)
    ]


def plan(
    waiting: Sequence[WaitingTransfer],
    going_on: Sequence[GoingTransfer],
    known: tuple[Sequence[Link], Sequence[Reserved]],
    now: datetime,
) -> Answers:
    """All of them planned together. ``known``: links, and what is reserved of them."""
    return plan_transfers(Asked(waiting, going_on, *known, now))


def unplanned(waiting: Sequence[WaitingTransfer], now: datetime) -> tuple[Answers, bool]:
    """What of those without an hour has no way at all, and whether any has one: then a plan is due."""
    found = plan_simply([one for one in waiting if not one.planned], now)
    return Answers(list(found), []), any(isinstance(one, Planned) for one in found)


def windows_of(row: Row) -> tuple[Window, ...]:
    """The hours of a transfer's plan."""
    return tuple(Window.model_validate(window) for window in json.loads(row["windows"]))


def _all(unit: Unit, rows: Sequence[Row], levels: LevelRules) -> list[WaitingTransfer]:
    if not rows:
        return []
    storages, purposes = Storages(unit), _purposes(unit, rows)
    found = list[WaitingTransfer]()
    copies = replicas.of_versions(unit, {row["version_id"] for row in rows})
    versions = {row["version_id"]: datasets.version(unit, row["version_id"]) for row in rows}
    for row in rows:
        version = versions[row["version_id"]]
        if version is not None:
            mine = [copy for copy in copies if copy["version_id"] == row["version_id"]]
            asked = _asked(row, version, mine, storages, _relays(unit, version, storages, levels))
            why = purposes.get(row["id"], frozenset())
            found.append(
                replace(
                    asked,
                    urgent=Purpose.JOB in why,
                    ahead=Purpose.PREFETCH in why,
                    planned=_has_its_hour(unit, row),
                    slow=_slow(unit, row, asked.sources),
                )
            )
    return found


def _purposes(unit: Unit, rows: Sequence[Row]) -> Mapping[str, frozenset[str]]:
    """For what each is wanted; the first half of a way also for what the whole is."""
    wants = transfers.wants(unit, [row["id"] for row in rows])
    whole = {want["transfer_id"]: want["who"] for want in wants if want["purpose"] == Purpose.RELAY}
    after = transfers.wants(unit, set(whole.values())) if whole else ()
    found = dict[str, set[str]]()
    for want in (*wants, *after):
        found.setdefault(want["transfer_id"], set()).add(want["purpose"])
    return {
        row["id"]: frozenset(found.get(row["id"], set()) | found.get(whole.get(row["id"], ""), set())) for row in rows
    }


def _has_its_hour(unit: Unit, row: Row) -> bool:
    return row["code"] == "planned" and row["begins_at"] is not None and bool(row["begins_at"] > unit.now + LEAD)


def _slow(unit: Unit, row: Row, sources: Sequence[Source]) -> tuple[str, float] | None:
    """Where it comes or came from, and what went there, where that is far below its plan."""
    where = next((source.place.where for source in sources if source.replica_id == row["source_id"]), "")
    if not where or row["rate_mbps"] is None:
        return None
    if row["state"] == TransferState.WAITING:
        if row["code"] != "too_slow":
            return None
        told = row["rate_mbps"] / 100 if row["seen_mbps"] is None else row["seen_mbps"]
        return where, float(min(told, row["rate_mbps"]))
    begun = row["begins_at"] is not None and row["begins_at"] + HURRIED <= unit.now
    spans = windows_of(row)
    due = not spans or any(span.start <= unit.now < span.end for span in spans)
    if begun and due and row["seen_mbps"] is not None and row["seen_mbps"] < SLOW * row["rate_mbps"]:
        return where, float(row["seen_mbps"])
    return None


def _relays(unit: Unit, version: Row, storages: Storages, levels: LevelRules) -> tuple[StoragePlace, ...]:
    residency = tuple(json.loads(version["residency"]))
    return tuple(place for place in storages.open() if not unfit(place, version["level"], residency, levels, unit.now))


def _asked(
    row: Row, version: Row, copies: list[Row], storages: Storages, relays: tuple[StoragePlace, ...]
) -> WaitingTransfer:
    excluded = set(json.loads(row["excluded"]))
    readable = [copy for copy in copies if ReplicaState(copy["state"]) in READABLE and copy["id"] not in excluded]
    sources = [
        Source(copy["id"], storages.by_id[copy["storage_id"]], copy["state"] == ReplicaState.DOUBTED)
        for copy in readable
    ]
    whole = [source for source in sources if not source.doubted]
    return WaitingTransfer(
        id=row["id"],
        version_id=row["version_id"],
        bytes=row["bytes"],
        largest=version["largest"],
        files=version["files"],
        priority=row["priority"],
        deadline=row["deadline"],
        created_at=row["created_at"],
        target=storages.by_id[row["storage_id"]],
        # a doubted one is the last that is read
        sources=tuple(whole or sources),
        relays=tuple(place for place in relays if place.id not in {copy["storage_id"] for copy in copies}),
        is_relay=row["purpose"] == Purpose.RELAY,
        account=row["account_id"] or "",
    )


@dataclass(frozen=True, slots=True)
class _Leg:
    """A transfer that is given now: rows that are locked, and where it leads from and to."""

    version: Row
    row: Row
    source: Row
    target: Row
    start: StoragePlace
    end: StoragePlace
    planned: Planned

    @property
    def granting(self) -> StoragePlace:
        """Where leave is given: the side that does not move."""
        return self.end if self.planned.push else self.start

    @property
    def moving(self) -> StoragePlace:
        """Whose connector moves."""
        return self.start if self.planned.push else self.end


def apply(unit: Unit, decided: Planned | NoWay) -> bool:
    """Put a decision to work where it still holds; whether it changed anything."""
    found = transfers.find(unit, decided.transfer_id)
    version = None if found is None else datasets.lock(unit, found["version_id"])
    if version is None:
        return False
    copies = replicas.lock_of(unit, version["id"])
    row = transfers.lock(unit, decided.transfer_id)
    target = None if row is None else copies.get(row["replica_id"])
    if row is None or row["state"] != TransferState.WAITING:
        return False
    if target is None or version["state"] == VersionState.DELETED:
        transfers.end(unit, version, row, TransferState.CANCELED, ("canceled", "the version is deleted"))
        return True
    if isinstance(decided, NoWay):
        return _wait(unit, version, row, decided)
    source = copies.get(decided.source_replica_id)
    return source is not None and _begin(unit, decided, version, row, (source, target))


def _begin(unit: Unit, decided: Planned, version: Row, row: Row, copies: tuple[Row, Row]) -> bool:
    """Give a transfer its way now, or write down when it will be."""
    source, target = copies
    if ReplicaState(source["state"]) not in READABLE:
        return False
    storages = Storages(unit).by_id
    if decided.via:
        return _relay(unit, version, row, storages[decided.via], decided)
    start, end = storages[source["storage_id"]], storages[row["storage_id"]]
    leg = _Leg(version, row, source, target, start, end, decided)
    if leg.planned.begins_at is not None and leg.planned.begins_at > unit.now + LEAD:
        values = {**_plan(leg.planned), "source_id": leg.source["id"], "code": "planned"}
        transfers.change(unit, leg.row["id"], values)
        return False
    _give(unit, leg)
    return True


def _wait(unit: Unit, version: Row, row: Row, decided: NoWay) -> bool:
    """It has no way now; or it never will, and ends by what made its last source fail."""
    if decided.over:
        code = row["code"] if row["code"] and json.loads(row["excluded"]) else decided.code
        reason = row["reason"] if code == row["code"] else decided.reason
        transfers.end(unit, version, row, TransferState.FAILED, (code, reason))
        return True
    transfers.change(unit, row["id"], {"code": decided.code, "reason": decided.reason[:200]})
    return False


def _relay(unit: Unit, version: Row, row: Row, place: StoragePlace, planned: Planned) -> bool:
    """Bring it to a place between first, early enough for its deadline; the transfer itself goes on from there."""
    deadline = row["deadline"] if row["deadline"] is None or planned.ends_at is None else planned.ends_at
    wanted = Wanted(Purpose.RELAY, row["id"], row["priority"], deadline)
    before, why = transfers.begin(unit, version, place, wanted)
    if before is None:
        due = None if why == "whole" else unit.now + wait_after(3)
        transfers.change(unit, row["id"], {"code": why, "not_before": due})
        return why == "whole"
    replicas.change(unit, before["replica_id"], {"expires_at": unit.now + RELAYED})
    transfers.change(unit, row["id"], {"after_id": before["id"], "via_id": place.id, "code": "relay"})
    return True


def _plan(planned: Planned) -> dict[str, Any]:
    windows = json.dumps([window.model_dump(mode="json") for window in planned.windows])
    plan = {"begins_at": planned.begins_at, "ends_at": planned.ends_at, "windows": windows}
    return plan | {"rate_mbps": planned.rate_mbps, "cost_cny": planned.cost_cny}


def _give(unit: Unit, leg: _Leg) -> None:
    """Let the source be read, leave be given, and the bytes be moved; what was begun before goes on."""
    replicas.unuse(unit, replicas.TRANSFER, leg.row["id"])
    replicas.use(unit, leg.source["id"], replicas.TRANSFER, leg.row["id"])
    before = {task["kind"]: task for task in storage_tasks.open_of(unit, transfer_id=leg.row["id"])}
    take = _taking(unit, leg, before.get(TaskKind.TAKE.value))
    inbox = f".inbox/{take}" if take else ""
    grant = _granting(unit, leg, before.get(TaskKind.GRANT.value), inbox)
    _moving(unit, leg, before.get(TaskKind.MOVE.value), grant, inbox)
    said = {"source_id": leg.source["id"], "push": leg.planned.push, "not_before": None, "heard_at": unit.now}
    # what was seen of an earlier way says nothing of this one
    fresh = {"code": "", "reason": "", "seen_mbps": None, "begins_at": leg.planned.begins_at or unit.now}
    transfers.moved(unit, leg.row, TransferState.GOING, **{**said, **_plan(leg.planned), **fresh})


def repace(unit: Unit, changed: Changed) -> bool:
    """Give what goes on other hours: the same task, told anew. Whether it still goes on so."""
    found = transfers.find(unit, changed.transfer_id)
    version = None if found is None else datasets.lock(unit, found["version_id"])
    row = transfers.lock(unit, changed.transfer_id)
    if version is None or row is None or row["state"] != TransferState.GOING:
        return False
    if row["source_id"] != changed.source_replica_id:
        return False
    told = [
        task
        for task in storage_tasks.open_of(unit, transfer_id=row["id"])
        if task["kind"] == TaskKind.MOVE and not task["held"]
    ]
    for task in told:
        storage_tasks.change(unit, task, body=storage_tasks.body_of(task, windows=changed.windows))
    windows = json.dumps([window.model_dump(mode="json") for window in changed.windows])
    values = {"windows": windows, "ends_at": changed.ends_at, "rate_mbps": changed.rate_mbps or row["rate_mbps"]}
    transfers.change(unit, row["id"], values)
    return bool(told)


def _taking(unit: Unit, leg: _Leg, before: Row | None) -> str:
    """Of a push: the task by which the target takes what came, told once all is there."""
    if not leg.planned.push:
        if before is not None:
            storage_tasks.end(unit, before)
        return ""
    if before is not None:
        storage_tasks.again(unit, before, held=True)
        return str(before["id"])
    task_id = new_id()
    more = {"source_place": f".inbox/{task_id}", "place": leg.target["place"], "replica_id": leg.target["id"]}
    said = storage_tasks.of_version(
        leg.version, TaskKind.TAKE, leg.end.share.name, **more, id=task_id, transfer_id=leg.row["id"]
    )
    return storage_tasks.add(unit, leg.end.connector_id, leg.end.id, said, held=True)


def _granting(unit: Unit, leg: _Leg, before: Row | None, inbox: str) -> str:
    copy = leg.target if inbox else leg.source
    more = {
        "source_place": inbox or leg.source["place"],
        "place": leg.source["place"] if not inbox else "",
        "direction": Direction.WRITE if inbox else Direction.READ,
        "sealing_key": leg.moving.sealing_key,
        "other": leg.moving.ref,
        "other_endpoint": leg.moving.share.endpoint,
    }
    said = storage_tasks.of_version(leg.version, TaskKind.GRANT, leg.granting.share.name, **more)
    said = said.model_copy(update={"transfer_id": leg.row["id"], "replica_id": copy["id"]})
    return _renewed(unit, leg.granting, before, said)


def _moving(unit: Unit, leg: _Leg, before: Row | None, grant: str, inbox: str) -> None:
    more = {
        "place": inbox or leg.target["place"],
        "source_place": leg.source["place"],
        "other": leg.granting.ref,
        "other_endpoint": leg.granting.share.endpoint,
        "direction": Direction.WRITE if inbox else Direction.READ,
        "windows": leg.planned.windows,
        "grant_task": grant,
    }
    said = storage_tasks.of_version(leg.version, TaskKind.MOVE, leg.moving.share.name, **more)
    said = said.model_copy(update={"transfer_id": leg.row["id"], "replica_id": leg.target["id"]})
    _renewed(unit, leg.moving, before, said)


def _renewed(unit: Unit, place: StoragePlace, before: Row | None, said: Any) -> str:  # noqa: ANN401 - StorageTask
    """The task given anew where it is the same connector's and storage's, else a fresh one in its place."""
    if before is None or before["connector_id"] != place.connector_id or before["storage_id"] != place.id:
        if before is not None:
            storage_tasks.end(unit, before)
        return storage_tasks.add(unit, place.connector_id, place.id, said)
    body = storage_tasks.body_of(before, **said.model_dump(exclude={"id", "token", "version", "wish", "grant_token"}))
    columns = {"grant_task": said.grant_task or None, "replica_id": said.replica_id}
    storage_tasks.again(unit, before, body=body, held=False, not_before=None, **columns)
    return str(before["id"])


def cut_off(unit: Unit, limit: int) -> Sequence[str]:
    """Transfers whose way over a third place broke off."""
    return transfers.cut_off(unit, limit)


def plan_again(unit: Unit, transfer_id: str) -> bool:
    """A transfer whose way over a third place broke off looks for another one, some times; whether anything changed."""
    found = transfers.find(unit, transfer_id)
    version = None if found is None else datasets.lock(unit, found["version_id"])
    row = transfers.lock(unit, transfer_id)
    if version is None or row is None or row["after_id"] is None or row["state"] != TransferState.WAITING:
        return False
    before = transfers.find(unit, row["after_id"])
    if before is not None and before["state"] not in (TransferState.FAILED, TransferState.CANCELED):
        return False
    tries = row["tries"] + 1
    if tries > MOST_RELAYS:
        code = "no_way" if before is None else before["code"]
        transfers.end(unit, version, row, TransferState.FAILED, (code, "no way over a third place held"))
    else:
        due = unit.now + wait_after(tries)
        transfers.change(unit, transfer_id, {"after_id": None, "via_id": None, "tries": tries, "not_before": due})
    return True
