"""Tasks of GA4GH TES: taken as jobs, shown as tasks, cancelled. What lies elsewhere is ``tes_files``' matter."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from suanlian.model.errors import BadTaskError, ConflictError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.job import ENDED, Attempt, JobSpec, JobState
from suanlian.model.party import Caller
from suanlian.model.place import Place
from suanlian.model.tes import KEPT_SCHEME, NewTesTask, TesImage, TesImages, TesKept, TesState, TesTask, View
from suanlian.rules.addresses import refused_address
from suanlian.rules.tes.addresses import brings, file_path, home_of, own_output, pinned, root_of, scheme, shown_address
from suanlian.rules.tes.parameters import Where
from suanlian.rules.tes.software import KnownSoftware
from suanlian.rules.tes.translate import Surroundings, translated
from suanlian.rules.tes.translate import Translated as Translated  # noqa: PLC0414 - what a task becomes is part of this service
from suanlian.rules.tes.view import BRINGS, Stage, Streams, Told, shown, state_of
from suanlian.services.ports import Doors, Node, RandomBytes
from suanlian.store import files, tes
from suanlian.store.tes import StateWords
from suanlian.store.tes import Wanted as Wanted  # noqa: PLC0414 - what a list is asked by is part of this service
from suanlian.store.unit import Row, Unit

_NONCE_BYTES: Final = 9
_WORDS: Final = StateWords(BRINGS, Stage.BRING, TesState.RUNNING)
_TAIL: Final = 64 * 1024
_PAGE_TAIL: Final = 256 * 1024
_WHOLE: Final = 32 * 1024 * 1024
_PAGE_BYTES: Final = 8 * 1024 * 1024
"""A page of tasks ends once it has so much."""
_UNREAD: Final = "waits: its inputs are being read"
_UNASSIGNED: Final = "waits: it has not been looked at yet"


def translate(new: NewTesTask, places: Sequence[Place], random_bytes: RandomBytes) -> Translated:
    """The job of a task, among the places that there are. Raises BadTaskError."""
    where = Where(frozenset(place.platform for place in places), frozenset(place.site.name for place in places))
    return translated(new, Surroundings(KnownSoftware.of(places), where, random_bytes(_NONCE_BYTES).hex()))


def images(places: Sequence[Place]) -> TesImages:
    """Every image that can be asked for by name."""
    known = KnownSoftware.of(places)
    listed = sorted((str(image), sorted({name for name, _ in found})) for image, found in known.images.items())
    made = tuple(TesImage(image=image, environments=tuple(names)) for image, names in listed)
    return TesImages(images=made, by_digest=bool(known.by_digest))


def roots_of(unit: Unit, account_id: str, doors: Doors) -> tuple[str, ...]:
    """The directories from which and into which file: addresses of an account may lead."""
    return doors.file_roots.get(tes.entity_name(unit, account_id) or "", ()) if doors.file_roots else ()


def check_addresses(unit: Unit, caller: Caller, kept: TesKept, doors: Doors, node: Node) -> None:
    """Refuse addresses that will never be read or written. Raises BadTaskError with the field at fault."""
    roots = roots_of(unit, caller.account_id, doors)
    for number, item in enumerate(kept.task.inputs or ()):
        is_read = item.url and not item.content and pinned(item.url) is None and own_output(node.url, item.url) is None
        if item.url and is_read:
            _check(f"inputs.{number}.url", item.url, doors.input_origins, roots)
    for number, output in enumerate(kept.task.outputs or ()):
        if not output.url.startswith(KEPT_SCHEME):
            _check(f"outputs.{number}.url", output.url, doors.output_origins, roots)


def _check(field_: str, url: str, origins: frozenset[str], roots: tuple[str, ...]) -> None:
    if scheme(url) == "file":
        if root_of(file_path(url), roots) is None:
            known = ", ".join(roots) or "none: the operator has opened no directory to your entity"
            wrong = f"{file_path(url)[:200]!r} lies in no directory of the hub that is open to you. Open are: {known}."
            todo = "Give the content itself, an http(s) address, or for an output suanlian: to keep it at the hub."
            raise BadTaskError("address_unsupported", wrong, todo=todo, field=field_)
        return
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    reason = None if origin in origins else refused_address(parts.hostname or "") or _odd_port(parts.port)
    if reason is not None:
        wrong = f"The address of {shown_address(origin)} is {reason}: the hub does not call there."
        raise BadTaskError("input_origin_refused", wrong, todo="The operator can list the origin.", field=field_)


def _odd_port(port: int | None) -> str | None:
    return None if port in (None, 80, 443) else f"one with the port {port}"


def stage_of(made: Translated) -> Stage:
    """What there is to do for a task that has just been taken."""
    if made.kept.fetches:
        return Stage.FETCH
    return Stage.BRING if brings(made.kept) else Stage.DONE


def add(unit: Unit, caller: Caller, job_id: str, made: Translated) -> None:
    """Keep what a task is besides its job, which was written just before."""
    row = {
        "job_id": job_id,
        "account_id": caller.account_id,
        "name": made.kept.task.name or "",
        "body": made.kept.model_dump_json(exclude_none=True),
        "stage": stage_of(made).value,
        "verdict": "",
        "problem": "",
        "tries": 0,
        "due_at": unit.now,
    }
    tes.add(unit, row, made.kept.task.tags or {})
    unit.record(EventType.TES_CREATED, job_id, account_id=caller.account_id)


def find(unit: Unit, caller: Caller, ref: str) -> Row:
    """The caller's own task. Raises NotFoundError."""
    row = tes.find(unit, caller.account_id, ref)
    if row is None:
        raise NotFoundError("not_found", f"You have no task {ref[:80]!r}.", todo="List yours.", field="id")
    return row


def state(row: Row) -> TesState:
    """The state of a task."""
    return state_of(JobState(row["state"]), Stage(row["stage"]), row["verdict"])


def listed(unit: Unit, caller: Caller, wanted: Wanted, limit: int) -> Sequence[Row]:
    """Tasks, newest first."""
    return tes.list_of(unit, caller.account_id, wanted, _WORDS, limit)


@dataclass(slots=True)
class Page:
    """How much of an answer there may still be: at least one task is shown, whatever it takes."""

    left: int = _PAGE_BYTES

    def take(self, size: int) -> bool:
        """Take so much; whether there was any left before."""
        before, self.left = self.left, self.left - size
        return before > 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: the view, by which address the hub is known, and the page where it is one of several."""

    view: View
    hub: str
    page: Page | None = None


def view_of(unit: Unit, row: Row, asked: Asked, attempts: Sequence[Attempt]) -> TesTask | None:
    """A task in a view; ``attempts`` are its job's. None where there is no room left on the page."""
    view, page = asked.view, asked.page
    if view is View.MINIMAL:
        return TesTask(id=row["job_id"], state=state(row))
    text = tes.body(unit, row["job_id"])
    if page is not None and not page.take(len(text)):
        return None
    kept = TesKept.model_validate_json(text)
    told = Told(
        id=row["job_id"],
        state=state(row),
        created_at=row["created_at"],
        kept=kept,
        home=home_of(asked.hub, row["job_id"]),
        waiting=_UNREAD if row["stage"] == Stage.FETCH and row["ended_at"] is None else _waiting(row),
        problem=row["problem"],
        brought=row["stage"] == Stage.DONE,
        attempts=attempts,
        software=_software(unit, row["job_id"]),
        streams=_streams(unit, kept, view, attempts, window=_WHOLE if page is None else _PAGE_TAIL),
    )
    return shown(told, view)


def _waiting(row: Row) -> str:
    if not row["queued"]:
        return ""
    return str(json.loads(row["waiting"])["text"]) if row["waiting"] else _UNASSIGNED


def _software(unit: Unit, job_id: str) -> dict[str, str]:
    chosen = tes.variants(unit, job_id)
    if not chosen:
        return {}
    variants = JobSpec.model_validate_json(tes.spec(unit, job_id)).variants
    return {
        attempt: variants[place].environment or variants[place].image or ""
        for attempt, place in chosen.items()
        if place < len(variants)
    }


def _streams(unit: Unit, kept: TesKept, view: View, attempts: Sequence[Attempt], *, window: int) -> dict[str, Streams]:
    """The ends of what each attempt wrote. Several executors share a stream, in which each one's part is looked for."""
    several = len(kept.task.executors or ()) > 1
    if not several and view is not View.FULL:
        return {}
    size = window if several else _TAIL
    return {
        attempt.id: Streams(_tail(unit, attempt.id, "stdout", size), _tail(unit, attempt.id, "stderr", size))
        for attempt in attempts
    }


def _tail(unit: Unit, attempt_id: str, stream: str, size: int) -> bytes:
    length = files.log_length(unit, attempt_id, stream)
    return files.read_log(unit, attempt_id, stream, max(0, length - size), size)


def cancel_bringing(unit: Unit, row: Row) -> None:
    """A task whose job has ended is cancelled while its outputs are still to be brought: none is any more.

    Raises ConflictError ``job_ended`` where there is nothing left to cancel.
    """
    now = tes.lock(unit, row["job_id"])
    if now is None or now["stage"] != Stage.BRING or JobState(row["state"]) not in BRINGS or now["verdict"]:
        wrong = f"The task has ended: {state(row).value}."
        raise ConflictError("job_ended", wrong, todo="There is nothing left to cancel.")
    values = {"stage": Stage.DONE.value, "verdict": TesState.CANCELED.value}
    tes.change(unit, row["job_id"], {**values, "problem": "cancelled before its outputs were brought"})
    unit.record(EventType.TES_BROUGHT, row["job_id"], account_id=row["account_id"], after=TesState.CANCELED.value)


def is_young(row: Row, now: datetime, seconds: float) -> bool:
    """Whether a task was created just now and has not ended: a full view of it may wait a little."""
    return JobState(row["state"]) not in ENDED and (now - row["created_at"]).total_seconds() < seconds
