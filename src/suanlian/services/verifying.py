"""Runs that put claims to the test, as rows: asked for, begun, probe after probe, ended. A worker steps through."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from suanlian.model.errors import ConflictError
from suanlian.model.event import EventType
from suanlian.model.ids import AttemptId, new_id
from suanlian.model.job import Outcome
from suanlian.model.measurement import UNITS, Metric
from suanlian.model.performance import Grade, Precision
from suanlian.model.platform import Flavor, PlatformState, Share
from suanlian.model.probe import ProbeCap
from suanlian.model.verification import Judged, ProbeTrial, RunOutcome, Series, VerificationRun
from suanlian.model.version import Subject
from suanlian.rules.onboarding import CLOSED
from suanlian.rules.verification import (
    BASELINE_N,
    EXPIRES,
    MOST_RUNS,
    PROBES,
    Claim,
    Commitment,
    claims_of,
    commitment_in,
    next_target_s,
    part,
    size_of,
)
from suanlian.store import attempts, capabilities, files, platforms, published, verifications
from suanlian.store.places import SILENT
from suanlian.store.unit import Row, Unit

SEED_BYTES: Final = 16
_OBSERVE: Final = "observe"
_SHOWS_NOTHING: Final = frozenset({RunOutcome.CAP_TOO_SMALL, RunOutcome.GONE})
_MILLI: Final = Decimal(1000)

RandomHex = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A claim of a connector's flavor, with its runs so far."""

    connector: Row
    flavor: Row
    claim: Claim
    runs: Sequence[Row]

    @property
    def is_open(self) -> bool:
        """Whether a run of it is under way or waits."""
        return any(run["ended_at"] is None for run in self.runs)

    @property
    def stands(self) -> bool:
        """Whether its newest run says all that there is to say for now."""
        if not self.runs:
            return False
        newest = self.runs[-1]
        if len(self.runs) >= MOST_RUNS:
            return True
        if newest["outcome"] == RunOutcome.CAP_TOO_SMALL:
            return size_of(self.claim, self.body, self.cap, 1.0) is None
        is_same = bool(newest["flavor_version"] == self.flavor["version"])
        return is_same and newest["outcome"] != RunOutcome.TOO_SHORT_TO_TELL

    @property
    def body(self) -> Flavor:
        """The flavor as it is published now."""
        return Flavor.model_validate_json(self.flavor["body"])

    @property
    def cap(self) -> ProbeCap:
        """What the owner lets probes take."""
        told = self.connector["probe_cap"]
        return ProbeCap.model_validate_json(told) if told else ProbeCap()


def wanted_at(unit: Unit, connector: Row) -> list[Wanted]:
    """Every claim that a connector's shares make and that probes can put to the test."""
    names = {Share.model_validate_json(row["body"]).flavor for row in published.shares_of(unit, connector["id"])}
    rows = published.current(unit, platform_id=connector["platform_id"], subjects=[Subject.FLAVOR]) if names else []
    found: list[Wanted] = []
    for row in rows:
        if row["name"] in names and not row["withdrawn"]:
            claims = claims_of(Flavor.model_validate_json(row["body"]))
            found += [Wanted(connector, row, claim, _runs(unit, connector, row, claim)) for claim in claims]
    return found


def _runs(unit: Unit, connector: Row, flavor: Row, claim: Claim) -> Sequence[Row]:
    what = {"connector_id": connector["id"], "flavor_id": flavor["id"]}
    what |= {"precision": claim.precision.value, "claim": claim.tera_per_s}
    return verifications.of_claim(unit, what, unit.now - EXPIRES)


def unverified(unit: Unit) -> list[Wanted]:
    """Claims that are to be put to the test without anybody's asking: at connectors that conform as they are now."""
    every = (wanted for row in verifications.conforming(unit) for wanted in wanted_at(unit, row))
    return [wanted for wanted in every if not wanted.is_open and not wanted.stands]


def ask_missing(unit: Unit, target_s: float) -> int:
    """Ask for the runs that are to begin by themselves; returns how many."""
    found = unverified(unit)
    for wanted in found:
        _ask(unit, wanted, "hub", target_s)
    return len(found)


def ask(unit: Unit, platform: Row, asked_by: str, target_s: float, *, limited: bool) -> tuple[VerificationRun, ...]:
    """Ask for a run of every claim of a platform; one that is under way is not asked again.

    Raises ConflictError ``nothing_to_verify``, and ``verification_limit`` for an owner whose claims had all their runs.
    """
    every = [wanted for row in platforms.connectors_of(unit, platform["id"]) for wanted in wanted_at(unit, row)]
    if not every:
        wrong = f"{platform['name']!r} claims nothing that probes can put to the test."
        todo = "Claim FP64 or FP32 figures of real processors in the flavor's performance."
        raise ConflictError("nothing_to_verify", wrong, todo=todo)
    chosen = [wanted for wanted in every if wanted.is_open or not limited or len(wanted.runs) < MOST_RUNS]
    if not chosen:
        wrong = f"Each claim had its {MOST_RUNS} runs within {EXPIRES.days} days."
        raise ConflictError("verification_limit", wrong, todo="Lower the claim to what was shown, or ask the operator.")
    asked = {_ask(unit, wanted, asked_by, target_s) for wanted in chosen if not wanted.is_open}
    asked |= {run["id"] for wanted in chosen for run in wanted.runs if run["ended_at"] is None}
    return tuple(run for run in runs_of(unit, platform, before="", limit=1000) if run.id in asked)


def _ask(unit: Unit, wanted: Wanted, asked_by: str, target_s: float) -> str:
    if wanted.runs and wanted.runs[-1]["outcome"] == RunOutcome.TOO_SHORT_TO_TELL and wanted.runs[-1]["series"]:
        target_s = next_target_s(target_s, Series.model_validate_json(wanted.runs[-1]["series"]).overhead_s)
    row = {
        "id": new_id(),
        "platform_id": wanted.connector["platform_id"],
        "connector_id": wanted.connector["id"],
        "flavor_id": wanted.flavor["id"],
        "flavor_version": wanted.flavor["version"],
        "precision": wanted.claim.precision.value,
        "claim": wanted.claim.tera_per_s,
        "number": len(wanted.runs) + 1,
        "asked_by": asked_by,
        "asked_at": unit.now,
        "target_s": Decimal(str(round(target_s, 3))),
    }
    verifications.add(unit, row)
    told = {"run": row["id"], "flavor": row["flavor_id"], "precision": row["precision"], "claim": row["claim"]}
    unit.record(EventType.VERIFICATION_ASKED, row["connector_id"], **told)
    return str(row["id"])


def still_open(unit: Unit) -> Sequence[Row]:
    """Runs that have not ended, oldest first."""
    return verifications.still_open(unit)


def is_ready(unit: Unit, run: Row) -> bool:
    """Whether a probe of this run may begin now: the connector takes work, and nothing else probes its machine."""
    row = platforms.find_connector(unit, run["connector_id"])
    if row is None or row["seen_at"] is None or row["seen_at"] <= unit.now - SILENT or not row["accepting"]:
        return False
    if row["platform_state"] in CLOSED or row.get("level") == _OBSERVE:
        return False
    return not verifications.probing(unit, run["connector_id"], run["host"])


def claim_of(unit: Unit, run: Row) -> Claim | None:
    """What the run is about, if it is still published so, by a platform that was not withdrawn."""
    flavor, platform = published.find(unit, run["flavor_id"]), platforms.find(unit, run["platform_id"])
    if platform is None or platform["state"] == PlatformState.WITHDRAWN:
        return None
    if flavor is None or flavor["withdrawn"] or flavor["version"] != run["flavor_version"]:
        return None
    claims = claims_of(Flavor.model_validate_json(flavor["body"]))
    return next((c for c in claims if (c.precision, c.tera_per_s) == (run["precision"], run["claim"])), None)


def planned(run: Row, claim: Claim, flavor: Flavor, cap: ProbeCap, fresh: RandomHex) -> Series | None:
    """All that is fixed beforehand; None where the owner's cap lets no probe in."""
    size = size_of(claim, flavor, cap, float(run["target_s"]))
    if size is None:
        return None
    probes = tuple(ProbeTrial(seed=fresh(), n=size.n, segments=size.segments) for _ in range(PROBES))
    baseline = ProbeTrial(seed=fresh(), n=BASELINE_N, segments=1)
    return Series(millicores=size.millicores, target_s=float(run["target_s"]), baseline=baseline, probes=probes)


def share_of_node(unit: Unit, run: Row, series: Series) -> Decimal:
    """Which part of a node the probes of a run hold."""
    flavor = published.version(unit, run["flavor_id"], run["flavor_version"])
    return Decimal(1) if flavor is None else part(series.millicores, Flavor.model_validate_json(flavor["body"]))


def begin(unit: Unit, run_id: str, series: Series) -> bool:
    """The run begins with this series; false when it has ended meanwhile."""
    return verifications.change(unit, run_id, {"started_at": unit.now, "series": series.model_dump_json()})


def save(unit: Unit, run_id: str, index: int, trial: ProbeTrial) -> bool:
    """Keep what one probe is now; false when the run has ended meanwhile."""
    run = verifications.find(unit, run_id)
    if run is None or not run["series"]:
        return False
    series = Series.model_validate_json(run["series"]).with_trial(index, trial)
    return verifications.change(unit, run_id, {"series": series.model_dump_json()})


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of a probe now. ``told_at``: when its time began; ``commitment``: when it ended."""

    made_at: datetime
    told_at: datetime | None
    ended_at: datetime | None
    state: str
    reason: str
    commitment: Commitment | None


def heard(unit: Unit, attempt_id: AttemptId) -> Heard | None:
    """What is known of a probe now; None where there is no such attempt."""
    row = attempts.find(unit, attempt_id)
    if row is None:
        return None
    reason = Outcome.model_validate_json(row["outcome"]).reason
    commitment = commitment_in(files.pieces(unit, attempt_id, "stdout"))
    return Heard(row["created_at"], row["first_told_at"], row["ended_at"], row["state"], reason or "", commitment)


def end(unit: Unit, run_id: str, judged: Judged) -> bool:
    """The run has ended; what it showed becomes a figure. False when it had ended before."""
    run = verifications.find(unit, run_id)
    shows = judged.outcome not in _SHOWS_NOTHING
    values = {"ended_at": unit.now, "outcome": judged.outcome.value, "rate": judged.rate if shows else None}
    if run is None or not verifications.change(unit, run_id, values):
        return False
    if shows and run["series"]:
        capabilities.add(unit, [_figure_row(unit, run, judged)])
    told = {"run": run_id, "flavor": run["flavor_id"], "precision": run["precision"], "outcome": judged.outcome.value}
    unit.record(EventType.VERIFICATION_ENDED, run["connector_id"], **told, rate=judged.rate, claim=run["claim"])
    return True


def _figure_row(unit: Unit, run: Row, judged: Judged) -> Row:
    series = Series.model_validate_json(run["series"])
    flavor = published.version(unit, run["flavor_id"], run["flavor_version"])
    of = Decimal(0) if flavor is None else Flavor.model_validate_json(flavor["body"]).node.cpu / _MILLI
    evidence: dict[str, Any] = {"run": run["id"], "outcome": judged.outcome.value, "overhead_s": series.overhead_s}
    evidence |= {"measured": f"{series.millicores / _MILLI:f}", "of": f"{of:f}"}
    return {
        "id": new_id(),
        "platform_id": run["platform_id"],
        "flavor_id": run["flavor_id"],
        "metric": Metric.MATMUL.value,
        "precision": run["precision"],
        "grade": Grade.VERIFIED.value,
        "value": judged.rate,
        "unit": UNITS[Metric.MATMUL],
        "held": judged.outcome is RunOutcome.HELD,
        "evidence": json.dumps(evidence),
        "source": f"this hub, median of {PROBES} probes, run {run['number']}",
        "at": unit.now,
        "connector_id": run["connector_id"],
        "flavor_version": run["flavor_version"],
        "claim": run["claim"],
        "digest": None,
    }


def runs_of(unit: Unit, platform: Row, *, before: str, limit: int) -> list[VerificationRun]:
    """A platform's runs, newest first."""
    rows = verifications.of_platform(unit, platform["id"], before=before, limit=limit)
    return [_run(row, platform) for row in rows]


def _run(row: Row, platform: Row) -> VerificationRun:
    columns = ("id", "connector", "flavor", "claim", "number", "asked_by", "asked_at", "started_at", "ended_at")
    series = Series.model_validate_json(row["series"]) if row["series"] else None
    trials = () if series is None else series.probes
    if row["ended_at"] is None:  # what is still to be multiplied is nobody's to know
        trials = tuple(trial.model_copy(update={"seed": ""}) for trial in trials)
    return VerificationRun(
        **{name: row[name] for name in (*columns, "outcome", "rate")},
        platform=platform["name"],
        metric=Metric.MATMUL,
        precision=Precision(row["precision"]),
        unit=UNITS[Metric.MATMUL],
        overhead_s=None if series is None else series.overhead_s,
        measured=Decimal(0) if series is None else series.millicores / _MILLI,
        of=Flavor.model_validate_json(row["body"]).node.cpu / _MILLI,
        probes=trials,
    )
