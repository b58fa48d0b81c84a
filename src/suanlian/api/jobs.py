"""Jobs: submit one or many, estimate, look, explain, cancel, and what they cost."""

import json
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from suanlian.api.deps import MAX_LIMIT, Hub, RawBody, Retry, TheHub, TheRetry, may, parsed, write
from suanlian.api.listing import Listing, listed
from suanlian.model.base import LongText, Value
from suanlian.model.charge import Charge
from suanlian.model.ids import AttemptId
from suanlian.model.job import MAX_BATCH, Job, JobSpec, Task
from suanlian.model.money import Amount
from suanlian.model.party import Caller
from suanlian.model.placement import Explanation
from suanlian.model.usage import UsageCorrection, UsageSegment
from suanlian.services import catalogue, jobs, placing, usage
from suanlian.services.jobs import Checks
from suanlian.store.jobs import Wanted
from suanlian.store.unit import Unit

router = APIRouter(prefix="/v1", tags=["jobs"])
_JSON = "application/json"
_Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


class Batch(Value):
    """Many jobs at once: all are taken or none."""

    jobs: tuple[JobSpec, ...] = Field(min_length=1, max_length=MAX_BATCH)


class Correction(Value):
    """A further row for a segment of the job's usage."""

    attempt_id: AttemptId
    sequence: int = Field(ge=0)
    corrected_s: Amount
    reason: LongText = Field(min_length=1)


_SPEC_BODY = {"requestBody": {"required": True, "content": {_JSON: {"schema": JobSpec.model_json_schema()}}}}
_BATCH_BODY = {"requestBody": {"required": True, "content": {_JSON: {"schema": Batch.model_json_schema()}}}}


def _checks(hub: Hub, caller: Caller) -> Checks:
    return Checks(hub.known_places(caller), hub.bounds.input_origins)


def _submit(hub: Hub, caller: Caller, specs: Sequence[JobSpec], again: Retry, body: bytes) -> list[dict[str, str]]:
    checks = _checks(hub, caller)
    for spec in specs:
        jobs.check(spec, checks)
    prepared = jobs.prepare(hub.node, caller, specs, hub.now())
    answer = again.run(hub, caller, body, lambda unit: json.dumps(jobs.submit(unit, caller, prepared)))
    found: list[dict[str, str]] = json.loads(answer)
    return found


@router.post("/jobs", openapi_extra=_SPEC_BODY, response_model=Job)
def submit(
    hub: TheHub, body: RawBody, again: TheRetry, caller: Annotated[Caller, Depends(may("job.submit"))]
) -> Response:
    """Submit a job. It waits for a place; where it goes and why is told by its explanation."""
    spec = parsed(body, JobSpec)
    checks = _checks(hub, caller)
    jobs.check(spec, checks)
    prepared = jobs.prepare(hub.node, caller, [spec], hub.now())
    told = jobs.job_value(prepared.jobs[0], with_spec=True).model_dump_json()

    def work(unit: Unit) -> str:
        jobs.submit(unit, caller, prepared)
        return told

    return Response(again.run(hub, caller, body, work), media_type=_JSON)


@router.post("/jobs:batch", openapi_extra=_BATCH_BODY)
def submit_many(
    hub: TheHub, body: RawBody, again: TheRetry, caller: Annotated[Caller, Depends(may("job.submit-batch"))]
) -> Response:
    """Submit up to 1,000 jobs in one call: all are taken or none."""
    batch = parsed(body, Batch)
    return Response(json.dumps({"jobs": _submit(hub, caller, batch.jobs, again, body)}), media_type=_JSON)


@router.post("/jobs:estimate", openapi_extra=_SPEC_BODY)
def estimate(hub: TheHub, body: RawBody, caller: Annotated[Caller, Depends(may("job.estimate"))]) -> Explanation:
    """Where a task of the job would go now and what it would cost; places nothing."""
    spec = parsed(body, JobSpec)
    with hub.reading(caller) as unit:
        jobs.check(spec, Checks(catalogue.places(unit), hub.bounds.input_origins))
        return placing.estimate(unit, caller, spec)


@router.get("/jobs")
def list_jobs(
    hub: TheHub,
    caller: Annotated[Caller, Depends(may("job.list"))],
    wanted: Annotated[Wanted, Depends()],
    limit: _Limit = 50,
) -> Listing[Job]:
    """Jobs, newest first; without their specs."""
    with hub.reading(caller) as unit:
        return listed(jobs.list_of(unit, caller, wanted, limit=limit + 1), limit, lambda job: job.id)


@router.get("/jobs/{ref}")
def get(hub: TheHub, ref: str, caller: Annotated[Caller, Depends(may("job.read"))]) -> Job:
    """One job."""
    with hub.reading(caller) as unit:
        return jobs.get(unit, caller, ref)


@router.get("/jobs/{ref}/tasks")
def tasks(
    hub: TheHub,
    ref: str,
    caller: Annotated[Caller, Depends(may("job.tasks"))],
    cursor: Annotated[int, Query(ge=-1)] = -1,
    limit: _Limit = 50,
) -> Listing[Task]:
    """The job's tasks with all their attempts."""
    with hub.reading(caller) as unit:
        found = jobs.tasks_of(unit, caller, ref, after=cursor, limit=limit + 1)
        return listed(found, limit, lambda task: str(task.index))


@router.get("/jobs/{ref}/explanation")
def explanation(
    hub: TheHub,
    ref: str,
    caller: Annotated[Caller, Depends(may("job.explanation"))],
    index: Annotated[int, Query(ge=0)] = 0,
) -> Explanation:
    """Why the task is where it is, or why it waits."""
    with hub.reading(caller) as unit:
        return jobs.explanation(unit, caller, ref, index)


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
