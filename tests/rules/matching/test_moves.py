"""Moves of running work pay for themselves, fit, lower the total, and nothing flaps while nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from suanlian.rules.matching.arrays import Demands, Floats, MatchingError, Pools
from suanlian.rules.matching.moves import moved, moves, total
from suanlian.rules.matching.proposals import THRESHOLD
from tests.rules.matching import instances
from tests.rules.matching.test_matching import SEEDS
from tests.rules.matching.test_placing import two_pools

pytestmark = pytest.mark.timeout(900)  # compiles, where nothing has been compiled yet
ROUNDS = 60


def running(seed: int, *, n: int = 24, m: int = 6) -> tuple[Demands, Pools, Floats]:
    """Some work runs, some waits; of each pool so many units are free now."""
    resources = 1 + seed % 3
    pools = instances.pools(seed, m, resources=resources)
    demands = instances.with_homes(seed, instances.demands(seed, n, resources=resources), pools)
    if seed // 3 % 2:
        demands = instances.with_further(seed, demands, pools)
    demands = replace(demands, moving=demands.moving * 0.3 if demands.moving is not None else None)
    free = np.random.default_rng(seed + 5000).uniform(0, 16, pools.capacity.shape)
    return demands, pools, free


def needs(d: Demands) -> Floats:
    one = np.ones((len(d), 1))
    return one if d.need is None else np.concatenate([one, d.need], axis=1)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([0.0, THRESHOLD, 0.2]))
@example(87, 0.0)
@example(87, THRESHOLD)
@example(227, THRESHOLD)  # takes room that what waits needs more
def test_accepting_round_after_round_lowers_the_total_ends_and_brings_nothing_back(seed: int, threshold: float) -> None:
    d, p, room = running(seed)
    amounts, paid, left = d.units[:, None] * needs(d), 0.0, set[tuple[int, int]]()
    before = total(d, p)
    for _round in range(ROUNDS):
        assert d.home is not None
        _made, found = moves(d, p, room, threshold=threshold)
        if not found:
            return
        taken, given_back = np.zeros_like(room), np.zeros_like(room)
        for one in found:
            assert d.home[one.demand] == one.source != one.target
            assert (one.demand, one.target) not in left, "it came back"
            left.add((one.demand, one.source))
            taken[one.target] += amounts[one.demand]
            given_back[one.source] += amounts[one.demand]
        assert (taken <= room + 1e-6).all(), "what moves away gives its room back only later"
        room = room - taken + given_back
        d = moved(d, found)
        paid += sum(one.moving for one in found)
        after = total(d, p) + paid
        assert after < before
        before = after
    pytest.fail("it does not end")


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(0, 0.3))
def test_each_pays_for_itself_by_the_dense_definition_and_is_no_dearer_than_allowed(seed: int, most: float) -> None:
    d, p, room = running(seed)
    cost, used = instances.dense(d, p)
    rent = used * (needs(d) @ p.price.T)
    _made, found = moves(d, p, room, dearer=np.full(len(d), most))
    for one in found:
        assert one.home == pytest.approx(cost[one.demand, one.source])
        assert one.there + one.moving == pytest.approx(cost[one.demand, one.target])
        assert one.saved > THRESHOLD * one.home
        assert one.gain > THRESHOLD * one.home
        assert rent[one.demand, one.target] <= rent[one.demand, one.source] * (1 + most) * (1 + 1e-9)


def test_there_are_moves_at_all() -> None:
    assert sum(len(moves(*running(seed))[1]) for seed in range(12)) > 5


def test_without_room_now_nothing_moves_and_with_room_it_does_once() -> None:
    d, p = two_pools()
    assert moves(d, p, np.zeros((2, 1)))[1] == ()
    _made, (one,) = moves(d, p, np.ones((2, 1)))
    assert (one.source, one.target, one.home, one.there, one.moving) == (0, 1, 4.0, 2.0, 0.5)
    assert moves(moved(d, [one]), p, np.ones((2, 1)))[1] == ()


def test_room_is_of_every_pool() -> None:
    d, p = two_pools()
    with pytest.raises(MatchingError) as caught:
        moves(d, p, np.ones((1, 1)))
    assert caught.value.code == "shape"
