"""Slurm's side of lending, on a real cluster: what is lent never runs its body, and its end is told at home."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from suanlian.drivers.contract import DriverError
from suanlian.drivers.lending import AtHome, LentEnd, Phase
from suanlian.testing.lending_cluster import BODY, LendingCluster, lending_cluster
from suanlian.testing.processes import until
from suanlian.testing.slurm import missing, unix_users

pytestmark = [pytest.mark.engine("slurm"), pytest.mark.skipif(bool(missing()), reason=missing())]
ASKS = "--comment=suanlian"


@pytest.fixture(scope="module")
def full() -> Iterator[LendingCluster]:
    """A cluster that is full from the beginning."""
    with unix_users("a") as users, lending_cluster("wuhu", users["a"]) as cluster:
        cluster.fill()
        yield cluster


def end(root: Path, code: int = 7, *, files: bool = True) -> LentEnd:
    """An end as the agent fetched it."""
    (root / "stdout").write_bytes(b"from elsewhere\n")
    (root / "stderr").write_bytes(b"a warning\n")
    if files:
        (root / "outputs" / "res").mkdir(parents=True, exist_ok=True)
        (root / "outputs" / "res" / "x.txt").write_text("result")
    return LentEnd(code, root / "stdout", root / "stderr", root / "outputs" if files else None, "ran at suzhou")


def test_what_is_held_can_be_let_go_by_no_user(full: LendingCluster) -> None:
    number, lender = full.sbatch(ASKS), full.lender()
    key = full.key(number)
    assert lender.hold(key)
    assert lender.hold(key), "again"
    told = full.told(number)
    assert (told["JobState"], told["Reason"]) == ("PENDING", "JobHeldAdmin")
    assert told["AdminComment"].startswith(f"suanlian/1 {key.mark} held")
    for act in (("scontrol", "release", number), ("scontrol", "update", f"jobid={number}", "admincomment=")):
        with pytest.raises(AssertionError):
            full.cluster.command(*act, user=full.user)
    assert lender.at_home([key]) == {key: AtHome.HELD}
    assert (key, Phase.HELD) in list(full.lender().marked())
    full.cluster.command("scancel", number, user=full.user)
    assert lender.at_home([key]) == {key: AtHome.GONE}
    assert not lender.hold(key)


def test_its_end_is_told_by_the_job_itself(full: LendingCluster, tmp_path: Path) -> None:
    number = full.sbatch(ASKS, "--output=out-%j.txt", "--error=err-%j.txt", "--ntasks=2", "--cpus-per-task=1")
    lender, key = full.lender(), full.key(number)
    assert lender.hold(key)
    lender.mark(key, Phase.LENT, "lent to suanlian as X, RUNNING at suzhou")
    assert "RUNNING at suzhou" in full.told(number)["AdminComment"]
    for _again in range(2):
        lender.bring_back(key, end(tmp_path))
    told = full.ended(number)
    assert (told["JobState"], told["ExitCode"], told["Partition"]) == ("FAILED", "7:0", "replay")
    assert "ran at suzhou" in told["AdminComment"]
    assert full.read(f"out-{number}.txt") == "from elsewhere\n"
    assert full.read(f"err-{number}.txt") == "a warning\n"
    assert full.read("res/x.txt") == "result"
    owner = (full.home / f"out-{number}.txt").owner()
    assert owner == (full.home / "res/x.txt").owner() == full.user
    assert not full.ran(number)
    until("it is written down", lambda: f"JobId={number} " in full.cluster.jobcomp.read_text())
    lender.forget(key)
    assert not (full.terms.spool / key.mark).exists()


def test_a_job_that_waits_for_it_goes_on_after_its_end(full: LendingCluster, tmp_path: Path) -> None:
    first = full.sbatch(ASKS)
    second = full.sbatch(f"--dependency=afterok:{first}", "--partition=replay", script="#!/bin/sh\necho second\n")
    lender, key = full.lender(), full.key(first)
    assert lender.hold(key)
    lender.bring_back(key, end(tmp_path, 0, files=False))
    assert full.ended(first)["JobState"] == "COMPLETED"
    assert full.ended(second)["JobState"] == "COMPLETED"


def test_a_requeued_one_tells_its_end_again_and_runs_no_body(full: LendingCluster, tmp_path: Path) -> None:
    number, lender = full.sbatch(ASKS), full.lender()
    key = full.key(number)
    assert lender.hold(key)
    lender.bring_back(key, end(tmp_path, 0))
    assert full.ended(number)["JobState"] == "COMPLETED"
    full.cluster.command("scontrol", "requeue", number, user=full.user)
    # not at once: the node still clears up after the first run, which is why Slurm itself waits two minutes
    full.cluster.command("scontrol", "update", f"jobid={number}", "starttime=now+5")
    assert full.ended(number)["JobState"] == "COMPLETED"
    assert not full.ran(number)
    assert lender.at_home([key]) == {key: AtHome.GONE}, "the new submission is another job"


@pytest.mark.parametrize("phase", [Phase.HELD, Phase.LENT, Phase.BACK])
def test_a_marked_job_never_runs_its_body(full: LendingCluster, phase: Phase) -> None:
    """An administrator lets it go while it is away; or its end is not in the spool."""
    number, lender = full.sbatch(ASKS, "--partition=main"), full.lender()
    key = full.key(number)
    assert lender.hold(key)
    lender.mark(key, phase, "somewhere")
    small = ("partition=replay", "numcpus=1-1", "numtasks=1")
    full.cluster.command("scontrol", "update", f"jobid={number}", *small)
    full.cluster.command("scontrol", "release", number)
    told = full.ended(number)
    assert (told["JobState"], told["ExitCode"]) == ("FAILED", "125:0")
    assert not full.ran(number)


def test_an_end_that_is_not_whole_is_not_told(full: LendingCluster, tmp_path: Path) -> None:
    number, lender = full.sbatch(ASKS), full.lender()
    key = full.key(number)
    assert lender.hold(key)
    spooled = full.terms.spool / key.mark
    lender.bring_back(key, end(tmp_path, 0))
    (spooled / "stdout").write_bytes(b"cut") if full.told(number)["JobState"] == "PENDING" else None
    told = full.ended(number)
    whole = told["ExitCode"] == "0:0"
    assert whole is (full.read(f"slurm-{number}.out").startswith("from elsewhere"))
    assert not full.ran(number)


def test_released_it_runs_its_own_body(full: LendingCluster) -> None:
    number, lender = full.sbatch(ASKS), full.lender()
    key = full.key(number)
    assert lender.hold(key)
    lender.release(key, "nothing had room for it")
    told = full.told(number)
    assert (told["JobState"], told["Priority"] != "0") == ("PENDING", True)
    assert "nothing had room" in told["AdminComment"]
    full.cluster.command("scontrol", "update", f"jobid={number}", "partition=replay", "numcpus=1-1", "numtasks=1")
    told = full.ended(number)
    assert (told["JobState"], told["ExitCode"], full.ran(number)) == ("FAILED", "3:0", True)
    assert full.read(f"slurm-{number}.out") == "hello\nsorry\n"


def test_a_job_that_asks_and_is_not_lent_runs_as_ever(full: LendingCluster) -> None:
    number = full.sbatch("--comment=suanlian:out=res", "--partition=main", "--job-name=x")
    full.cluster.command("scontrol", "update", f"jobid={number}", "partition=replay", "numcpus=1-1", "numtasks=1")
    assert full.ended(number)["ExitCode"] == "3:0"
    assert full.ran(number)


def test_what_began_before_it_was_held_is_left_as_it_was(full: LendingCluster) -> None:
    number = full.sbatch("--partition=main", ASKS, script="#!/bin/sh\nsleep 60\n")
    key, lender = full.key(number), full.lender()
    full.cluster.command("scontrol", "update", f"jobid={number}", "partition=replay", "numcpus=1-1", "numtasks=1")
    until("it runs", lambda: full.told(number)["JobState"] == "RUNNING")
    assert not lender.hold(key)
    told = full.told(number)
    assert (told["JobState"], told.get("AdminComment", "")) == ("RUNNING", "")
    assert lender.at_home([key]) == {key: AtHome.BEGUN}
    full.cluster.command("scancel", number)
    full.ended(number)


def test_what_travels_is_read_with_the_users_rights(full: LendingCluster) -> None:
    (full.home / "a.dat").write_bytes(b"\x00data")
    (full.home / "secret").write_text("root's")
    (full.home / "secret").chmod(0o600)
    good = full.sbatch("--comment=suanlian:in=a.dat,out=res", "--export=ALL,COLOUR=blue and green,OTHER=1")
    bad = full.sbatch("--comment=suanlian:in=secret")
    lender = full.lender()
    contents = lender.contents(full.key(good))
    assert contents.script == BODY.encode()
    assert contents.inputs == {"a.dat": b"\x00data"}
    assert contents.variables == {"COLOUR": "blue and green"}
    with pytest.raises(DriverError) as found:
        lender.contents(full.key(bad))
    assert "secret" in str(found.value)
    full.cluster.command("scancel", good, bad)


NOT_LENT = [
    (("--array=0-3",), BODY, (), "array"),
    (("--no-requeue",), BODY, (), "no-requeue"),
    (("--dependency=singleton", "--job-name=full"), BODY, (), "other jobs"),
    (("--hold",), BODY, (), "JobHeldUser"),
    (("--begin=now+1hour",), BODY, (), "BeginTime"),
    ((), "#!/usr/bin/python3\nprint(1)\n", (), "guard"),
    ((), BODY, ("an argument",), "guard"),
]


@pytest.mark.parametrize(("options", "script", "arguments", "why"), NOT_LENT)
def test_why_a_job_is_not_lent_is_told(
    full: LendingCluster, options: tuple[str, ...], script: str, arguments: tuple[str, ...], why: str
) -> None:
    number = full.sbatch(ASKS, *options, script=script, arguments=arguments)

    def look() -> str:
        return next(job.why_not for job in full.lender().lendable(1000) if job.key.native_id == number)

    until(f"{why} is told: {look()}", lambda: why in look())
    full.cluster.command("scancel", number)


def test_who_does_not_ask_is_not_touched(full: LendingCluster) -> None:
    number = full.sbatch(script="#!/bin/sh\necho plain\n")
    assert all(job.key.native_id != number for job in full.lender().lendable(1000))
    assert full.cluster.command("scontrol", "write", "batch_script", number, "-").strip() == "#!/bin/sh\necho plain"
    full.cluster.command("scancel", number)


def test_without_the_hook_nothing_is_lent(full: LendingCluster) -> None:
    lender = full.lender()
    assert lender.fault() == ""
    lender.run = lambda *command: "JobSubmitPlugins = (null)" if command[-1] == "config" else ""
    assert "JobSubmitPlugins" in lender.fault()


def test_without_the_hook_an_end_may_be_a_cancelled_job_with_a_note(full: LendingCluster, tmp_path: Path) -> None:
    """What the owner chooses by ``end = "cancel"``; the whole end lies in the spool."""
    number = full.sbatch(ASKS)
    lender = LendingCluster(full.cluster, full.user, replace(full.terms, cancels=True)).lender()
    key = full.key(number)
    assert lender.fault() == ""
    assert lender.hold(key)
    lender.bring_back(key, end(tmp_path, 7))
    told = full.ended(number)
    assert told["JobState"] == "CANCELLED"
    assert "back ran at suzhou" in told["AdminComment"]
    assert (full.terms.spool / key.mark / "stdout").read_text() == "from elsewhere\n"
    assert not full.ran(number)
