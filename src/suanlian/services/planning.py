"""What is to be expected of a job that has no place, and what its buyer could change? Asked for, and kept nowhere."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from suanlian.data.orderly import orderly
from suanlian.model.ids import ShareId
from suanlian.model.job import JobSpec
from suanlian.model.levels import USUAL_LEVELS, LevelRules
from suanlian.model.market import NO_MARKET, Market
from suanlian.model.outlook import Outlook, Verdict
from suanlian.model.party import Caller
from suanlian.model.place import Demand, Place
from suanlian.model.placement import Explanation, Filter
from suanlian.model.quantity import Resources
from suanlian.rules import budget
from suanlian.rules.counterfactuals import START, Asked, Release, changes, soonest
from suanlian.rules.orderly import order_now
from suanlian.rules.placement import TIME_MENDS
from suanlian.rules.pricing import expected_hours
from suanlian.rules.retries import past_of
from suanlian.services.ports import NO_DATA, DataOf, KnownOf
from suanlian.store import attempts, jobs, parties, running
from suanlian.store.places import Places
from suanlian.store.unit import Row, Unit

_MOST_READ: Final = 2000
"""So many running attempts are looked at: beyond that nothing is said of when there is room."""
_SOON: Final = timedelta(seconds=60)
"""What has run longer than it was to is expected to go on so long."""


@dataclass(frozen=True, slots=True)
class By:
    """By what places are compared: rules of data levels, what is known of speeds, what is scarce."""

    known_of: KnownOf
    levels: LevelRules = USUAL_LEVELS
    market: Market = NO_MARKET
    data: DataOf = NO_DATA


def estimate(unit: Unit, caller: Caller, spec: JobSpec, by: By) -> Explanation:
    """Where a task would go now and what it would cost, with every candidate; places nothing."""
    return _of_spec(unit, caller, spec, by).answer()


def plan(unit: Unit, caller: Caller, spec: JobSpec, by: By) -> Explanation:
    """Where a task would go now, when if not now, and what could be changed. Nothing is reserved."""
    asked = _of_spec(unit, caller, spec, by)
    return _with_outlook(unit, replace(asked, rest=spec.budget), spec.tasks, jobs.waiting_count(unit))


def _of_spec(unit: Unit, caller: Caller, spec: JobSpec, by: By) -> Asked:
    places = Places(unit).all()
    order, moving = order_now(orderly(), places), by.data.of(spec, places)
    demand = Demand(spec, _name(unit, caller.entity_id), levels=by.levels, order=order, moving=moving)
    return _asked(unit, demand, places, by, (caller.account_id, ""))


def outlook(unit: Unit, caller: Caller, ref: str, index: int, found: Explanation, by: By) -> Explanation:  # noqa: PLR0913, PLR0917 - what was found, of what, for whom
    """Of a task that waits: all places as they are now, with what could be changed; else what was found, as it is."""
    row = jobs.find(unit, caller, ref)
    if row is None or found.winner is not None:
        return found
    spec, places = JobSpec.model_validate_json(row["spec"]), Places(unit).all()
    failed, refused = past_of(attempts.with_places(unit, row["id"], [index]), [index], unit.now)[index]
    entity, order = _name(unit, row["entity_id"]), order_now(orderly(), places)
    demand = Demand(spec, entity, failed, by.levels, refused, row["lender"], order, by.data.of(spec, places))
    asked = _asked(unit, demand, places, by, (row["account_id"], row["id"]))
    asked = replace(asked, rest=budget.rest(spec.budget, row["committed"]))
    now = _with_outlook(unit, asked, row["queued"], jobs.waiting_count(unit, but=row["id"]))
    told = now.outlook
    promised = None if found.queueing is None else found.queueing.reserved_at
    if told is not None and promised is not None:  # by the queue: with all that stands before it
        kept = tuple(c for c in told.changes if c.field != START or c.effect.starts >= promised)
        told = told.model_copy(update={"starts": max(promised, unit.now), "changes": kept})
    same = {"shut": found.shut, "in_doubt": found.in_doubt, "queueing": found.queueing, "outlook": told}
    return now.model_copy(update=same)


def _asked(unit: Unit, demand: Demand, places: Sequence[Place], by: By, of: tuple[str, str]) -> Asked:
    return Asked(
        demand=demand,
        places=places,
        now=unit.now,
        known=lambda spec: by.known_of(spec, *of, places),
        market=by.market,
    )


def _with_outlook(unit: Unit, asked: Asked, tasks: int, waiting: int) -> Explanation:
    found = asked.answer()
    full = {c.share_id for c in found.candidates if {miss.filter for miss in c.failed} == {Filter.ROOM}}
    asked = replace(asked, releases=_releases(unit, full))
    starts = unit.now if found.won is not None else soonest(asked, found)
    told = Outlook(
        verdict=_verdict(found),
        changes=changes(asked, found),
        starts=starts,
        tasks=max(1, tasks),
        room=_room(asked, found, max(1, tasks)),
        waiting=waiting,
    )
    return found.model_copy(update={"outlook": told})


def _verdict(found: Explanation) -> Verdict:
    if found.won is not None:
        return Verdict.STARTS
    waits = any({miss.filter for miss in candidate.failed} <= TIME_MENDS for candidate in found.candidates)
    return Verdict.WAITS if waits or not found.candidates else Verdict.NEVER


def _room(asked: Asked, found: Explanation, tasks: int) -> int:
    """How many tasks have room now, at places that pass, within the budget at the winner's bill."""
    if found.won is None:
        return 0
    affordable, wanted = budget.affords(found.won, asked.rest), asked.demand.spec.total
    most = tasks if affordable is None else min(tasks, affordable)
    passed = {candidate.share_id for candidate in found.candidates if not candidate.failed}
    return min(most, sum(wanted.count_in(place.free, most) for place in asked.places if place.share_id in passed))


def _releases(unit: Unit, shares: set[ShareId]) -> Mapping[ShareId, Sequence[Release]]:
    """What running work gives back, by its own estimates; nothing where too much runs."""
    rows = running.on_shares(unit, shares, limit=_MOST_READ + 1) if shares else ()
    if len(rows) > _MOST_READ:
        return {}
    specs: dict[str, JobSpec] = {}
    found = defaultdict[ShareId, list[Release]](list)
    for row in rows:
        if row["job_id"] not in specs:
            specs[row["job_id"]] = JobSpec.model_validate_json(row["spec"])
        ends = _ends(row, specs[row["job_id"]], unit.now)
        found[ShareId(row["share_id"])].append(Release(ends, Resources.model_validate_json(row["granted"])))
    return {share: sorted(released, key=lambda one: one.at) for share, released in found.items()}


def _ends(row: Row, spec: JobSpec, now: datetime) -> datetime:
    began = row["started_at"] or now
    likely = began + timedelta(hours=float(expected_hours(spec, spec.variants[row["variant"]])))
    if likely > now:
        return likely
    last = began + timedelta(seconds=spec.wall_time_s)
    return last if last > now else now + _SOON


def _name(unit: Unit, entity_id: str) -> str:
    row = parties.entity_of(unit, entity_id)
    return "" if row is None else str(row["name"])
