"""Bytes: uploads, live logs, outputs. Open to their owner alone."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from suanlian.api.deps import MAX_LIMIT, Hub, RawBody, TheHub, may, write
from suanlian.api.listing import Listing, listed
from suanlian.model.base import Sha256, Value
from suanlian.model.ids import AttemptId
from suanlian.model.job import MAX_ARRAY
from suanlian.model.party import Caller
from suanlian.services import files
from suanlian.services.files import LogView, WhichOutputs
from suanlian.store.wakeups import wait

router = APIRouter(prefix="/v1", tags=["files"])
_BYTES = "application/octet-stream"
_LOOK_S = 2.0
_MOST_WAIT_S = 20


class Kept(Value):
    """An object that lies here now."""

    sha256: Sha256
    size: int


class WhichLog(Value):
    """Of which task, which stream, from which byte, and how long to wait for more."""

    index: int = Field(default=0, ge=0, le=MAX_ARRAY)
    stream: Literal["stdout", "stderr"] = "stdout"
    offset: int = Field(default=0, ge=0, le=2**62)
    wait_s: int = 0
    attempt: AttemptId | None = None


_BYTES_BODY = {
    "requestBody": {"required": True, "content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}}}
}


def _sent(media_type: str) -> dict[int | str, dict[str, Any]]:
    """What a route of bytes says of its answer."""
    return {200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}}


@router.post("/objects", openapi_extra=_BYTES_BODY)
def upload(
    hub: TheHub, caller: Annotated[Caller, Depends(may("object.upload"))], sha256: Sha256, body: RawBody
) -> Kept:
    """Upload an input; jobs name it by its digest. The same bytes again change nothing."""
    quota = hub.bounds.account_bytes
    write(hub, caller, lambda unit: files.keep_object(unit, caller, sha256, body, quota))
    return Kept(sha256=sha256, size=len(body))


@router.get("/jobs/{ref}/log", response_class=Response, responses=_sent("text/plain"))
async def log(
    hub: TheHub,
    ref: str,
    which: Annotated[WhichLog, Query()],
    caller: Annotated[Caller, Depends(may("job.log"))],
) -> Response:
    """Bytes of a task's output from ``offset``; waits up to ``wait_s`` (20 at most) for more."""
    view, data = await run_in_threadpool(_look, hub, caller, ref, which)
    deadline = asyncio.get_running_loop().time() + min(max(which.wait_s, 0), _MOST_WAIT_S)
    while (
        not (data or view.ended or hub.wakeups.closing) and (left := deadline - asyncio.get_running_loop().time()) > 0
    ):
        topic = view.wakes
        with hub.wakeups.listen(topic) as woken:
            # once more: what came between the look and the listening has woken nobody
            view, data = await run_in_threadpool(_look, hub, caller, ref, which)
            if not data and not view.ended and view.wakes == topic:
                await wait(woken, min(left, _LOOK_S))
                view, data = await run_in_threadpool(_look, hub, caller, ref, which)
    headers = {
        "Suanlian-Next-Offset": str(which.offset + len(data)),
        "Suanlian-Ended": "true" if view.ended and not data else "false",
        "Suanlian-Attempt": view.attempt_id or "",
    }
    return Response(data, media_type="text/plain; charset=utf-8", headers=headers)


def _look(hub: Hub, caller: Caller, ref: str, which: WhichLog) -> tuple[LogView, bytes]:
    with hub.reading(caller) as unit:
        view = files.log_of(unit, caller, ref, which.index, which.attempt)
        if view.attempt_id is None:
            return view, b""
        return view, files.read_log(unit, view.attempt_id, which.stream, which.offset)


class WhichFiles(Value):
    """Which outputs a list shows."""

    index: Annotated[int, Field(ge=0, le=MAX_ARRAY)] | None = None
    cursor: Annotated[str, Field(pattern=r"^([0-9]{1,6}/.*)?$", max_length=2000)] = ""
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = MAX_LIMIT


@router.get("/jobs/{ref}/outputs")
def outputs(
    hub: TheHub,
    ref: str,
    caller: Annotated[Caller, Depends(may("job.outputs"))],
    which: Annotated[WhichFiles, Query()],
) -> Listing[dict[str, Any]]:
    """The files that the job's tasks brought back, by task and path."""
    task, _, path = which.cursor.partition("/")
    asked = WhichOutputs(which.index, (int(task or -1), path), which.limit + 1)
    with hub.reading(caller) as unit:
        found = [dict(row) for row in files.outputs_of(unit, caller, ref, asked)]
        return listed(found, which.limit, lambda file: f"{file['task_index']}/{file['path']}")


@router.get("/jobs/{ref}/outputs/{index}/{path:path}", response_class=Response, responses=_sent(_BYTES))
def output(
    hub: TheHub,
    ref: str,
    index: Annotated[int, Path(ge=0, le=MAX_ARRAY)],
    path: str,
    caller: Annotated[Caller, Depends(may("job.output"))],
) -> Response:
    """One file. It is sent as bytes, never as a page."""
    with hub.reading(caller) as unit:
        return Response(files.output(unit, caller, ref, index, path), media_type=_BYTES)
