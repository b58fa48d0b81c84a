"""Whatever is cut off, crashes, comes back and says late: one result of a task counts, and one attempt of it is paid.

Two connectors with an engine each, played by the test. A connector that is cut off runs on and speaks when it is back;
one that crashed has forgotten what it was told, its engine has not.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from suanlian.model.job import ENDED, JobState
from suanlian.model.protocol import Instruction, Wish
from suanlian.store import tables as t
from tests.hub.laws import all_laws
from tests.hub.test_lost import BOTH, hear, settle
from tests.hub.world import Stores, Template, World, running, segment

STEP_S = 25
ACTIONS = ("submit", "submit", "cancel", "pass", "pass", "outage", "outage", "end", "cut", "heal", "crash", "late")
actions = st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(BOTH)), min_size=10, max_size=24)

STORM = [
    *[("submit", at) for at in BOTH],
    *[(act, at) for at in (*BOTH, BOTH[0]) for act in ("pass", "outage", "late", "heal", "crash", "pass", "late")],
]
"""Each is lost in turn, crashes, and comes back: two tasks are fenced at least."""


@dataclass
class Site:
    """A connector with its engine: what runs there, what it was told, what it said."""

    world: World
    name: str
    cut: bool = False
    revision: int = 0
    version: int = 0
    told: dict[str, Instruction] = field(default_factory=dict)
    runs: dict[str, datetime] = field(default_factory=dict)
    sequence: dict[str, int] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def work(self) -> None:
        """Poll, start, stop, meter, report; nothing while it is cut off."""
        if self.cut:
            return
        connector = self.world.connector(self.name)
        answer = connector.poll(self.revision)
        self.revision = answer.revision
        for said in answer.instructions:
            self.told[said.attempt_id] = said
        for attempt, said in list(self.told.items()):
            self._follow(attempt, said)

    def _follow(self, attempt: str, said: Instruction) -> None:
        connector, now = self.world.connector(self.name), self.world.clock()
        if said.wish is Wish.RUN and attempt not in self.runs and attempt not in self.ended:
            self.runs[attempt] = now
            self._said(self._report(said, JobState.RUNNING, now), attempt)
        elif said.wish is Wish.CANCEL:
            self.runs.pop(attempt, None)
            self.ended.add(attempt)
            self._report(said, JobState.CANCELED)
            del self.told[attempt]
        elif said.wish is Wish.FORGET:
            self.runs.pop(attempt, None)
            self.ended.add(attempt)
            if said.fenced:
                connector.gone(said)
            del self.told[attempt]
        elif attempt in self.runs:
            self._meter(said)
            self._said(self._report(said, JobState.RUNNING, self.runs[attempt]), attempt)

    def _report(self, said: Instruction, state: JobState, started_at: datetime | None = None) -> str:
        self.version += 1
        report = self.world.connector(self.name).report
        return report(said, state, started_at=started_at, version=self.version).verdict

    def _meter(self, said: Instruction) -> None:
        begun, n = self.runs[said.attempt_id], self.sequence.get(said.attempt_id, 0)
        start, length = begun + timedelta(seconds=n * STEP_S), STEP_S
        if start + timedelta(seconds=length) <= self.world.clock():
            self.sequence[said.attempt_id] = n + 1
            self.world.connector(self.name).use(segment(said, start, length, n))

    def _said(self, verdict: str, attempt: str) -> None:
        if verdict == "stale":
            self.runs.pop(attempt, None)
            self.ended.add(attempt)

    def end(self) -> None:
        """The oldest that runs completes; whether anybody hears of it depends on the line."""
        if not self.runs:
            return
        attempt = min(self.runs)
        said = self.told.get(attempt)
        if said is None or self.cut:
            return
        begun = self.runs.pop(attempt)
        self.ended.add(attempt)
        self._report(said, JobState.COMPLETE, begun)

    def late(self) -> None:
        """Say again what was true long ago."""
        for said in () if self.cut else list(self.told.values()):
            begun = self.runs.get(said.attempt_id, self.world.clock())
            self.world.connector(self.name).report(said, JobState.COMPLETE, version=1, started_at=begun)

    def crash(self) -> None:
        """Forget what was told; the engine goes on."""
        self.revision, self.told = 0, {}


@dataclass
class Play:
    """The hub, both sites, and what has been submitted."""

    world: World
    sites: dict[str, Site]
    jobs: list[str] = field(default_factory=list)

    def act(self, name: str, at: str) -> None:
        site = self.sites[at]
        doing: dict[str, Callable[[], object]] = {
            "submit": lambda: self.jobs.append(self.world.submit(resources={"cpu": "2", "memory": "256MiB"})["id"]),
            "cancel": lambda: self.world.person("buyer").post(f"/v1/jobs/{self.jobs[-1]}/cancel") if self.jobs else 0,
            "pass": lambda: self.pass_(1),
            "outage": lambda: self.outage(at),
            "end": site.end,
            "cut": lambda: setattr(site, "cut", True),
            "heal": lambda: setattr(site, "cut", False),
            "crash": site.crash,
            "late": site.late,
        }
        doing[name]()

    def outage(self, at: str) -> None:
        """Cut one off for so long that what it has runs elsewhere, where there is room."""
        for name, site in self.sites.items():
            site.cut = name == at
        self.pass_(30)

    def pass_(self, steps: int) -> None:
        for _step in range(steps):
            self.world.clock.advance(STEP_S)
            for site in self.sites.values():
                if not site.cut:
                    hear(self.world, site.name)
                    site.work()
            settle(self.world)

    def finish(self) -> None:
        """Everything comes back, and all that runs ends."""
        for site in self.sites.values():
            site.cut = False
        for _round in range(60):
            self.pass_(1)
            for site in self.sites.values():
                site.end()
            if all(self.world.job(ref)["state"] in ENDED for ref in self.jobs):
                break
        self.pass_(3)


Begin = Callable[[], AbstractContextManager[World]]


@pytest.fixture
def begin(template: Template, stores: Stores) -> Begin:
    """Makes a world of its own for each example."""
    return lambda: running(template, stores)


@pytest.mark.timeout(600)  # each example is a hub through hours of outages; on PostgreSQL it takes minutes
@settings(
    max_examples=int(os.environ.get("SUANLIAN_EXAMPLES", "2")),
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),  # each example is a hub: shrinking would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=actions)
@example(acts=STORM)
def test_one_result_counts_and_one_attempt_is_paid(begin: Begin, acts: list[tuple[str, str]]) -> None:
    with begin() as world:
        play = Play(world, {name: Site(world, name) for name in BOTH})
        play.act("submit", BOTH[0])
        play.pass_(1)
        for name, at in acts:
            play.act(name, at)
            all_laws(world.hub)
        play.finish()
        all_laws(world.hub)
        assert [world.job(ref)["state"] for ref in play.jobs if world.job(ref)["state"] not in ENDED] == []
        # nothing is left running anywhere, and every fenced attempt was told to be gone
        assert {site.name: site.runs for site in play.sites.values()} == {name: {} for name in BOTH}
        with world.hub.running.hub.reading() as unit:
            fenced = t.attempt.c.fenced_at.is_not(None) & t.attempt.c.gone_at.is_(None)
            assert unit.connection.execute(select(t.attempt.c.id).where(fenced)).all() == []
