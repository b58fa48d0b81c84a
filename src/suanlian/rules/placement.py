"""Where does a task go, and why there? Filter, then the lowest cost; every candidate stands in the explanation.

Cost terms are in CNY. RENT is an estimate over the expected hours, DATA what bringing the data there costs. All others
are weights, billed to nobody: LATENCY lets a nearer site win over a farther one of nearly the same rent, where the job
asked for a latency; SCARCITY leaves to others what they need more; CARBON is what a tonne of CO2 weighs, where power is
known; LATENESS counts where the end is expected after the deadline; TIME what the hours weigh, where the job prefers to
be done soon. No weight moves the bill beyond the detour (``rules.preferring``).
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from suanlian.model.ids import ShareId
from suanlian.model.market import NO_MARKET, Market
from suanlian.model.place import Demand, Place
from suanlian.model.placement import Candidate, CostTerm, Explanation, FailedFilter, Filter, Term
from suanlian.rules.energy import weight
from suanlian.rules.feasibility import Question, clip, failed_filters, latency_of
from suanlian.rules.normalising import Known, Ruler
from suanlian.rules.performance import BEST_FIRST
from suanlian.rules.preferring import preset_of, reach, time_weight, unknown_g
from suanlian.rules.pricing import (
    QUANTITY_STEP,
    data_cost,
    expected_rent,
    lines_at,
    plain,
    rent_text,
    unpriced,
)

LATENCY_CNY_PER_MS: Final = Decimal("0.00001")
"""What a millisecond, one way, weighs when a latency was asked for: our own choice, small beside a core-hour's rent."""

LATE_HOURS: Final = 10
"""An hour after the deadline weighs as much as so many hours of the rent there: our own choice."""

MOST_BENIGN_FIRST: Final = (
    Filter.ROOM,
    Filter.CLOSING,
    Filter.ACCEPTING,
    Filter.ADMITTED,
    Filter.PLATFORM_LIVE,
    Filter.ELSEWHERE,
    Filter.OWNER_REFUSED,
    Filter.LEVEL,
    Filter.MAX_COST,
    Filter.CARBON,
    Filter.PRICED,
    Filter.TIER,
    Filter.SECRETS,
    Filter.WEST,
    Filter.LATENCY,
    Filter.GREEN,
    Filter.SHARE_SIZE,
    Filter.ISOLATION,
    Filter.PROTECTION,
    Filter.DATA_LEVEL,
    Filter.RESIDENCY,
    Filter.DATA,
    Filter.OWNERS,
    Filter.WANTED_SITE,
    Filter.WANTED_FLAVOR,
    Filter.WANTED_PLATFORM,
    Filter.NOT_AT_HOME,
    Filter.NODE_SIZE,
    Filter.NOTICE,
    Filter.FEATURES,
    Filter.STACK,
    Filter.ENVIRONMENT,
    Filter.CHIP,
    Filter.ARCHITECTURE,
)
"""Which failed filter is soonest mended: time mends the first, money or the buyer the next, new machines the last."""

TIME_MENDS: Final = frozenset(
    {
        *(Filter.ROOM, Filter.CLOSING, Filter.ACCEPTING, Filter.ADMITTED, Filter.PLATFORM_LIVE),
        *(Filter.ELSEWHERE, Filter.OWNER_REFUSED, Filter.DATA),
    }
)
"""What may be otherwise in a while, with the job as it is."""

KEPT: Final = 24
"""So many candidates of an explanation are kept."""

_RANK: Final = {name: rank for rank, name in enumerate(MOST_BENIGN_FIRST)}


Answers = dict[ShareId, tuple[Place, Candidate]]
"""What was said of places, each as it was then."""


def explain(  # noqa: PLR0913 - a demand, places, and all that is known of both
    demand: Demand,
    places: Sequence[Place],
    *,
    now: datetime,
    known: Known | None = None,
    market: Market = NO_MARKET,
    answers: Answers | None = None,
) -> Explanation:
    """Compare all places: one candidate each, with the variant that does best there.

    The winner has the lowest cost for the work, of those whose bill lies within the market's detour of the least one;
    of equal cost one that is not simulated, then one that is known better, then the faster one, then where
    the queue had it, then the first by share and platform name. ``known``: what is known besides what is published.
    ``market``: what is scarce. ``answers``: of places that were asked before, all else being equal; others come to it.
    """
    ruler = Ruler(demand, places, known or Known(), now)
    given, compared = {} if answers is None else answers, list[Candidate]()
    for place in places:
        before = given.get(place.share_id)
        if before is None or before[0] is not place:
            before = given[place.share_id] = (place, _candidate(demand, place, now, ruler, market))
        compared.append(before[1])
    candidates = tuple(compared)
    passed = _ranked(candidates, demand, market.detour)
    missed = range(len(candidates)) if not passed else ()
    return Explanation(
        at=now,
        candidates=candidates,
        winner=passed[0] if passed else None,
        runner_up=passed[1] if len(passed) > 1 else None,
        nearest=min(missed, key=lambda n: (_distance(candidates[n].failed), _order(candidates[n])), default=None),
        missed=Counter(max(c.failed, key=lambda miss: _RANK[miss.filter]).filter for c in candidates if c.failed),
        market=market.view,
    )


def _ranked(candidates: Sequence[Candidate], demand: Demand, detour: Decimal) -> list[int]:
    """Those that passed, the best first; what is a detour too large comes behind all others."""
    passed = [n for n, candidate in enumerate(candidates) if not candidate.failed]
    near = dict(zip(passed, reach([candidates[n] for n in passed], demand.spec.wants, detour), strict=True))
    return sorted(passed, key=lambda n: (not near[n], _order(candidates[n], demand.first)))


def shortened(explanation: Explanation) -> Explanation:
    """The explanation with winner, runner-up, nearest miss and other near candidates: what is kept for ever."""
    every = explanation.candidates
    if len(every) <= KEPT:
        return explanation
    named = [n for n in (explanation.winner, explanation.runner_up, explanation.nearest) if n is not None]
    others = sorted(set(range(len(every))) - set(named), key=lambda n: (_distance(every[n].failed), _order(every[n])))
    kept = sorted([*named, *others[: KEPT - len(named)]])
    place = {n: kept.index(n) for n in named}
    named_now = {
        name: None if (n := getattr(explanation, name)) is None else place[n]
        for name in ("winner", "runner_up", "nearest")
    }
    candidates = tuple(every[n] for n in kept)
    return explanation.model_copy(update={"candidates": candidates, "left_out": len(every) - len(kept), **named_now})


def _candidate(demand: Demand, place: Place, now: datetime, ruler: Ruler, market: Market) -> Candidate:
    """The variant that does best at this place; where none is of its architecture, the first one stands for all."""
    numbered = list(enumerate(demand.spec.variants))
    fitting = [pair for pair in numbered if pair[1].architecture is place.flavor.architecture] or numbered[:1]
    asked = [
        (n, Question(demand, place, variant, now, ruler.expected(place, variant), market.energy))
        for n, variant in fitting
    ]
    tried = [_with_variant(n, question, market) for n, question in asked]
    return min(tried, key=lambda c: (_distance(c.failed), _cost(c), c.variant))


def _with_variant(number: int, question: Question, market: Market) -> Candidate:
    place = question.place
    terms = _terms(question, market)
    runs = question.variant.architecture is place.flavor.architecture
    emitted = question.emission if runs else None
    return Candidate(
        share_id=place.share_id,
        platform=place.platform,
        site=place.site.name,
        share=place.share.name,
        flavor=place.flavor.name,
        variant=number,
        architecture=place.flavor.architecture,
        simulated=place.simulated,
        failed=failed_filters(question),
        terms=terms,
        cost=sum((term.amount for term in terms), start=Decimal(0)) if terms else None,
        g_co2=None if emitted is None else emitted.g_co2,
        expected=question.expected if runs else None,
    )


def _terms(question: Question, market: Market) -> tuple[CostTerm, ...]:
    """The terms of the cost; none where the place has no price or cannot run the variant."""
    spec, offer, variant = question.demand.spec, question.offer, question.variant
    if question.unpriced:
        return (CostTerm(term=Term.RENT, amount=Decimal(0), how="level run, without a price"),)
    runs = variant.architecture is question.place.flavor.architecture
    if offer is None or not runs or unpriced(spec.resources, offer):
        return ()
    how = clip(rent_text(spec, variant, offer, question.expected))
    rent = CostTerm(term=Term.RENT, amount=expected_rent(spec, variant, offer, question.expected), how=how)
    return (
        *(rent, *_data_term(question), *_latency_term(question), *_scarcity_term(question, market)),
        *_carbon_term(question),
        *_lateness_term(question, rent.amount),
        *_time_term(question),
    )


def _data_term(question: Question) -> tuple[CostTerm, ...]:
    moving, amount = question.moving, data_cost(question.moving)
    if moving is None or not (amount or moving.gb):
        return ()
    how = f"{plain(moving.gb, 3)} GB x {plain(moving.cny_per_gb, 4)} CNY/GB"
    if moving.sources:
        how += f" from {moving.sources}, about {plain(moving.hours, 4)} h"
        how += " at an assumed rate" if moving.assumed else ""
    return (CostTerm(term=Term.DATA, amount=amount, how=clip(how)),)


def _carbon_term(question: Question) -> tuple[CostTerm, ...]:
    """What the CO2 weighs; where the power is not known nothing, or what it may be where the job prefers less CO2."""
    found, times = question.emission, preset_of(question.demand.spec.wants).carbon
    if found is None:
        found = unknown_g(question.demand.spec, question.hours)
    if found is None or not (amount := weight(found.g_co2, question.energy, times)):
        return ()
    how = f"{found.how} x {plain(question.energy.carbon * times)} CNY/t, a weight, not billed"
    return (CostTerm(term=Term.CARBON, amount=amount, how=clip(how)),)


def _time_term(question: Question) -> tuple[CostTerm, ...]:
    """What the hours until it is done weigh, where the job prefers that."""
    before = Decimal(0) if question.moving is None else question.moving.hours
    amount, how = time_weight(question.demand.spec, question.hours + before)
    return (CostTerm(term=Term.TIME, amount=amount, how=clip(f"{how}, a weight, not billed")),) if amount else ()


def _lateness_term(question: Question, rent: Decimal) -> tuple[CostTerm, ...]:
    """What it weighs that the end is expected after the deadline, when it begins now or when its data is there."""
    deadline, hours = question.demand.spec.deadline, question.hours
    if deadline is None:
        return ()
    before = Decimal(0) if question.moving is None else question.moving.hours
    late = hours + before - Decimal((deadline - question.now) // timedelta(seconds=1)) / 3600
    if late <= 0:
        return ()
    per_hour = rent / hours
    amount = (late * per_hour * LATE_HOURS).quantize(QUANTITY_STEP, ROUND_HALF_EVEN)
    how = f"{plain(late, 2)} h late x {LATE_HOURS} x {plain(per_hour, 4)} CNY/h, a weight, not billed"
    return (CostTerm(term=Term.LATENESS, amount=amount, how=how),)


def _scarcity_term(question: Question, market: Market) -> tuple[CostTerm, ...]:
    """What it takes of a scarce share, at the shadow prices of its resources."""
    prices = market.scarcity.get(question.place.share_id, {})
    amount, how = lines_at(question.demand.spec.total, prices, question.hours)
    return (CostTerm(term=Term.SCARCITY, amount=amount, how=clip(f"{how}, a weight, not billed")),) if amount else ()


def _latency_term(question: Question) -> tuple[CostTerm, ...]:
    wants = question.demand.spec.wants
    if wants.one_way_ms is None or wants.user_region is None:
        return ()
    known = latency_of(question.place.site, wants.user_region)
    if known is None:
        return ()
    amount = (known.one_way_ms * LATENCY_CNY_PER_MS).quantize(QUANTITY_STEP, ROUND_HALF_EVEN)
    how = f"{plain(known.one_way_ms)} ms x {plain(LATENCY_CNY_PER_MS)} CNY/ms, a weight, not billed"
    return (CostTerm(term=Term.LATENCY, amount=amount, how=how),)


def _distance(failed: Sequence[FailedFilter]) -> tuple[int, ...]:
    """How far from fitting: the most stubborn failed filter decides, then the next; fewer are nearer."""
    return tuple(sorted((_RANK[miss.filter] for miss in failed), reverse=True))


def _cost(candidate: Candidate) -> Decimal:
    return Decimal("Infinity") if candidate.cost is None else candidate.cost


def _order(
    candidate: Candidate, first: ShareId | None = None
) -> tuple[Decimal, bool, int, Decimal, bool, str, str, str]:
    expected = candidate.expected
    known = len(BEST_FIRST) if expected is None or expected.grade is None else BEST_FIRST.index(expected.grade)
    seconds = Decimal(0) if expected is None else expected.seconds
    names = candidate.share, candidate.platform, candidate.share_id
    return _cost(candidate), candidate.simulated, known, seconds, candidate.share_id != first, *names
