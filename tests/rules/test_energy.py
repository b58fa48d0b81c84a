"""What work emits, what that weighs beside a bill, what comes late, and what data costs: terms of one cost."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.data.chips import chips
from suanlian.data.grid import grid
from suanlian.model.energy import Energy
from suanlian.model.job import JobSpec, Wants
from suanlian.model.market import Market
from suanlian.model.performance import Grade
from suanlian.model.place import Demand, Moving, Place
from suanlian.model.placement import BILLED, Candidate, Explanation, Filter, Term
from suanlian.model.platform import Chip, Site
from suanlian.rules.budget import rent
from suanlian.rules.energy import emission, energy_of, weight
from suanlian.rules.placement import explain
from tests.rules.worlds import NOW, demand, flavor, offer, place, resources, spec

KNOWN = energy_of(chips(), grid())
SICHUAN, NINGXIA = Site(name="site", region="510100", pue=Decimal("1.2")), Site(name="site", region="640500")


def cards(name: str, site: Site, model: str = "NVIDIA A100", rate: str = "1") -> Place:
    card = flavor().model_copy(
        update={
            "node": resources(8000, 65536, accelerator=8),
            "chip": Chip(family="nvidia", model=model, grade=Grade.CLAIMED),
        }
    )
    size = resources(8000, 65536, accelerator=8)
    share = place().share.model_copy(update={"capacity": size})
    sold = offer(cpu="0", accelerator=rate)
    return place(name, site=site, flavor=card, share=share, free=size, offer=sold)


def asking(count: int = 4, **wants: Any) -> JobSpec:  # noqa: ANN401 - fields of wants
    return spec(wants=Wants(**wants)).model_copy(update={"resources": resources(1000, 1024, accelerator=count)})


def asked(of: Demand, *places: Place, energy: Energy = KNOWN) -> Explanation:
    return explain(of, places, now=NOW, market=Market(energy=energy))


def terms(candidate: Candidate) -> dict[Term, Decimal]:
    return {term.term: term.amount for term in candidate.terms}


def test_co2_is_cards_times_rated_power_times_pue_times_the_official_factor_of_the_province() -> None:
    found = asked(demand(asking()), cards("a", SICHUAN)).candidates[0]
    watts = next(chip.tdp_w for chip in chips() if chip.name == "NVIDIA A100")
    assert watts == 400
    assert found.g_co2 == Decimal(4 * 400) / 1000 * Decimal("1.2") * Decimal("156.4")
    assert terms(found)[Term.CARBON] == found.g_co2 / 10000  # 100 CNY for a tonne
    how = next(term.how for term in found.terms if term.term is Term.CARBON)
    assert how == "4 card x 400 W x 1 h x PUE 1.2 x 156.4 g/kWh x 100 CNY/t, a weight, not billed"


@pytest.mark.parametrize(
    "where",
    [cards("a", SICHUAN, model="of nobody"), cards("a", Site(name="site", region="540100")), place("cpu")],
)
def test_where_something_is_not_known_nothing_is_weighed_and_no_bound_holds(where: Place) -> None:
    count = where.flavor.node.accelerator // 2
    (found,) = asked(demand(asking(count)), where).candidates
    assert (found.g_co2, Term.CARBON in terms(found), found.failed) == (None, False, ())
    (bound,) = asked(demand(asking(count, max_g_co2="1000000")), where).candidates
    assert [(miss.filter, miss.had) for miss in bound.failed] == [(Filter.CARBON, "unknown")]


def test_what_an_owner_states_of_its_grid_counts_only_where_there_is_no_official_factor() -> None:
    claimed = SICHUAN.model_copy(update={"grid_g_co2_per_kwh": Decimal(0)})
    lhasa = claimed.model_copy(update={"region": "540100"})
    there = asked(demand(asking()), cards("a", SICHUAN), cards("b", claimed), cards("c", lhasa)).candidates
    assert there[0].g_co2 == there[1].g_co2
    assert there[2].g_co2 == 0


@given(st.decimals(0, 10**6, places=2), st.decimals("0.1", "10", places=2), st.decimals("0.1", "10", places=2))
def test_carbon_ranks_and_is_never_billed_beyond_the_detour(price: Decimal, here: Decimal, there: Decimal) -> None:
    energy = replace(KNOWN, carbon=price)
    found = asked(
        demand(asking()), cards("a", SICHUAN, rate=str(here)), cards("b", NINGXIA, rate=str(there)), energy=energy
    )
    assert found.won is not None
    assert found.won.billed is not None
    assert found.won.billed <= 4 * min(here, there) * Decimal("1.05")
    if abs(here - there) < min(here, there) * Decimal("0.05") and price > 10**5:
        assert found.won.platform == "a"
    for candidate in found.candidates:
        assert candidate.billed == sum(amount for term, amount in terms(candidate).items() if term in BILLED)


@given(st.integers(0, 8), st.decimals(0, 1000, places=3), st.decimals(0, 5000, places=1))
def test_co2_grows_with_cards_time_and_factor_and_a_tonne_weighs_its_price(
    count: int, hours: Decimal, factor: Decimal
) -> None:
    chip, energy = cards("a", SICHUAN).flavor, replace(KNOWN, grid={"51": factor})
    found, double = (emission(count, h, chip, SICHUAN, energy) for h in (hours, hours * 2))
    if found is None or double is None:
        assert count == 0
        return
    assert abs(double.g_co2 - 2 * found.g_co2) <= Decimal("0.002")
    assert weight(Decimal(10**6), energy) == energy.carbon


def test_every_province_of_the_table_is_one_of_gb_t_2260_and_no_two_are_one() -> None:
    assert len(grid()) == 30
    assert (grid()["64"], grid()["51"], grid()["33"]) == (Decimal("618.7"), Decimal("156.4"), Decimal("497.4"))
    assert all(len(code) == 2 and code.isdigit() for code in grid())


@given(st.integers(-48, 48), st.integers(1, 24 * 3600))
def test_what_ends_after_its_deadline_weighs_as_many_hours_of_rent(hours: int, seconds: int) -> None:
    deadline = NOW + timedelta(hours=hours)
    job = spec().model_copy(update={"deadline": deadline, "wall_time_s": seconds})
    (found,) = explain(demand(job), [place(rate="3600")], now=NOW).candidates
    late = seconds - hours * 3600
    assert (Term.LATENESS in terms(found)) == (late > 0)
    if late > 0:
        # half a core for an hour is 1800 CNY there
        assert abs(terms(found)[Term.LATENESS] - Decimal(late) * 10 / 2) < Decimal("0.000001")
    assert found.billed == terms(found)[Term.RENT]


def test_a_job_without_a_deadline_is_never_late() -> None:
    (found,) = explain(demand(), [place()], now=NOW).candidates
    assert Term.LATENESS not in terms(found)


@given(st.decimals(0, 1000, places=2), st.decimals(0, 3, places=3))
def test_bringing_data_is_billed_counts_against_max_cost_and_comes_before_the_run(gb: Decimal, rate: Decimal) -> None:
    far, near = place("far", "0.01"), place("near", "0.05")
    moving = {far.share_id: Moving(gb, rate, hours=Decimal(2))}
    job = spec(wants=Wants(max_cost=Decimal("0.03"))).model_copy(update={"deadline": NOW + timedelta(hours=2)})
    found = explain(replace(demand(job), moving=moving), [far, near], now=NOW)
    billed = Decimal("0.005") + gb * rate
    assert found.candidates[0].billed == rent(found.candidates[0]) == billed
    assert (Filter.MAX_COST in {miss.filter for miss in found.candidates[0].failed}) == (billed > Decimal("0.03"))
    assert Term.LATENESS in terms(found.candidates[0])
    assert set(terms(found.candidates[1])) == {Term.RENT}
