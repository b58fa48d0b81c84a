"""GA4GH TES 1.1: tasks of that standard, at the addresses and in the words that its clients know."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from suanlian.api.deps import Hub, RawBody, TheHub, TheRetry, may, open_to, parsed, write
from suanlian.model.base import Value
from suanlian.model.errors import BadTaskError, InvalidError, NotFoundError, SuanlianError, TooLargeError
from suanlian.model.event import EventType
from suanlian.model.party import Caller
from suanlian.model.tes import (
    DEFAULT_PAGE,
    MAX_PAGE,
    NewTesTask,
    TesCreated,
    TesImages,
    TesListing,
    TesOrganization,
    TesServiceInfo,
    TesState,
    TesTask,
    View,
)
from suanlian.services import allowance, checking, files, jobs, tes
from suanlian.store.unit import Row, Unit
from suanlian.store.wakeups import wait

router = APIRouter(prefix="/ga4gh/tes/v1", tags=["tes"])
_JSON: Final = "application/json"
_YOUNG_S: Final = 5.0
_WAIT_S: Final = 2.0
"""So long a full view of a young task waits at most: a task that fails at once is shown with its log."""
_LOOK_S: Final = 0.25
_BODY: Final = {"requestBody": {"required": True, "content": {_JSON: {"schema": NewTesTask.model_json_schema()}}}}


class WhichTasks(Value):
    """Which tasks a list shows, and how much of each."""

    name_prefix: str = Field(default="", max_length=400)
    state: TesState | None = None
    tag_key: list[str] = Field(default=[], max_length=64)
    tag_value: list[str] = Field(default=[], max_length=64)
    page_size: int = Field(default=DEFAULT_PAGE, ge=0, le=MAX_PAGE, description="0: the default")
    page_token: str = Field(default="", pattern=r"^([0-9a-f-]{36})?$", description="as the page before gave it")
    view: View = View.MINIMAL

    def wanted(self) -> tes.Wanted:
        """As the store is asked."""
        tags = {
            key: self.tag_value[place] if place < len(self.tag_value) else "" for place, key in enumerate(self.tag_key)
        }
        return tes.Wanted(self.page_token, self.name_prefix, self.state or "", tags)


@contextmanager
def _of_a_task() -> Iterator[None]:
    """What a native submission would be refused for is told as the standard's clients expect it: status 400."""
    try:
        yield
    except (TooLargeError, BadTaskError):
        raise
    except (InvalidError, NotFoundError) as error:
        raise BadTaskError(error.code, error.wrong, todo=error.todo, field=error.field, faults=error.faults) from error


def _told(task: TesTask | TesListing | TesServiceInfo) -> Response:
    return Response(task.model_dump_json(exclude_none=True), media_type=_JSON)


@router.get("/service-info", response_model=TesServiceInfo)
def service_info(
    request: Request, hub: TheHub, caller: Annotated[Caller | None, Depends(open_to("tes.service-info"))]
) -> Response:
    """What this service is: which standard, which backend parameters are known, where outputs may go."""
    storage = ["https://", "suanlian:"]
    if caller is not None:
        with hub.reading(caller) as unit:
            storage += [f"file://{root}" for root in tes.roots_of(unit, caller.account_id, hub.bounds.doors)]
    url = hub.node.url
    return _told(
        TesServiceInfo(
            id=f"suanlian.{hub.node.id}.tes",
            name=f"{hub.node.name} (Suanlian)",
            description="Computing platforms of several owners behind one door.",
            organization=TesOrganization(name=hub.node.name, url=url),
            documentationUrl=f"{url}/openapi.json",
            version=request.app.version,
            storage=tuple(storage),
        )
    )


@router.get("/images")
def images(hub: TheHub, caller: Annotated[Caller, Depends(may("tes.images"))]) -> TesImages:
    """Every image that can be asked for by name: an extension of this hub."""
    del caller
    return tes.images(hub.known.checks().places)


@router.post("/tasks", openapi_extra=_BODY, response_model=TesCreated)
def create(
    hub: TheHub, caller: Annotated[Caller, Depends(may("tes.create"))], body: RawBody, again: TheRetry
) -> Response:
    """Create a task. It waits until its inputs are read, and then for a place."""
    try:
        made = _checked(hub, caller, body)
    except SuanlianError:
        kept = again.kept(hub, caller, body)  # it may have been taken under the same key, when the places were others
        if kept is None:
            raise
        return Response(kept, media_type=_JSON)
    prepared = jobs.prepare(hub.node, caller, [made.spec], hub.now(), held=bool(made.kept.fetches))
    job_id = str(prepared.jobs[0]["id"])

    def work(unit: Unit) -> str:
        for digest, data in made.objects.items():
            files.keep_object(unit, caller, digest, data, hub.bounds.account_bytes)
        jobs.submit(unit, caller, prepared)
        allowance.reserve(unit, caller, [made.spec], prepared.jobs, hub.bounds.free)
        tes.add(unit, caller, job_id, made)
        return TesCreated(id=job_id).model_dump_json()

    return Response(again.run(hub, caller, body, work), media_type=_JSON)


def _checked(hub: Hub, caller: Caller, body: bytes) -> tes.Translated:
    """The job of a task. Raises BadTaskError where it cannot be meant, or not be run here."""
    checks = hub.known.checks()
    with _of_a_task():
        made = tes.translate(parsed(body, NewTesTask), checks.places, hub.secrets.random_bytes)
        allowance.check(caller, [made.spec])
        checking.check_all([made.spec], checks)
        with hub.reading(caller) as unit:
            tes.check_addresses(unit, caller, made.kept, hub.bounds.doors, hub.node)
    return made


@router.get("/tasks", response_model=TesListing)
def list_tasks(
    hub: TheHub, caller: Annotated[Caller, Depends(may("tes.list"))], asked: Annotated[WhichTasks, Query()]
) -> Response:
    """The caller's tasks, newest first. A page may have fewer than were asked for and still not be the last."""
    size = asked.page_size or DEFAULT_PAGE
    with hub.reading(caller) as unit:
        rows = tes.listed(unit, caller, asked.wanted(), size + 1)
        shown = _page(hub, unit, caller, rows[:size], asked.view)
    token = rows[len(shown) - 1]["job_id"] if shown and len(shown) < len(rows) else None
    return _told(TesListing(tasks=tuple(shown), next_page_token=token))


def _page(hub: Hub, unit: Unit, caller: Caller, rows: Sequence[Row], view: View) -> list[TesTask]:
    asked, shown = tes.Asked(view, hub.node.url, tes.Page()), list[TesTask]()
    for row in rows:
        task = _shown(unit, caller, row, asked)
        if task is None:
            break
        shown.append(task)
    return shown


def _shown(unit: Unit, caller: Caller, row: Row, asked: tes.Asked) -> TesTask | None:
    of_job = [] if asked.view is View.MINIMAL else jobs.tasks_of(unit, caller, row["job_id"], after=-1, limit=1)
    return tes.view_of(unit, row, asked, of_job[0].attempts if of_job else ())


@router.get("/tasks/{ref}", response_model=TesTask)
async def get(
    hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("tes.get"))], view: View = View.MINIMAL
) -> Response:
    """One task. A full view of one that was created just now waits up to two seconds for its end."""
    asked = tes.Asked(view, hub.node.url)
    task, young = await run_in_threadpool(_look, hub, caller, ref, asked)
    until = asyncio.get_running_loop().time() + _WAIT_S
    while young and not hub.wakeups.closing and (left := until - asyncio.get_running_loop().time()) > 0:
        with hub.wakeups.listen(EventType.JOB_ENDED.value) as woken:
            await wait(woken, min(left, _LOOK_S))
        task, young = await run_in_threadpool(_look, hub, caller, ref, asked)
    return _told(task)


def _look(hub: Hub, caller: Caller, ref: str, asked: tes.Asked) -> tuple[TesTask, bool]:
    """The task, and whether it is worth to wait a little for its end."""
    with hub.reading(caller) as unit:
        row = tes.find(unit, caller, ref)
        task = _shown(unit, caller, row, asked)
        return task or TesTask(id=ref), asked.view is View.FULL and _is_young(row, unit.now)


def _is_young(row: Row, now: datetime) -> bool:
    return tes.is_young(row, now, _YOUNG_S)


@router.post("/tasks/{ref}:cancel")
def cancel(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("tes.cancel"))]) -> dict[str, Any]:
    """End the task: what waits at once, what runs by its connector. Again, it changes nothing more."""

    def work(unit: Unit) -> None:
        row = tes.find(unit, caller, ref)
        now = tes.state(row)
        if now in (TesState.CANCELED, TesState.CANCELING):
            return
        if row["ended_at"] is None:
            jobs.cancel(unit, caller, ref)
        else:
            tes.cancel_bringing(unit, row)

    write(hub, caller, work)
    return {}
