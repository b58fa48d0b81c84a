"""Laws of states: no age lies in the future, utilisation is weighted with capacity and says who is silent."""

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.ids import PlatformId, ShareId
from suanlian.model.load import ShareFact, ShareLoad, ToldLoad
from suanlian.model.owner import JoinLevel
from suanlian.model.quantity import Resources
from suanlian.rules.states import age_s, state_of, utilisation
from tests.rules.worlds import NOW, after


def fact(cpu: int, told: ToldLoad | None, *, simulated: bool = False) -> ShareFact:
    return ShareFact(
        share_id=ShareId("s"),
        platform_id=PlatformId("p"),
        entity_id="e",
        platform="wuhu",
        share="s1",
        level=JoinLevel.OBSERVE,
        capacity=Resources.of({"cpu": cpu}),
        simulated=simulated,
        told=told,
    )


def told(in_use: int, ago_s: float, *, ttl_s: int = 90, fault: str = "") -> ToldLoad:
    at = after(-ago_s)
    return ToldLoad(ShareLoad(share="s1", in_use=Resources.of({"cpu": in_use}), observed_at=at), fault, ttl_s, at)


@given(st.floats(-1000, 1000), st.floats(0, 1000))
def test_an_age_is_never_below_zero_nor_younger_than_the_telling(observed_s: float, told_s: float) -> None:
    age = age_s(after(observed_s), after(-told_s), NOW)
    assert age >= 0
    assert age >= Decimal(str(told_s)) - 1


def test_a_state_is_stale_after_its_lifetime_and_when_it_was_never_told() -> None:
    assert not state_of(fact(1000, told(1, 90)), NOW, worded=False).stale
    assert state_of(fact(1000, told(1, 91)), NOW, worded=False).stale
    never = state_of(fact(1000, None), NOW, worded=False)
    assert (never.stale, never.in_use, never.age_s) == (True, None, None)


def test_a_fault_is_seen_by_all_and_worded_for_few_and_leaves_what_was_known() -> None:
    faulty = fact(1000, told(400, 30, fault="the partition is gone"))
    state = state_of(faulty, NOW, worded=False)
    assert (state.faulty, state.fault, state.stale) == (True, "", False)
    assert state.in_use == Resources.of({"cpu": 400})
    assert state_of(faulty, NOW, worded=True).fault == "the partition is gone"


shares = st.lists(
    st.tuples(st.integers(1, 10_000), st.integers(0, 100), st.sampled_from([0.0, 89.0, 91.0, None]), st.booleans()),
    max_size=8,
)


@given(shares)
def test_utilisation_is_what_is_in_use_of_all_that_is_fresh(
    drawn: Sequence[tuple[int, int, float | None, bool]],
) -> None:
    states = [
        state_of(
            fact(cpu, None if ago is None else told(cpu * part // 100, ago), simulated=simulated), NOW, worded=False
        )
        for cpu, part, ago, simulated in drawn
    ]
    fresh = [(cpu, cpu * part // 100) for cpu, part, ago, simulated in drawn if not simulated and ago in (0.0, 89.0)]
    got = utilisation(states)
    assert got.shares == sum(not simulated for *_rest, simulated in drawn)
    assert got.fresh == len(fresh)
    if fresh:
        assert got.cpu == (Decimal(sum(use for _cpu, use in fresh)) / sum(cpu for cpu, _use in fresh)).quantize(
            Decimal("0.000001")
        )
        assert 0 <= got.cpu <= 1
    else:
        assert got.cpu is None


def test_a_large_idle_share_weighs_more_than_a_small_busy_one() -> None:
    states = [state_of(fact(cpu, told(use, 0)), NOW, worded=False) for cpu, use in ((9000, 0), (1000, 1000))]
    assert utilisation(states).cpu == Decimal("0.1")
    assert utilisation(states).oldest_s == 0
