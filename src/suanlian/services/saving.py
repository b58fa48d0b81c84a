"""What a job left becomes datasets: which jobs are owed that, where it lies, and which versions came of it.

A job's end owes it once (``edges.SAVE``). A version is known again by where it says that it comes from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from suanlian.model.data import NewDataset, ReplicaState, Saved, StorageKind, VersionState
from suanlian.model.job import JobSpec
from suanlian.model.levels import LevelRules
from suanlian.model.party import Caller, Role
from suanlian.model.platform import Share
from suanlian.model.transfer_plan import StoragePlace
from suanlian.rules.data.reach import unfit
from suanlian.rules.levels import lies_within
from suanlian.store import attempts, datasets, edges, jobs, parties, published, replicas
from suanlian.store.storages import Storages
from suanlian.store.unit import Row, Unit

AGAIN: Final = timedelta(seconds=5)
LATEST: Final = timedelta(minutes=10)
"""What is not settled is looked at again ever later, at most so long after."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that is COMPLETE, whose it was, and the attempt of which something is kept."""

    job_id: str
    public_id: str
    spec: JobSpec
    owner: Caller
    attempt: Row

    def origin(self, one: Saved) -> str:
        """Where a version says that it comes from."""
        return f"job {self.public_id}: {one.path}"[:200]


def due(unit: Unit, limit: int) -> Sequence[str]:
    """Jobs of which something is to be kept, the longest due first."""
    return [str(row["job_id"]) for row in edges.owed(unit, edges.SAVE, limit)]


def ended(unit: Unit, job_id: str) -> Ended | None:
    """What is known of one; None where nothing can come of it: its attempt or its owner is not here any more."""
    job, attempt = jobs.by_id(unit, job_id), attempts.completed(unit, job_id)
    owner = None if job is None else parties.find_principal(unit, job["created_by"])
    if job is None or attempt is None or owner is None:
        return None
    said = {"principal_id": owner["id"], "role": Role(owner["role"]), "entity_id": owner["entity_id"]}
    caller = Caller.model_validate({**said, "account_id": job["account_id"], "project_id": job["project_id"]})
    return Ended(job_id, job["public_id"], JobSpec.model_validate_json(job["spec"]), caller, attempt)


def version_of(unit: Unit, found: Ended, one: Saved) -> Row | None:
    """The version that came of it, locked; None where none was begun."""
    version_id = datasets.by_origin(unit, found.owner.account_id, one.dataset, found.origin(one))
    return None if version_id is None else datasets.lock(unit, version_id)


def wanted_dataset(found: Ended, one: Saved) -> NewDataset:
    """The dataset that is made where there is none: as strict as the job, which is as strict as all that it read."""
    wants = found.spec.wants
    return NewDataset(name=one.dataset, level=wants.data_level, residency=tuple(wants.residency))


def dataset_of(unit: Unit, found: Ended, one: Saved) -> Row | None:
    """The account's dataset of that name."""
    row = datasets.named(unit, found.owner.account_id, one.dataset)
    return row if row is not None and row["deleted_at"] is None else None


def place_for(unit: Unit, found: Ended, version: Row, levels: LevelRules) -> StoragePlace | str:
    """Storage beside the attempt in which what it left may lie, that which is wanted first; or why there is none."""
    wants, within = found.spec.wants, datasets.residency_of(version)
    if version["level"] < wants.data_level:
        return f"the dataset is of level {version['level']}, what the job read or wanted of level {wants.data_level}"
    if wants.residency and (not within or not all(lies_within(code, wants.residency) for code in within)):
        return f"what the job read stays within {', '.join(wants.residency)}, the dataset does not"
    share = published.find(unit, found.attempt["share_id"])
    site = "" if share is None else Share.model_validate_json(share["body"]).site
    beside = [
        place
        for place in Storages(unit).by_id.values()
        if share is not None
        and place.connector_id == found.attempt["connector_id"]
        and place.share.site == site
        and not place.withdrawn
        and place.share.kind is not StorageKind.HTTP
        and not place.share.read_only
        and (not place.share.shares or share["name"] in place.share.shares)
    ]
    if not beside:
        return "no storage that is written lies beside the place where the job ran"
    why = {place.ref: unfit(place, version["level"], within, levels, unit.now) for place in beside}
    fit = [place for place in beside if not why[place.ref]]
    if not fit:
        return "; ".join(f"{ref}: {text}" for ref, text in sorted(why.items()))
    wanted = {one.to for one in found.spec.save if one.dataset == version["dataset"]}
    return min(fit, key=lambda place: (place.ref not in wanted, place.share.kind is not StorageKind.POSIX, place.ref))


def is_settled(unit: Unit, version: Row) -> bool:
    """Whether nothing more becomes of a version that was begun: it is deleted, or what should come never will."""
    if version["state"] == VersionState.OPEN:
        copies = replicas.lock_of(unit, version["id"]).values()
        return bool(version["reason"]) and not any(copy["state"] == ReplicaState.COMING for copy in copies)
    return bool(version["state"] == VersionState.DELETED)


def tell(unit: Unit, version: Row, why: str) -> None:
    """What keeps it from being there, or from being where it is wanted."""
    datasets.change_version(unit, version["id"], {"reason": why[:200]})


def settle(unit: Unit, job_id: str, *, done: bool) -> None:
    """All of it has come, or never will; else it is looked at again in a while."""
    if done:
        edges.done(unit, job_id, edges.SAVE)
        return
    row = edges.one(unit, job_id, edges.SAVE)
    if row is not None:
        edges.owe_again(unit, row, unit.now + min(LATEST, AGAIN * (1 + row["tries"])))
