"""Work and data in the twin: what no strategy may break, and that each does what its name says."""

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.twin.data_figures import data_figures
from suanlian.twin.data_links import DONE, NEVER, Flow, Links
from suanlian.twin.data_popular import Popular
from suanlian.twin.data_simulate import DataResults, simulate_data
from suanlian.twin.data_strategy import COMPUTE_FIRST, OURS, OURS_LRU, STRATEGIES, TO_DATA, TO_DATA_LRU, DataStrategy
from suanlian.twin.data_world import DataDemand, DataRecipe, DataWorld, draw
from suanlian.twin.trace import TraceError

# the first test compiles the queue, where it is not kept from an earlier run
pytestmark = pytest.mark.timeout(900)

SMALL = st.builds(
    DataRecipe,
    jobs=st.integers(1, 60),
    datasets=st.integers(1, 12),
    sites=st.integers(1, 4),
    rho=st.sampled_from([0.3, 0.8, 2.0]),
    seed=st.integers(0, 10_000),
    skew=st.sampled_from([0.0, 1.0, 2.0]),
    second=st.sampled_from([0.0, 0.5, 1.0]),
    gbps=st.sampled_from([0.05, 1.0, 100.0]),
    room=st.sampled_from([0.0, 0.2, 2.0]),
    units_median=st.sampled_from([8.0, 32.0]),
)
OFTEN = Popular(every_s=600.0, cny=1000.0, half_life_s=3600.0, ahead_s=7200.0)


def check_storage(world: DataWorld, demand: DataDemand, results: DataResults) -> dict[tuple[int, int], list[float]]:
    """Replay the journal: no storage beyond its room, nothing comes twice. Returns when each copy was (whole, gone)."""
    used, there = [0] * len(world.names), set[tuple[int, int]]()
    whole: dict[tuple[int, int], list[float]] = defaultdict(list)
    for at, what, site, dataset in results.journal:
        size, key = int(demand.size[dataset]), (site, dataset)
        assert demand.origin[dataset] != site  # the first copy of a dataset never goes, and so never the last
        if what == "come":
            assert key not in there
            used[site] += size
            there.add(key)
            assert used[site] <= world.room[site]
        elif what == "whole":
            assert key in there
            whole[key].append(at)
        else:
            there.remove(key)
            used[site] -= size
            if len(whole[key]) % 2:
                whole[key].append(at)
    return whole


def check_jobs(demand: DataDemand, results: DataResults, whole: dict[tuple[int, int], list[float]]) -> None:
    assert np.all(results.held >= demand.submit)
    assert np.all(results.began >= results.held)
    assert np.array_equal(results.end, results.began + demand.duration)
    for job, reads in enumerate(demand.reads):
        for dataset in reads:
            site = int(results.site[job])
            if site != demand.origin[dataset]:  # whole from the beginning of the work to its end
                times = [*whole[site, dataset], np.inf]
                spans = list(zip(times[::2], times[1::2], strict=False))
                assert any(start <= results.began[job] and results.end[job] <= end for start, end in spans)


def check_units(world: DataWorld, demand: DataDemand, results: DataResults) -> None:
    for at in results.held:
        live = (results.held <= at) & (at < results.end)
        taken = np.bincount(results.site[live], demand.units[live], len(world.names))
        assert np.all(taken <= world.units)


def check_links(world: DataWorld, demand: DataDemand, results: DataResults) -> None:
    for (start, end), size in results.carried.items():
        assert size <= results.busy[start, end] * world.mbps[start, end] * 125_000 * (1 + 1e-9) + DONE
    came = sum(int(demand.size[one.dataset]) for one in results.journal if one.what == "come")
    done = sum(int(demand.size[one.dataset]) for one in results.journal if one.what == "whole")
    flows = len(results.journal) + 1
    assert done - DONE * flows <= sum(results.carried.values()) <= came + DONE * flows


@settings(max_examples=60, deadline=None)
@given(SMALL, st.sampled_from(STRATEGIES))
def test_no_strategy_breaks_the_laws_and_each_repeats(recipe: DataRecipe, strategy: DataStrategy) -> None:
    world, demand = draw(recipe)
    results = simulate_data(world, demand, strategy, OFTEN)
    check_jobs(demand, results, check_storage(world, demand, results))
    check_units(world, demand, results)
    check_links(world, demand, results)
    again = simulate_data(*draw(recipe), strategy, OFTEN)
    assert again.journal == results.journal
    assert np.array_equal(again.began, results.began)
    figures = data_figures(world, demand, results)
    assert 0 <= figures.hits <= 1
    assert 0 < figures.use + figures.held_idle <= 1 + 1e-9


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10**10), st.booleans()), min_size=1, max_size=20))
def test_a_link_is_shared_in_equal_parts_and_carries_each_byte_once(flows: Sequence[tuple[int, int, bool]]) -> None:
    links = Links(np.full((2, 2), 8000.0))  # 10^9 bytes a second
    waiting, going, ended, moved = sorted(flows), list[Flow](), list[tuple[Flow, float]](), 0.0
    sizes = []
    while waiting or going:
        now = min(float(waiting[0][0]) if waiting else NEVER, links.next_end())
        for flow in links.ended(now):
            going.remove(flow)
            ended.append((flow, now))
        while waiting and waiting[0][0] <= now:
            _at, size, is_called_off = waiting.pop(0)
            if is_called_off and going:
                moved -= links.left(going[0], now)
                links.call_off(going.pop(0), now)
            sizes.append(size)
            going.append(links.begin(0, 0, 1, size, now))
    link = links.links[0, 1]
    assert link.carried == pytest.approx(sum(sizes) + moved, abs=DONE * len(sizes))
    assert link.carried <= link.busy_s * 1e9 + DONE
    assert [at for _flow, at in ended] == sorted(at for _flow, at in ended)


def test_two_flows_of_one_link_take_twice_as_long_and_another_link_is_not_slowed() -> None:
    links = Links(np.full((3, 3), 8000.0))
    for target in (1, 1, 2):
        links.begin(0, 0, target, 10**9, 0.0)
    assert links.next_end() == pytest.approx(1.0)
    assert [flow.target for flow in links.ended(1.0)] == [2]
    assert links.next_end() == pytest.approx(2.0)
    assert len(links.ended(2.0)) == 2


def test_each_strategy_does_what_its_name_says() -> None:
    world, demand = draw(DataRecipe(jobs=800, second=0.0, seed=3))
    to_data = simulate_data(world, demand, TO_DATA)
    origin = demand.origin[[reads[0] for reads in demand.reads]]
    assert np.array_equal(to_data.site, origin)
    assert not to_data.journal
    assert np.array_equal(to_data.began, to_data.held)
    compute = simulate_data(world, demand, COMPUTE_FIRST)
    assert np.mean(compute.site == origin) < 0.8
    assert {one.what for one in compute.journal} == {"come", "whole", "go"}
    assert simulate_data(world, demand, OURS_LRU).popular == 0


def test_ours_moves_fewer_bytes_and_starts_sooner_than_both() -> None:
    world, demand = draw(DataRecipe(jobs=2_000, seed=1))
    found = {
        s.name: data_figures(world, demand, simulate_data(world, demand, s)) for s in (COMPUTE_FIRST, TO_DATA, OURS)
    }
    ours = found.pop(OURS.name)
    assert all(ours.moved_gb < other.moved_gb and ours.mean_s < other.mean_s for other in found.values())


def test_copies_that_stay_are_found_again() -> None:
    world, demand = draw(DataRecipe(jobs=800, seed=2))
    none, lru = (data_figures(world, demand, simulate_data(world, demand, s)) for s in (TO_DATA, TO_DATA_LRU))
    assert lru.hits > none.hits
    assert lru.moved_gb < none.moved_gb


@pytest.mark.parametrize("wrong", [{"jobs": 0}, {"gbps": 0.0}, {"skew": -1.0}, {"sites": 0}])
def test_what_cannot_be_drawn_is_said(wrong: dict[str, int]) -> None:
    with pytest.raises(TraceError, match=re.escape(next(iter(wrong)))):
        draw(DataRecipe(**wrong))  # type: ignore[arg-type]
