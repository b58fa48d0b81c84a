"""Matches all that waits at once, apart from placing: what it finds are prices by which placing compares."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Final, Protocol

import numpy as np

from suanlian.model.event import EventType
from suanlian.model.ids import ShareId
from suanlian.model.levels import LevelRules
from suanlian.model.market import DWELL, Acts, MoveProposal, TickState
from suanlian.rules.compiling import ORDER, quantised
from suanlian.rules.matching.arrays import Floats
from suanlian.services import links, market, moving
from suanlian.services.bringing import Bringing, WaysOf
from suanlian.services.market import Batch, Found, Memory
from suanlian.services.throughput import Knowledge
from suanlian.store.unit import Unit
from suanlian.store.writer import Writer
from suanlian.workers.loop import Tools, Worker
from suanlian.workers.matching_process import MatcherFailedError
from suanlian.workers.matching_wire import Problem, Solution

_FIRST_S: Final = 120.0
"""The first batch may take so long: the process begins, and may compile."""
_AT_ONCE_S: Final = 0.002
_LEAST_S: Final = 10.0
_SLOWER: Final = 20
"""A batch may take so many times as long as the one before it."""
_LONGEST_REST_S: Final = 60
MOST_TOLD: Final = 3
"""So much running work is moved at one look at most: what each does to the others is seen at the next."""


class Gently:
    """Computes for a moment, then rests as long: another thread of this process, that waits for it, goes on.

    A thread that computes without a break is made to let others go every five milliseconds alone, and whoever reads
    from the store stops at every row.
    """

    def __init__(self) -> None:
        """It begins now."""
        self._since = time.monotonic()

    def rest(self) -> None:
        """Rest, if it is time to."""
        if time.monotonic() - self._since > _AT_ONCE_S:
            time.sleep(_AT_ONCE_S)
            self._since = time.monotonic()


class Matching(Protocol):
    """Who solves the problem. It may take long: never inside a unit of work."""

    def solve(self, problem: Problem, *, deadline_s: float, alive: Callable[[], None]) -> Solution:
        """The solution. ``alive`` is called now and then, and may raise. Raises MatcherFailedError."""
        ...

    def close(self) -> None:
        """End what is under way."""
        ...


class Matcher(Worker):
    """See the module."""

    name: ClassVar[str] = "match"
    follows: ClassVar[frozenset[EventType]] = frozenset(
        {
            EventType.JOB_SUBMITTED,
            EventType.JOB_RELEASED,
            EventType.ATTEMPT_ENDED,
            EventType.INVENTORY_CHANGED,
            EventType.OFFER_PUBLISHED,
        }
    )
    every_s: ClassVar[float] = 10.0
    pause_s: ClassVar[float] = 2.0

    def __init__(  # noqa: PLR0913 - what it works with, and how far it may go
        self,
        tools: Tools,
        writer: Writer,
        levels: LevelRules,
        matching: Matching,
        *,
        acts: Acts = Acts.NONE,
        moves_every_s: float = 60.0,
        ways_of: WaysOf = links.ways_now,
    ) -> None:
        """``levels``: which protection grade each data level needs. ``matching``: who solves.

        ``acts``: which moves of running work it makes itself; ``moves_every_s``: how often that is looked at.
        ``ways_of``: what is known of links.
        """
        super().__init__(tools, writer)
        self._matching = matching
        self._memory, self._levels, self._ways_of = Memory(levels), levels, ways_of
        self._acts, self._moves_every_s = acts, moves_every_s
        self._moves_at = -math.inf
        self._failed = 0
        self._took_s = 0.0
        self._rest_until = 0.0

    def step(self) -> bool:
        """One batch. It failed: the next one after a while, longer each time."""
        if time.monotonic() < self._rest_until:
            return False
        with self.tools.reading() as unit:
            self._memory.data = Bringing(unit, self._levels, self._ways_of)
            batch = market.gather(unit, self._memory, Knowledge(unit).of, Gently().rest)
            warm = market.warm(unit)
        self.renew()
        found = Found(TickState.OK) if batch is None else self._found(batch, warm)
        if found.state is TickState.OK and time.monotonic() - self._moves_at >= self._moves_every_s:
            found = self._with_moves(found)
        self._failed = 0 if found.state is TickState.OK else self._failed + 1
        self._rest_until = time.monotonic() + (self.wait_s() if self._failed else 0.0)

        def keep(unit: Unit) -> bool:
            return market.keep(unit, found)

        self.writer.run(self.apply(keep))
        return False

    def wait_s(self) -> float:
        """Longer after faults, and then no event wakes it sooner: what made it fail may be there still."""
        return min(_LONGEST_REST_S, self.every_s * float(2**self._failed))

    def stop(self) -> None:
        """End what is under way first: nobody waits for it."""
        self._matching.close()
        super().stop()

    def _found(self, batch: Batch, warm: market.Scarcity) -> Found:
        sizes = Found(TickState.OK, demands=len(batch.problem.job), jobs=batch.jobs, places=len(batch.problem.shares))
        deadline = max(_LEAST_S, _SLOWER * self._took_s) if self._took_s else _FIRST_S
        began = time.monotonic()
        try:
            solution = self._matching.solve(_problem(batch, warm), deadline_s=deadline, alive=self.renew)
        except MatcherFailedError as error:
            return replace(sizes, state=TickState(error.state), why=str(error), took_ms=_ms(began))
        self._took_s = time.monotonic() - began
        return replace(
            sizes,
            unserved=int((solution.pool < 0).sum()),
            total=solution.total,
            bound=solution.bound if np.isfinite(solution.bound) else None,
            took_ms=_ms(began),
            scarcity=dict(zip(batch.problem.shares, quantised(solution.prices), strict=True)),
        )

    def _with_moves(self, found: Found) -> Found:
        """With what running work should do; that it could not be asked fails nothing else."""
        self._moves_at = time.monotonic()
        with self.tools.reading() as unit:
            self._memory.data = Bringing(unit, self._levels, self._ways_of)
            going = market.going(unit, self._memory, Knowledge(unit).of, Gently().rest)
        if going is None:
            return replace(found, moves=())
        self.renew()
        made = going.problem
        problem = Problem(
            made.pools, made.demands, _rows(made.shares, found.scarcity), going.room, np.array(going.dearer)
        )
        try:
            solution = self._matching.solve(problem, deadline_s=_FIRST_S, alive=self.renew)
        except MatcherFailedError as error:
            return replace(found, why=f"moves: {error}")
        with self.tools.reading() as unit:
            proposed = market.proposed(unit, going, solution.moves)
        if self._acts is Acts.PREEMPTIBLE:
            proposed = tuple(self._acted(proposed))
        return replace(found, moves=proposed)

    def _acted(self, proposed: Sequence[MoveProposal]) -> Iterator[MoveProposal]:
        """Tell the first few that may be told to make room."""
        told = 0
        for one in proposed:

            def tell(unit: Unit, attempt: str = one.attempt) -> bool:
                return moving.make_way(unit, attempt, unit.now + DWELL)

            done = told < MOST_TOLD and self.writer.run(self.apply(tell))
            told += done
            yield one.model_copy(update={"told": done})


def _rows(shares: Sequence[ShareId], prices: market.Scarcity) -> Floats:
    """[M, R] shadow prices in the order of the places."""
    rows = [[float(prices.get(share, {}).get(kind, 0)) for kind in ORDER] for share in shares]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(ORDER))


def _problem(batch: Batch, warm: market.Scarcity) -> Problem:
    """Warm from the last prices, where there are any."""
    made = batch.problem
    if not warm:
        return Problem(made.pools, made.demands)
    return Problem(made.pools, made.demands, _rows(made.shares, warm))


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
