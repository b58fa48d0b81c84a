"""What a job prefers is a word with a stated meaning: how much more it may cost is bound, what is billed the same."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.data.chips import chips
from suanlian.data.grid import grid
from suanlian.model.demand import Prefer
from suanlian.model.job import JobSpec, Wants
from suanlian.model.market import USUAL_DETOUR, Market
from suanlian.model.place import Place
from suanlian.model.placement import Candidate, Explanation, Term
from suanlian.model.quantity import ResourceKind
from suanlian.rules.energy import energy_of
from suanlian.rules.placement import explain
from suanlian.rules.preferring import PRESETS
from tests.rules.test_energy import NINGXIA, SICHUAN, cards
from tests.rules.worlds import NOW, demand, resources, spec, variant

KNOWN = energy_of(chips(), grid())
RATES = st.decimals("0.5", "3", places=2)
SPEEDS = st.sampled_from(["1", "1.5", "4"])


def job(prefer: Prefer, *, speeds: tuple[str, ...] = (), **wants: Any) -> JobSpec:  # noqa: ANN401 - fields of wants
    """Four cards for an hour; ``speeds``: of its ways by the family of the chip."""
    ways = [
        variant(throughput=speed).model_copy(update={"chip_family": f"family{n}"}) for n, speed in enumerate(speeds)
    ]
    made = spec(*ways, wants=Wants.model_validate({"prefer": prefer, **wants}))
    return made.model_copy(update={"resources": resources(1000, 1024, accelerator=4)})


def family(where: Place, number: int) -> Place:
    chip = where.flavor.chip
    assert chip is not None
    named = chip.model_copy(update={"family": f"family{number}"})
    return Place(
        **{
            **{name: getattr(where, name) for name in where.__slots__},
            "flavor": where.flavor.model_copy(update={"chip": named}),
        }
    )


def found(of: JobSpec, *where: Place, scarce: dict[str, Decimal] | None = None) -> Explanation:
    prices = {p.share_id: {ResourceKind.ACCELERATOR: (scarce or {}).get(p.platform, Decimal(0))} for p in where}
    return explain(demand(of), where, now=NOW, market=Market(prices, energy=KNOWN))


def winner(explanation: Explanation) -> Candidate:
    assert explanation.won is not None
    return explanation.won


def billed(candidate: Candidate) -> Decimal:
    assert candidate.billed is not None
    return candidate.billed


def wish(candidate: Candidate, prefer: Prefer) -> Decimal:
    by = PRESETS[prefer].by
    return billed(candidate) + sum((term.amount for term in candidate.terms if term.term is by), start=Decimal(0))


@given(
    st.sampled_from(Prefer),
    st.lists(st.tuples(RATES, st.booleans(), SPEEDS, st.decimals("0", "9", places=1)), min_size=2, max_size=5),
    st.sampled_from([None, "0", "0.03"]),
)
def test_what_is_preferred_may_cost_so_much_more_and_scarcity_leads_no_farther(
    prefer: Prefer, drawn: list[tuple[Decimal, bool, str, Decimal]], own: str | None
) -> None:
    where = [
        family(cards(f"p{n}", SICHUAN if green else NINGXIA, rate=str(rate)), n)
        for n, (rate, green, _s, _p) in enumerate(drawn)
    ]
    of = job(prefer, speeds=tuple(speed for _r, _g, speed, _p in drawn), detour=own)
    explanation = found(of, *where, scarce={f"p{n}": price for n, (_r, _g, _s, price) in enumerate(drawn)})
    every, won = [c for c in explanation.candidates if not c.failed], winner(explanation)
    least = min(billed(one) for one in every)
    most = PRESETS[prefer].detour or USUAL_DETOUR
    most = most if own is None else min(most, Decimal(own))
    others = USUAL_DETOUR if own is None else min(USUAL_DETOUR, Decimal(own))
    assert billed(won) <= least * (1 + most)
    affordable = [one for one in every if billed(one) <= least * (1 + most)]
    assert wish(won, prefer) <= min(wish(one, prefer) for one in affordable) + least * others
    usual = found(job(Prefer.COST, speeds=tuple(speed for _r, _g, speed, _p in drawn)), *where).candidates
    assert [one.billed for one in explanation.candidates] == [one.billed for one in usual]


def test_green_goes_where_less_is_emitted_for_up_to_a_fifth_more() -> None:
    def platform(rate: str, prefer: Prefer = Prefer.GREEN, **wants: Any) -> str:  # noqa: ANN401 - fields of wants
        there = cards("green", SICHUAN, rate=rate), cards("cheap", NINGXIA, rate="10")
        return winner(found(job(prefer, **wants), *there)).platform

    assert (platform("10.6"), platform("10.6", Prefer.COST)) == ("green", "cheap")
    # 4 cards x 400 W: 990 g against 300 g, of which a kilogram weighs 10 CNY, beside 40 CNY
    assert (platform("11.7"), platform("11.8"), platform("12.1")) == ("green", "cheap", "cheap")
    assert platform("10.6", detour="0.05") == "cheap"


@pytest.mark.parametrize(("rate", "goes"), [("29", "fast"), ("31", "slow")])
def test_time_goes_where_it_is_done_sooner_for_up_to_half_more(rate: str, goes: str) -> None:
    """Twice as fast: at 29 a card-hour it is billed 1.45 times as much."""
    there = family(cards("slow", SICHUAN, rate="10"), 0), family(cards("fast", SICHUAN, rate=rate), 1)
    of = job(Prefer.TIME, speeds=("1", "2"))
    assert winner(found(of, *there)).platform == goes
    assert winner(found(job(Prefer.COST, speeds=("1", "2")), *there)).platform == "slow"
    terms = {term.term: term.amount for term in found(of, *there).candidates[1].terms}
    assert terms[Term.TIME] == (4 * 50 + 1) / Decimal(2)


def test_nobody_is_greener_by_not_saying_what_it_draws() -> None:
    there = cards("silent", SICHUAN, model="of nobody"), cards("known", NINGXIA)
    assert winner(found(job(Prefer.GREEN), *there)).platform == "known"
    assert found(job(Prefer.GREEN), *there).candidates[0].g_co2 is None


def test_what_a_job_bounds_itself_goes_before() -> None:
    there = cards("green", SICHUAN, rate="1.1"), cards("cheap", NINGXIA, rate="1")
    assert winner(found(job(Prefer.GREEN, max_cost="4.2"), *there)).platform == "cheap"
    assert winner(found(job(Prefer.COST, max_g_co2="400"), *there)).platform == "green"
