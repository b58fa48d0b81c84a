"""The owner's cap on the hub's own small jobs, kept over restarts; and that a probe is nothing but a probe."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from suanlian.drivers.contract import Work
from suanlian.model.job import JobState
from suanlian.model.performance import Architecture
from suanlian.model.probe import PROBE_ENVIRONMENT, Purpose, Tick
from suanlian.testing.fake_driver import Ending
from tests.agent.bench import Bench, run, spec

TICK = Tick(lines=2, interval_ms=10)


class Worked:
    """A script that remembers what it was told to run, and ends after a while."""

    def __init__(self) -> None:
        self.works: list[Work] = []

    def __call__(self, work: Work, index: int) -> Ending:
        del index
        self.works.append(work)
        return Ending(after_s=5.0)


@pytest.fixture
def script() -> Worked:
    return Worked()


@pytest.fixture
def bench(tmp_path: Path, script: Worked) -> Iterator[Bench]:
    policy = 'entities = ["nobody"]\nprobes = { cpu = 1, seconds = 9, per_day = 2 }'
    with Bench(tmp_path, script=script, policy=policy) as made:
        made.engine.probes = Architecture.X86_64
        yield made


def test_a_probe_runs_by_our_own_words_whoever_else_may_not(bench: Bench, script: Worked) -> None:
    said = run(spec(env={"EVIL": "1"}, network=True), probe=Purpose.SUPPLY, task=TICK, entity="hub")
    bench.hub.wish(said)
    bench.rounds(bench.agent(), 10)
    assert bench.hub.last(said.attempt_id).state is JobState.COMPLETE
    (work,) = script.works
    assert (work.command, work.environment) == (("tick", TICK.model_dump_json()), PROBE_ENVIRONMENT)
    assert (dict(work.env), work.network, work.limits.wall_time_s) == ({"SUANLIAN_ATTEMPT": "1"}, False, 9)


def test_ordinary_work_may_not_use_the_environment_of_probes(bench: Bench, script: Worked) -> None:
    variant = {"architecture": "x86_64", "environment": PROBE_ENVIRONMENT, "command": ["tick", "{}"]}
    said = run(spec(variants=[variant]), entity="nobody")
    bench.hub.wish(said)
    bench.rounds(bench.agent())
    report = bench.hub.last(said.attempt_id)
    assert report.state is JobState.SYSTEM_ERROR
    assert PROBE_ENVIRONMENT in report.outcome.reason
    assert script.works == []


def test_a_probe_without_values_is_refused(bench: Bench, script: Worked) -> None:
    said = run(probe=Purpose.SUPPLY, entity="hub")
    bench.hub.wish(said)
    bench.rounds(bench.agent())
    assert bench.hub.last(said.attempt_id).state is JobState.SYSTEM_ERROR
    assert script.works == []


def test_probes_take_no_more_cores_at_once_and_the_next_day_there_are_more(bench: Bench, script: Worked) -> None:
    first, second = (run(probe=Purpose.SUPPLY, task=TICK, entity="hub") for _ in range(2))
    bench.hub.wish(first, second)
    agent = bench.agent()
    bench.rounds(agent, 4)
    report = bench.hub.last(second.attempt_id)
    assert (report.state, len(script.works)) == (JobState.PREEMPTED, 1)
    assert report.outcome.reason.startswith("probe_cap: probes would take 2000 millicores")


def test_a_day_has_so_many_probes_also_over_a_restart_and_a_lost_row(bench: Bench, script: Worked) -> None:
    told = [run(probe=Purpose.SUPPLY, task=TICK, entity="hub") for _ in range(4)]
    for said in told[:2]:
        bench.hub.wish(said)
        bench.rounds(bench.agent(), 10)  # each time another process over the same ledger
    bench.hub.wish(told[2])
    bench.rounds(bench.agent(), 10)
    refused = bench.hub.last(told[2].attempt_id)
    assert (refused.state, len(script.works)) == (JobState.PREEMPTED, 2)
    assert refused.outcome.reason.startswith("probe_cap: 2 probes ran within a day")
    bench.clock.forward(24 * 3600)
    bench.hub.wish(told[3])
    bench.rounds(bench.agent(), 10)
    assert len(script.works) == 3


def test_one_that_would_take_too_long_is_refused(bench: Bench, script: Worked) -> None:
    said = run(probe=Purpose.SUPPLY, task=Tick(lines=100, interval_ms=100), entity="hub")
    bench.hub.wish(said)
    bench.rounds(bench.agent())
    assert bench.hub.last(said.attempt_id).outcome.reason.startswith("probe_cap: it would take 10 s")
    assert script.works == []


def test_the_owners_cap_and_the_environment_are_published(bench: Bench) -> None:
    agent = bench.agent()
    agent.publish()
    (call,) = bench.hub.inventories
    assert (call.probes.seconds, call.probes.per_day) == (9, 2)
    assert [env.name for env in call.inventory.flavors[0].environments] == ["python", PROBE_ENVIRONMENT]
