"""Truth of supply as rows: seeds committed and revealed, checks due, asked, judged; and what was seen of each share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from suanlian.model.errors import ConflictError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import AttemptId, ShareId, new_id
from suanlian.model.job import JobState, Outcome
from suanlian.model.party import Caller
from suanlian.model.performance import Grade
from suanlian.model.platform import Flavor, PlatformState, Share
from suanlian.model.probe import PROBE_ENVIRONMENT, Multiply, ProbeCap
from suanlian.model.quantity import Resources
from suanlian.model.supply import (
    PHANTOM,
    SEED_BYTES,
    DrawnCheck,
    Excuse,
    SupplyCheck,
    SupplyDraw,
    SupplyOutcome,
    SupplyPeriod,
    commitment,
    due_at,
    period_of,
    start_of,
)
from suanlian.model.verification import ProbeTrial
from suanlian.model.version import Subject
from suanlian.probe.workload import segments_for
from suanlian.rules import supply as rule
from suanlian.rules.verification import Commitment, commitment_in
from suanlian.store import attempts, capacity, files, platforms, published, supplies, verifications
from suanlian.store.places import SILENT
from suanlian.store.unit import Row, Unit

_NOT_MEANT: Final = frozenset({Excuse.NOT_LIVE, Excuse.OBSERVES, Excuse.NO_PROBES})
"""Where nothing is sold here, or nothing could be asked, no row is written at all."""
_OBSERVE: Final = "observe"
_MILLI: Final = Decimal(1000)
_MOST_REASON: Final = 400

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Due:
    """A share whose check is due, as it stands now. ``age_s``: of what it reports as free."""

    share: Row
    connector: Row
    period: SupplyPeriod
    standing: rule.Standing
    age_s: Decimal | None


def any_probes(unit: Unit) -> bool:
    """Whether any share could be checked at all."""
    rows = published.current(unit, subjects=[Subject.FLAVOR], at=unit.now)
    return any(PROBE_ENVIRONMENT in row["body"] for row in rows if not row["withdrawn"])


def missing_periods(unit: Unit, length_s: int) -> list[int]:
    """The periods that are to be committed to now: the next one, and the present one where it only begins."""
    number = period_of(unit.now, length_s)
    return [wanted for wanted in (number + 1,) if supplies.period(unit, wanted) is None]


def commit(unit: Unit, number: int, length_s: int, fresh: RandomBytes) -> None:
    """Draw a seed for a period that has not begun, and put its digest into the journal."""
    seed, start = fresh(SEED_BYTES), start_of(number, length_s)
    row = {"number": number, "start_at": start, "end_at": start_of(number + 1, length_s), "seed": seed.hex()}
    row |= {"digest": commitment(seed), "committed_at": unit.now}
    if start > unit.now and supplies.add_period(unit, row):
        unit.record(
            EventType.SUPPLY_COMMITTED,
            str(number),
            digest=row["digest"],
            start=start,
            end=start_of(number + 1, length_s),
        )


def over(unit: Unit) -> list[int]:
    """Periods whose seed can be told: they have ended, and none of their checks goes on."""
    going_on = {row["period"] for row in supplies.still_open(unit)}
    return [row["number"] for row in supplies.unrevealed(unit, unit.now) if row["number"] not in going_on]


def reveal(unit: Unit, number: int, seen: Mapping[str, int]) -> bool:
    """Tell the seed of a period that is over; with it, what ran within it counts as ``seen`` (share: millicores)."""
    row = supplies.period(unit, number)
    if row is None or not supplies.reveal(unit, number):
        return False
    for share_id, held in seen.items():
        supplies.show(unit, share_id, Grade.SEEN_IN_JOBS.value, held)
    unit.record(EventType.SUPPLY_REVEALED, str(number), period=number, seed=row["seed"], digest=row["digest"])
    return True


def seen_in_jobs(unit: Unit, number: int) -> dict[str, int]:
    """Of each share the most millicores that sold work held at once since a period began. Writes nothing."""
    period = supplies.period(unit, number)
    spans: dict[str, list[tuple[datetime, datetime, int]]] = {}
    for row in supplies.sold_runs(unit, period["start_at"]) if period is not None else ():
        held = Resources.model_validate_json(row["granted"]).cpu
        spans.setdefault(row["share_id"], []).append((row["started_at"], row["ended_at"] or unit.now, held))
    return {share_id: rule.peak(held) for share_id, held in spans.items()}


def due(unit: Unit, length_s: int) -> list[Due]:
    """The shares whose moment of this period has come and of which no check was made in it yet."""
    row = supplies.period(unit, period_of(unit.now, length_s))
    if row is None:
        return []
    period, seed = _period(row), bytes.fromhex(row["seed"])
    made = {check["share_id"] for check in supplies.of_period(unit, row["number"])}
    found = []
    look = _Look(unit)
    for share in published.current(unit, subjects=[Subject.SHARE], at=unit.now):
        if share["withdrawn"] or share["id"] in made or share["connector_id"] is None:
            continue
        if due_at(seed, period, share["id"]) <= unit.now:
            one = look.due(share, period)
            found += [] if one is None or rule.excuse_before(one.standing) in _NOT_MEANT else [one]
    return found


class _Look:
    """What all shares are looked at with, read once."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._held = capacity.held_now(unit)
        rows = published.current(unit, subjects=[Subject.FLAVOR], at=unit.now)
        self._flavors = {(row["platform_id"], row["name"]): row for row in rows if not row["withdrawn"]}

    def due(self, share: Row, period: SupplyPeriod) -> Due | None:
        connector = platforms.find_connector(self._unit, share["connector_id"])
        flavor = self._flavors.get((share["platform_id"], Share.model_validate_json(share["body"]).flavor))
        if connector is None or flavor is None:
            return None
        return Due(share, connector, period, *self._standing(share, connector, flavor))

    def _standing(self, share: Row, connector: Row, flavor: Row) -> tuple[rule.Standing, Decimal | None]:
        body, now = Flavor.model_validate_json(flavor["body"]), self._unit.now
        free, age_s = self._free(share, connector)
        standing = rule.Standing(
            live=connector["platform_state"] == PlatformState.LIVE,
            observes=connector.get("level") == _OBSERVE,
            accepting=bool(connector["accepting"]),
            heard=connector["seen_at"] is not None and connector["seen_at"] > now - SILENT,
            offers_probes=any(env.name == PROBE_ENVIRONMENT for env in body.environments),
            free=free,
            node=body.node,
            cap=ProbeCap.model_validate_json(connector["probe_cap"]) if connector["probe_cap"] else ProbeCap(),
        )
        return standing, age_s

    def _free(self, share: Row, connector: Row) -> tuple[Resources, Decimal | None]:
        """What is free by the capacity book and by the load that was told: of each kind the less; how old that is."""
        has, now = Share.model_validate_json(share["body"]).capacity, self._unit.now
        free = has.minus(self._held.get(share["id"], Resources()))
        load, seen = supplies.load_of(self._unit, share["id"]), connector["seen_at"]
        told_at = seen if load is None else load.observed_at
        if load is not None and load.in_use is not None:
            by_load = has.minus(load.in_use).base()
            free = Resources.of({kind: min(amount, by_load[kind]) for kind, amount in free.base().items()})
        return free, None if told_at is None else Decimal(str(round((now - told_at).total_seconds(), 3)))


def is_probing(unit: Unit, one: Due) -> bool:
    """Whether another probe runs on the machine just now: it is not to be disturbed."""
    return verifications.probing(unit, one.connector["id"], one.connector["host"])


def plan(one: Due, fresh: RandomBytes, hold: timedelta) -> tuple[Multiply, Resources, ProbeTrial] | None:
    """The probe that claims the capacity; None where the check says nothing of the platform."""
    asked = rule.amount_of(one.standing)
    if rule.excuse_before(one.standing) is not None or asked is None:
        return None
    segments = segments_for(rule.OPERATIONS_PER_CORE * asked.cpu / 1000, rule.N)
    trial = ProbeTrial(seed=fresh(16).hex(), n=rule.N, segments=segments)
    task = Multiply.model_validate(
        {
            "seed": trial.seed,
            "n": trial.n,
            "segments": segments,
            "precision": "FP64",
            "threads": max(1, asked.cpu // 1000),
            "memory_mib": rule.held_memory(one.standing),
            "hold_ms": int(hold.total_seconds() * 1000),
            "seconds": max(1, one.standing.cap.seconds),
        }
    )
    return task, asked, trial


def excuse(one: Due) -> Excuse:
    """Why nothing is asked."""
    return rule.excuse_before(one.standing) or Excuse.NOTHING_FREE


def _row(one: Due) -> dict[str, object]:
    return {
        "id": new_id(),
        "period": one.period.number,
        "platform_id": one.share["platform_id"],
        "connector_id": one.connector["id"],
        "share_id": one.share["id"],
        "due_at": due_at(bytes.fromhex(one.period.seed), one.period, one.share["id"]),
        "free": one.standing.free.model_dump_json(),
        "free_age_s": one.age_s,
        "phantom": False,
        "reason": "",
    }


def pass_over(unit: Unit, one: Due, why: Excuse) -> bool:
    """Write that nothing is asked, and why."""
    return supplies.add(unit, {**_row(one), "ended_at": unit.now, "outcome": "excused", "reason": why.value})


def asked(unit: Unit, one: Due, attempt_id: AttemptId, amount: Resources, trial: ProbeTrial) -> bool:
    """Write that the capacity was claimed by this probe."""
    more = {"asked_at": unit.now, "attempt_id": attempt_id, "asked": amount.model_dump_json()}
    return supplies.add(unit, {**_row(one), **more, "trial": trial.model_dump_json()})


def still_open(unit: Unit) -> Sequence[Row]:
    """Checks that go on."""
    return supplies.still_open(unit)


def course(unit: Unit, check: Row, proved: bool | None) -> tuple[rule.Course, Commitment | None]:  # noqa: FBT001 - of the product
    """How a check went so far."""
    attempt = attempts.find(unit, check["attempt_id"])
    connector = platforms.find_connector(unit, check["connector_id"])
    share = published.find(unit, check["share_id"])
    load = supplies.load_of(unit, check["share_id"])
    said = commitment_in(files.pieces(unit, check["attempt_id"], "stdout"))
    told = rule.Course(
        asked=Resources.model_validate_json(check["asked"]),
        asked_at=check["asked_at"],
        capacity=Resources() if share is None else Share.model_validate_json(share["body"]).capacity,
        told_at=None if attempt is None else attempt["first_told_at"],
        seen_at=None if connector is None else connector["seen_at"],
        accepting=connector is not None and bool(connector["accepting"]),
        ended_at=None if attempt is None else attempt["ended_at"],
        answered_at=None if said is None else said.heard_at,
        proved=proved,
        reason="" if attempt is None else Outcome.model_validate_json(attempt["outcome"]).reason or "",
        program_failed=attempt is not None and attempt["state"] == JobState.EXECUTOR_ERROR,
        later=load,
        tells_loads=load is not None,
    )
    return told, said


def trial_of(check: Row) -> ProbeTrial:
    """What its probe was told to multiply."""
    return ProbeTrial.model_validate_json(check["trial"])


def goes_on(went: rule.Course, unit: Unit, hold: timedelta) -> bool:
    """Whether there is nothing to judge yet."""
    return rule.goes_on(went, unit.now, hold)


def verdict(went: rule.Course, unit: Unit, hold: timedelta) -> tuple[SupplyOutcome, str] | None:
    """How it ends; None where it is too early to say."""
    return rule.verdict(went, unit.now, hold)


def end(unit: Unit, check: Row, said: tuple[SupplyOutcome, str], answered_s: float | None) -> bool:
    """The check has ended; what held was seen. False when it had ended before."""
    outcome, reason = said
    is_phantom = outcome in PHANTOM
    values: dict[str, object] = {"ended_at": unit.now, "outcome": outcome.value, "phantom": is_phantom}
    values |= {"reason": reason[:_MOST_REASON]}
    values |= {"answered_s": None if answered_s is None else Decimal(str(round(answered_s, 3)))}
    if not supplies.change(unit, check["id"], values):
        return False
    if outcome is SupplyOutcome.HELD:
        cpu = Resources.model_validate_json(check["asked"]).cpu
        supplies.show(unit, check["share_id"], Grade.VERIFIED.value, cpu)
    told = {
        "period": check["period"],
        "share": check["share_id"],
        "outcome": outcome.value,
        "phantom": values["phantom"],
    }
    unit.record(EventType.SUPPLY_CHECKED, check["id"], platform=check["platform_id"], **told)
    return True


def _period(row: Row, *, secret: bool = True) -> SupplyPeriod:
    columns = ("number", "start_at", "end_at", "digest", "committed_at", "revealed_at")
    seed = row["seed"] if secret or row["revealed_at"] is not None else ""
    return SupplyPeriod(**{name: row[name] for name in columns}, seed=seed)


def draw(unit: Unit, number: int) -> SupplyDraw:
    """A period and when each share was checked in it; the seed only once it is revealed. Raises NotFoundError."""
    row = supplies.period(unit, number)
    if row is None:
        wrong = f"There is no period {number} here."
        raise NotFoundError("not_found", wrong, todo="suanlian supply PLATFORM shows the periods.", field="number")
    checks = supplies.of_period(unit, number) if row["revealed_at"] is not None else []
    drawn = tuple(DrawnCheck(share_id=ShareId(check["share_id"]), due_at=check["due_at"]) for check in checks)
    return SupplyDraw(period=_period(row, secret=False), checks=drawn)


def checks_of(unit: Unit, platform: Row, *, before: str, limit: int) -> list[SupplyCheck]:
    """A platform's checks, newest first."""
    return [_check(row, platform) for row in supplies.of_platform(unit, platform["id"], before=before, limit=limit)]


def _check(row: Row, platform: Row) -> SupplyCheck:
    columns = ("id", "period", "share", "due_at", "asked_at", "ended_at", "free_age_s", "outcome", "phantom", "reason")
    return SupplyCheck(
        **{name: row[name] for name in columns},
        asked_cores=_cores(row["asked"]),
        free_cores=_cores(row["free"]),
        platform=platform["name"],
        answered_s=row["answered_s"],
        reply=row["reply"] or "",
    )


def _cores(amount: str | None) -> Decimal:
    return Resources.model_validate_json(amount).cpu / _MILLI if amount else Decimal(0)


def reply(unit: Unit, caller: Caller, check_id: str, text: str) -> None:
    """Keep what the owner says to a check of its own platform, once. Raises NotFoundError, ConflictError."""
    row = supplies.find(unit, check_id)
    platform = None if row is None else platforms.find(unit, row["platform_id"])
    if platform is None or platform["entity_id"] != caller.entity_id:
        raise NotFoundError("not_found", "You own no platform with such a check.", todo="suanlian supply PLATFORM")
    if not supplies.reply(unit, check_id, text):
        raise ConflictError("already_done", "Something was said to this check before.", todo="It stands.")
    unit.record(EventType.SUPPLY_REPLIED, check_id, platform=platform["id"])
