"""A command that feels like running here, logs over several tries, chains and futures, with real processes."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path

import pytest

from suanlian.model.demand import PassedFile
from suanlian.model.job import ENDED, JobState
from suanlian.model.party import Role
from suanlian.sdk.client import Client
from suanlian.sdk.futures import JobFailedError, as_completed
from suanlian.sdk.mapping import TaskFailedError
from suanlian.testing.nodes import NO_PROBES, HubProcess, Slots, make_hub, make_platform, python_job
from suanlian.testing.processes import Done, Processes, program, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]
PYTHON = ["python3", "-I", "-S", "-c"]
HEARS = """
import signal
from suanlian.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
INTERRUPTIBLE = [sys.executable, "-c", HEARS]
"""`suanlian` that hears an interrupt, whoever runs the tests."""


class Place:
    """A hub with one platform of two cores, and a buyer at a terminal."""

    def __init__(self, processes: Processes, hub: HubProcess, key: str) -> None:
        self.processes, self.hub, self.key = processes, hub, key
        self.env = {"SUANLIAN_HUB": hub.url, "SUANLIAN_KEY": key, "LANG": "en_US.UTF-8"}

    def suanlian(self, *arguments: str | Path, given: str | None = None) -> Done:
        return self.processes.run([*program("suanlian"), *arguments], env=self.env, given=given)

    @contextmanager
    def started(self, *arguments: str | Path, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """`suanlian` while it runs; killed in the end."""
        process = subprocess.Popen(
            [*INTERRUPTIBLE, *map(str, arguments)],
            env={**self.processes.env, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def client(self) -> Client:
        return self.hub.client(self.key)

    def state(self, name: str) -> JobState:
        with self.client() as hub:
            return next(hub.jobs.list(name=name)).state


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with Processes() as processes:
        hub = make_hub(processes, "national")
        make_platform(processes, hub, "wuhu", Slots(cores=2, probes=NO_PROBES))
        yield Place(processes, hub, hub.let_in("lab", Role.BUYER))


def test_files_in_output_live_exit_code_out(place: Place, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("from here\n", encoding="utf-8")
    text = (
        "import sys,pathlib;print(open('in/a.txt').read().strip());print('beside',file=sys.stderr);"
        "pathlib.Path('out').mkdir();open('out/made','w').write('there');sys.exit(7)"
    )
    ran = place.suanlian(
        "run",
        "--memory",
        "64MiB",
        "-i",
        f"{tmp_path / 'data'}:in",
        "-o",
        "out",
        "--into",
        tmp_path,
        "--",
        *PYTHON,
        text,
    )
    assert (ran.code, ran.out) == (7, "from here\n"), ran
    assert "beside\n" in ran.err
    assert "-- RUNNING at wuhu/cores" in ran.err
    assert "EXECUTOR_ERROR, exit code 7" in ran.err


def test_what_it_made_is_here_afterwards(place: Place, tmp_path: Path) -> None:
    text = "import pathlib;pathlib.Path('out').mkdir();open('out/made','w').write('there')"
    ran = place.suanlian("run", "--memory", "64MiB", "-o", "out", "--into", tmp_path, "--", *PYTHON, text)
    assert ran.code == 0, ran
    assert (tmp_path / "out" / "made").read_text(encoding="utf-8") == "there"


def test_standard_input_is_passed_on_where_that_is_asked(place: Place) -> None:
    text = "import sys;print(sys.stdin.read().upper(), end='')"
    ran = place.suanlian("run", "--memory", "64MiB", "--stdin", "--", *PYTHON, text, given="spoken\n")
    assert (ran.code, ran.out) == (0, "SPOKEN\n"), ran


def test_what_is_not_the_programs_has_a_code_of_its_own(place: Place) -> None:
    assert place.suanlian("run", "--environment", "none", "--", "true").code == 125
    assert place.suanlian("run", "--time", "soon", "--", "true").code == 125
    assert place.suanlian("run", "--on", "nowhere", "--", "true").code == 125


def _line(process: subprocess.Popen[bytes], stream: str, holds: bytes) -> bytes:
    """The next line of a stream that holds this."""
    for line in getattr(process, stream):
        if holds in line:
            found: bytes = line
            return found
    raise AssertionError(f"{stream} ended without {holds!r}")


def test_an_interrupt_cancels_and_waits_for_the_end(place: Place) -> None:
    text = "import time;print('begun',flush=True);time.sleep(300)"
    with place.started("run", "--name", "interrupted", "--memory", "64MiB", "--", *PYTHON, text) as process:
        assert _line(process, "stdout", b"begun")
        process.send_signal(signal.SIGINT)
        assert b"cancelling" in _line(process, "stderr", b"cancelling")
        assert process.wait(60) == 130
    assert place.state("interrupted") is JobState.CANCELED


def test_what_it_had_made_when_it_was_interrupted_comes_back(place: Place, tmp_path: Path) -> None:
    text = (
        "import pathlib,time;pathlib.Path('out').mkdir();open('out/made','w').write('so far');"
        "print('begun',flush=True);time.sleep(300)"
    )
    outputs = ("-o", "out", "-o", "never", "--into", tmp_path)
    with place.started("run", "--name", "half", "--memory", "64MiB", *outputs, "--", *PYTHON, text) as process:
        assert _line(process, "stdout", b"begun")
        process.send_signal(signal.SIGINT)
        assert b"brought back: out/made" in _line(process, "stderr", b"all that it wrote")
        assert b"never" in _line(process, "stderr", b"was not there")
        assert process.wait(60) == 130
    assert (tmp_path / "out" / "made").read_text(encoding="utf-8") == "so far"


def test_a_second_interrupt_leaves_it_at_that(place: Place) -> None:
    text = "import time,signal;signal.signal(signal.SIGTERM,signal.SIG_IGN);print('begun',flush=True);time.sleep(300)"
    with place.started("run", "--name", "left", "--memory", "64MiB", "--", *PYTHON, text) as process:
        assert _line(process, "stdout", b"begun")
        process.send_signal(signal.SIGINT)
        _line(process, "stderr", b"cancelling")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    until("the end of the job", lambda: place.state("left") is JobState.CANCELED)


def test_who_only_looks_cancels_nothing(place: Place) -> None:
    with place.client() as hub:
        job = hub.jobs.submit(
            python_job("watched", "import time;print('begun',flush=True);time.sleep(8);print('done')")
        )
    with place.started("logs", "-f", job.public_id) as process:
        assert _line(process, "stdout", b"begun")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert b"suanlian logs -f" in process.stderr.read() if process.stderr else False
    done = place.suanlian("logs", "-f", "--both", job.public_id)
    assert (done.code, done.out) == (0, "begun\ndone\n"), done
    assert place.suanlian("logs", "--tail", "1", job.public_id).out == "done\n"


def test_a_line_is_seen_within_a_second_or_so_of_being_written(place: Place) -> None:
    """Reported, not judged by the clock: lines carry the time at which they were written."""
    text = "import time\nfor _ in range(5):\n    print(time.time(), flush=True)\n    time.sleep(1)"
    with place.client() as hub:
        job = hub.jobs.submit(python_job("timed", text))
    ages = []
    with place.started("logs", "-f", job.public_id) as process:
        assert process.stdout is not None
        ages = [time.time() - float(line) for line in process.stdout]
    assert len(ages) == 5
    print(f"age of a line at the user's, s: {', '.join(f'{age:.2f}' for age in ages)}")  # noqa: T201 - a figure


def test_an_array_is_followed_together(place: Place) -> None:
    with place.client() as hub:
        text = "import os;print('task',os.environ['SUANLIAN_TASK_INDEX'])"
        asked = {"cpu": "0.5", "memory": "64MiB"}
        job = hub.jobs.submit(python_job("together", text, array_size=3, resources=asked))
    done = place.suanlian("logs", "-f", "--all", job.public_id)
    assert (done.code, sorted(done.out.splitlines())) == (0, [f"{n}: task {n}" for n in range(3)]), done


def test_a_chain_of_files_hands_on_what_was_made(place: Place, tmp_path: Path) -> None:
    first = python_job("align", "open('out','w').write('aligned')", outputs=["out"])
    second = python_job("call", "print(open('in/out').read())")
    (tmp_path / "a.json").write_text(first.model_dump_json(exclude_defaults=True), encoding="utf-8")
    document = json.loads(second.model_dump_json(exclude_defaults=True))
    document["after"] = [{"job": "align", "files": [{"output": "out", "path": "in/out"}]}]
    (tmp_path / "b.json").write_text(json.dumps(document), encoding="utf-8")
    done = place.suanlian("submit", tmp_path / "a.json", tmp_path / "b.json", "--wait", "--json")
    assert done.code == 0, done
    jobs = json.loads(done.out)
    assert [job["name"] for job in jobs] == ["align", "call"]
    assert place.suanlian("logs", jobs[1]["public_id"]).out == "aligned\n"


def test_futures_of_jobs(place: Place) -> None:
    with place.client() as hub:
        good = [hub.submit(python_job(f"good-{n}", f"print({n})")) for n in range(3)]
        bad = hub.submit(python_job("bad", "raise SystemExit(4)"))
        long = hub.submit(python_job("long", "import time;time.sleep(300)"))
        called = threading.Event()
        good[0].add_done_callback(lambda _future: called.set())
        done = {future.id for future in as_completed([*good, bad], timeout=120)}
        assert done == {future.id for future in (*good, bad)}
        assert called.wait(60)
        assert all(future.result().state is JobState.COMPLETE for future in good)
        with pytest.raises(JobFailedError, match="EXECUTOR_ERROR"):
            bad.result()
        assert long.cancel()
        with pytest.raises(CancelledError):
            long.result(60)
        assert long.cancelled()
        assert not good[0].cancel()
        then = hub.submit(python_job("then", "print(1)", after=[good[1].after()]))
        assert then.result(60).state is JobState.COMPLETE


def square(number: int) -> dict[str, int]:
    if number < 0:
        raise ValueError(number)
    return {"square": number * number, "of": number}


def test_a_map_of_a_function_and_of_commands(place: Place) -> None:
    small = {"cpu": "0.5", "memory": "64MiB"}
    with place.client() as hub:
        mapped = hub.map(square, [3, 4, 5, 6], resources=small)
        assert list(mapped) == [{"square": n * n, "of": n} for n in (3, 4, 5, 6)]
        failing = iter(hub.map(square, [1, -1, 2], resources=small))
        assert next(failing) == {"square": 1, "of": 1}
        with pytest.raises(TaskFailedError, match="ValueError"):
            next(failing)
        ran = list(hub.map_commands([["echo", "it's one"], ["echo", "two"]], resources=small))
        assert [(one.exit_code, one.stdout) for one in ran] == [(0, b"it's one\n"), (0, b"two\n")]
        with pytest.raises(Exception, match="cannot travel"):
            hub.map(lambda item: item, [1])


def test_files_pass_between_futures(place: Place) -> None:
    with place.client() as hub:
        first = hub.submit(python_job("made", "open('out','w').write('x'*10)", outputs=["out"]))
        handed = first.after(files=[PassedFile(output="out", path="from-first")])
        second = hub.submit(python_job("used", "print(len(open('from-first').read()))", after=[handed]))
        assert second.result(120).state in ENDED
        assert b"".join(hub.jobs.log(second.id)) == b"10\n"


def test_the_example_that_ships_runs(place: Place) -> None:
    script = Path(__file__).parents[2] / "examples" / "map_over_platforms.py"
    done = place.processes.run([sys.executable, script], env=place.env)
    assert done.code == 0, done
    assert "1000003 is prime" in done.out
    assert done.out.endswith("42\n")
