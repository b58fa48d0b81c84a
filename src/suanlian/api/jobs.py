"""Jobs: submit one or many, estimate, look, explain, cancel, and what they cost."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from suanlian.api.deps import MAX_LIMIT, Hub, RawBody, TheHub, TheRetry, may, parsed, write
from suanlian.api.listing import Listing, listed
from suanlian.model.base import LongText, Value
from suanlian.model.charge import Charge
from suanlian.model.errors import SuanlianError
from suanlian.model.ids import AttemptId
from suanlian.model.job import MAX_ARRAY, MAX_BATCH, Job, JobSpec, JobState, Task
from suanlian.model.money import Amount
from suanlian.model.party import Caller
from suanlian.model.placement import Explanation
from suanlian.model.usage import UsageCorrection, UsageSegment
from suanlian.services import (
    allowance,
    bringing,
    checking,
    depending,
    jobs,
    links,
    market,
    planning,
    telling,
    throughput,
    usage,
)
from suanlian.services.jobs import Wanted
from suanlian.store.unit import Row, Unit

router = APIRouter(prefix="/v1", tags=["jobs"])
_JSON = "application/json"
_Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


class Batch(Value):
    """Many jobs at once: all are taken or none."""

    jobs: tuple[JobSpec, ...] = Field(min_length=1, max_length=MAX_BATCH)


class WhichJobs(Value):
    """Which jobs a list shows."""

    state: JobState | None = None
    name: str | None = None
    cursor: str = ""
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT)


class Correction(Value):
    """A further row for a segment of the job's usage."""

    attempt_id: AttemptId
    sequence: int = Field(ge=0, le=10_000_000)
    corrected_s: Amount
    reason: LongText = Field(min_length=1)


_SPEC_BODY = {"requestBody": {"required": True, "content": {_JSON: {"schema": JobSpec.model_json_schema()}}}}
_BATCH_BODY = {"requestBody": {"required": True, "content": {_JSON: {"schema": Batch.model_json_schema()}}}}


Exact = tuple[list[JobSpec], list[tuple[str, ...]]]
"""Jobs with exact versions of what they read, and the versions of each."""


def _checked(hub: Hub, caller: Caller, specs: Sequence[JobSpec], kept: Callable[[], str | None]) -> Exact | str:
    """The jobs as they are taken; where they are refused now but were taken under the same key, the answer of then."""
    try:
        allowance.check(caller, specs)
        checking.check_all(specs, hub.known.checks())
        checking.check_deadlines(specs, hub.now())
        for spec in specs:
            telling.check(spec, hub.bounds.webhook_origins)
        return _exact(hub, caller, specs)
    except SuanlianError:
        answer = kept()
        if answer is None:
            raise
        return answer


@router.post("/jobs", openapi_extra=_SPEC_BODY, response_model=Job)
def submit(
    hub: TheHub, caller: Annotated[Caller, Depends(may("job.submit"))], body: RawBody, again: TheRetry
) -> Response:
    """Submit a job. It waits for a place; where it goes and why is told by its explanation."""
    spec = parsed(body, JobSpec)
    found = _checked(hub, caller, [spec], lambda: again.kept(hub, caller, body))
    if isinstance(found, str):
        return Response(found, media_type=_JSON)
    (spec,), reads = found
    prepared = jobs.prepare(hub.node, caller, [spec], hub.now())
    told = jobs.fresh(prepared, spec).model_dump_json()

    def work(unit: Unit) -> str:
        linked = depending.link(unit, caller, [spec], prepared.jobs)
        made = replace(prepared, jobs=linked)
        jobs.submit(unit, caller, made)
        _name_data(unit, linked, reads)
        allowance.reserve(unit, caller, [spec], linked, hub.bounds.free)
        return jobs.get(unit, caller, linked[0]["id"]).model_dump_json() if spec.after else told

    return Response(again.run(hub, caller, body, work), media_type=_JSON)


@router.post("/jobs:batch", openapi_extra=_BATCH_BODY)
def submit_many(
    hub: TheHub, caller: Annotated[Caller, Depends(may("job.submit-batch"))], body: RawBody, again: TheRetry
) -> Response:
    """Submit up to 1,000 jobs in one call: all are taken or none."""
    batch = parsed(body, Batch)
    found = _checked(hub, caller, batch.jobs, lambda: again.kept(hub, caller, body))
    if isinstance(found, str):
        return Response(found, media_type=_JSON)
    specs, reads = found
    prepared = jobs.prepare(hub.node, caller, specs, hub.now())

    def work(unit: Unit) -> str:
        linked = depending.link(unit, caller, specs, prepared.jobs)
        taken = jobs.submit(unit, caller, replace(prepared, jobs=linked))
        _name_data(unit, linked, reads)
        allowance.reserve(unit, caller, specs, linked, hub.bounds.free)
        return json.dumps({"jobs": taken})

    return Response(again.run(hub, caller, body, work), media_type=_JSON)


def _exact(hub: Hub, caller: Caller, specs: Sequence[JobSpec]) -> Exact:
    """The jobs with exact versions of what they read, as strict as that, and the versions of each."""
    if not any(spec.data for spec in specs):
        return list(specs), [() for _ in specs]
    with hub.reading(caller) as unit:
        found = [bringing.resolve(unit, caller, spec) for spec in specs]
    checking.check_all([spec for spec, _reads in found], hub.known.checks())  # data makes a job stricter
    return [spec for spec, _reads in found], [reads for _spec, reads in found]


def _name_data(unit: Unit, rows: Sequence[Row], reads: Sequence[tuple[str, ...]]) -> None:
    for row, versions in zip(rows, reads, strict=True):
        bringing.name(unit, row["id"], versions)


@router.post("/jobs:estimate", openapi_extra=_SPEC_BODY)
def estimate(hub: TheHub, caller: Annotated[Caller, Depends(may("job.estimate"))], body: RawBody) -> Explanation:
    """Where a task of the job would go now and what it would cost; places nothing."""
    return _foreseen(hub, caller, body, planning.estimate)


@router.post("/jobs:plan", openapi_extra=_SPEC_BODY)
def plan(hub: TheHub, caller: Annotated[Caller, Depends(may("job.plan"))], body: RawBody) -> Explanation:
    """The same as an estimate, and when it would start, and what could be changed; reserves nothing."""
    return _foreseen(hub, caller, body, planning.plan)


def _foreseen(
    hub: Hub, caller: Caller, body: bytes, ask: Callable[[Unit, Caller, JobSpec, planning.By], Explanation]
) -> Explanation:
    """What is asked of a job before it is submitted: it is refused for what a submission would be."""
    spec = parsed(body, JobSpec)
    allowance.check(caller, [spec])
    checking.check_all([spec], hub.known.checks())
    checking.check_deadlines([spec], hub.now())
    (spec,), _reads = _exact(hub, caller, [spec])
    with hub.reading(caller) as unit:
        jobs.check_secrets(unit, caller, {use.name for use in spec.secrets})
        return ask(unit, caller, spec, _by(hub, unit))


def _by(hub: Hub, unit: Unit) -> planning.By:
    levels = hub.bounds.data.levels
    return planning.By(
        throughput.Knowledge(unit).of, levels, market.current(unit), bringing.Bringing(unit, levels, links.ways_now)
    )


@router.get("/jobs")
def list_jobs(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("job.list"))],
    asked: Annotated[WhichJobs, Query()],
) -> Listing[Job]:
    """Jobs, newest first; without their specs."""
    wanted, limit = Wanted(cursor=asked.cursor, state=asked.state, name=asked.name), asked.limit
    with hub.reading(caller) as unit:
        return listed(jobs.list_of(unit, caller, wanted, limit=limit + 1), limit, lambda job: job.id)


@router.get("/jobs/{ref}")
def get(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("job.read"))]) -> Job:
    """One job."""
    with hub.reading(caller) as unit:
        return jobs.get(unit, caller, ref)


@router.get("/jobs/{ref}/tasks")
def tasks(  # noqa: PLR0913, PLR0917 - each is a query parameter
    hub: TheHub,
    ref: str,
    caller: Annotated[Caller, Depends(may("job.tasks"))],
    index: Annotated[int | None, Query(ge=0, le=MAX_ARRAY)] = None,
    cursor: Annotated[int, Query(ge=-1, le=MAX_ARRAY)] = -1,
    limit: _Limit = 50,
) -> Listing[Task]:
    """The job's tasks with all their attempts; one of them with ``index``."""
    terms = hub.bounds.lost
    with hub.reading(caller) as unit:
        if index is not None:
            return Listing[Task](items=jobs.tasks_of(unit, caller, ref, after=index - 1, limit=1, terms=terms))
        found = jobs.tasks_of(unit, caller, ref, after=cursor, limit=limit + 1, terms=terms)
        return listed(found, limit, lambda task: str(task.index))


@router.get("/jobs/{ref}/explanation")
def explanation(
    hub: TheHub,
    ref: str,
    caller: Annotated[Caller, Depends(may("job.explanation"))],
    index: Annotated[int, Query(ge=0, le=MAX_ARRAY)] = 0,
    outlook: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> Explanation:
    """Why the task is where it is, or why it waits; with ``outlook`` all places as they are now, if it waits."""
    with hub.reading(caller) as unit:
        found = jobs.explanation(unit, caller, ref, index)
        return planning.outlook(unit, caller, ref, index, found, _by(hub, unit)) if outlook else found


@router.post("/jobs/{ref}/cancel")
def cancel(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("job.cancel"))]) -> Job:
    """End the job: what waits at once, what runs by its connector."""
    return write(hub, caller, lambda unit: jobs.cancel(unit, caller, ref))


@router.get("/jobs/{ref}/usage")
def usage_of(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("job.usage"))]) -> Listing[UsageSegment]:
    """The usage segments of the job."""
    with hub.reading(caller) as unit:
        return Listing[UsageSegment](items=usage.segments_of_job(unit, caller, ref))


@router.post("/jobs/{ref}/corrections", status_code=204)
def correct(hub: TheHub, ref: str, body: Correction, caller: Annotated[Caller, Depends(may("usage.correct"))]) -> None:
    """Correct what a segment counts for, by a further row."""
    correction = UsageCorrection.model_validate(body.model_dump())
    write(hub, caller, lambda unit: usage.correct(unit, caller, ref, correction))


@router.get("/jobs/{ref}/charges")
def charges_of(
    hub: TheHub,
    ref: str,
    caller: Annotated[Caller, Depends(may("job.charges"))],
    cursor: str = "",
    limit: _Limit = 50,
) -> Listing[Charge]:
    """What the job costs, line by line."""
    with hub.reading(caller) as unit:
        found = usage.charges_of(unit, caller, job=ref, before=cursor, limit=limit + 1)
        return listed(found, limit, lambda charge: charge.id)


@router.get("/charges")
def charges(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("charge.list"))],
    cursor: str = "",
    limit: _Limit = 50,
) -> Listing[Charge]:
    """All charges of the caller's account, newest first."""
    with hub.reading(caller) as unit:
        found = usage.charges_of(unit, caller, job=None, before=cursor, limit=limit + 1)
        return listed(found, limit, lambda charge: charge.id)
