"""Does a crash lose or double nothing of what is done with storage, at whatever line the process falls?"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from suanlian.agent.data.book import DataBook
from suanlian.model.data_protocol import StorageTask, TaskKind, TaskState, TaskWish, Window
from suanlian.testing.fake_hub import Mischief
from tests.agent.bench import Crash, CrashingLedger
from tests.agent.data_bench import FILES, DataBench, Side, at, at_once, now, pull, read, task, written
from tests.agent.test_data_moves import granted
from tests.agent.test_data_places import left


def falls(side: Side, at_change: int, *, after: bool) -> bool:
    """A life of an agent that is killed at the n-th change of its ledger; whether it was."""
    ledger = CrashingLedger(side.home.ledger, 10_000, after=after)
    side.stack.callback(ledger.close)
    desk = side.desk()
    shelf = replace(desk.shelf, book=DataBook(ledger, now))
    keeper = side.keeper(replace(desk, ledger=ledger, shelf=shelf))
    ledger._left = at_change  # noqa: SLF001 - the test's own class
    try:
        for _round in range(3):
            keeper.poll(0)
            keeper.tick(at_once)
            keeper.tell()
    except Crash:
        return True
    return False


KINDS = ("move", "scan", "keep", "delete", "verify", "grant")


def wished(bench: DataBench, kind: str) -> tuple[Side, StorageTask]:
    if kind == "move":
        return bench.b, bench.wish(bench.b, pull(granted(bench)), FILES)
    if kind == "keep":
        return bench.a, bench.wish(bench.a, left(bench)[0])
    if kind == "scan":
        written(bench.a.lake / "in/reads", FILES)
        return bench.a, bench.wish(bench.a, task(TaskKind.SCAN, place="in/reads"))
    source = granted(bench)
    kinds = {"delete": TaskKind.DELETE, "verify": TaskKind.VERIFY, "grant": TaskKind.GRANT}
    said = task(kinds[kind], **at(source), sealing_key=source.sealing_key)
    return bench.a, bench.wish(bench.a, said, FILES)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_at_any_change_of_the_ledger_changes_nothing(tmp_path: Path, kind: str, after: bool) -> None:  # noqa: FBT001 - a parameter of the test
    crashes = 0
    for moment in range(1 + after, 60, 3):
        with DataBench(tmp_path / str(moment)) as bench:
            side, said = wished(bench, kind)
            crashed = falls(side, moment, after=after)
            crashes += crashed
            keeper = side.keeper()
            assert bench.ended(said, keeper).state is TaskState.DONE
            place = side.lake / said.place
            assert read(place) == ({} if kind == "delete" else FILES)
            bench.forget(said, keeper)
            assert said.id not in {row.task.id for row in keeper.kit.book.rows()}
            assert {end.state for end in bench.hub.data.reports[said.id]} <= {
                TaskState.GOING, TaskState.CHECKING, TaskState.DONE,
            }  # fmt: skip
        if not crashed:
            break
    assert crashes >= 2


def test_an_end_whose_report_is_lost_is_told_again(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        a = bench.a.keeper()
        bench.hub.mischief("data/report", *[Mischief.BROKEN] * 3)
        said = bench.wish(bench.a, left(bench)[0])
        a.poll(0)
        a.tick(at_once)
        with pytest.raises(Exception, match="no"):
            a.tell()
        assert bench.ended(said, bench.a.keeper()).state is TaskState.DONE


# ---------------------------------------------------------------- real processes

BIG = {f"big-{n}": bytes([n]) * (20 * 1024 * 1024 + n) for n in range(3)} | {f"small-{n}": b"s" * n for n in range(40)}
KILLS = 8


def started(side: Side) -> subprocess.Popen[bytes]:
    program = "import sys; from suanlian.agent.main import main; sys.argv = ['suanlian-agent', *sys.argv[1:]]; main()"
    command = [sys.executable, "-c", program, "run", "--home", str(side.home.root)]
    with (side.home.root / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)


@pytest.mark.e2e
def test_kill_9_at_random_moments_of_a_move_ends_with_a_whole_replica(tmp_path: Path) -> None:
    random = Random(6)
    with DataBench(tmp_path) as bench:
        bench.b.desk()
        source = granted(bench, BIG)
        size = sum(map(len, BIG.values()))
        slow = Window(start=now(), end=now() + timedelta(hours=1), mbps=Decimal(size * 8) / 1_000_000 / 6)
        move = bench.wish(bench.b, pull(source, windows=(slow,)), BIG)
        place, kills = bench.b.lake / move.place, 0
        while bench.hub.data.end(move.id) is None and kills < KILLS:
            process = started(bench.b)
            until = time.monotonic() + 2.0 + random.uniform(0, 1.5)
            while time.monotonic() < until and bench.hub.data.end(move.id) is None:
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            assert not place.exists() or read(place) == BIG
        assert kills >= 2
        process = started(bench.b)
        try:
            until = time.monotonic() + 60
            while bench.hub.data.end(move.id) is None and time.monotonic() < until:
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        end = bench.hub.data.end(move.id)
        assert end is not None, (bench.b.home.root / "log").read_text()
        assert end.state is TaskState.DONE
        assert read(place) == BIG
        assert [path.name for path in (bench.b.lake / ".coming").iterdir() if not path.name.startswith("+")] == []


@pytest.mark.e2e
def test_a_move_that_is_stopped_midway_throws_away_what_came(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        bench.b.desk()
        source = granted(bench, BIG)
        slow = Window(start=now(), end=now() + timedelta(hours=1), mbps=Decimal(20))
        move = bench.wish(bench.b, pull(source, windows=(slow,)), BIG)
        process = started(bench.b)
        try:
            wait(lambda: any(said.bytes_done for said in bench.hub.data.reports[move.id]))
            bench.hub.data.again(move.id, wish=TaskWish.STOP)
            wait(lambda: bench.hub.data.end(move.id) is not None)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        end = bench.hub.data.end(move.id)
        assert end is not None
        assert (end.state, end.code) == (TaskState.FAILED, "stopped")
        assert [name for name in read(bench.b.lake) if "+" not in name] == []


def wait(what: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)
