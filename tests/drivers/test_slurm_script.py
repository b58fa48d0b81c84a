"""The script of a Slurm job, run by a real shell without Slurm: what it passes on and writes, and that it runs once."""

import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suanlian.drivers import kept
from suanlian.drivers.contract import DriverError, Fault, Measured, Observation
from suanlian.drivers.slurm import images, looks, meaning, script
from suanlian.drivers.slurm.book import Batch, Book, Extra, Owner
from suanlian.drivers.slurm.driver import SlurmDriver, SlurmOptions
from suanlian.drivers.slurm.records import JobRecord
from suanlian.model.job import JobState

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
ME = Owner(os.geteuid(), os.getegid())


def batch(*tasks: tuple[int, str]) -> Batch:
    request = {"time_limit_s": 60, "memory_mib": 100}
    return Batch(name="b1", user="me", tasks=tasks, request=request, created=0, stream_bytes=1000)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "root")


def laid_out(book: Book, program: script.Program, *, extra: Extra | None = None) -> Path:
    """One attempt of a batch, and its script."""
    text = script.text(script.Program(**{name: getattr(program, name) for name in script.Program.__slots__}))
    book.add_batch(batch((4, "a1")), text)
    book.add("a1", ("b1", 0, 4), None, ME, extra or Extra())
    return book.here("b1") / "script.sh"


def run(path: Path, number: int = 17, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(path)],
        env={"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": str(number), **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def program(book: Book, *command: str, **changes: object) -> script.Program:
    return script.Program(here=str(book.here("b1")), command=command, **changes)  # type: ignore[arg-type]


def test_it_writes_streams_code_and_usage_and_runs_once(book: Book) -> None:
    path = laid_out(
        book, program(book, "sh", "-c", 'echo "$SUANLIAN_TASK_INDEX $SUANLIAN_ATTEMPT_ID"; echo e >&2; exit 3')
    )
    assert run(path).returncode == 3
    assert book.mark("a1", "stdout") == b"4 a1\n"
    assert book.mark("a1", "stderr") == b"e\n"
    assert book.mark("a1", "begun") == b"17\n"
    code, measured = meaning.ended((book.mark("a1", "ended") or b"").decode()) or (None, Measured())
    assert code == 3
    assert measured.peak_memory_mib >= 1
    assert run(path, 18).returncode == script.REFUSED
    assert book.mark("a1", "begun") == b"17\n"
    assert book.mark("a1", "stdout") == b"4 a1\n"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(argument=TEXT, value=TEXT, secret=TEXT)
def test_arguments_variables_and_secrets_arrive_as_they_are(
    tmp_path: Path, argument: str, value: str, secret: str
) -> None:
    shutil.rmtree(tmp_path / "root", ignore_errors=True)
    book = Book(tmp_path / "root")
    show = ("sh", "-c", 'printf "%s\\0%s\\0%s" "$1" "$VALUE" "$SECRET"', "sh", argument)
    extra = Extra(secrets=f"export SECRET={shlex.quote(secret)}\n")
    path = laid_out(book, program(book, *show, env={"VALUE": value}, secrets=True), extra=extra)
    assert run(path).returncode == 0
    assert book.mark("a1", "stdout") == f"{argument}\0{value}\0{secret}".encode()
    assert book.mark("a1", "secrets") is None


def test_the_program_gets_signals_and_the_end_is_written(book: Book) -> None:
    polite = 'trap "echo caught; exit 5" USR1; touch up; while :; do sleep 0.05; done'
    path = laid_out(book, program(book, "sh", "-c", f"sh -c '{polite}'; echo after", grace_s=5))
    env = {"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "1"}
    with subprocess.Popen(["/bin/sh", str(path)], env=env, start_new_session=True) as process:
        deadline = time.monotonic() + 20
        while not (book.work("a1") / "up").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, 10)  # to all, as Slurm does
        process.wait(20)
    assert b"caught" in (book.mark("a1", "stdout") or b"")
    assert book.mark("a1", "ended") is not None


def test_a_checkpoint_is_told_where_it_lies(book: Book) -> None:
    path = laid_out(book, program(book, "sh", "-c", 'echo "$SUANLIAN_CHECKPOINT_DIR"', checkpoint=("", "a b/c")))
    run(path)
    assert book.mark("a1", "stdout") == f"{book.work('a1')}/a b/c\n".encode()


# ------------------------------------------------------------------ what a job left is a stranger's


def test_links_and_pipes_of_a_job_are_not_followed(book: Book, tmp_path: Path) -> None:
    laid_out(book, program(book, "true"))
    secret = tmp_path / "secret"
    secret.write_text("not yours")
    mark = book.here("b1") / "0"
    (mark / "stdout").symlink_to(secret)
    os.mkfifo(mark / "stderr")
    (mark / "ended").mkdir()
    assert [book.mark("a1", name) for name in ("stdout", "stderr", "ended", "nothing")] == [None] * 4
    assert book.length("a1", "stdout") == 0
    assert looks.own(book, "a1", batch((4, "a1"))).ended is None


@given(st.text(max_size=60))
def test_rubbish_in_the_mark_is_no_end(text: str) -> None:
    found = meaning.ended(text)
    assert found is None or isinstance(found[0], int)


def test_a_forbidden_attempt_never_begins(book: Book) -> None:
    path = laid_out(book, program(book, "touch", "ran"))
    assert book.forbid("a1")
    assert not book.forbid("a1")
    assert run(path).returncode == script.REFUSED
    assert not (book.work("a1") / "ran").exists()


def test_the_last_attempt_takes_its_batch_along(book: Book) -> None:
    book.add_batch(batch((0, "a1"), (1, "a2")), "#!/bin/sh\n")
    for place, attempt in enumerate(("a1", "a2")):
        book.add(attempt, ("b1", place, place), None, ME, Extra())
    closed = book.work("a1") / "closed"
    closed.mkdir(mode=0o000)
    book.drop("a1")
    assert book.here("b1").is_dir()
    book.drop("a2")
    book.drop("a2")
    assert not book.here("b1").exists()
    assert list(book.known()) == []


# ------------------------------------------------------------------ meaning


BEGUN = meaning.Own(wall_time_s=20, memory_mib=50, begun=True)


@pytest.mark.parametrize(
    ("record", "own", "state", "fault", "word"),
    [
        (JobRecord(1, "NODE_FAIL", nodes="n7"), BEGUN, JobState.SYSTEM_ERROR, Fault.NODE, "n7"),
        (JobRecord(1, "PENDING", restarts=1), BEGUN, JobState.PREEMPTED, Fault.PREEMPTED, "back into its queue"),
        (JobRecord(1, "FAILED", restarts=1, status=86 << 8), BEGUN, JobState.PREEMPTED, Fault.PREEMPTED, "queue"),
        (JobRecord(1, "", flags=frozenset({"REQUEUE_HOLD"})), BEGUN, JobState.PREEMPTED, Fault.PREEMPTED, "queue"),
        (JobRecord(1, "DEADLINE"), BEGUN, JobState.SYSTEM_ERROR, Fault.NODE, "deadline"),
        (JobRecord(1, "REVOKED"), BEGUN, JobState.SYSTEM_ERROR, Fault.NODE, "federation"),
        (
            JobRecord(1, "FAILED", reason="JobLaunchFailure", status=4021),
            meaning.Own(slurm_said="slurmstepd: error: no such directory"),
            JobState.SYSTEM_ERROR,
            Fault.NODE,
            "no such directory",
        ),
        (
            JobRecord(1, "FAILED", status=125 << 8),
            meaning.Own(begun=True, image=True, stderr_tail="Error: manifest unknown"),
            JobState.SYSTEM_ERROR,
            Fault.IMAGE,
            "not there",
        ),
        (
            JobRecord(1, "FAILED", status=1 << 8),
            meaning.Own(begun=True, image=True, stderr_tail="exec /bin/x: exec format error"),
            JobState.SYSTEM_ERROR,
            Fault.IMAGE,
            "architecture",
        ),
    ],
)
def test_ends_are_told_by_their_cause(
    record: JobRecord, own: meaning.Own, state: JobState, fault: Fault, word: str
) -> None:
    seen = meaning.observation(record, own)
    assert (seen.state, seen.fault) == (state, fault)
    assert word in seen.reason


@pytest.mark.parametrize(
    ("record", "state", "ending"),
    [
        (JobRecord(1, "RUNNING", started=5), JobState.RUNNING, False),
        (JobRecord(1, "", flags=frozenset({"COMPLETING"}), started=5), JobState.RUNNING, True),
        (JobRecord(1, "COMPLETED", flags=frozenset({"COMPLETING"}), started=5), JobState.RUNNING, True),
        (JobRecord(1, "SUSPENDED", started=5), JobState.PAUSED, False),
        (JobRecord(1, "RUNNING", flags=frozenset({"CONFIGURING"}), started=5), JobState.INITIALIZING, False),
    ],
)
def test_a_job_that_has_not_ended_is_told_as_it_is(record: JobRecord, state: JobState, ending: bool) -> None:  # noqa: FBT001
    seen = meaning.observation(record, BEGUN)
    assert (seen.state, seen.ending) == (state, ending)


def test_what_was_seen_is_kept_as_it_was() -> None:
    seen = meaning.observation(JobRecord(1, "FAILED", status=3 << 8, started=10, ended=12), BEGUN)
    assert kept.from_record(kept.to_record(seen)) == seen
    assert isinstance(seen, Observation)


def test_a_waiting_record_holds_its_tasks_and_no_others() -> None:
    waiting = JobRecord(9, "PENDING", "n", array_id=9, waiting="2-4")
    cut = JobRecord(9, "PENDING", "n", array_id=9, waiting="2-4,...")
    done = JobRecord(12, "COMPLETED", "n", array_id=9, task=1)
    other = JobRecord(13, "RUNNING", "another", array_id=9, task=3)
    told = looks.told([waiting, done, other], "n")
    assert told.of_task(1, lambda: True) is done
    assert told.of_task(3, lambda: False) is waiting
    assert told.of_task(7, lambda: False) is None
    assert looks.told([cut], "n").of_task(7, lambda: False) is cut
    assert looks.told([cut], "n").of_task(7, lambda: True) is None
    assert looks.told([JobRecord(5, "RUNNING", "n")], "n").of_task(None, lambda: True) is not None


# ------------------------------------------------------------------ images


@pytest.mark.parametrize("runtime", sorted(images.RUNTIMES))
def test_an_image_runs_by_its_runtime_with_mounts_and_names_of_variables(runtime: str) -> None:
    job = images.Contained("r.org/i@sha256:1", ("prog", "a b"), names=("A",), mounts=(("/data", "in"),))
    command = images.RUNTIMES[runtime](job)
    text = " ".join(command)
    assert command[-2:] == ["prog", "a b"]
    assert "r.org/i@sha256:1" in text
    assert "./in:/data" in text
    assert runtime in text


def test_a_bad_root_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DriverError, match="cannot be used for jobs"):
        SlurmDriver(SlurmOptions(root=tmp_path / "file" / "root"))
