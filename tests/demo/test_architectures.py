"""Are the four ways told for what they are, and is the check of the output one that can fail? Without a compiler."""

from pathlib import Path

import pytest

from suanlian.demo.engines.architectures import (
    SOURCE,
    STATIC,
    Way,
    agent_file,
    driver_environment,
    equal,
    expected,
    inventory,
    job,
    native,
    ways,
)
from suanlian.demo.work.catalogue import WASM
from suanlian.model.performance import Architecture


def test_each_instruction_set_has_a_way_and_only_what_is_not_here_is_emulated() -> None:
    every = {way.architecture: way for way in ways()}
    assert set(every) == set(Architecture)
    assert ways()[0].architecture is native()
    assert not every[native()].runner
    assert not every[Architecture.WASM32].is_emulated
    for way in ways():
        (flavor,) = inventory(way, "340200").flavors
        assert flavor.simulated is way.is_emulated
        assert ("emulated" in flavor.note) is way.is_emulated
        assert flavor.note == way.note
        assert [environment.name for environment in flavor.environments] == [way.environment]


def test_the_output_is_checked_to_the_last_bit() -> None:
    right = expected()
    assert equal([right] * 4)
    assert not equal([])
    assert not equal([right, right.replace("hash of all orbits f", "hash of all orbits e")])
    assert expected(limit=199) != right


def test_one_job_has_a_variant_and_a_task_for_each(tmp_path: Path) -> None:
    built = {}
    for way in ways():
        built[way.architecture] = tmp_path / way.program
        built[way.architecture].write_bytes(way.program.encode())
    spec = job(built, wall_time_s=60)
    assert (spec.tasks, spec.wall_time_s) == (4, 60)
    assert [variant.architecture for variant in spec.variants] == [way.architecture for way in ways()]
    assert {variant.environment for variant in spec.variants} == {STATIC, WASM}
    assert [item.inline() for item in spec.inputs] == [way.program.encode() for way in ways()]


def test_the_source_is_one_and_knows_each_instruction_set() -> None:
    text = (Path(__file__).parents[2] / "src" / "suanlian" / "demo" / "data" / SOURCE).read_text("utf-8")
    for word in ("__wasm__", "__x86_64__", "__aarch64__", "__riscv"):
        assert word in text
    assert "#include" not in text


@pytest.mark.parametrize("way", [way for way in ways() if not way.is_emulated], ids=lambda way: way.architecture)
def test_an_agent_file_says_how_the_driver_runs_it(way: Way, tmp_path: Path) -> None:
    assert driver_environment(way, tmp_path)["launcher"]
    text = agent_file(way, "http://127.0.0.1:1", "wuhu", tools=tmp_path)
    assert way.note in text
