"""Runs a job of the demo as a platform would, without a sandbox: its own folder, its inputs, one process a task."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import suanlian
from suanlian.demo.work.catalogue import catalogue
from suanlian.demo.work.corpus import corpus
from suanlian.demo.work.job import DemoJob, JobResult, Variant
from suanlian.demo.work.placed import placed_files

WASM_RUNNER = Path(suanlian.__file__).parent / "drivers" / "local" / "wasm.py"


def _command_line(variant: Variant) -> list[str]:
    if variant.environment == "wasm32-wasi":
        return [sys.executable, str(WASM_RUNNER), *variant.command]
    program, *arguments = variant.command
    return [sys.executable if program == "python" else program, *arguments]


def _run_task(job: DemoJob, variant: Variant, index: int, folder: Path) -> subprocess.CompletedProcess[str]:
    for path, content in job.inputs:
        (folder / path).write_bytes(content if isinstance(content, bytes) else corpus(content.key))
    for use in job.data:
        (folder / use.path).mkdir(parents=True)
        for path, data in placed_files().items():
            (folder / use.path / path).write_bytes(data)
    environment = {"PATH": os.environ["PATH"], "SUANLIAN_TASK_INDEX": str(index), **job.env}
    if job.array_size is not None:
        environment["SUANLIAN_ARRAY_SIZE"] = str(job.array_size)
    return subprocess.run(
        _command_line(variant), cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="session")
def jobs() -> dict[str, DemoJob]:
    return {job.name: job for job in catalogue("x86_64")}


@pytest.fixture(scope="session")
def run_job(tmp_path_factory: pytest.TempPathFactory) -> Callable[[DemoJob, Variant], JobResult]:
    """Run every task of one variant of a job; any exit code but 0 is EXECUTOR_ERROR."""

    def run(job: DemoJob, variant: Variant) -> JobResult:
        outputs, stdout, stderr, codes = {}, {}, {}, []
        for index in range(job.array_size or 1):
            folder = tmp_path_factory.mktemp(job.name)
            done = _run_task(job, variant, index, folder)
            codes.append(done.returncode)
            outputs[index] = {path: (folder / path).read_bytes() for path in job.outputs if (folder / path).exists()}
            stdout[index], stderr[index] = done.stdout, done.stderr
        state = "EXECUTOR_ERROR" if any(codes) else "COMPLETE"
        return JobResult(state=state, outputs=outputs, stdout=stdout, stderr=stderr)

    return run


@pytest.fixture(scope="session")
def result_of(jobs: dict[str, DemoJob], run_job: Callable[[DemoJob, Variant], JobResult]) -> Callable[[str], JobResult]:
    """Return the result of a job by its name, in its first variant; each is run once a session."""
    kept: dict[str, JobResult] = {}

    def result(name: str) -> JobResult:
        if name not in kept:
            kept[name] = run_job(jobs[name], jobs[name].variants[0])
        return kept[name]

    return result
