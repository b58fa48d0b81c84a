"""How long does the hub take to decide who starts where, with 10,000 jobs waiting, while all of them are matched?

A hub with 100 platforms, all full. One attempt ends or one job comes; then it is decided who starts, and made true:
timed apart. In blocks in turn nobody matches, or the real matcher matches all that waits over and over: it gathers in
this process and solves in its own.
`python -m bench.waiting [--jobs 10000] [--platforms 100] [--decisions 200] [--postgres]`
"""

import argparse
import os
import platform
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from bench.crowd import Crowd, crowd
from suanlian.model.decision import Decision, Placed
from suanlian.model.levels import USUAL_LEVELS
from suanlian.services import deciding, market, passing, placing
from suanlian.services.deciding import Weighing
from suanlian.services.market import Memory
from suanlian.services.ordering import Ordering
from suanlian.services.throughput import Knowledge
from suanlian.store.unit import Unit
from suanlian.testing.postgres import TemporaryPostgres
from suanlian.workers.match import Gently, Matcher
from suanlian.workers.matching_process import MatchingProcess
from suanlian.workers.matching_wire import Problem, Solution

TARGET: Final = 3.0
BLOCK: Final = 25
_FILLED_BY: Final = 8
"""So many jobs for each platform fill it at first."""
_LIMIT: Final = 256
_HEARD_S: Final = 30.0


@dataclass(slots=True)
class Times:
    """Seconds of each decision, of it of the processor, of making it true, and how many places were given."""

    decide: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    commit: list[float] = field(default_factory=list)
    placed: int = 0


@dataclass(slots=True)
class Asked:
    """The matcher's process, with what each solution took."""

    process: MatchingProcess
    took: list[float] = field(default_factory=list)
    peak_mib: float = 0.0

    def solve(self, problem: Problem, *, deadline_s: float, alive: Callable[[], None]) -> Solution:
        """As ``Matching`` says."""
        began = time.perf_counter()
        found = self.process.solve(problem, deadline_s=deadline_s, alive=alive)
        self.took.append(time.perf_counter() - began)
        self.peak_mib = max(self.peak_mib, _peak_mib(self.process.pid))
        return found

    def close(self) -> None:
        """As ``Matching`` says."""
        self.process.close()


class Over:
    """Matches all that waits over and over while it may, in a thread as the worker's is."""

    def __init__(self, world: Crowd) -> None:
        hub = world.hub.running
        self.asked = Asked(MatchingProcess())
        self._worker = Matcher(hub.workers[0].tools, hub.hub.writer, USUAL_LEVELS, self.asked)
        self.ticks: list[float] = []
        self._may, self._rests, self._ends = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """From now on."""
        self._rests.clear()
        self._may.set()

    def pause(self) -> None:
        """Not any more; returns when the tick that is under way is over."""
        self._may.clear()
        self._rests.wait()

    def close(self) -> None:
        """End it."""
        self._ends.set()
        self._may.set()
        self._thread.join()
        self.asked.close()

    def _run(self) -> None:
        while not self._ends.is_set():
            if not self._may.is_set():
                self._rests.set()
                self._may.wait()
            began = time.perf_counter()
            self._worker.turn()
            self.ticks.append(time.perf_counter() - began)


class Placing:
    """What the worker ``place`` does, in its two parts."""

    def __init__(self, world: Crowd) -> None:
        self._hub = world.hub.running.hub
        self._tools = world.hub.running.workers[0].tools
        self._ordering = Ordering(Memory(USUAL_LEVELS))

    def once(self, times: Times) -> bool:
        """Decide and make it true; whether any task was given a place, or there is more to tell."""
        began, worked = time.perf_counter(), time.thread_time()
        with self._tools.reading() as unit:
            weighing = Weighing(USUAL_LEVELS, Knowledge(unit).of, market.current(unit))
            found = deciding.decide(unit, self._ordering, limit=_LIMIT, weighing=weighing)
        times.processor.append(time.thread_time() - worked)
        decided = time.perf_counter()
        futures = [self._hub.writer.submit(partial(_apply, decision)) for decision in found.decisions]
        done = [future.result() for future in futures]
        times.decide.append(decided - began)
        times.commit.append(time.perf_counter() - decided)
        placed = sum(ok and isinstance(one, Placed) for ok, one in zip(done, found.decisions, strict=True))
        times.placed += placed
        return placed > 0 or found.more

    def settle(self, times: Times) -> None:
        """Until nothing more is placed and everybody was told."""
        while self.once(times):
            pass


def _apply(decision: Decision, unit: Unit) -> bool:
    return placing.apply(unit, decision, placing.Besides(passing.sources))


def _peak_mib(pid: int | None) -> float:
    """The most memory that the process had; 0 where the system does not say."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def measure(world: Crowd, placing_: Placing, over: Over, decisions: int) -> tuple[Times, Times, Times]:
    """So many decisions of each kind, in blocks in turn: nobody matches, all is matched; and the looks after each."""
    quiet, busy, after, heard, number = Times(), Times(), Times(), time.monotonic(), 0
    while len(busy.decide) < decisions:
        for times in (quiet, busy):
            if times is busy:
                over.begin()
            for _ in range(BLOCK):
                number += 1
                if number % 2:
                    world.end_one()
                else:
                    world.one_more()
                if placing_.once(times):
                    placing_.settle(after)
            if times is busy:
                over.pause()
            world.start_what_was_placed()
            if time.monotonic() - heard > _HEARD_S:
                heard = time.monotonic()
                world.heard()
    return quiet, busy, after


def gathering(world: Crowd) -> tuple[float, float]:
    """Seconds that one batch takes to gather, from nothing and when little is new."""
    tools, memory, took = world.hub.running.workers[0].tools, Memory(USUAL_LEVELS), []
    for _ in range(2):
        began = time.perf_counter()
        with tools.reading() as unit:
            market.gather(unit, memory, Knowledge(unit).of, Gently().rest)
        took.append(time.perf_counter() - began)
    return took[0], took[1]


def line(name: str, seconds: list[float]) -> str:
    """Median, p99 and worst, in milliseconds."""
    median, high, worst = (1000 * float(np.quantile(seconds, q)) for q in (0.5, 0.99, 1.0))
    return f"{name:34} median {median:8.1f} ms   p99 {high:8.1f} ms   worst {worst:8.1f} ms   ({len(seconds)})"


@contextmanager
def database(*, postgres: bool) -> Iterator[str]:
    """The address of an empty store; none for a file of its own."""
    if not postgres:
        yield ""
        return
    with TemporaryPostgres() as server:
        yield server.create("bench")


def main() -> int:
    """Run it; 1 when the ratio is above the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--platforms", type=int, default=100)
    parser.add_argument("--decisions", type=int, default=200)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    store = "PostgreSQL" if options.postgres else "SQLite"
    print(f"{store}, Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}", flush=True)
    began = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as text,
        database(postgres=options.postgres) as url,
        crowd(Path(text) / "hub", url, options.platforms) as world,
    ):
        print(f"{options.platforms} platforms after {time.perf_counter() - began:.0f} s", flush=True)
        return _measured(world, options.jobs, options.platforms, options.decisions)


def _measured(world: Crowd, jobs: int, platforms: int, decisions: int) -> int:
    placing_, filling, began = Placing(world), Times(), time.perf_counter()
    world.submit(_FILLED_BY * platforms)
    placing_.settle(filling)
    world.start_what_was_placed()
    world.submit(jobs)
    placing_.settle(filling)
    took, looks = time.perf_counter() - began, len(filling.decide)
    print(f"{len(world.running)} attempts run, {jobs} more jobs came: {looks} looks, {took:.0f} s", flush=True)
    cold, warm = gathering(world)
    print(f"gather: {cold:.2f} s from nothing, {warm:.2f} s when little is new", flush=True)
    over = Over(world)
    over.begin()
    over.pause()  # the first tick begins the process
    measure(
        world, placing_, over, 1
    )  # the first of all compile what they need, and find what connectors said meanwhile
    quiet, busy, after = measure(world, placing_, over, decisions)
    over.close()
    print(line("decide, nobody matches", quiet.decide))
    print(line("decide, all is matched", busy.decide))
    print(line("of the processor, nobody matches", quiet.processor))
    print(line("of the processor, all is matched", busy.processor))
    print(line("commit, nobody matches", quiet.commit))
    print(line("commit, all is matched", busy.commit))
    print(line("looks after it, that tell", after.decide))
    print(line("tick", over.ticks[1:]))
    print(line("of it, solve", over.asked.took[1:]))
    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory: hub {mine:.0f} MiB, matcher {over.asked.peak_mib:.0f} MiB at most; load {os.getloadavg()[0]:.1f}")
    print(f"placed: {quiet.placed} and {busy.placed}")
    ratio = float(np.quantile(busy.decide, 0.99) / np.quantile(quiet.decide, 0.99))
    print(f"ratio of the p99 {ratio:.2f}, target {TARGET}")
    return int(ratio > TARGET)


if __name__ == "__main__":
    raise SystemExit(main())
