"""The program of probes, run as the local driver runs it: alone, from its values."""

import json
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.agent.probes import offered, over_cap, written
from suanlian.agent.row import Row, Step, first_row
from suanlian.drivers.probing import architecture, setup
from suanlian.model.ids import AttemptId, JobId, new_id
from suanlian.model.performance import Architecture
from suanlian.model.probe import PROBE_ENVIRONMENT, PROBE_TASK, Hold, ProbeCap, Purpose, Tick, probe_spec
from suanlian.model.protocol import Instruction, Wish
from suanlian.model.quantity import Resources
from suanlian.testing.nodes import python_job
from tests.hub.world import inventory

SMALL = Resources.of({"cpu": 200, "memory": 64})


def ran(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*setup().launcher, *words], capture_output=True, text=True, check=False)


def command(task: Tick | Hold) -> tuple[str, ...]:
    return probe_spec(task, SMALL, Architecture.X86_64, 60).variants[0].command


def test_tick_says_its_lines_in_order_and_another_token_each_time() -> None:
    first, second = (ran(*command(Tick(lines=3, interval_ms=10))).stdout.splitlines() for _ in range(2))
    assert first[1:] == second[1:] == ["tick 1", "tick 2", "tick 3"]
    assert first[0].startswith("begin ")
    assert first[0] != second[0]


def test_hold_takes_the_memory_that_it_says() -> None:
    done = ran(*command(Hold(hold_ms=10, memory_mib=3)))
    assert (done.returncode, done.stdout) == (0, "held 3 MiB\n")


@pytest.mark.parametrize("words", [(), ("tick",), ("sh", "{}"), ("tick", "no json"), ("tick", "{}", "more")])
def test_what_is_no_program_with_its_values_is_refused(words: tuple[str, ...]) -> None:
    done = ran(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


def test_the_program_stands_alone() -> None:
    """Nothing but the standard library and its own room is loaded for a probe that needs no more."""
    boot = "import sys; sys.path.insert(0, sys.argv.pop(1)); from suanlian.probe.main import run; run(sys.argv[1:]); "
    text = boot + "print([name for name in sys.modules if name.startswith(('suanlian', 'numpy'))])"
    *_, source = setup().launcher
    words = [sys.executable, "-I", "-c", text, source, "tick", json.dumps({"lines": 0, "interval_ms": 0})]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    loaded = set(eval(done.stdout.splitlines()[-1]))  # noqa: S307 - a list of names that we printed
    assert loaded == {"suanlian", "suanlian.probe", "suanlian.probe.main", "suanlian.probe.tick"}


def instruction(**changes: object) -> Instruction:
    said = Instruction(
        attempt_id=AttemptId(new_id()),
        token=2,
        version=1,
        wish=Wish.RUN,
        job_id=JobId(new_id()),
        task_index=0,
        share="h1",
        flavor="f1",
        variant=0,
        granted=SMALL,
        entity="hub",
        probe=Purpose.CONFORMANCE,
        task=Tick(),
        spec=python_job("theirs", "mine a coin"),
    )
    return said.model_copy(update=changes)


def test_the_connector_writes_the_job_of_a_probe_itself() -> None:
    told = written(instruction(), Architecture.X86_64, ProbeCap(seconds=7))
    assert told.spec == probe_spec(Tick(), SMALL, Architecture.X86_64, 7)
    assert told.spec is not None
    assert (told.spec.wall_time_s, told.spec.env, told.spec.inputs, told.spec.network) == (7, {}, (), False)


@pytest.mark.parametrize(
    ("changes", "here"),
    [({"task": None}, Architecture.X86_64), ({}, None)],
    ids=["no values", "no program here"],
)
def test_a_probe_without_values_or_program_has_no_job(changes: dict[str, object], here: Architecture | None) -> None:
    assert written(instruction(**changes), here, ProbeCap()).spec is None


def test_the_job_of_ordinary_work_stays_as_it_came() -> None:
    said = instruction(probe=None, task=Tick())
    assert written(said, Architecture.X86_64, ProbeCap()) == said


@given(st.builds(Tick, lines=st.integers(0, 10_000), interval_ms=st.integers(0, 60_000)) | st.builds(Hold))
def test_values_survive_the_wire_and_are_the_command(task: Tick | Hold) -> None:
    assert PROBE_TASK.validate_json(PROBE_TASK.dump_json(task)) == task
    assert PROBE_TASK.validate_json(command(task)[1]) == task


def holding(cpu: int, *, probe: bool = True) -> Row:
    said = instruction(granted=Resources.of({"cpu": cpu, "memory": 64}), probe=Purpose.SUPPLY if probe else None)
    return first_row(said).with_(step=Step.STARTED)


@given(st.lists(st.tuples(st.integers(1, 4000), st.booleans()), max_size=5), st.integers(1, 4000), st.integers(0, 4000))
def test_probes_never_take_more_cores_at_once_than_the_owner_lets_them(
    others: list[tuple[int, bool]], wanted: int, cap: int
) -> None:
    said = instruction(granted=Resources.of({"cpu": wanted, "memory": 64}))
    rows = [holding(cpu, probe=probe) for cpu, probe in others]
    held = sum(cpu for cpu, probe in others if probe)
    refused = over_cap(said, ProbeCap(cpu=Decimal(cap) / 1000), rows, 0)
    assert (refused is None) == (held + wanted <= cap)


def test_a_probe_that_would_take_too_long_or_is_one_too_many_is_refused() -> None:
    said = instruction(task=Tick(lines=100, interval_ms=100))
    assert over_cap(said, ProbeCap(seconds=10), [], 0) is None
    assert "probe_cap: it would take 10 s" in (over_cap(said, ProbeCap(seconds=9), [], 0) or "")
    assert over_cap(said, ProbeCap(per_day=3), [], 2) is None
    assert "probe_cap: 3 probes ran" in (over_cap(said, ProbeCap(per_day=3), [], 3) or "")


def test_flavors_of_this_machines_architecture_offer_probes_and_no_other_does() -> None:
    (flavor,) = inventory().flavors
    (there,) = offered([flavor], architecture())
    assert (PROBE_ENVIRONMENT in [env.name for env in there.environments]) == (flavor.architecture is architecture())
    assert offered([there], Architecture.WASM32) == (flavor,)
    assert offered([there], there.architecture) == (there,)
