"""Jobs that come after others: how they are bound to them when they are submitted, and let go when those have ended.

An edge that stands open is dealt with under the lock of the job that waits: that job is let go once, or it ends, and
then what comes after it follows in its turn. What is handed on is found when a task gets its place (``passing``).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from suanlian.model.demand import AfterWhen
from suanlian.model.errors import InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import SCHEME
from suanlian.model.job import ENDED, JobSpec, JobState, Wants
from suanlian.model.party import Caller
from suanlian.rules.dependencies import failure, is_met, narrowed, never
from suanlian.rules.progress import Progress, parse_tally
from suanlian.store import edges, jobs
from suanlian.store.unit import Row, Unit

_AT_ONCE: Final = 100
"""So many jobs are let go in one unit."""
_TODO: Final = "suanlian jobs lists yours; a job comes after jobs of its own account and project."


def link(unit: Unit, caller: Caller, specs: Sequence[JobSpec], rows: Sequence[Row]) -> tuple[Row, ...]:
    """Bind new jobs to those that they come after: write the edges, and narrow where they may run. Their rows then.

    Raises NotFoundError for a job that is not of the caller's own account and project, InvalidError where no place is
    allowed to hold what is handed on, or the other job declares no such output.
    """
    named = sorted({_uuid(one.job) for spec in specs for one in spec.after})
    if not named:
        return tuple(rows)
    own = [row for row in edges.upstreams(unit, named).values() if _is_own(caller, row)]
    known = {row[column]: row for row in own for column in ("id", "public_id")}
    return tuple(_linked(unit, spec, row, known) if spec.after else row for spec, row in zip(specs, rows, strict=True))


def _uuid(ref: str) -> str:
    try:
        return SCHEME.parse(ref).uuid
    except InvalidError:
        return ref


def _is_own(caller: Caller, row: Row) -> bool:
    mine = row["account_id"] == caller.account_id and row["project_id"] == caller.project_id
    return bool(mine and not row["purpose"])


def _linked(unit: Unit, spec: JobSpec, row: Row, known: Mapping[str, Row]) -> Row:
    made, wants, is_open = [], spec.wants, False
    for place, one in enumerate(spec.after):
        upstream = known.get(one.job) or known.get(one.job.upper())
        if upstream is None:
            wrong = f"You have no job {one.job!r} in this project."
            raise NotFoundError("not_found", wrong, todo=_TODO, field=f"after.{place}.job")
        if one.files:
            theirs = JobSpec.model_validate_json(upstream["spec"])
            _check_files(spec, theirs, place)
            wants = _narrowed(wants, theirs, f"after.{place}.files")
        met = _is_met_now(unit, upstream, one.on)
        is_open = is_open or not met
        edge = {"job_id": row["id"], "place": place, "upstream_id": upstream["id"], "on_": one.on.value}
        made.append({**edge, "met_at": unit.now if met else None})
    edges.add(unit, made)
    effective = spec.model_copy(update={"wants": wants})
    return {**row, "blocked": is_open, "spec": effective.model_dump_json()}


def _is_met_now(unit: Unit, upstream: Row, on: AfterWhen) -> bool:
    """Whether nothing is to be waited for; what can no longer be met is dealt with as if it ended only now."""
    state = JobState(upstream["state"])
    if state not in ENDED:
        return False
    if not is_met(on, state):
        edges.owe(unit, upstream["id"], edges.RELEASE, unit.now)
        unit.wake(EventType.JOB_ENDED.value)
    return is_met(on, state)


def _check_files(spec: JobSpec, upstream: JobSpec, place: int) -> None:
    """Refuse at once what the job would be cancelled for later: no such output there, or no such task."""
    for number, file in enumerate(spec.after[place].files):
        found = never(file, spec.tasks, upstream)
        if found is not None:
            field = f"after.{place}.files.{number}.{found.field}"
            raise InvalidError("no_such_output", found.wrong, todo=found.todo, field=field)


def _narrowed(wants: Wants, upstream: JobSpec, field: str) -> Wants:
    theirs = upstream.wants
    both = narrowed(wants, theirs)
    if both is None:
        wrong = f"What {upstream.name} hands on stays within {', '.join(theirs.residency)}, this job elsewhere."
        raise InvalidError("field_invalid", wrong, todo="Let the job run within these regions.", field=field)
    return both


def owed(unit: Unit, limit: int) -> list[str]:
    """Jobs that have ended and that others still wait for."""
    return [row["job_id"] for row in edges.owed(unit, edges.RELEASE, limit)]


def overlooked(unit: Unit, limit: int) -> list[str]:
    """The same, of those whose consequence is missing: a look from time to time, as no count is trusted for ever."""
    return list(edges.overlooked(unit, limit))


def release(unit: Unit, upstream_id: str) -> None:
    """Let go some of the jobs that wait for one that has ended, or end them; it is owed until there are no more."""
    ended = jobs.lock(unit, upstream_id)
    waiting = edges.waiting_for(unit, upstream_id, _AT_ONCE) if ended is not None and ended["ended_at"] else ()
    for job_id in waiting:
        row = jobs.lock(unit, job_id)
        if row is not None and ended is not None:
            _settle(unit, row, ended)
    if len(waiting) < _AT_ONCE:
        edges.done(unit, upstream_id, edges.RELEASE)


def _settle(unit: Unit, row: Row, ended: Row) -> None:
    before = [edge for edge in edges.of_job(unit, row["id"]) if edge["met_at"] is None]
    mine = [edge for edge in before if edge["upstream_id"] == ended["id"]]
    edges.settle(unit, row["id"], ended["id"])
    if row["ended_at"] is not None or not mine:
        return
    state = JobState(ended["state"])
    if not all(is_met(AfterWhen(edge["on_"]), state) for edge in mine):
        _end(unit, row, failure(ended["name"], state))
    elif len(mine) == len(before):
        jobs.change(unit, row["id"], {"blocked": False})
        unit.record(EventType.JOB_RELEASED, row["id"], account_id=row["account_id"])


def _end(unit: Unit, row: Row, reason: str) -> None:
    waiting = jobs.end_waiting(unit, row, JobState.CANCELED.value)
    progress = Progress(parse_tally(row["tally"]), row["queued"])
    progress = progress.move(JobState.QUEUED, JobState.CANCELED, waiting).wait(-waiting)
    jobs.progressed(unit, row, {**progress.columns(unit.now), "blocked": False, "reason": reason})
