"""One job on four instruction sets: built from one source, placed on four platforms, with equal output.

The compiler is the `ziglang` wheel (extra `engines`), emulators are Debian's; the platforms run the local driver.
"""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from suanlian.demo.engines.architectures import agent_file, build, driver_environment, equal, job, missing, native, ways
from suanlian.i18n.reasons import reason_line
from suanlian.model.job import JobState
from suanlian.model.party import Role
from suanlian.model.performance import Architecture
from suanlian.testing.nodes import HubProcess, make_hub, make_platform
from suanlian.testing.processes import Processes

pytestmark = [
    pytest.mark.engine("four-architectures"),
    pytest.mark.skipif(bool(missing()), reason=f"make test-engines installs {', '.join(missing())}"),
    pytest.mark.timeout(900),
]
_LONG_S = 300


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Architecture, Path]:
    return build(tmp_path_factory.mktemp("built"))


def test_each_build_is_of_its_instruction_set_and_none_runs_as_another(built: Mapping[Architecture, Path]) -> None:
    machines = {Architecture.X86_64: 62, Architecture.AARCH64: 183, Architecture.RISCV64: 243}
    for architecture, path in built.items():
        content = path.read_bytes()
        if architecture is Architecture.WASM32:
            assert content[:4] == b"\0asm"
        else:
            assert (content[:4], int.from_bytes(content[18:20], "little")) == (b"\x7fELF", machines[architecture])


def test_the_same_bytes_come_out_on_each_without_any_platform(
    built: Mapping[Architecture, Path], tmp_path: Path
) -> None:
    outputs = []
    for way in ways():
        program = Path(shutil.copy(built[way.architecture], tmp_path))
        command = [*driver_environment(way, tmp_path / "tools")["launcher"], program.name]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, (way, done.stderr)
        outputs.append(done.stdout)
    assert equal(outputs), outputs


@dataclass(frozen=True)
class World:
    """A hub with a platform of one slot for each instruction set."""

    hub: HubProcess
    key: str
    platforms: Mapping[Architecture, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    tools = tmp_path_factory.mktemp("tools")
    with Processes() as started:
        hub = make_hub(started, "national")
        platforms = {}
        for way in ways():
            name = way.architecture.value.replace("_", "-")
            make_platform(started, hub, name, file=agent_file(way, hub.url, name, tools=tools))
            platforms[way.architecture] = name
        yield World(hub, hub.let_in("lab", Role.BUYER), platforms)


def test_one_job_runs_on_four_platforms_with_equal_output(world: World, built: Mapping[Architecture, Path]) -> None:
    with world.hub.client(world.key) as door:
        made = door.jobs.submit(job(built))
        ended = door.jobs.wait(made.id, _LONG_S)
        assert ended.state is JobState.COMPLETE, [task.attempts[-1].outcome for task in door.jobs.tasks(made.id)]
        attempts = [task.attempts[-1] for task in door.jobs.tasks(made.id)]
        assert {attempt.platform for attempt in attempts} == set(world.platforms.values())
        assert {attempt.architecture for attempt in attempts} == set(Architecture)
        outputs = [b"".join(door.jobs.log(made.id, index=index)).decode() for index in range(4)]
        assert equal(outputs), outputs
        # what no such processor did is said to be simulated, in the attempt and in the explanation of its place
        emulated = {way.architecture for way in ways() if way.is_emulated}
        assert {attempt.architecture for attempt in attempts if attempt.simulated} == emulated
        for index, attempt in enumerate(attempts):
            line = reason_line(door.jobs.why(made.id, index))
            assert f"{attempt.platform}/slot{' (simulated)' if attempt.simulated else ''}" in line
        notes = {flavor.body.architecture: flavor.body.note for flavor in door.catalogue.flavors()}
        assert all("emulated" in notes[architecture] for architecture in emulated)


def test_a_platform_of_another_instruction_set_is_told_as_such(
    world: World, built: Mapping[Architecture, Path]
) -> None:
    only = {architecture: path for architecture, path in built.items() if architecture is native()}
    elsewhere = world.platforms[Architecture.RISCV64]
    with world.hub.client(world.key) as door:
        told = door.jobs.estimate(job(only, wants={"platform": elsewhere}))
    (there,) = (candidate for candidate in told.candidates if candidate.platform == elsewhere)
    assert [(miss.filter, miss.wanted, miss.had) for miss in there.failed] == [
        ("architecture", native().value, "riscv64")
    ]


def test_a_build_of_another_instruction_set_fails_as_the_programs_fault(
    world: World, built: Mapping[Architecture, Path]
) -> None:
    """A variant that says one thing and brings another: it is told in words, and is nobody else's fault."""
    wrong = {Architecture.RISCV64: built[Architecture.AARCH64]}
    with world.hub.client(world.key) as door:
        made = door.jobs.submit(job(wrong, "mislabelled"))
        ended = door.jobs.wait(made.id, _LONG_S)
        (task,) = door.jobs.tasks(made.id)
        assert (ended.state, len(task.attempts)) == (JobState.EXECUTOR_ERROR, 1)
        assert "Invalid ELF image for this architecture" in b"".join(door.jobs.log(made.id, stream="stderr")).decode()
