"""The hub's own small jobs at one share of one connector: start, cancel, tell again, look, discard.

They go the ordinary way (attempt, capacity, progress, usage), also at platforms that are not live, and belong to the
hub's own entity: no offer, no charge, in nobody's list. A probe is one job with one task and one attempt.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from suanlian.model.conformance import Seen
from suanlian.model.errors import ConflictError
from suanlian.model.event import EventType
from suanlian.model.ids import AssignmentId, AttemptId, Kind, ShareId, new_id, public_id
from suanlian.model.job import ENDED, JobSpec, JobState, Outcome
from suanlian.model.performance import Architecture
from suanlian.model.placement import Assignment, Explanation
from suanlian.model.platform import Flavor, Share
from suanlian.model.probe import PROBE_ENVIRONMENT, AnyProbe, ProbeCap, Purpose, probe_spec
from suanlian.model.protocol import Wish
from suanlian.model.quantity import Resources
from suanlian.model.usage import UsageSegment
from suanlian.model.version import Subject, VersionRef
from suanlian.rules.capacity import over_committed
from suanlian.rules.onboarding import CLOSED
from suanlian.rules.progress import Progress, first_tally, parse_tally
from suanlian.services.ports import Node
from suanlian.store import attempts, capacity, files, jobs, platforms, probes, published, usage
from suanlian.store.unit import Row, Unit

TOKEN: Final = 2
"""The token of a probe's attempt. It is not the first, so that an instruction with an older one can be told."""
_LOG_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Spot:
    """A share of a connector where probes can run: what it has, what is free of it, what its owner lets them take."""

    platform_id: str
    connector_id: str
    share_id: str
    flavor_id: str
    share: Share
    flavor: Flavor
    architecture: Architecture
    free: Resources
    cap: ProbeCap
    versions: tuple[VersionRef, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """A probe that is wanted: at which spot, why, for which run, what it does and gets.

    ``overcommit``: it is to be refused, so it takes nothing of the capacity book.
    """

    spot: Spot
    purpose: Purpose
    run_id: str
    task: AnyProbe
    granted: Resources
    overcommit: bool = False


def spots(unit: Unit, connector_id: str) -> tuple[Spot, ...]:
    """The shares of a connector whose flavor offers probes, in the order of names."""
    connector = platforms.find_connector(unit, connector_id)
    shares = published.shares_of(unit, connector_id)
    if connector is None or not shares:
        return ()
    subjects = [Subject.FLAVOR]
    flavors = {
        row["name"]: row for row in published.current(unit, platform_id=connector["platform_id"], subjects=subjects)
    }
    held = capacity.held_now(unit)
    found = [_spot(connector, row, flavors, held) for row in shares]
    return tuple(spot for spot in found if spot is not None)


def _spot(connector: Row, row: Row, flavors: Mapping[str, Row], held: Mapping[str, Resources]) -> Spot | None:
    share = Share.model_validate_json(row["body"])
    known = flavors.get(share.flavor)
    if known is None:
        return None
    flavor = Flavor.model_validate_json(known["body"])
    offered = [env.architecture for env in flavor.environments if env.name == PROBE_ENVIRONMENT]
    if not offered:
        return None
    taken = held.get(row["id"])
    return Spot(
        platform_id=row["platform_id"],
        connector_id=connector["id"],
        share_id=row["id"],
        flavor_id=known["id"],
        share=share,
        flavor=flavor,
        architecture=offered[0],
        free=share.capacity if taken is None else share.capacity.minus(taken),
        cap=ProbeCap.model_validate_json(connector["probe_cap"]) if connector["probe_cap"] else ProbeCap(),
        versions=tuple(_ref(subject, at) for subject, at in ((Subject.SHARE, row), (Subject.FLAVOR, known))),
    )


def _ref(subject: Subject, row: Row) -> VersionRef:
    return VersionRef(subject=subject, id=row["id"], version=row["version"], name=row["name"])


def start(unit: Unit, node: Node, ask: Ask) -> AttemptId | None:
    """Write the probe as wished of its connector; None when the share has no room for it, or is closed, now.

    Raises ConflictError before anybody operates the hub: it then has no account of its own.
    """
    owner = probes.own_project(unit, node.name)
    if owner is None:
        raise ConflictError("state_conflict", "The hub has no account yet.", todo="Let its first operator in.")
    platform = platforms.hold(unit, ask.spot.platform_id)
    if platform is None or platform["state"] in CLOSED:
        return None
    attempt_id = AttemptId(new_id())
    if not ask.overcommit and not _takes(unit, ask, attempt_id):
        return None
    job_id = new_id()
    spec = probe_spec(ask.task, ask.granted, ask.spot.architecture, ask.spot.cap.seconds)
    task = {"job_id": job_id, "idx": 0, "state": JobState.QUEUED.value, "attempts": 1, "attempt_id": attempt_id}
    jobs.add_many(unit, [_job_row(unit, node, ask, owner, (job_id, spec))], [{**task, "queued_at": unit.now}])
    attempts.add(unit, _attempt_row(unit, ask, owner, (job_id, attempt_id)), _assignment_row(unit, ask, attempt_id))
    told = {"job": job_id, "share": ask.spot.share.name, "purpose": ask.purpose.value, "run": ask.run_id}
    unit.record(EventType.ATTEMPT_PLACED, attempt_id, account_id=owner["account_id"], **told)
    return attempt_id


def _takes(unit: Unit, ask: Ask, attempt_id: AttemptId) -> bool:
    taking = capacity.Taking(
        share_id=ask.spot.share_id,
        amount=ask.granted,
        start=unit.now,
        end=None,
        holder_kind="attempt",
        holder_id=attempt_id,
        token=TOKEN,
    )

    has = partial(published.capacity_of, unit, taking.share_id)  # asked under the share's lock
    return capacity.change(unit, taking, lambda rows: over_committed(has(), rows, taking.amount, taking.start))


def _job_row(unit: Unit, node: Node, ask: Ask, owner: Row, what: tuple[str, JobSpec]) -> Row:
    job_id, spec = what
    return {
        "id": job_id,
        "public_id": public_id(node.prefix, Kind.JOB, job_id),
        **{name: owner[name] for name in ("account_id", "project_id", "entity_id")},
        "name": spec.name,
        "state": JobState.QUEUED.value,
        "tasks": 1,
        "queued": 0,
        "tally": first_tally(1),
        "spec": spec.model_dump_json(),
        "created_at": unit.now,
        "ended_at": None,
        "origin": node.prefix,
        "delegated_buyer": "",
        "path": f'["{node.prefix}"]',
        "canceling": False,
        "waiting": None,
        "created_by": ask.run_id,
        "purpose": ask.purpose.value,
        "probe": ask.task.model_dump_json(),
        "made": 1,
    }


def _attempt_row(unit: Unit, ask: Ask, owner: Row, ids: tuple[str, AttemptId]) -> Row:
    job_id, attempt_id = ids
    return {
        "id": attempt_id,
        "job_id": job_id,
        "idx": 0,
        "number": 1,
        "token": TOKEN,
        "account_id": owner["account_id"],
        "platform_id": ask.spot.platform_id,
        "connector_id": ask.spot.connector_id,
        "share_id": ask.spot.share_id,
        "flavor_id": ask.spot.flavor_id,
        "variant": 0,
        "state": JobState.QUEUED.value,
        "wish": Wish.RUN.value,
        "wish_version": 1,
        "revision": platforms.next_revision(unit, ask.spot.connector_id),
        "report_version": 0,
        "granted": ask.granted.model_dump_json(),
        "simulated": ask.spot.flavor.simulated,
        "created_at": unit.now,
        "queued_at": unit.now,
        "started_at": None,
        "ended_at": None,
        "outcome": "{}",
    }


def _assignment_row(unit: Unit, ask: Ask, attempt_id: AttemptId) -> Row:
    """Without an offer: nothing was sold. Nothing was compared either: the hub asks about this place alone."""
    assignment = Assignment(
        id=AssignmentId(new_id()),
        attempt_id=attempt_id,
        share_id=ShareId(ask.spot.share_id),
        granted=ask.granted,
        versions=ask.spot.versions,
        explanation=Explanation(at=unit.now, candidates=()),
    )
    shared = {"offer_id": None, "offer_version": None, "body": assignment.model_dump_json()}
    return {"id": assignment.id, "attempt_id": attempt_id, "share_id": ask.spot.share_id, **shared}


def cancel(unit: Unit, attempt_id: AttemptId) -> bool:
    """Wish the probe cancelled; False where it has ended or is being cancelled already."""
    job_id = attempts.job_of(unit, attempt_id)
    job = None if job_id is None else jobs.lock(unit, job_id)
    row = attempts.lock(unit, attempt_id)
    if job is None or row is None or JobState(row["state"]) in ENDED or job["canceling"]:
        return False
    state = JobState.CANCELING
    wish = {"wish": Wish.CANCEL.value, "wish_version": row["wish_version"] + 1, "state": state.value}
    attempts.change(unit, attempt_id, {**_again(unit, row), **wish})
    jobs.change_task(unit, job["id"], row["idx"], {"state": state.value})
    progress = Progress(parse_tally(job["tally"]), job["queued"]).move(JobState(row["state"]), state)
    jobs.change(unit, job["id"], {**progress.columns(unit.now), "canceling": True})
    unit.record(EventType.JOB_CANCELING, job["id"], account_id=row["account_id"])
    return True


def tell_again(unit: Unit, attempt_id: AttemptId) -> None:
    """Let the same instruction, of the same version, be delivered once more."""
    row = attempts.lock(unit, attempt_id)
    if row is not None:
        attempts.change(unit, attempt_id, _again(unit, row))


def _again(unit: Unit, row: Row) -> dict[str, int]:
    return {"revision": platforms.next_revision(unit, row["connector_id"])}


def look(unit: Unit, attempt_id: AttemptId) -> Seen:
    """What is known of a probe now: its state, times, log and usage."""
    row = attempts.find(unit, attempt_id)
    if row is None:
        raise ConflictError("state_conflict", "There is no such probe.")
    return Seen(
        at=unit.now,
        attempt_id=attempt_id,
        state=JobState(row["state"]),
        made_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        outcome=Outcome.model_validate_json(row["outcome"]),
        stdout=files.read_log(unit, attempt_id, "stdout", 0, _LOG_BYTES),
        pieces=files.log_pieces(unit, attempt_id, "stdout"),
        segments=tuple(UsageSegment.model_validate_json(s["body"]) for s in usage.segments_of(unit, attempt_id)),
    )


def still_open(unit: Unit, purpose: Purpose, run_id: str) -> list[AttemptId]:
    """The probes of a run that have not ended: to be cancelled when the run breaks off."""
    rows = probes.attempts_of(unit, purpose.value, run_id)
    return [AttemptId(row["id"]) for row in rows if row["ended_at"] is None]


def output(unit: Unit, attempt_id: AttemptId, path: str) -> bytes | None:
    """An output that a probe brought; None while it is not here."""
    row = files.find_output(unit, attempt_id, path)
    return None if row is None else bytes(row["data"])


def discard(unit: Unit, attempt_id: AttemptId) -> int:
    """Forget what a probe brought, once it is judged: the hub's own quota is not for that. Returns how many bytes.

    Raises ConflictError for an attempt that is no probe.
    """
    job_id = attempts.job_of(unit, attempt_id)
    if job_id is None or not probes.purpose_of(unit, job_id):
        raise ConflictError("state_conflict", "Only what a probe brought is discarded.")
    return probes.drop_outputs(unit, attempt_id)
