"""What holds of every plan of transfers, whatever is asked; and what a plan does where one can see what is right."""

from dataclasses import replace
from datetime import time, timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from suanlian.model.link import Hours
from suanlian.rules.transfers.plan import Reason, Way, plan
from suanlian.rules.transfers.problem import (
    MAX_TRANSFERS,
    Courier,
    Going,
    Link,
    Problem,
    Reserved,
    Source,
    Transfer,
    TransfersError,
    Weights,
)
from tests.rules.transfers.problems import GB, NOW, breaches, hours_after, problems

A, B, C = "a/one", "b/two", "c/three"
LAWS = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WIRE = Link("a-b", A, B, 80.0, 0.1)
"""10^7 bytes a second."""


def one_transfer(*links: Link, size: int = 36 * GB, hours: float | None = None, **more: object) -> Problem:
    """From A to B; 36 GB take an hour over ``WIRE``."""
    deadline = None if hours is None else hours_after(hours)
    transfer = Transfer("one", size, B, (Source(A, 0.2),), account="ann", deadline=deadline)
    return replace(Problem((transfer,), links, NOW), **more)  # type: ignore[arg-type]  # fields by name


@LAWS
@given(problems())
def test_no_link_carries_more_than_passes_and_no_byte_is_lost(problem: Problem) -> None:
    assert breaches(problem, plan(problem)) == []


@LAWS
@given(problems())
def test_every_deadline_that_the_baseline_holds_is_held(problem: Problem) -> None:
    made = plan(problem)
    assert not set(made.baseline_met) & set(made.late)


@settings(max_examples=25, deadline=None)
@given(problems())
def test_the_same_problem_has_the_same_plan(problem: Problem) -> None:
    assert plan(problem) == plan(problem)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_with_hours_merged_the_laws_hold_too(problem: Problem) -> None:
    made = plan(problem, most_columns=20)
    assert breaches(problem, made) == []
    assert not set(made.baseline_met) & set(made.late)


def test_what_fits_goes_at_once_at_the_full_rate() -> None:
    made = plan(one_transfer(WIRE)).transfers[0]
    assert (made.way, made.left, made.why.reason) == (Way.DIRECT, 0, Reason.ONLY_WAY)
    assert made.begins == NOW
    assert made.ends is not None
    assert abs(made.ends - hours_after(1)) < timedelta(seconds=1)
    assert made.egress_cny == pytest.approx(36 * 0.2)
    assert made.link_cny == pytest.approx(36 * 0.1)


def test_a_relay_is_taken_where_both_legs_together_are_quicker() -> None:
    slow = replace(WIRE, mbps=10.0)
    legs = Link("a-c", A, C, 80.0, 0.1), Link("c-b", C, B, 80.0, 0.1)
    made = plan(one_transfer(slow, *legs, hours=3, relays={C: 0.0})).transfers[0]
    assert (made.way, made.relay, made.links, made.late_s) == (Way.RELAY, C, ("a-c", "c-b"), 0)
    assert made.why.reason is Reason.QUICKER_RELAY
    # nobody stands there, or the two hours of both legs are no gain
    assert plan(one_transfer(slow, *legs, hours=3)).late == ("one",)
    assert plan(one_transfer(WIRE, *legs, relays={C: 0.0})).transfers[0].way is Way.DIRECT


def test_what_can_wait_goes_in_cheap_hours_and_what_cannot_does_not() -> None:
    night = replace(WIRE, factors=tuple(0.5 if hour < 6 else 1.0 for hour in range(24)))  # now it is 9:20 in China
    late = plan(one_transfer(night)).transfers[0]
    assert late.why.reason is Reason.CHEAPER_HOUR
    assert late.begins is not None
    assert late.begins >= hours_after(14)
    assert late.link_cny == pytest.approx(36 * 0.05)
    soon = plan(one_transfer(night, hours=2)).transfers[0]
    assert soon.late_s == 0
    assert soon.link_cny == pytest.approx(36 * 0.1)


def test_hours_with_green_power_are_preferred_though_they_cost_the_same() -> None:
    weights = Weights(other_hours=0.05, preferred_hours=frozenset({13, 14, 15}))
    made = plan(one_transfer(WIRE, weights=weights)).transfers[0]
    assert made.begins is not None
    assert made.begins.hour == 13 - 8


def test_nothing_passes_while_a_link_is_closed() -> None:
    night = replace(WIRE, hours=(Hours(start=time(22), end=time(6)),))
    made = plan(one_transfer(night)).transfers[0]
    assert made.begins == NOW.replace(hour=14, minute=0, second=0)
    shut = plan(one_transfer(night, horizon=timedelta(hours=6))).transfers[0]
    assert (shut.way, shut.left, shut.why.reason) == (Way.NONE, 36 * GB, Reason.NO_WAY)


def test_what_is_reserved_is_its_holders_alone_and_paid() -> None:
    held = Reserved("a-b", "ann", NOW - timedelta(hours=1), hours_after(48), 60.0)
    mine = one_transfer(WIRE, reserved=(held,))
    other = replace(mine, transfers=(replace(mine.transfers[0], account="bob"),))
    ours, theirs = plan(mine).transfers[0], plan(other).transfers[0]
    assert ours.link_cny == 0
    assert all(window.reserved for window in ours.windows)
    assert theirs.ends is not None
    assert theirs.ends > hours_after(3.9)


def test_a_courier_goes_where_the_wire_is_too_slow() -> None:
    truck = Link("road", A, B, 10_000.0, 0.05, courier=Courier(20, 100_000 * GB))
    made = plan(one_transfer(WIRE, truck, size=50_000 * GB, hours=30)).transfers[0]
    assert (made.links, made.ends, made.late_s) == (("road",), hours_after(20), 0)
    assert plan(one_transfer(WIRE, truck, hours=3)).transfers[0].links == ("a-b",)


def test_what_goes_keeps_its_way_unless_another_saves_enough() -> None:
    other = Link("other", A, B, 80.0, 0.095)
    problem = one_transfer(WIRE, other)
    going = replace(problem, transfers=(replace(problem.transfers[0], going=Going(A, ("a-b",))),))
    assert plan(problem).transfers[0].links == ("other",)
    kept = plan(going).transfers[0]
    assert (kept.links, kept.why.reason) == (("a-b",), Reason.GOES_ON)
    much = replace(going, links=(WIRE, replace(other, cny_per_gb=0.01)))
    assert plan(much).transfers[0].links == ("other",)
    degraded = replace(going, links=(replace(WIRE, mbps=0.5), other))
    assert plan(degraded).transfers[0].links == ("other",)


def test_the_nearest_deadline_first_where_both_would_lose_by_equal_parts() -> None:
    problem = one_transfer(WIRE)
    first = replace(problem.transfers[0], deadline=hours_after(1.1))
    second = replace(first, id="two", deadline=hours_after(2.1))
    made = plan(replace(problem, transfers=(second, first)))
    assert made.late == ()
    assert made.baseline_met == ("two",)


def test_those_without_deadlines_share_a_link_by_account() -> None:
    problem = one_transfer(WIRE)
    many = tuple(replace(problem.transfers[0], id=f"many-{n}") for n in range(8))
    other = replace(problem.transfers[0], id="other", account="bob")
    made = {one.id: one for one in plan(replace(problem, transfers=(*many, other))).transfers}
    before = [one for one in made.values() if one.ends and made["other"].ends and one.ends < made["other"].ends]
    assert len(before) <= 1


def test_a_copy_at_the_place_itself_needs_no_link_and_nothing_to_bring_takes_no_time() -> None:
    problem = one_transfer(WIRE, size=0)
    assert plan(problem).transfers[0].ends == NOW
    here = replace(problem.transfers[0], bytes=5, sources=(Source(B),))
    assert plan(replace(problem, transfers=(here,))).transfers[0].way is Way.HERE
    assert plan(replace(problem, transfers=())).transfers == ()


def test_what_is_scarce_has_a_price() -> None:
    problem = one_transfer(WIRE, hours=1.2)
    two = replace(problem.transfers[0], id="two")
    dear = Link("dear", A, B, 80.0, 5.0)
    made = plan(replace(problem, transfers=(*problem.transfers, two), links=(WIRE, dear)))
    assert made.late == ()
    assert made.scarce[0].link == "a-b"
    assert made.scarce[0].cny_per_gb == pytest.approx(4.9, rel=0.1)


@pytest.mark.parametrize(
    ("broken", "code", "says"),
    [
        ({"transfers": (Transfer("x", 1, B, ()),) * 2}, "name", "twice"),
        ({"transfers": tuple(Transfer(str(n), 1, B, ()) for n in range(MAX_TRANSFERS + 1))}, "size", "5,001"),
        ({"transfers": (Transfer("x", -1, B, ()),)}, "value", "-1 bytes"),
        ({"transfers": (Transfer("x", 1, B, (), weight=float("nan")),)}, "value", "weight"),
        ({"links": (replace(WIRE, mbps=float("inf")),)}, "value", "rate"),
        ({"links": (replace(WIRE, end=A),)}, "value", "itself"),
        ({"links": (replace(WIRE, factors=(1.0,)),)}, "value", "24 hours"),
        ({"reserved": (Reserved("no", "ann", NOW, hours_after(1), 1.0),)}, "value", "no such link"),
        ({"horizon": timedelta(days=15)}, "value", "horizon"),
    ],
)
def test_what_cannot_be_meant_is_refused(broken: dict[str, object], code: str, says: str) -> None:
    with pytest.raises(TransfersError, match=says) as refused:
        plan(one_transfer(WIRE, **broken))  # type: ignore[arg-type]  # fields by name
    assert refused.value.code == code
