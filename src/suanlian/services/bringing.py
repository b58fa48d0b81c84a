"""A job's data and its place: what a reference means, what bringing it anywhere takes, and that it comes.

References become exact versions when a job is submitted: what it reads never changes after. What bringing takes is
asked at each look at places; that it comes is written in the same unit that gives the place.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from suanlian.model.data import LOCAL, DataUse, LocalData, Purpose, ReplicaState, VersionState
from suanlian.model.errors import ConflictError, NotFoundError
from suanlian.model.ids import ShareId
from suanlian.model.job import JobSpec
from suanlian.model.levels import LevelRules
from suanlian.model.party import Caller
from suanlian.model.place import Moving, Place
from suanlian.model.protocol import Wish
from suanlian.rules.data.bringing import Brought, CopyAt, Network, Wanted, Way, Ways, bring, keeps, local_to, moving_for
from suanlian.store import attempts as tries
from suanlian.store import datasets, jobs, replicas, transfers
from suanlian.store.places import Places
from suanlian.store.storages import Storages
from suanlian.store.unit import Row, Unit

NOT_SEALED: Final = "it is not sealed"
_MOST_REGIONS: Final = 32
REST: Final = timedelta(minutes=10)
"""Where a version could not be brought, no work is sent for it for so long."""
FETCHED: Final = timedelta(days=7)
"""What was brought ahead for a job alone is kept for so long."""
_MOST: Final = 200
WaysOf = Callable[[Unit], Ways]
"""The ways between sites, as of a unit."""


def no_links(_unit: Unit) -> Ways:
    """Nothing is known of any way."""
    return lambda _start, _end: Way()


def resolve(unit: Unit, caller: Caller, spec: JobSpec) -> tuple[JobSpec, tuple[str, ...]]:
    """The job with exact versions, and these; as strict in levels and regions as all that it reads.

    Raises NotFoundError, ConflictError ``state_conflict`` where a version is not sealed or regions have none in common.
    """
    if not spec.data:
        return spec, ()
    rows = [_version(unit, caller, use) for use in spec.data]
    uses = tuple(use.model_copy(update={"dataset": ref_of(row)}) for use, row in zip(spec.data, rows, strict=True))
    wants = spec.wants
    residency = tuple(wants.residency)
    for row in rows:
        within = datasets.residency_of(row)
        both = common(residency, within)
        if (residency or within) and not both:
            wrong = f"{ref_of(row)} stays within {', '.join(within)}, the job or its other data elsewhere."
            raise ConflictError("state_conflict", wrong, todo="Read data that may lie at one place.", field="data")
        residency = both
    level = max([wants.data_level, *(row["level"] for row in rows)])
    strict = wants.model_copy(update={"data_level": level, "residency": residency[:_MOST_REGIONS]})
    return spec.model_copy(update={"data": uses, "wants": strict}), tuple(row["id"] for row in rows)


def common(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    """The regions that lie within both; all there are where one names none."""
    if not one or not other:
        return tuple(one or other)
    found = {a if a.startswith(b) else b for a in map(_stem, one) for b in map(_stem, other) if _overlap(a, b)}
    return tuple(sorted(found))


def _stem(code: str) -> str:
    while len(code) > 2 and code.endswith("00"):  # noqa: PLR2004 - pairs of digits
        code = code[:-2]
    return code


def _overlap(a: str, b: str) -> bool:
    return a.startswith(b) or b.startswith(a)


def ref_of(version: Row) -> str:
    """How a version is written so that it means the same for everybody."""
    return f"{version['account']}/{version['dataset']}@{version['number']}"


def _version(unit: Unit, caller: Caller, use: DataUse) -> Row:
    account, _, rest = use.dataset.rpartition("/")
    name, _, number = rest.partition("@")
    dataset = datasets.find(unit, caller, name, account)
    if dataset is None:
        todo = "suanlian data ls lists what you may read."
        raise NotFoundError("not_found", f"You may read no dataset {use.dataset!r}.", todo=todo, field="data.dataset")
    every = datasets.versions_of(unit, [dataset["id"]], number=int(number) if number else None, limit=50)
    fit = [row for row in every if row["state"] in (VersionState.SEALED, VersionState.LOST)]
    if not fit and every:
        wrong = f"{use.dataset!r} is {every[0]['state']}, not sealed: nobody reads it yet."
        raise ConflictError("state_conflict", wrong, todo="Wait until it is sealed: suanlian data ls.", field="data")
    if not fit:
        todo = "suanlian data ls lists its versions."
        raise NotFoundError("not_found", f"{use.dataset!r} has no such version.", todo=todo, field="data.dataset")
    return fit[0]


def name(unit: Unit, job_id: str, version_ids: Collection[str]) -> None:
    """The job names these versions from now on. Raises ConflictError where one was deleted meanwhile."""
    for version_id in sorted(set(version_ids)):
        row = datasets.lock(unit, version_id)
        if row is None or row["state"] == VersionState.DELETED:
            raise ConflictError("state_conflict", "A dataset that it reads was deleted meanwhile.", field="data")
    if version_ids:
        datasets.name_by_job(unit, job_id, version_ids)


@dataclass(slots=True)
class Bringing:
    """What bringing data to places takes, as of one unit. Everything is read when it is asked for first.

    Made anew for each look.
    """

    unit: Unit
    levels: LevelRules
    ways_of: WaysOf = no_links
    _network: Network | None = None
    _wanted: dict[DataUse, Wanted] = field(default_factory=dict)
    _found: dict[tuple[tuple[DataUse, ...], bool], Mapping[ShareId, Moving]] = field(default_factory=dict)

    def of(self, spec: JobSpec, places: Sequence[Place]) -> Mapping[ShareId, Moving]:
        """For each place where its data is not, what bringing it takes. ``places`` are the same at each call."""
        if not spec.data and not spec.save:
            return {}
        asked = spec.data, bool(spec.save)
        if asked not in self._found:
            found = moving_for(self.wanted(spec.data), places, self.network)
            homeless = {place.share_id: keeps(place, self.network) for place in places if spec.save}
            wrong = {share: moving for share, moving in homeless.items() if moving is not None}
            self._found[asked] = {**found, **wrong}
        return self._found[asked]

    def stamp(self, specs: Collection[JobSpec]) -> object:
        """All that bears on what bringing the data of these jobs takes, but for how much of it is under way."""
        uses = sorted({use for spec in specs for use in spec.data}, key=lambda use: (use.dataset, use.path, use.only))
        if not uses and not any(spec.save for spec in specs):
            return ()
        wanted = self.wanted(uses)
        copies = [
            (w.version_id, [(c.storage, c.whole) for c in w.copies], w.wrong, sorted(w.failed | w.unsettled))
            for w in wanted
        ]
        heard = [(ref, place.reachable) for ref, place in sorted(self.network.storages.items())]
        return tuple(map(str, copies)), tuple(heard)

    @property
    def network(self) -> Network:
        """Storage and ways, as of the unit."""
        if self._network is None:
            storages = {place.ref: place for place in Storages(self.unit).by_id.values() if not place.withdrawn}
            self._network = Network(storages, self.ways_of(self.unit), self.levels, self.unit.now)
        return self._network

    def wanted(self, uses: Sequence[DataUse]) -> list[Wanted]:
        """What is known of these versions."""
        new = [use for use in uses if use not in self._wanted]
        if new:
            self._read(new)
        return [self._wanted[use] for use in uses]

    def _read(self, uses: Sequence[DataUse]) -> None:
        rows = {use: datasets.by_full_ref(self.unit, use.dataset) for use in uses}
        copies = replicas.of_versions(self.unit, {row["id"] for row in rows.values() if row is not None})
        refs = {place.id: ref for ref, place in self.network.storages.items()}
        left = transfers.left_of(self.unit, [copy["id"] for copy in copies if copy["state"] == ReplicaState.COMING])
        for use, row in rows.items():
            if row is None:
                self._wanted[use] = Wanted(use, "", 0, (), wrong="it was deleted")
                continue
            mine = [copy for copy in copies if copy["version_id"] == row["id"] and copy["storage_id"] in refs]
            settled = (ReplicaState.WHOLE, ReplicaState.COMING)
            unsettled = frozenset(refs[copy["storage_id"]] for copy in mine if copy["state"] not in settled)
            at = tuple(
                CopyAt(refs[copy["storage_id"]], whole, 0 if whole else left.get(copy["id"], int(row["bytes"])))
                for copy in mine
                for whole in (copy["state"] == ReplicaState.WHOLE,)
                if copy["state"] in settled
            )
            failed = transfers.failed_since(self.unit, row["id"], REST)
            own: dict[str, Any] = {"failed": frozenset(refs[storage] for storage in failed if storage in refs)}
            own |= {
                "unsettled": unsettled,
                "level": row["level"],
                "residency": datasets.residency_of(row),
                "largest": row["largest"],
            }
            wrong = "" if row["state"] in (VersionState.SEALED, VersionState.LOST) else NOT_SEALED
            self._wanted[use] = replace(Wanted(use, row["id"], row["bytes"], at, wrong=wrong), **own)


class NotNowError(Exception):
    """Data that was to come cannot, as things are now: the place is not given."""


def let_come(unit: Unit, bringing: Bringing, place: Place, spec: JobSpec, attempts: Sequence[str]) -> str | None:
    """Let a job's data come to the place of these attempts; what their connector lays out, as their rows keep it.

    Raises NotNowError, with which the whole unit has to be given up.
    """
    if not spec.data:
        return None
    local = local_to(place, bringing.network)
    found = [bring(one, local, bringing.network) for one in bringing.wanted(spec.data)]
    said = [_one(unit, bringing, one, spec, attempts) for one in sorted_by_version(found)]
    order = {use: n for n, use in enumerate(spec.data)}
    told = sorted(said, key=lambda pair: order[pair[0]])
    return LOCAL.dump_json(tuple(data for _use, data in told)).decode()


def sorted_by_version(found: Sequence[Brought | str]) -> list[Brought]:
    """In the order in which versions are locked. Raises NotNowError where one cannot come."""
    for one in found:
        if isinstance(one, str):
            raise NotNowError(one)
    return sorted((one for one in found if isinstance(one, Brought)), key=lambda one: one.wanted.version_id)


def _one(
    unit: Unit, bringing: Bringing, one: Brought, spec: JobSpec, attempts: Sequence[str]
) -> tuple[DataUse, LocalData]:
    version = datasets.lock(unit, one.wanted.version_id)
    target = bringing.network.storages[one.target]
    if version is None or version["state"] not in (VersionState.SEALED, VersionState.LOST):
        raise NotNowError(f"{one.wanted.use.dataset} is sealed no more")
    for attempt_id in attempts:
        wanted = transfers.Wanted(Purpose.JOB, attempt_id, spec.priority, spec.deadline)
        _row, why = transfers.begin(unit, version, target, wanted)
        if why not in ("", "whole"):
            raise NotNowError(f"{one.wanted.use.dataset} cannot come to {one.target} now: {why}")
    copy = next(row for row in replicas.lock_of(unit, version["id"]).values() if row["storage_id"] == target.id)
    for attempt_id in attempts:
        replicas.use(unit, copy["id"], replicas.ATTEMPT, attempt_id)
    return one.wanted.use, LocalData(
        version_id=version["id"],
        replica_id=copy["id"],
        dataset=one.wanted.use.dataset,
        path=one.wanted.use.path,
        only=one.wanted.use.only,
        storage=target.share.name,
        place=copy["place"],
        files=version["files"],
        bytes=version["bytes"],
    )


def prefetch(unit: Unit, bringing: Bringing, job_id: str, reserved: str, until: datetime | None) -> bool:
    """Let a waiting job's data come to the place that is reserved for it; whether anything was asked for.

    ``reserved``: ``platform/share``; ``until``: when the job is thought to start. What comes for it alone goes after a
    week. Asked again, it changes nothing. What cannot come now is left: the place that the job gets will ask.
    """
    row = jobs.waiting_of(unit, [job_id]).get(job_id)
    if row is None:
        return False
    spec = JobSpec.model_validate_json(row["spec"])
    place = next((one for one in Places(unit).all() if f"{one.platform}/{one.share.name}" == reserved), None)
    if place is None or not spec.data:
        return False
    local = local_to(place, bringing.network)
    found = [bring(one, local, bringing.network) for one in bringing.wanted(spec.data)]
    if any(isinstance(one, str) for one in found):
        return False  # all of it, or none: a part would be of no use there
    come = [one for one in found if isinstance(one, Brought) and one.source is not None]
    asked = [_fetch(unit, bringing, one, job_id, until) for one in sorted_by_version(come)]
    return any(asked)


def _fetch(unit: Unit, bringing: Bringing, one: Brought, job_id: str, until: datetime | None) -> bool:
    version = datasets.lock(unit, one.wanted.version_id)
    if version is None or version["state"] != VersionState.SEALED:
        return False
    deadline = until if until is not None and until > unit.now else None
    wanted = transfers.Wanted(Purpose.PREFETCH, job_id, deadline=deadline)
    row, _why = transfers.begin(unit, version, bringing.network.storages[one.target], wanted)
    if row is not None and row["purpose"] == Purpose.PREFETCH:
        replicas.change(unit, row["replica_id"], {"expires_at": unit.now + FETCHED})
    return row is not None


def stranded(unit: Unit) -> list[str]:
    """Attempts that wait for data that nothing brings to them any more."""
    found = list[str]()
    for row in tries.waiting_for_data(unit, _MOST):
        copies = {data.replica_id for data in LOCAL.validate_json(row["data"])}
        if any(not replicas.comes(unit, copy) for copy in copies):
            found.append(str(row["id"]))
    return found


def give_back(unit: Unit, attempt_id: str) -> bool:
    """Take back an attempt that has not started, so that its task is placed anew; whether that was wished."""
    row = tries.lock(unit, attempt_id)
    if row is None or row["ended_at"] is not None or row["started_at"] is not None or row["wish"] != Wish.RUN:
        return False
    tries.wish(unit, row, Wish.RECALL, "its data could not be brought there")
    return True
