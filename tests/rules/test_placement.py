from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.ids import ShareId
from suanlian.model.job import Variant, Wants
from suanlian.model.performance import Architecture, Grade
from suanlian.model.place import Demand, Place
from suanlian.model.placement import ASKED, Explanation, FailedFilter, Filter, Term
from suanlian.model.platform import Chip, Latency, Site
from suanlian.rules.feasibility import CHECKS, Question, ever_fits, failed_filters, too_large
from suanlian.rules.placement import MOST_BENIGN_FIRST, Answers, explain
from tests.rules.worlds import NOW, demand, flavor, offer, place, resources, spec, variant

SHANGHAI = "310000"
SMALL = place().share.model_copy(update={"capacity": resources(4, 8192)})
UNISOLATED = place().share.model_copy(update={"isolated": False})
CHIP = Chip(family="ascend", model="simulated card", grade=Grade.SIMULATED)
NEAR = Site(
    name="site",
    region="340200",
    green_share=Decimal("0.3"),
    latencies=(Latency(region=SHANGHAI, one_way_ms=Decimal(8), grade=Grade.SIMULATED),),
)


def failed(where: Place, of: Demand | None = None, variant: int = 0) -> tuple[FailedFilter, ...]:
    of = of or demand()
    return failed_filters(Question(of, where, of.spec.variants[variant], NOW))


def wanting(**wants: object) -> Demand:
    return demand(spec(wants=Wants.model_validate(wants)))


def test_each_filter_has_its_check_and_its_rank() -> None:
    assert set(CHECKS) == set(ASKED) == set(MOST_BENIGN_FIRST)
    assert len(MOST_BENIGN_FIRST) == len(ASKED) == len(Filter) - 1
    assert (MOST_BENIGN_FIRST[0], MOST_BENIGN_FIRST[-1]) == (Filter.ROOM, Filter.ARCHITECTURE)


def test_a_place_without_fault_passes() -> None:
    assert failed(place()) == ()


@pytest.mark.parametrize(
    ("where", "of", "expected"),
    [
        (place(platform_live=False), None, (Filter.PLATFORM_LIVE, "live", "not live")),
        (place(accepting=False), None, (Filter.ACCEPTING, "accepting", "not accepting")),
        (place(), wanting(platform="suzhou"), (Filter.WANTED_PLATFORM, "suzhou", "wuhu")),
        (place(), wanting(site="east"), (Filter.WANTED_SITE, "east", "site")),
        (place(), wanting(flavor="large"), (Filter.WANTED_FLAVOR, "large", "small")),
        (place(flavor=flavor(Architecture.AARCH64)), None, (Filter.ARCHITECTURE, "x86_64", "aarch64")),
        (place(share=UNISOLATED), None, (Filter.ISOLATION, "isolated", "not isolated")),
        (place(), demand(spec(cpu=2500)), (Filter.NODE_SIZE, "cpu 2.5 core", "cpu 2 core")),
        (place(share=SMALL), None, (Filter.SHARE_SIZE, "cpu 0.5 core", "cpu 0.004 core")),
        (place(free=resources(499, 8192)), None, (Filter.ROOM, "cpu 0.5 core", "cpu 0.499 core")),
        (place(), wanting(max_latency_ms="5", user_region=SHANGHAI), (Filter.LATENCY, "<= 5 ms", "unknown")),
        (
            place(site=NEAR),
            wanting(max_latency_ms="5", user_region=SHANGHAI),
            (Filter.LATENCY, "<= 5 ms", "8 ms (simulated)"),
        ),
        (place(site=NEAR), wanting(green_min="0.8"), (Filter.GREEN, ">= 80%", "30%")),
        (place(), wanting(data_level=2), (Filter.DATA_LEVEL, "level 2: protection grade >= 2", "protection grade 0")),
        (
            place(site=NEAR.model_copy(update={"protection_grade": 3})),
            wanting(protection_min=3),
            (Filter.PROTECTION, "protection grade >= 3", "protection grade 0 (3 claimed, not checked)"),
        ),
        (place(), wanting(residency=["31", "32"]), (Filter.RESIDENCY, "31, 32", "340200 (claimed, not checked)")),
        (place(offer=None), None, (Filter.PRICED, "offer", "none")),
        (place(offer=offer(memory="1")), None, (Filter.PRICED, "cpu", "none")),
        (place(), wanting(max_cost="0.02"), (Filter.MAX_COST, "<= 0.02 CNY", "0.025 CNY")),
        (
            place(),
            demand(avoid=frozenset({ShareId("share-wuhu")})),
            (Filter.ELSEWHERE, "elsewhere", "failed here before"),
        ),
    ],
)
def test_each_filter_says_what_was_wanted_and_what_it_had(
    where: Place, of: Demand | None, expected: tuple[Filter, str, str]
) -> None:
    assert [(miss.filter, miss.wanted, miss.had) for miss in failed(where, of)] == [expected]


def test_a_chip_that_is_not_in_the_machine_is_said_to_be_simulated() -> None:
    wanted = demand(spec(variant().model_copy(update={"chip_family": "cambricon"})))
    had = place(flavor=flavor().model_copy(update={"chip": CHIP}))
    assert [miss.had for miss in failed(had, wanted)] == ["ascend (simulated)"]
    assert [miss.had for miss in failed(place(), wanted)] == ["none"]
    assert explain(wanted, [had], now=NOW).candidates[0].simulated


def test_an_image_needs_a_place_that_runs_images_and_an_environment_its_name() -> None:
    image = Variant(architecture=Architecture.X86_64, image=f"a/b@sha256:{'0' * 64}", command=("run",))
    other = variant().model_copy(update={"environment": "fortran"})
    assert [(m.filter, m.wanted) for m in failed(place(), demand(spec(image)))] == [(Filter.ENVIRONMENT, "image")]
    assert [(m.wanted, m.had) for m in failed(place(), demand(spec(other)))] == [("fortran", "python")]


def test_without_isolation_the_owner_takes_its_own_and_what_it_chose_to() -> None:
    assert failed(place(share=UNISOLATED, entity="buyer")) == ()
    assert failed(place(share=UNISOLATED.model_copy(update={"allow_unisolated": True}))) == ()


def test_an_offer_of_tomorrow_is_no_price_today() -> None:
    tomorrow = offer(cpu="1").model_copy(update={"valid_from": NOW + timedelta(days=1)})
    assert [miss.filter for miss in failed(place(offer=tomorrow))] == [Filter.PRICED]


def test_all_that_failed_is_listed_in_order() -> None:
    where = place(platform_live=False, accepting=False, free=resources(), offer=None)
    assert [m.filter for m in failed(where)] == [Filter.PLATFORM_LIVE, Filter.ACCEPTING, Filter.PRICED, Filter.ROOM]


def names(explanation: Explanation) -> tuple[str | None, ...]:
    places = (explanation.winner, explanation.runner_up, explanation.nearest)
    return tuple(None if n is None else explanation.candidates[n].platform for n in places)


def test_the_cheapest_wins_and_the_next_is_named() -> None:
    result = explain(demand(), [place("a", "0.06"), place("b", "0.04"), place("c", "0.05")], now=NOW)
    assert names(result) == ("b", "c", None)
    assert [term.how for term in result.candidates[1].terms] == ["(0.5 core x 0.04 CNY/core-hour) x 1 h, estimate"]
    assert result.won is not None
    assert result.won.cost == Decimal("0.02")


def test_of_equal_cost_what_is_not_simulated_wins_then_the_first_by_name() -> None:
    places = [place("a", flavor=flavor(simulated=True)), place("c"), place("b")]
    assert names(explain(demand(), places, now=NOW)) == ("b", "c", None)


def test_where_a_latency_was_asked_for_the_nearer_wins_at_equal_rent() -> None:
    wanted = wanting(max_latency_ms="20", user_region=SHANGHAI)
    near = NEAR.model_copy(update={"latencies": (NEAR.latencies[0].model_copy(update={"one_way_ms": Decimal(1)}),)})
    result = explain(wanted, [place("a", site=NEAR), place("b", site=near)], now=NOW)
    assert names(result) == ("b", "a", None)
    assert [term.term for term in result.candidates[0].terms] == [Term.RENT, Term.LATENCY]
    assert [len(c.terms) for c in explain(demand(), [place(site=NEAR)], now=NOW).candidates] == [1]


def test_a_place_stands_once_with_the_variant_that_does_best_there() -> None:
    job = spec(variant(), variant(Architecture.WASM32, "1"), variant(Architecture.AARCH64))
    result = explain(demand(job), [place("a"), place("b", flavor=flavor(Architecture.WASM32))], now=NOW)
    assert [(c.variant, c.failed) for c in result.candidates] == [(0, ()), (1, ())]
    riscv = explain(demand(job), [place(flavor=flavor(Architecture.RISCV64))], now=NOW).candidates
    assert [(m.filter, m.wanted, m.had) for m in riscv[0].failed] == [
        (Filter.ARCHITECTURE, "x86_64 / wasm32 / aarch64", "riscv64")
    ]
    assert riscv[0].cost is None


def test_of_two_variants_for_a_place_the_faster_is_the_cheaper() -> None:
    fast = variant(throughput="4").model_copy(update={"chip_family": "ascend"})
    job = spec(variant(throughput="1"), fast)
    with_chip = place(flavor=flavor().model_copy(update={"chip": CHIP}))
    assert [c.variant for c in explain(demand(job), [with_chip, place()], now=NOW).candidates] == [1, 0]


def test_the_nearest_miss_is_the_one_that_is_soonest_mended() -> None:
    arm = place("arm", flavor=flavor(Architecture.AARCH64))
    full = place("full", free=resources(), accepting=False, platform_live=False)
    assert names(explain(demand(), [arm, full], now=NOW)) == (None, None, "full")
    busy = place("busy", flavor=flavor(Architecture.AARCH64), accepting=False)
    assert names(explain(demand(), [busy, arm], now=NOW)) == (None, None, "arm")


def test_without_places_there_is_nothing_near() -> None:
    assert names(explain(demand(), [], now=NOW)) == (None, None, None)


faulty = st.builds(
    lambda name, rate, faults: replace(place(name, f"0.0{rate}"), **faults),
    st.sampled_from("abcdef"),
    st.integers(0, 9),
    st.fixed_dictionaries(
        {},
        optional={
            "accepting": st.booleans(),
            "platform_live": st.booleans(),
            "offer": st.none(),
            "free": st.sampled_from([resources(), resources(500, 256)]),
            "flavor": st.sampled_from(Architecture).map(flavor),
        },
    ),
)


@given(st.lists(faulty, max_size=8), st.randoms(use_true_random=False))
def test_the_winner_passes_all_is_the_cheapest_and_does_not_depend_on_the_order(
    places: list[Place], random: Random
) -> None:
    result = explain(demand(), places, now=NOW)
    passed = [c.cost for c in result.candidates if not c.failed and c.cost is not None]
    assert len(result.candidates) == len(places)
    assert (result.won is None) == (not passed)
    assert (result.nearest is None) == (bool(passed) or not places)
    if result.won is not None:
        assert not result.won.failed
        assert result.won.cost == min(passed)
    random.shuffle(places)
    assert explain(demand(), places, now=NOW).won == result.won


@given(st.lists(faulty, max_size=6), st.lists(faulty, max_size=6))
def test_what_was_said_of_a_place_is_said_again_and_of_another_it_is_asked(
    before: list[Place], after: list[Place]
) -> None:
    answers: Answers = {}
    explain(demand(), before, now=NOW, answers=answers)
    places = [*before, *after]
    assert explain(demand(), places, now=NOW, answers=answers) == explain(demand(), places, now=NOW)


@given(st.integers(1, 5000), st.integers(1, 10000))
def test_a_job_is_too_large_only_when_no_empty_place_could_hold_it(cpu: int, memory: int) -> None:
    job = spec(cpu=cpu, memory=memory)
    places = [place(free=resources(), accepting=False), place(share=SMALL)]
    assert ever_fits(job, places) == (cpu <= 2000 and memory <= 4096)
    assert ever_fits(job, [])


def test_where_the_job_names_a_platform_it_must_fit_there() -> None:
    job = spec(wants=Wants(platform="small"))
    assert [m.filter for m in too_large(job, [place("small", share=SMALL), place("large")])] == [Filter.SHARE_SIZE]
    assert ever_fits(job, [place("large")])
