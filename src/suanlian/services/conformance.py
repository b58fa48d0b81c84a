"""Conformance runs as rows: asked for, begun, ended, broken off; and the wrong answers that they let a connector hear.

What is checked is another matter (``conformance/``), and who steps through it too (the worker).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from suanlian.model.conformance import ConformanceReport, ConformanceRun, Fault, Result, Staged, too_small
from suanlian.model.errors import ConflictError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import AttemptId, new_id
from suanlian.model.owner import JoinLevel
from suanlian.model.platform import PlatformState
from suanlian.model.probe import ProbeCap
from suanlian.model.protocol import Instruction, Wish
from suanlian.rules.onboarding import CLOSED
from suanlian.store import conformance, platforms, probes
from suanlian.store.places import SILENT
from suanlian.store.unit import Row, Unit

ONBOARDING: Final = (PlatformState.CONNECTED, PlatformState.RECTIFYING)
"""States of a platform in which runs begin by themselves, once for each key and inventory of a connector."""
ADMITTING: Final = PlatformState.LIVE
"""In this state they begin for connectors that were not admitted yet."""
_PASSING: Final = frozenset({Fault.SILENT, Fault.LEVEL_OBSERVE, Fault.NOT_ACCEPTING})
"""What stood in a run's way and may be gone the next time."""
_LATE: Final = 1_000_000
"""Added to a version: the instruction is newer than any true one."""
_MOST_OPEN: Final = 1000


def ask(unit: Unit, platform: Row, name: str | None, asked_by: str) -> list[ConformanceRun]:
    """Ask for a run at each connector of a platform, or at the one named; one that is under way is not asked again.

    Raises NotFoundError for an unknown connector, ConflictError where none has published anything and where nothing may
    be placed whatever it is.
    """
    if platform["state"] in CLOSED:
        wrong = f"{platform['name']!r} is {platform['state']}: nothing is placed there."
        raise ConflictError("state_conflict", wrong, todo="suanlian platform onboarding tells what it waits for.")
    known = platforms.connectors_of(unit, platform["id"])
    chosen = [row for row in known if name in (None, row["name"])]
    if name is not None and not chosen:
        wrong = f"{platform['name']!r} has no connector named {name[:80]!r}."
        raise NotFoundError("not_found", wrong, todo="suanlian platform connectors lists them.", field="connector")
    there = [row for row in chosen if row["inventory_digest"] is not None]
    if not there:
        wrong = "No connector has published an inventory yet."
        raise ConflictError("state_conflict", wrong, todo="Start the agent: suanlian-agent run.")
    made = [_ask(unit, row, asked_by) for row in there]
    rows = conformance.of_platform(unit, platform["id"], before="", limit=_MOST_OPEN)
    return [_run(row, platform) for row in rows if row["id"] in made]


def _ask(unit: Unit, connector: Row, asked_by: str) -> str:
    under_way = conformance.open_at(unit, connector["id"])
    if under_way is not None:
        return str(under_way["id"])
    row = {
        "id": new_id(),
        "platform_id": connector["platform_id"],
        "connector_id": connector["id"],
        "public_key": connector["public_key"],
        "inventory_digest": connector["inventory_digest"] or "",
        "asked_by": asked_by,
        "asked_at": unit.now,
        "report": "",
    }
    conformance.add(unit, row)
    unit.record(EventType.CONFORMANCE_ASKED, connector["id"], run=row["id"], platform=connector["platform_id"])
    return str(row["id"])


def unasked(unit: Unit) -> list[Row]:
    """Connectors at which a run is to begin by itself: they join and take work, and as they are now they had none.

    A run that could not be made is made once what stood in its way is gone.
    """
    rows = conformance.joining(unit, [*ONBOARDING, ADMITTING])
    return [row for row in rows if _joins(row) and _obstacle(unit, row) is None and _is_due(row)]


def _is_due(row: Row) -> bool:
    if row["run_id"] is None:
        return True
    whys = _in_the_way(row["run_report"])
    if whys == {Fault.CAP_TOO_SMALL}:
        return not too_small(ProbeCap.model_validate_json(row["probe_cap"]))
    return bool(whys) and whys <= _PASSING


def _in_the_way(report: str) -> set[Fault | None]:
    """Why a run could not be made; empty where it goes on or anything was found out by it."""
    findings = ConformanceReport.model_validate_json(report).findings if report else ()
    return set() if any(f.result is not Result.SKIPPED for f in findings) else {f.why for f in findings}


def _joins(row: Row) -> bool:
    return row["platform_state"] in ONBOARDING or row["admitted_at"] is None


def ask_missing(unit: Unit) -> int:
    """Ask for the runs that are to begin by themselves; returns how many."""
    rows = unasked(unit)
    for row in rows:
        _ask(unit, row, "hub")
    return len(rows)


def runs_of(unit: Unit, platform: Row, *, before: str, limit: int) -> list[ConformanceRun]:
    """A platform's runs, newest first."""
    rows = conformance.of_platform(unit, platform["id"], before=before, limit=limit)
    return [_run(row, platform) for row in rows]


def _run(row: Row, platform: Row) -> ConformanceRun:
    columns = ("id", "platform_id", "connector_id", "asked_by", "asked_at", "started_at", "ended_at", "passed")
    is_same = (row["public_key"], row["inventory_digest"]) == (row["key_now"], row["inventory_now"])
    return ConformanceRun(
        **{name: row[name] for name in columns},
        platform=platform["name"],
        connector=row["name"],
        holds=is_same and row["ended_at"] is not None,
        report=ConformanceReport.model_validate_json(row["report"]) if row["report"] else None,
    )


def still_open(unit: Unit) -> Sequence[Row]:
    """Runs that have not ended, oldest first."""
    return conformance.still_open(unit)


def obstacle(unit: Unit, connector_id: str) -> Fault | None:
    """Why no run can be made at a connector now; None where it can."""
    row = platforms.find_connector(unit, connector_id)
    if row is not None and row["platform_state"] in CLOSED:
        return Fault.CLOSED
    return Fault.SILENT if row is None else _obstacle(unit, row)


def _obstacle(unit: Unit, row: Row) -> Fault | None:
    if row["seen_at"] is None or row["seen_at"] <= unit.now - SILENT:
        return Fault.SILENT
    if row["level"] == JoinLevel.OBSERVE:
        return Fault.LEVEL_OBSERVE
    return None if row["accepting"] else Fault.NOT_ACCEPTING


def begin(unit: Unit, run_id: str) -> bool:
    """It begins now, for the key and inventory of now; false when it has ended meanwhile."""
    run = conformance.find(unit, run_id)
    connector = None if run is None else platforms.find_connector(unit, run["connector_id"])
    if connector is None:
        return False
    bound = {"public_key": connector["public_key"], "inventory_digest": connector["inventory_digest"] or ""}
    return conformance.change(unit, run_id, {"started_at": unit.now, **bound})


def end(unit: Unit, run_id: str, report: ConformanceReport) -> bool:
    """It has ended, with this report; false when it had ended before."""
    run = conformance.find(unit, run_id)
    values = {"ended_at": unit.now, "passed": report.passed, "report": report.model_dump_json()}
    if run is None or not conformance.change(unit, run_id, values):
        return False
    told = {"run": run_id, "platform": run["platform_id"], "passed": report.passed}
    unit.record(EventType.CONFORMANCE_ENDED, run["connector_id"], **told)
    return True


def break_off(unit: Unit, run_id: str) -> bool:
    """Nobody steps through it any more: it ends without having passed, and is asked for anew."""
    run = conformance.find(unit, run_id)
    if run is None or not end(unit, run_id, ConformanceReport.skipped(Fault.BROKE_OFF)):
        return False
    connector = platforms.find_connector(unit, run["connector_id"])
    if connector is not None:
        _ask(unit, connector, run["asked_by"])
    return True


# ---------------------------------------------------------------- answers that are put in a connector's way


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """What the next answer to a connector's poll says besides the truth, or in place of it."""

    id: str
    protocol: int | None
    instructions: tuple[Instruction, ...]


def stage_version(unit: Unit, run: Row, protocol: int) -> str:
    """Let the next answer that brings instructions say that it speaks this version."""
    return _stage(unit, run, protocol, ())


def stage_stale(unit: Unit, run: Row, attempt_id: AttemptId) -> str:
    """Let the connector hear an instruction to cancel the attempt, with a token before its own."""
    row = probes.as_told(unit, attempt_id)
    if row is None:
        raise ConflictError("state_conflict", "There is no such probe.")
    said = Instruction(
        attempt_id=attempt_id,
        token=row["token"] - 1,
        version=row["wish_version"] + _LATE,
        wish=Wish.CANCEL,
        job_id=row["job_id"],
        task_index=row["idx"],
        share=row["share"],
        flavor=row["flavor"],
        variant=row["variant"],
        granted=json.loads(row["granted"]),
        entity=row["entity"],
        probe=row["purpose"],
    )
    # what is told has a revision of its own: that the connector asks from there on shows that it has heard
    platforms.next_revision(unit, row["connector_id"])
    return _stage(unit, run, None, (said,))


def _stage(unit: Unit, run: Row, protocol: int | None, instructions: tuple[Instruction, ...]) -> str:
    row: dict[str, Any] = {
        "id": new_id(),
        "connector_id": run["connector_id"],
        "run_id": run["id"],
        "protocol": protocol,
        "instructions": json.dumps([said.model_dump(mode="json") for said in instructions]),
        "staged_at": unit.now,
    }
    conformance.stage(unit, row)
    return str(row["id"])


def wrong_answer(unit: Unit, connector_id: str, *, brings: bool) -> WrongAnswer | None:
    """What is to be said wrongly in the next answer; ``brings``: whether the true one brings instructions."""
    row = conformance.next_staged(unit, connector_id)
    if row is None or (row["protocol"] is not None and not brings):
        return None
    instructions = tuple(Instruction.model_validate(said) for said in json.loads(row["instructions"]))
    return WrongAnswer(row["id"], row["protocol"], instructions)


def told(unit: Unit, answer_id: str, revision: int) -> None:
    """The wrong answer goes out now."""
    conformance.told(unit, answer_id, revision)


def asked(unit: Unit, connector_id: str, revision: int) -> None:
    """The connector polls: what it asks from shows what it took of the wrong answer before."""
    conformance.asked(unit, connector_id, revision)


def staged(unit: Unit, answer_id: str) -> Staged:
    """What became of a wrong answer."""
    row = conformance.staged(unit, answer_id)
    if row is None:
        return Staged()
    return Staged(told_revision=row["told_revision"], asked_revision=row["asked_revision"])
