"""Placing one by one, and proposals for running work."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.rules.matching import matching
from suanlian.rules.matching.arrays import Demands, Floats, MatchingError, Pools
from suanlian.rules.matching.placing import Desk
from suanlian.rules.matching.problem import prepare
from suanlian.rules.matching.proposals import Kind, propose
from suanlian.rules.matching.scan import Prices, best
from tests.rules.matching import instances
from tests.rules.matching.test_matching import SEEDS, check_fits, drawn

pytestmark = pytest.mark.timeout(900)  # compiles, where nothing has been compiled yet


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.floats(0, 1))
def test_one_by_one_is_the_same_as_first_come_first_served(seed: int, size: float) -> None:
    d, p = drawn(seed)
    prices = size * np.random.default_rng(seed).random(p.capacity.shape)
    batch = matching.first_come_match(d, p, prices)
    desk = Desk(p, prices)
    orders = desk.orders(d)
    one_by_one = [desk.place(orders, n) for n in range(len(d))]
    assert [to for to, _ in one_by_one] == batch.pool.tolist()
    np.testing.assert_array_equal([c for _, c in one_by_one], batch.cost)
    np.testing.assert_array_equal(desk.remaining, batch.remaining)
    check_fits(d, p, batch)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_first_come_takes_the_cheapest_pool_with_room_by_the_dense_definition(seed: int) -> None:
    d, p = drawn(4 * seed)
    c, a = instances.dense(d, p)
    need = np.ones((len(d), 1)) if d.need is None else np.concatenate([np.ones((len(d), 1)), d.need], axis=1)
    room = p.capacity.copy()
    pool = []
    for n in range(len(d)):
        open_pools = np.isfinite(c[n]) & (a[n, :, None] * need[n] <= room).all(axis=1)
        cost = np.where(open_pools, c[n], np.inf)
        to = int(cost.argmin()) if cost.min() <= instances.outside(d)[n] else -1
        pool.append(to)
        if to >= 0:
            room[to] -= a[n, to] * need[n]
    assert pool == matching.first_come_match(d, p).pool.tolist()


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 10))
def test_the_pruned_look_finds_what_the_whole_look_finds(seed: int, kept: int) -> None:
    d, p = drawn(seed)
    problem, classes, _ = prepare(d, p)
    g = np.random.default_rng(seed)
    prices = Prices(g.exponential(0.5, p.capacity.shape), g.exponential(0.5, len(problem.quota_limit)))
    lines, least, _ = best(problem, classes, prices, np.arange(len(d)), kept)
    reduced = dense_reduced(d, p, prices)
    for n in range(len(d)):
        good = np.flatnonzero(reduced[n] <= instances.outside(d)[n])
        wanted = good[np.argsort(reduced[n][good], kind="stable")][:kept]
        got = lines.pool[n][lines.pool[n] >= 0]
        np.testing.assert_allclose(reduced[n][got], reduced[n][wanted], rtol=1e-12)
        assert least[n] == pytest.approx(min(reduced[n].min(), instances.outside(d)[n]))


def dense_reduced(d: Demands, p: Pools, prices: Prices) -> Floats:
    """Costs with shadow prices, [N, M]."""
    c, a = instances.dense(d, p)
    need = np.ones((len(d), 1)) if d.need is None else np.concatenate([np.ones((len(d), 1)), d.need], axis=1)
    out = c + a * (need @ prices.pools.T)
    if d.quotas is not None and d.group is not None:
        start = 0
        for g in range(len(d.quotas.limit)):
            place = (p.site, p.owner, np.arange(len(p)))[d.quotas.scope[g]]
            counts = np.ones(len(d)) if d.quotas.measure[g] == 0 else d.units * d.hours
            out += np.where(d.group == g, counts, 0.0)[:, None] * prices.quotas[start + place][None]
            start += int(place.max()) + 1
    return out


def test_what_is_given_back_is_free_again() -> None:
    d, p = drawn(0, n=4)
    desk = Desk(p)
    orders = desk.orders(d)
    placed = [desk.place(orders, n)[0] for n in range(4)]
    assert max(placed) >= 0
    for to, used in zip(placed, matching.first_come_match(d, p).used, strict=True):
        if to >= 0:
            desk.give_back(to, np.array([used]))
    np.testing.assert_allclose(desk.remaining, p.capacity)


def test_a_cheaper_pool_is_proposed_only_for_more_than_the_threshold_and_the_price_of_moving() -> None:
    d, p = two_pools()
    _, none = propose(d, p, threshold=0.7)
    assert none == ()
    _, one = propose(d, p, threshold=0.3)
    assert [(o.kind, o.source, o.target) for o in one] == [(Kind.MOVE, 0, 1)]
    assert one[0].cost == pytest.approx(0.5)
    assert one[0].gain == pytest.approx(4.0 - (2.0 + 0.5))


def test_a_drained_pool_is_left_even_at_a_loss() -> None:
    d, p = two_pools()
    dear = replace(p, price=p.price[::-1].copy())
    made, proposals = propose(d, dear, drained=np.array([True, False]))
    assert made.pool.tolist() == [1]
    assert [(o.kind, o.target) for o in proposals] == [(Kind.DRAIN, 1)]
    assert proposals[0].gain < 0


def test_what_is_worth_more_preempts_what_is_worth_less() -> None:
    d, p = two_pools()
    both = replace(
        d,
        kind=np.array([0, 0]), region=np.array([0, 0]), units=np.ones(2), hours=np.full(2, 4.0),
        value=np.array([6.0, 60.0]), home=np.array([0, -1]), moving=np.zeros(2),
    )  # fmt: skip
    made, proposals = propose(both, replace(p, capacity=np.array([[4.0], [0.0]])))
    assert made.pool.tolist() == [-1, 0]
    assert [(o.kind, o.demand, o.target) for o in proposals] == [(Kind.PREEMPT, 0, -1)]


def two_pools() -> tuple[Demands, Pools]:
    """One demand of four hours, at home where an hour costs 1; the other pool costs half, and moving 0.5."""
    p = instances.pools(1, 2)
    same = replace(
        p, site=np.zeros(2, int), family=np.zeros(2, int), price=np.array([[1.0], [0.5]]), carbon=np.zeros(2),
        capacity=np.full((2, 1), 100.0), size=np.full(2, 8.0),
    )  # fmt: skip
    d = Demands(
        throughput=np.ones((1, instances.FAMILIES)), kind=np.array([0]), region=np.array([0]), units=np.ones(1),
        hours=np.full(1, 4.0), value=np.full(1, 100.0), home=np.array([0]), moving=np.full(1, 0.5),
    )  # fmt: skip
    return d, same


@pytest.mark.parametrize(
    ("code", "options"),
    [("option_invalid", {"threshold": -1.0}), ("shape", {"drained": np.zeros(3, bool)})],
)
def test_proposals_refuse_what_cannot_be_meant(code: str, options: dict[str, object]) -> None:
    d, p = two_pools()
    with pytest.raises(MatchingError) as caught:
        propose(d, p, **options)  # type: ignore[arg-type]
    assert caught.value.code == code
