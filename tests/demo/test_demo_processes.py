import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from suanlian.demo.options import parse
from suanlian.demo.processes import program, tail
from suanlian.demo.progress import Counts, Snapshot, line
from suanlian.demo.trouble import Trouble
from suanlian.i18n import use_language
from suanlian.testing.processes import until

TWICE = """
import sys
from suanlian.demo.main import guarded
from suanlian.demo.world import PLATFORMS
sys.exit(guarded("demo", ["--lang", "en", "--out", sys.argv[1]], (PLATFORMS[0], PLATFORMS[0])))
"""
FLEET = """
import sys, time
from pathlib import Path
from suanlian.demo.processes import Fleet
from suanlian.demo.trouble import Trouble
fleet = Fleet(Path(sys.argv[1]) / "logs", "en")
script = "setsid sh -c 'setsid sleep 9173 & sleep 9173' & exec sleep 9173"
fleet.start("deep", ["sh", "-c", script])
while sys.argv[2] == "fails":
    try:
        fleet.start("short", ["sh", "-c", "echo the reason; exit 3"]).process.wait()
        fleet.check()
    except Trouble as trouble:
        print(trouble.wrong, trouble.log)
        break
time.sleep(0.3)
print("killed", fleet.end())
"""


def _alive(mark: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if mark in command:
                found.append(command)
    return found


def _run(script: str, *arguments: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.e2e
def test_after_a_failed_start_nothing_is_left(tmp_path: Path) -> None:
    done = _run(TWICE, str(tmp_path / "out"), tmp_path=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "duplicate_name" in done.stderr
    assert f"All logs: {tmp_path / 'out' / 'logs'}" in done.stderr
    assert (tmp_path / "out" / "logs" / "national.log").exists()
    assert list((tmp_path / "tmp").iterdir()) == []
    assert _alive(str(tmp_path)) == []


@pytest.mark.parametrize("how", ["well", "fails"])
def test_no_descendant_outlives_the_fleet(tmp_path: Path, how: str) -> None:
    done = _run(FLEET, str(tmp_path), how, tmp_path=tmp_path)
    assert done.returncode == 0, done.stderr
    # a shell may become its last command instead of starting it
    assert re.search(r"killed [23]$", done.stdout, re.MULTILINE)
    assert ("The process short has ended, exit code 3. the reason" in done.stdout) == (how == "fails")
    until("nothing is left", lambda: not _alive("sleep 9173"))


def test_our_commands_are_found_and_others_are_not() -> None:
    assert program("suanlian-agent")[0] == sys.executable
    with pytest.raises(Trouble, match="not installed"):
        program("suanlian-nothing")


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"{number}\n" for number in range(40)))
    assert tail(log, 2) == "38\n39"
    assert tail(tmp_path / "none.log") == ""


def test_the_language_in_force_is_the_default() -> None:
    with use_language("zh"):
        assert parse([]).lang == "zh"
        assert parse(["--lang", "en"]).lang == "en"


def test_options_that_there_are_not_are_refused_in_our_words() -> None:
    with use_language("zh"), pytest.raises(Trouble, match="选项无法使用"):
        parse(["--nothing"])


def test_a_line_names_only_the_platforms_that_work() -> None:
    counts = {"a": Counts(starting=1, running=1), "b": Counts(ended=3)}
    assert line(Snapshot(finished=2, total=5, waiting=4, platforms=counts)) == (
        "2 of 5 jobs ended; running: a 2; 4 tasks wait for a place"
    )
