"""What of a task of GA4GH TES lies elsewhere: inputs are read before it gets a place, outputs brought after its end.

Each in three steps: load what is to be done (a reading unit), do it with no transaction open, write what came of it.
The first reading of an address counts: its digest becomes part of the job, so that every try reads the same bytes. Only
an end that was taken is followed by outputs, which lie at the hub: a connector that was given up brings none.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.model.event import EventType
from suanlian.model.ids import AttemptId
from suanlian.model.job import ENDED, MAX_INLINE_BYTES, Input, JobSpec, JobState, Outcome
from suanlian.model.tes import Bytes, Delivered, Fetch, FileType, TesKept, TesState
from suanlian.rules.progress import Progress, parse_tally
from suanlian.rules.tes.addresses import brings, file_path, home_of, own_output, root_of, scheme, shown_address
from suanlian.rules.tes.view import BRINGS, Stage, deliveries
from suanlian.services.ports import Aside, Doors, Node, Outside
from suanlian.store import files, jobs, tes
from suanlian.store.unit import Row, Unit

MAX_TRIES: Final = 6
"""With doubled waiting between them: about a minute in all."""
_MAX_INPUTS: Final = 256
_MAX_REASON: Final = 500
Look = Callable[[Unit], bytes]
Reader = Callable[[Look], bytes]
"""Looks something up in a reading unit."""


@dataclass(frozen=True, slots=True)
class ToRead:
    """Inputs of one task that are to be read, and from which directories it may read files."""

    job_id: str
    account_id: str
    tries: int
    fetches: tuple[Fetch, ...]
    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ToBring:
    """Outputs of one task that are to be brought, and into which directories it may write files."""

    job_id: str
    account_id: str
    tries: int
    attempt_id: AttemptId | None
    files: tuple[Delivered, ...]
    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: inputs with the objects that they are, or what was wrong. ``again``: another try may do."""

    inputs: tuple[Input, ...] = ()
    objects: dict[str, bytes] = field(default_factory=dict, repr=False)
    wrong: str = ""
    again: bool = False


def to_do(unit: Unit, node: Node, doors: Doors, aside: Aside, limit: int) -> list[ToRead | ToBring]:
    """What is due now, the oldest first."""
    rows = tes.due(unit, (Stage.FETCH, Stage.BRING), limit, jobs=aside.jobs, accounts=aside.accounts)
    return [_loaded(unit, node, doors, row) for row in rows]


def _loaded(unit: Unit, node: Node, doors: Doors, row: Row) -> ToRead | ToBring:
    kept = TesKept.model_validate_json(tes.body(unit, row["job_id"]))
    entity = tes.entity_name(unit, row["account_id"]) or ""
    who = (row["job_id"], row["account_id"], row["tries"])
    roots = tuple(doors.file_roots.get(entity, ()))
    if row["stage"] == Stage.FETCH:
        return ToRead(*who, kept.fetches if row["ended_at"] is None else (), roots)
    attempt = tes.newest_attempt(unit, row["job_id"]) if JobState(row["state"]) in BRINGS else None
    if attempt is None:
        return ToBring(*who, None, (), roots)
    outcome = Outcome.model_validate(json.loads(attempt["outcome"]))
    home = home_of(node.url, row["job_id"])
    every = deliveries(kept.task, outcome.outputs, home)
    found = tuple(file for file in every if not file.url.startswith(home))
    return ToBring(*who, AttemptId(attempt["id"]), found, roots)


def read(work: ToRead, outside: Outside, node: Node, reading: Reader) -> Done:
    """Read every input. Never raises for what is wrong with an address."""
    inputs: list[Input] = []
    objects: dict[str, bytes] = {}
    for fetch in work.fetches:
        try:
            for path, found in _read(work, fetch, outside, node, reading):
                inputs.append(_input(fetch, path, found, objects))
        except SuanlianError as error:
            wrong = f"input_unreadable: {shown_address(fetch.url)[:200]}: {error.wrong}"
            return Done(wrong=wrong[:_MAX_REASON], again=isinstance(error, UnavailableError))
        except ValueError:
            return Done(
                wrong=f"input_unreadable: {shown_address(fetch.url)[:200]}: a file in it has an odd or long name"
            )
    if len({item.path for item in inputs}) < len(inputs) or len(inputs) > _MAX_INPUTS:
        return Done(wrong=f"input_unreadable: the inputs are {len(inputs)} files, more than {_MAX_INPUTS}, or collide")
    return Done(tuple(inputs), objects)


def _read(work: ToRead, fetch: Fetch, outside: Outside, node: Node, reading: Reader) -> Iterator[tuple[str, Bytes]]:
    own = own_output(node.url, fetch.url)
    if own is not None:
        job_id, path = own
        yield fetch.path, _bytes(reading(partial(_own, account_id=work.account_id, job_id=job_id, path=path)))
    elif scheme(fetch.url) == "file":
        asked = file_path(fetch.url)
        is_directory = fetch.type is FileType.DIRECTORY
        root = root_of(asked, work.roots)
        if root is None:
            raise SuanlianError("address_unsupported", "the directory is no longer open to this entity")
        for path, data in outside.read_files(root, asked[len(root) :].strip("/"), is_directory=is_directory):
            yield f"{fetch.path}/{path}" if path else fetch.path, _bytes(data)
    else:
        yield fetch.path, outside.read(fetch.url)


def _own(unit: Unit, account_id: str, job_id: str, path: str) -> bytes:
    """An output of another task of the same account. Raises SuanlianError where there is none."""
    row = tes.find(unit, account_id, job_id)
    attempt = None if row is None else tes.newest_attempt(unit, job_id)
    found = None if attempt is None else files.find_output(unit, attempt["id"], path)
    if found is None:
        raise SuanlianError("not_found", "you have no such output at this hub")
    return bytes(found["data"])


def _bytes(data: bytes) -> Bytes:
    return Bytes(hashlib.sha256(data).hexdigest(), len(data), data)


def _input(fetch: Fetch, path: str, found: Bytes, objects: dict[str, bytes]) -> Input:
    if found.data is None or found.size > MAX_INLINE_BYTES:
        return Input(path=path, url=fetch.url, sha256=found.sha256)
    objects[found.sha256] = found.data
    return Input(path=path, object=True, sha256=found.sha256)


def bring(work: ToBring, outside: Outside, reading: Reader) -> Done:
    """Bring every output. Never raises for what is wrong with an address."""
    for file in work.files:
        try:
            data = reading(partial(_kept, attempt_id=work.attempt_id or "", path=file.source))
            _write(work, file.url, data, outside)
        except SuanlianError as error:
            wrong = f"output_undelivered: {file.path[:100]} to {shown_address(file.url)[:200]}: {error.wrong}"
            return Done(wrong=wrong[:_MAX_REASON], again=isinstance(error, UnavailableError))
    return Done()


def _kept(unit: Unit, attempt_id: str, path: str) -> bytes:
    found = files.find_output(unit, attempt_id, path)
    if found is None:
        raise SuanlianError("not_found", "the hub does not have it")
    return bytes(found["data"])


def _write(work: ToBring, url: str, data: bytes, outside: Outside) -> None:
    if scheme(url) != "file":
        outside.write(url, data)
        return
    asked = file_path(url)
    root = root_of(asked, work.roots)
    if root is None:
        raise SuanlianError("address_unsupported", "the directory is no longer open to this entity")
    outside.write_file(root, asked[len(root) :].strip("/"), data)


def apply(unit: Unit, work: ToRead | ToBring, done: Done, quota_bytes: int) -> None:
    """Write what came of it, unless the task went on meanwhile."""
    job, row = jobs.lock(unit, work.job_id), tes.lock(unit, work.job_id)
    expected = Stage.FETCH if isinstance(work, ToRead) else Stage.BRING
    if job is None or row is None or row["stage"] != expected:
        return
    if isinstance(work, ToRead) and job["state"] in ENDED:
        tes.change(unit, work.job_id, {"stage": Stage.DONE.value})
    elif done.again and work.tries + 1 < MAX_TRIES:
        waits = timedelta(seconds=2**work.tries)
        tes.change(unit, work.job_id, {"tries": work.tries + 1, "due_at": unit.now + waits, "problem": done.wrong})
    elif isinstance(work, ToBring):
        _brought(unit, work, done)
    elif done.wrong or not _hold(unit, work, done, quota_bytes):
        _unread(unit, job, done.wrong or "quota_exceeded: the inputs would pass the account's quota of bytes here")
    else:
        _release(unit, job, row, done)


def _brought(unit: Unit, work: ToBring, done: Done) -> None:
    verdict = TesState.SYSTEM_ERROR.value if done.wrong else ""
    tes.change(unit, work.job_id, {"stage": Stage.DONE.value, "verdict": verdict, "problem": done.wrong})
    if work.files:
        said = {"files": len(work.files), "after": verdict or "brought"}
        unit.record(EventType.TES_BROUGHT, work.job_id, account_id=work.account_id, **said)


def _hold(unit: Unit, work: ToRead, done: Done, quota_bytes: int) -> bool:
    """Keep the objects that the inputs are, within the account's quota."""
    here = files.has_objects(unit, work.account_id, sorted(done.objects))
    fresh = {digest: data for digest, data in done.objects.items() if digest not in here}
    if not files.hold_bytes(unit, work.account_id, sum(map(len, fresh.values())), quota_bytes):
        return False
    for digest, data in fresh.items():
        row = {"account_id": work.account_id, "sha256": digest, "size": len(data), "data": data}
        files.add_object(unit, {**row, "stored_at": unit.now})
        unit.record(EventType.OBJECT_STORED, digest, account_id=work.account_id, size=len(data))
    return True


def _release(unit: Unit, job: Row, row: Row, done: Done) -> None:
    """The inputs are here: the job may get a place."""
    spec = JobSpec.model_validate_json(job["spec"])
    spec = spec.model_copy(update={"inputs": (*spec.inputs, *done.inputs)})
    jobs.change(unit, job["id"], {"spec": spec.model_dump_json(), "blocked": False})
    stage = Stage.BRING if brings(TesKept.model_validate_json(row["body"])) else Stage.DONE
    tes.change(unit, job["id"], {"stage": stage.value, "tries": 0, "problem": ""})
    unit.record(EventType.JOB_RELEASED, job["id"], account_id=job["account_id"])


def _unread(unit: Unit, job: Row, why: str) -> None:
    """The inputs cannot be had: the task ends."""
    state = JobState.SYSTEM_ERROR
    ended = jobs.end_waiting(unit, job, state.value)
    progress = Progress(parse_tally(job["tally"]), job["queued"]).move(JobState.QUEUED, state, ended).wait(-ended)
    tes.change(unit, job["id"], {"stage": Stage.DONE.value, "problem": why})
    jobs.progressed(unit, job, {**progress.columns(unit.now), "blocked": False, "reason": why})
