from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.ids import HubId
from suanlian.model.job import JobState
from suanlian.model.performance import Grade, Performance, Precision
from suanlian.model.platform import Chip, Site
from suanlian.rules.supervision import (
    PlatformFacts,
    ShareFacts,
    TaskRun,
    Window,
    capacity_rows,
    is_east_to_west,
    percentile,
    supervision_report,
)
from tests.rules.worlds import NOW, after, flavor, resources

WINDOW = Window(HubId("h"), "yrd", "CN.YRD", since=NOW, until=after(100), made_at=after(101))
WUHU = Site(name="wuhu", region="340200", green_share=Decimal("0.25"))
ZHONGWEI = Site(name="zhongwei", region="640500", west=True, green_share=Decimal("0.8"))
PLATFORMS = [
    PlatformFacts("zhongwei", "Zhongwei", "中卫", "640500", west=True),
    PlatformFacts("wuhu", "Wuhu", "芜湖", "340200", west=False),
]
SITES = {"wuhu": WUHU, "zhongwei": ZHONGWEI}

share_facts = st.builds(
    lambda name, cpu, since, until: ShareFacts(
        name, SITES[name], flavor(), resources(cpu=cpu), after(since), None if until is None else after(until)
    ),
    st.sampled_from(sorted(SITES)),
    st.integers(0, 8000),
    st.integers(-50, 120),
    st.none() | st.integers(-50, 150),
)
runs = st.builds(
    lambda name, times, cost, rest: TaskRun(
        platform=name,
        site=SITES[name],
        started_at=after(min(times)),
        ended_at=after(max(times)),
        cost=cost,
        **rest,
    ),
    st.sampled_from(sorted(SITES)),
    st.tuples(st.integers(-50, 150), st.integers(-50, 150)),
    st.decimals(0, 100, places=6),
    st.fixed_dictionaries(
        {
            "job": st.sampled_from("abc"),
            "state": st.sampled_from(JobState),
            "millicores": st.integers(0, 4000),
            "simulated": st.booleans(),
            "user_region": st.sampled_from([None, "310000", "640500"]),
            "waited_s": st.none() | st.decimals(0, 100, places=6),
            "last": st.booleans(),
        }
    ),
)


def run(name: str = "wuhu", **changes: object) -> TaskRun:
    one = TaskRun(
        platform=name,
        site=SITES[name],
        job="a",
        state=JobState.COMPLETE,
        millicores=500,
        cost=Decimal("0.5"),
        simulated=False,
        started_at=after(10),
        ended_at=after(30),
    )
    return replace(one, **changes)  # type: ignore[arg-type]  # the fields are those of TaskRun


@given(st.lists(share_facts, max_size=5), st.lists(runs, max_size=8))
def test_every_total_is_the_sum_of_its_rows(shares: list[ShareFacts], ran: list[TaskRun]) -> None:
    report = supervision_report(WINDOW, PLATFORMS, shares, ran, {JobState.COMPLETE: 2, JobState.QUEUED: 1})
    rows = report.platforms
    assert report.core_s == sum(row.used_core_s for row in rows)
    assert report.cost == sum(row.cost for row in rows) == sum(r.cost for r in ran if not r.simulated)
    assert report.cost_simulated == sum(row.cost_simulated for row in rows) == sum(r.cost for r in ran if r.simulated)
    assert report.jobs == sum(report.jobs_by_state.values()) == 3
    without_users = supervision_report(WINDOW, PLATFORMS, [], [r for r in ran if r.user_region is None], {})
    assert sum(flow.core_s for flow in report.flows) + without_users.core_s == report.core_s
    assert 0 <= report.core_s_east_to_west <= report.core_s
    assert 0 <= report.core_s_green <= report.core_s
    assert all(row.tasks_failed <= row.tasks_ended <= len(ran) for row in rows)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(0, 1000)), max_size=8))
def test_utilisation_is_between_0_and_1_when_no_moment_is_over_committed(slots: list[tuple[int, int, int]]) -> None:
    share = ShareFacts("wuhu", WUHU, flavor(), resources(cpu=8 * 1000), NOW)
    ran = [run(started_at=after(min(s[:2])), ended_at=after(max(s[:2])), millicores=s[2]) for s in slots]
    row = supervision_report(WINDOW, PLATFORMS, [share], ran, {}).platforms[0]
    exact = sum((Fraction(abs(s[0] - s[1]) * s[2], 1000) for s in slots), start=Fraction(0))
    assert Fraction(row.used_core_s) == exact
    assert 0 <= row.utilisation <= 1
    assert abs(Fraction(row.utilisation) - exact / 800) <= Fraction(1, 10**6)


def test_only_what_lies_within_the_window_counts() -> None:
    share = ShareFacts("wuhu", WUHU, flavor(), resources(cpu=1000), after(-100), after(50))
    goes_on = run(started_at=after(95), ended_at=None, state=JobState.RUNNING)
    ends_later = run(started_at=after(95), ended_at=after(150))
    ended_before = run(started_at=after(-20), ended_at=after(-10))
    not_started = run(started_at=None, ended_at=None, state=JobState.QUEUED)
    row = supervision_report(
        WINDOW, PLATFORMS, [share], [goes_on, ends_later, ended_before, not_started], {}
    ).platforms[0]
    assert (row.used_core_s, row.offered_core_s, row.utilisation) == (
        Decimal(5),
        Decimal(50),
        Decimal("0.1"),
    )
    assert row.tasks_ended == row.cores == row.green_share == 0


def test_a_retried_attempt_is_no_ended_task_and_what_failed_is_counted() -> None:
    ran = [
        run(state=JobState.SYSTEM_ERROR, last=False),
        run(state=JobState.EXECUTOR_ERROR),
        run(state=JobState.COMPLETE, job="b"),
    ]
    row = supervision_report(WINDOW, PLATFORMS, [], ran, {}).platforms[0]
    assert (row.platform, row.jobs, row.tasks_ended, row.tasks_failed) == ("wuhu", 2, 2, 1)


def test_a_row_of_an_unlisted_platform_is_not_left_out_silently() -> None:
    with pytest.raises(KeyError, match="wuhu"):
        supervision_report(WINDOW, PLATFORMS[:1], [], [run()], {})


@pytest.mark.parametrize(
    ("users", "where", "expected"),
    [
        ("310000", "zhongwei", True),
        ("340200", "zhongwei", True),
        ("520100", "zhongwei", False),
        (None, "zhongwei", False),
        ("310000", "wuhu", False),
    ],
)
def test_east_to_west_is_from_users_not_in_the_west_to_a_site_of_the_supply_side(
    *, users: str | None, where: str, expected: bool
) -> None:
    one = run(where, user_region=users)
    assert is_east_to_west(one) is expected
    report = supervision_report(WINDOW, PLATFORMS, [], [one], {})
    assert report.core_s_east_to_west == (10 if expected else 0)
    assert report.core_s_green == 10 * SITES[where].green_share


def test_capacity_counts_nodes_and_keeps_grades_apart() -> None:
    figures = (
        Performance(precision=Precision.FP64, tera_per_s=Decimal(2), grade=Grade.CLAIMED),
        Performance(precision=Precision.FP64, tera_per_s=Decimal(1), grade=Grade.SELF_MEASURED),
        Performance(precision=Precision.FP32, tera_per_s=Decimal(4), grade=Grade.CLAIMED),
    )
    plain = flavor().model_copy(update={"performance": figures})
    chip = Chip(family="ascend", model="card", grade=Grade.SIMULATED)
    cards = plain.model_copy(update={"chip": chip, "node": resources(cpu=2000, accelerator=8)})
    shares = [
        ShareFacts("wuhu", WUHU, plain, resources(cpu=3000), NOW),
        ShareFacts("wuhu", WUHU, cards, resources(cpu=2000, accelerator=4), NOW),
    ]
    assert [(row.precision, row.by_grade) for row in capacity_rows(shares)] == [
        (Precision.FP64, {Grade.SIMULATED: Decimal("1.5"), Grade.CLAIMED: 3, Grade.SELF_MEASURED: Decimal("1.5")}),
        (Precision.FP32, {Grade.SIMULATED: 2, Grade.CLAIMED: 6}),
    ]


def test_the_95th_percentile_is_the_nearest_rank() -> None:
    assert percentile([Decimal(n) for n in range(100, 0, -1)], 95) == 95
    assert percentile([Decimal(n) for n in range(1, 11)], 95) == 10
    assert percentile([], 95) is None


@given(st.lists(st.decimals(0, 100, places=2), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[Decimal], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    enough = [v for v in values if sum(w <= v for w in values) * 100 >= percent * len(values)]
    assert found == min(enough)
