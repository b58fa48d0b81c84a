"""Matchers for tests: one that says what it was told to, one that fails, one that solves in this very process."""

from collections.abc import Callable, Sequence

import numpy as np

from suanlian.rules.matching.arrays import Demands, Pools, Sites
from suanlian.workers.matching_child import answer
from suanlian.workers.matching_process import MatcherFailedError
from suanlian.workers.matching_wire import Problem, Solution, problem_bytes, read_solution


class FixedMatching:
    """Whatever the problem is, these prices come out (CNY for a core-hour, a place each), and nobody is served."""

    def __init__(self, prices: Sequence[float], *, bound: float = 90.0, total: float = 100.0) -> None:
        """What it is to say; ``asked`` are the problems that came."""
        self.prices, self.bound, self.total = prices, bound, total
        self.asked: list[Problem] = []

    def solve(self, problem: Problem, *, deadline_s: float, alive: Callable[[], None]) -> Solution:
        """What it was told to say."""
        del deadline_s
        alive()
        self.asked.append(problem)
        prices = np.zeros_like(problem.pools.capacity)
        prices[:, 0] = self.prices
        return Solution(np.full(len(problem.demands), -1, dtype=np.int64), prices, self.bound, self.total)

    def close(self) -> None:
        """There is nothing to end."""


class SolvingMatching:
    """It solves in this very process, through the bytes that another process would be sent."""

    def __init__(self) -> None:
        """``asked`` are the problems that came."""
        self.asked: list[Problem] = []

    def solve(self, problem: Problem, *, deadline_s: float, alive: Callable[[], None]) -> Solution:
        """The solution. Raises RefusedProblemError."""
        del deadline_s
        alive()
        self.asked.append(problem)
        return read_solution(answer(problem_bytes(problem)))

    def close(self) -> None:
        """There is nothing to end."""


class FailingMatching:
    """It never answers."""

    def __init__(self, state: str) -> None:
        """``state``: how it fails."""
        self.state = state
        self.asked = 0

    def solve(self, problem: Problem, *, deadline_s: float, alive: Callable[[], None]) -> Solution:
        """Raises MatcherFailedError."""
        del problem, deadline_s, alive
        self.asked += 1
        raise MatcherFailedError(self.state, "it was told to fail")

    def close(self) -> None:
        """There is nothing to end."""


def small_problem(*, warm: bool = False, demands: int = 40, pools: int = 6) -> Problem:
    """A little work on a few pools, some of it without room; warm: with prices to begin from."""
    random = np.random.default_rng(1)
    rows = np.arange(pools, dtype=np.int64)
    none = np.zeros(pools, dtype=np.int64)
    distance = np.zeros((1, pools))
    where = Pools(
        site=rows,
        owner=rows,
        family=rows,
        tier=none,
        jurisdiction=none,
        size=np.full(pools, 64.0),
        capacity=random.uniform(20, 60, (pools, 4)),
        price=random.uniform(0.1, 1.0, (pools, 4)),
        carbon=np.zeros(pools),
        green=np.zeros(pools),
        sites=Sites(latency=distance, egress=distance, transfer=distance),
    )
    what = Demands(
        throughput=np.ones((1, pools)),
        kind=np.zeros(demands, dtype=np.int64),
        region=np.zeros(demands, dtype=np.int64),
        units=random.integers(1, 5, demands).astype(np.float64),
        hours=random.uniform(0.5, 4, demands),
        value=np.full(demands, 50.0),
        weight=np.ones(demands),
        need=random.uniform(0, 1, (demands, 3)),
        latency_weight=np.zeros(demands),
        owners=np.full((demands, 1), (1 << pools) - 1, dtype=np.uint64),
        budget=np.full(demands, np.inf),
    )
    return Problem(where, what, np.full((pools, 4), 0.01) if warm else None)
