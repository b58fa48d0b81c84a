"""Are places told apart by the cost of the work, by one precision, by what is known best? Laws of the comparison."""

import math
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.i18n.reasons import candidate_lines, time_text
from suanlian.model.demand import JobClass
from suanlian.model.ids import FlavorId
from suanlian.model.job import JobSpec, Wants
from suanlian.model.performance import Architecture, Grade, Performance, Precision, Word
from suanlian.model.place import Place
from suanlian.model.placement import Explanation
from suanlian.model.throughput import Basis, Expected, Runs, Seen
from suanlian.model.version import Subject, VersionRef
from suanlian.rules.budget import spent
from suanlian.rules.normalising import Known
from suanlian.rules.performance import BEST_FIRST, best, counted, figures_of
from suanlian.rules.placement import explain
from suanlian.rules.pricing import expected_rent
from suanlian.rules.throughput import OFF_BY
from tests.rules.worlds import NOW, demand, flavor, offer, place, resources, spec, variant

FP64, FP32, FP16, BF16 = Precision.FP64, Precision.FP32, Precision.FP16, Precision.BF16
rates = st.decimals("0.001", "100000", places=3)


def figure(precision: Precision, tera: object, grade: Grade = Grade.CLAIMED) -> Performance:
    return Performance(precision=precision, tera_per_s=Decimal(str(tera)), grade=grade)


def at(name: str, *figures: Performance, rate: str = "1", cards: int = 0, cpu: int = 2000, **changes: Any) -> Place:  # noqa: ANN401 - fields of a flavor
    """A place of that name with these figures of a node, and a flavor id of its own."""
    node = resources(cpu=cpu, memory=4096, accelerator=cards)
    like = flavor().model_copy(update={"performance": figures, "node": node, **changes})
    ref = VersionRef(subject=Subject.FLAVOR, id=f"flavor-{name}", version=1, name=name)
    plenty = resources(cpu=10**6, memory=10**6, accelerator=1000)
    share = place().share.model_copy(update={"capacity": plenty})
    priced = offer(cpu=rate, accelerator=rate)
    return place(name, flavor=like, versions=(ref,), share=share, free=plenty, offer=priced)


def job(job_class: JobClass | None = JobClass.CPU, cards: int = 0, **changes: Any) -> JobSpec:  # noqa: ANN401 - fields of a spec
    of = spec().model_copy(update={"job_class": job_class, "wall_time_s": 3600, **changes})
    return of.model_copy(update={"resources": resources(cpu=500, memory=256, accelerator=cards)})


def compared(of: JobSpec, places: Sequence[Place], known: Known | None = None) -> dict[str, Expected]:
    told = explain(demand(of), places, now=NOW, known=known)
    return {c.platform: c.expected for c in told.candidates if c.expected is not None}


def winner(told: Explanation) -> str:
    assert told.won is not None
    return told.won.platform


def test_without_a_class_or_a_throughput_nothing_is_compared_and_the_cheapest_hour_wins() -> None:
    places = [at("slow", figure(FP64, 1), rate="1"), at("fast", figure(FP64, 10), rate="2")]
    told = explain(demand(job(None)), places, now=NOW)
    assert winner(told) == "slow"
    assert all(candidate.expected is None for candidate in told.candidates)
    assert [line.time for line in candidate_lines(told)] == ["", ""]


def test_with_a_class_the_cheapest_work_wins() -> None:
    places = [at("slow", figure(FP64, 1), rate="1"), at("fast", figure(FP64, 10), rate="2")]
    told = explain(demand(job()), places, now=NOW)
    assert winner(told) == "fast"
    slow, fast = (candidate.expected for candidate in told.candidates)
    assert slow is not None
    assert fast is not None
    assert (slow.seconds, fast.seconds) == (Decimal(3600), Decimal(360))
    assert (fast.precision, fast.grade, fast.faster, fast.basis) == (FP64, Grade.CLAIMED, Decimal(10), Basis.FIGURES)
    assert [candidate.cost for candidate in told.candidates] == [Decimal("0.5"), Decimal("0.1")]
    assert "10 x slowest by FP64, claimed; within a factor of 1.68" in told.candidates[1].terms[0].how
    assert time_text(told.candidates[1]) == ("6 min (10 times the slowest by FP64, claimed; within a factor of 1.68)")


def test_max_cost_is_held_against_the_cost_of_the_work() -> None:
    dear = job(wants=Wants(max_cost=Decimal("0.2")))
    places = [at("slow", figure(FP64, 1)), at("fast", figure(FP64, 10), rate="2")]
    told = explain(demand(dear), places, now=NOW)
    assert [bool(candidate.failed) for candidate in told.candidates] == [True, False]


@pytest.mark.parametrize(
    ("job_class", "cards", "precision"),
    [
        (JobClass.CPU, 0, FP64),
        (JobClass.HPC, 0, FP64),
        (JobClass.HPC, 1, FP64),
        (JobClass.TRAINING, 1, BF16),
        (JobClass.INFERENCE, 1, FP16),
    ],
)
def test_each_class_says_which_figure_counts(job_class: JobClass, cards: int, precision: Precision) -> None:
    every = [figure(p, 8 * (n + 1)) for n, p in enumerate(Precision)]
    found = compared(job(job_class, cards), [at("a", *every, cards=8 if cards else 0)])
    assert found["a"].precision is precision


def test_a_figure_of_cards_says_nothing_of_processors_nor_the_other_way() -> None:
    cards, cores = at("cards", figure(FP64, 100), cards=8), at("cores", figure(FP64, 1))
    assert compared(job(JobClass.HPC, 0), [cards, cores])["cards"].basis is Basis.WALL_TIME
    assert compared(job(JobClass.CPU, 0), [cards, cores])["cores"].basis is Basis.FIGURES


def test_it_is_what_a_task_gets_that_is_compared_not_whole_nodes() -> None:
    eight, one = at("eight", figure(FP16, 800), cards=8), at("one", figure(FP16, 100), cards=1)
    found = compared(job(JobClass.TRAINING, 1), [eight, one])
    assert found["eight"].seconds == found["one"].seconds == 3600


@given(st.lists(rates, min_size=2, max_size=6), st.decimals("0.01", "50", places=2))
def test_it_has_no_unit(figures: list[Decimal], unit: Decimal) -> None:
    """The same figures in another unit give the same times."""
    one = compared(job(), [at(f"p{n}", figure(FP64, rate)) for n, rate in enumerate(figures)])
    other = compared(job(), [at(f"p{n}", figure(FP64, rate * unit)) for n, rate in enumerate(figures)])
    for name, expected in one.items():
        assert math.isclose(expected.seconds, other[name].seconds, rel_tol=1e-6, abs_tol=1e-5)


@given(st.lists(rates, min_size=1, max_size=5), st.decimals("1", "50", places=2))
def test_a_faster_place_never_takes_longer_and_the_slowest_takes_the_wall_time(
    figures: list[Decimal], times: Decimal
) -> None:
    places = [at(f"p{n}", figure(FP64, rate)) for n, rate in enumerate(figures)]
    found = compared(job(), places)
    ranked = sorted(range(len(figures)), key=lambda n: figures[n])
    seconds = [found[f"p{n}"].seconds for n in ranked]
    assert seconds == sorted(seconds, reverse=True)
    assert seconds[0] == 3600
    quicker = at("p0", figure(FP64, figures[0] * times))
    assert compared(job(), [quicker, *places[1:]])["p0"].seconds <= found["p0"].seconds


@given(st.lists(st.tuples(st.sampled_from([BF16, FP16, FP64]), rates), min_size=2, max_size=8))
def test_precisions_are_never_mixed(every: list[tuple[Precision, Decimal]]) -> None:
    """All that are told apart by figures are told apart by one precision; the others take the whole wall time."""
    places = [at(f"p{n}", figure(*one), cards=1) for n, one in enumerate(every)]
    found = compared(job(JobClass.TRAINING, 1), places)
    used = {expected.precision for expected in found.values() if expected.basis is Basis.FIGURES}
    assert len(used) <= 1
    counts = {p: sum(precision is p for precision, _rate in every) for p in (BF16, FP16)}
    if max(counts.values()):
        assert used == {BF16 if counts[BF16] >= counts[FP16] else FP16}
    for n, (precision, rate) in enumerate(every):
        expected = found[f"p{n}"]
        if precision not in used:
            assert (expected.basis, expected.seconds, expected.factor) == (Basis.WALL_TIME, Decimal(3600), None)
        else:
            slowest = min(other for p, other in every if p is precision)
            assert math.isclose(expected.seconds, 3600 * slowest / rate, rel_tol=1e-6, abs_tol=1e-5)


@given(st.lists(st.tuples(st.sampled_from(Grade), rates), min_size=1, max_size=6))
def test_the_word_that_is_known_best_counts_and_of_two_alike_the_smaller(words: list[tuple[Grade, Decimal]]) -> None:
    known = best([figure(FP64, rate, grade) for grade, rate in words], FP64)
    assert known is not None
    assert known.grade is min((grade for grade, _rate in words), key=BEST_FIRST.index)
    assert known.tera_per_s == min(rate for grade, rate in words if grade is known.grade)


def test_the_order_of_grades() -> None:
    order = [Grade.VERIFIED, Grade.SEEN_IN_JOBS, Grade.SELF_MEASURED, Grade.CLAIMED, Grade.SIMULATED]
    assert list(BEST_FIRST) == order


@given(rates, st.decimals("0.8", "1", places=3))
def test_a_claim_that_held_never_loses_to_the_same_claim_untested(claim: Decimal, reached: Decimal) -> None:
    """A test holds from 0.8 of the claim on; what was not tested counts for that much."""
    shown = figure(FP64, claim * reached, Grade.VERIFIED)
    tested, untested = at("tested", figure(FP64, claim)), at("a-untested", figure(FP64, claim))
    known = Known(figures={FlavorId("flavor-tested"): (shown, figure(FP64, claim))})
    told = explain(demand(job()), [untested, tested], now=NOW, known=known)
    assert winner(told) == "tested"
    assert counted(shown) >= counted(figure(FP64, claim))


def test_what_an_owner_calls_verified_is_a_claim() -> None:
    found = compared(job(), [at("a", figure(FP64, 1, Grade.VERIFIED)), at("b", figure(FP64, 2))])
    assert found["a"].grade is Grade.CLAIMED


def test_a_place_that_could_not_run_the_job_does_not_set_the_slowest() -> None:
    places = [
        at("a", figure(FP64, 4)),
        at("b", figure(FP64, 8)),
        at("tiny", figure(FP64, 1), cpu=100),
        at("arm", figure(FP64, 1), architecture=Architecture.AARCH64),
    ]
    found = compared(job(), places)
    assert (found["a"].seconds, found["b"].seconds) == (Decimal(3600), Decimal(1800))
    assert found["tiny"].seconds == 3600
    assert "arm" not in found


def test_a_stated_throughput_counts_before_figures() -> None:
    arm = at("arm", figure(FP64, 1), architecture=Architecture.AARCH64)
    environment = arm.flavor.environments[0].model_copy(update={"architecture": Architecture.AARCH64})
    arm = at("arm", figure(FP64, 1), architecture=Architecture.AARCH64, environments=(environment,))
    of = job(variants=(variant(throughput="1"), variant(Architecture.AARCH64, "5")))
    found = compared(of, [at("intel", figure(FP64, 100)), arm])
    assert (found["intel"].seconds, found["arm"].seconds) == (Decimal(3600), Decimal(720))
    assert found["arm"].basis is Basis.THROUGHPUT
    assert found["arm"].precision is None


def ran(name: str, seconds: float, count: int) -> Runs:
    log = math.log(seconds)
    return Runs(FlavorId(f"flavor-{name}"), count, count * log, count * log * log)


def test_runs_that_were_seen_correct_figures_and_say_how_sure_they_are() -> None:
    places = [at("claims", figure(FP64, 10)), at("honest", figure(FP64, 1))]
    assert winner(explain(demand(job()), places, now=NOW)) == "claims"
    known = Known(seen=Seen((ran("claims", 600, 40), ran("honest", 300, 40))))
    told = explain(demand(job()), places, now=NOW, known=known)
    assert winner(told) == "honest"
    found = compared(job(), places, known)
    assert math.isclose(found["honest"].seconds, 300, rel_tol=0.05)
    assert (found["honest"].basis, found["honest"].here, found["honest"].elsewhere) == (Basis.RUNS, 40, 40)
    assert found["honest"].factor is not None
    assert 1 < found["honest"].factor < Decimal("1.1")
    few = compared(job(), places, Known(seen=Seen((ran("claims", 600, 1),))))
    assert math.isclose(few["claims"].seconds, 600, rel_tol=0.01)
    assert few["honest"].factor is not None
    assert few["honest"].factor > Decimal(str(round(math.exp(OFF_BY), 2)))
    assert (few["honest"].here, few["honest"].elsewhere) == (0, 1)
    assert time_text(told.candidates[1]).startswith("5")
    assert "40 runs seen here, 40 elsewhere" in time_text(told.candidates[1])


@given(st.floats(1, 10**7), st.integers(1, 300), rates, rates)
def test_nothing_is_expected_to_take_longer_than_the_wall_time(
    seconds: float, count: int, one: Decimal, other: Decimal
) -> None:
    places = [at("a", figure(FP64, one)), at("b", figure(FP64, other))]
    found = compared(job(), places, Known(seen=Seen((ran("a", seconds, count),))))
    assert all(0 < expected.seconds <= 3600 for expected in found.values())


def test_of_equal_cost_what_is_known_better_wins_then_the_faster() -> None:
    same = [at("a", figure(FP64, 1)), at("b", figure(FP64, 1), rate="1")]
    known = Known(figures={FlavorId("flavor-b"): (figure(FP64, Decimal("0.8"), Grade.SELF_MEASURED),)})
    assert winner(explain(demand(job()), same, now=NOW, known=known)) == "b"
    dear = [at("a", figure(FP64, 1), rate="1"), at("b", figure(FP64, 2), rate="2")]
    assert winner(explain(demand(job()), dear, now=NOW)) == "b"


@given(st.decimals("1", "3600", places=3))
def test_a_budget_is_spent_by_the_time_that_the_estimate_was_made_for(seconds: Decimal) -> None:
    """A run that takes as long as expected costs its estimate, whatever the wall time is."""
    expected = Expected(seconds=seconds, basis=Basis.RUNS)
    of, priced = job(), offer(cpu="2")
    estimate = expected_rent(of, of.variants[0], priced, expected)
    cost = spent(estimate, of, of.variants[0], (NOW, NOW + timedelta(seconds=float(seconds))), expected)
    assert math.isclose(cost, estimate, rel_tol=1e-6)


def test_a_test_of_another_claim_says_nothing_and_a_failed_one_leaves_nothing_known() -> None:
    claiming = flavor().model_copy(update={"performance": (figure(FP64, 10), figure(FP32, 20))})
    own = (figure(FP64, 10), figure(FP32, 20))

    def known(rate: str, claim: str) -> Performance | None:
        word = Word(FP64, Grade.VERIFIED, Decimal(rate), Decimal(claim))
        return best(figures_of(claiming, [word], [figure(FP64, 30)]), FP64)

    shown = known("9", "10")
    assert shown is not None
    assert (shown.grade, shown.tera_per_s) == (Grade.VERIFIED, Decimal(9))
    assert known("9", "100") == figure(FP64, 10)
    assert known("0", "10") is None
    assert known("0", "100") == figure(FP64, 10)
    failed = Word(FP64, Grade.VERIFIED, Decimal(0), Decimal(10))
    assert figures_of(claiming, [failed], []) == own[1:]
    measured = Word(FP64, Grade.SELF_MEASURED, Decimal(7), Decimal(100))
    assert best(figures_of(claiming, [measured], []), FP64) == figure(FP64, 7, Grade.SELF_MEASURED)
