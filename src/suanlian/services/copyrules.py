"""Rules for copies: make one, look, end it; and what each lacks or spares now. A worker does what follows."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from suanlian.model.data import CopyRule, NewCopyRule, Purpose, ReplicaState, VersionState
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import new_id
from suanlian.model.levels import LevelRules
from suanlian.model.party import Caller
from suanlian.model.transfer_plan import StoragePlace
from suanlian.rules.data.copyrules import Copy, Held, keep
from suanlian.rules.data.reach import unfit
from suanlian.rules.data.states import wait_after
from suanlian.store import copyrules, datasets, replicas, transfers
from suanlian.store.storages import Storages
from suanlian.store.unit import Row, Unit

MOST_RULES: Final = 20
"""A dataset has at most so many that have not ended."""
_REMEMBERED: Final = timedelta(hours=6)


def make(unit: Unit, caller: Caller, dataset: Row, version_id: str | None, rule: NewCopyRule) -> CopyRule:
    """Keep copies of one's own dataset from now on. Raises InvalidError, ConflictError ``quota_exceeded``."""
    if rule.until is not None and rule.until <= unit.now:
        raise InvalidError("field_invalid", "The rule ends in the past.", todo="Name a later moment.", field="until")
    datasets.named(unit, dataset["account_id"], dataset["name"])  # locked: who counts counts alone
    if len(copyrules.open_of(unit, dataset["id"])) >= MOST_RULES:
        wrong = f"A dataset has at most {MOST_RULES} rules."
        raise ConflictError("quota_exceeded", wrong, todo="End one first.", field="dataset")
    rule_id = new_id()
    row = {"id": rule_id, "account_id": caller.account_id, "dataset_id": dataset["id"], "version_id": version_id}
    row |= {"body": rule.model_dump_json(), "created_at": unit.now, "ended_at": None, "whole": 0, "coming": 0}
    copyrules.add(unit, {**row, "reason": ""})
    said = {"dataset": dataset["id"], "copies": rule.copies}
    unit.record(EventType.COPY_RULE_MADE, rule_id, account_id=caller.account_id, **said)
    return get(unit, caller, rule_id)


def get(unit: Unit, caller: Caller, rule_id: str) -> CopyRule:
    """One rule. Raises NotFoundError."""
    row = _seen(unit, caller, rule_id)
    found = datasets.by_id(unit, row["dataset_id"])
    version = None if row["version_id"] is None else datasets.version(unit, row["version_id"])
    return _value(row, "" if found is None else found["name"], None if version is None else version["number"])


def _seen(unit: Unit, caller: Caller, rule_id: str) -> Row:
    row = copyrules.seen(unit, caller, rule_id)
    if row is None:
        wrong = f"You have no rule {rule_id[:80]!r}."
        raise NotFoundError("not_found", wrong, todo="suanlian data rule ls lists them.", field="rule")
    return row


def _value(row: Row, dataset: str, number: int | None) -> CopyRule:
    names = ("id", "created_at", "ended_at", "whole", "coming", "reason")
    ref = dataset if number is None else f"{dataset}@{number}"
    rule = NewCopyRule.model_validate_json(row["body"])
    return CopyRule.model_validate({**{name: row[name] for name in names}, "dataset": ref, "rule": rule})


def list_of(unit: Unit, caller: Caller, *, after: str, limit: int) -> list[CopyRule]:
    """The caller's rules, newest first."""
    found = copyrules.list_of(unit, caller, after=after, limit=limit)
    return [_value(row, row["dataset"], row["number"]) for row in found]


def end(unit: Unit, caller: Caller, rule_id: str) -> None:
    """A rule holds no more; copies that no other needs may go. Again, it changes nothing. Raises NotFoundError."""
    row = _seen(unit, caller, rule_id)
    if row["account_id"] != caller.account_id:
        raise NotFoundError("not_found", f"You have no rule {rule_id[:80]!r}.", field="rule")
    _end(unit, row)


def _end(unit: Unit, row: Row) -> bool:
    if row["ended_at"] is not None:
        return False
    copyrules.change(unit, row["id"], {"ended_at": unit.now})
    _release(unit, row["id"])
    unit.record(EventType.COPY_RULE_ENDED, row["id"], account_id=row["account_id"])
    return True


def _release(unit: Unit, rule_id: str) -> None:
    """Copies that were made for a rule alone stay no longer than others need them."""
    for replica_id, _version_id in transfers.made_for(unit, Purpose.RULE, rule_id):
        replicas.change(unit, replica_id, {"expires_at": unit.now})
    transfers.unwant_open(unit, Purpose.RULE, rule_id)


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done for a version: storage to which it is to come, for which rule; copies that may go."""

    version_id: str
    bring: tuple[tuple[str, StoragePlace], ...] = ()
    spare: tuple[str, ...] = ()
    told: tuple[tuple[str, int, int, str], ...] = ()
    """Of each rule, how far it holds: whole copies, coming ones, and why it does not."""


def due(unit: Unit, levels: LevelRules) -> list[Due]:
    """What all rules lack and spare now, and which copies' time is over."""
    storages = Storages(unit)
    places = storages.open()
    found = list[Due]()
    ruled = dict[str, list[Row]]()
    for dataset_id in copyrules.datasets(unit):
        for row in copyrules.open_of(unit, dataset_id):
            newest = datasets.newest_sealed(unit, dataset_id) if row["version_id"] is None else None
            version_id = row["version_id"] or (None if newest is None else newest["id"])
            if version_id is not None:
                ruled.setdefault(version_id, []).append(row)
    for version_id in sorted({*ruled, *copyrules.expiring(unit, 1000)}):
        version = datasets.version(unit, version_id)
        if version is not None and version["state"] == VersionState.SEALED:
            found.append(_due(unit, version, ruled.get(version_id, []), (storages, places), levels))
    return found


def _due(
    unit: Unit, version: Row, rules: list[Row], known: tuple[Storages, list[StoragePlace]], levels: LevelRules
) -> Due:
    storages, places = known
    residency = datasets.residency_of(version)
    failed = transfers.failed_since(unit, version["id"], _REMEMBERED)
    fit = [place for place in places if not unfit(place, version["level"], residency, levels, unit.now)]
    resting = {sid for sid, (count, at) in failed.items() if at + wait_after(count + 4) > unit.now}
    copies = [_copy(unit, row, storages) for row in replicas.of_versions(unit, [version["id"]])]
    parsed = [(row["id"], NewCopyRule.model_validate_json(row["body"])) for row in rules]
    fresh = [place for place in fit if place.id not in resting]
    kept = keep(parsed, copies, fresh, version["bytes"], unit.now)
    bring = tuple((held.rule_id, storages.by_id[sid]) for held in kept.rules for sid in held.missing)
    told = tuple((held.rule_id, held.whole, held.coming, _reason(held, resting)) for held in kept.rules)
    return Due(version["id"], bring, kept.spare, told)


def _copy(unit: Unit, row: Row, storages: Storages) -> Copy:
    state = ReplicaState(row["state"])
    pinned = row["pinned_until"] is not None and row["pinned_until"] > unit.now
    over = state is ReplicaState.WHOLE and row["expires_at"] is not None and row["expires_at"] <= unit.now
    return Copy(row["id"], storages.by_id[row["storage_id"]], state, row["managed"], pinned, over)


def _reason(held: Held, resting: set[str]) -> str:
    if not held.lacks:
        return ""
    more = f"; {len(resting)} rest after a copy there failed" if resting else ""
    return f"{held.lacks} of the copies have no place: no other site that fits, is heard of and has room{more}"[:200]


def tell(unit: Unit, due_: Due) -> None:
    """Write down how far each rule holds; what it made of versions before is needed no longer for it."""
    for rule_id, whole, coming, reason in due_.told:
        copyrules.change(unit, rule_id, {"whole": whole, "coming": coming, "reason": reason})
        for replica_id, version_id in transfers.made_for(unit, Purpose.RULE, rule_id):
            if version_id != due_.version_id:
                replicas.change(unit, replica_id, {"expires_at": unit.now})


def over(unit: Unit) -> list[str]:
    """Rules whose time is over."""
    found = list[str]()
    for dataset_id in copyrules.datasets(unit):
        for row in copyrules.open_of(unit, dataset_id):
            until = NewCopyRule.model_validate_json(row["body"]).until
            if until is not None and until <= unit.now:
                found.append(row["id"])
    return found


def end_over(unit: Unit, rule_id: str) -> bool:
    """End a rule whose time is over."""
    row = copyrules.by_id(unit, rule_id)
    return row is not None and _end(unit, row)
