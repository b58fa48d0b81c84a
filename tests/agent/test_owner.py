"""Does the owner's word hold with the hub down, with the agent running or not, and is everything that left told?"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from suanlian.agent import owner
from suanlian.agent.build import build_driver, is_running, locked
from suanlian.agent.config import Home, SentBounds, read_config
from suanlian.agent.journal import SentJournal
from suanlian.agent.main import run as run_command
from suanlian.drivers.contract import DriverError
from suanlian.drivers.registry import DriverRegistry
from suanlian.i18n import set_language
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError
from suanlian.model.job import JobState
from suanlian.sdk.connector import Departure
from suanlian.settings import AgentSettings
from suanlian.testing.fake_driver import Ending
from suanlian.testing.fake_hub import FakeHub
from tests.agent.bench import CONFIG, START, Bench, run, sha256, spec

LONG = 1000.0


def lasting(_work: object, _index: int) -> Ending:
    return Ending(after_s=LONG, stdout=b"secret words")


def no_sleep(_seconds: float) -> None:
    return


def test_pause_gives_back_what_has_not_started_and_keeps_what_runs(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasting) as bench:
        first, second, agent = run(), run(), bench.agent()
        bench.hub.wish(first)
        bench.rounds(agent, 3)
        owner.pause(bench.home, paused=True)
        bench.hub.wish(second)
        bench.rounds(agent, 3)
        assert bench.hub.last(first.attempt_id).state is JobState.RUNNING
        assert bench.hub.last(second.attempt_id).state is JobState.PREEMPTED
        assert bench.hub.accepting[-1] is False
        again = bench.agent()
        bench.rounds(again, 1)
        assert bench.hub.accepting[-1] is False
        owner.pause(bench.home, paused=False)
        bench.rounds(again, 1)
        assert bench.hub.accepting[-1] is True


def test_evict_ends_what_runs_without_hub_and_agent_and_is_reported_later(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasting) as bench:
        said = run()
        bench.hub.wish(said)
        bench.rounds(bench.agent(), 3)
        calls = len(bench.hub.calls)
        row = owner.evict(bench.home, said.attempt_id[:30], sleep=no_sleep, driver=bench.engine)
        assert owner.has_ended(row)
        assert len(bench.hub.calls) == calls
        bench.rounds(bench.agent(), 3)
        end = bench.hub.last(said.attempt_id)
        assert end.state is JobState.PREEMPTED
        assert end.outcome.reason == "evicted by its owner"
        with pytest.raises(ConflictError):
            owner.evict(bench.home, said.attempt_id, sleep=no_sleep, driver=bench.engine)
        with pytest.raises(NotFoundError):
            owner.evict(bench.home, "no", sleep=no_sleep, driver=bench.engine)


def test_evict_beside_a_running_agent_leaves_the_work_to_it(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lasting) as bench:
        said, agent = run(), bench.agent()
        bench.hub.wish(said)
        bench.rounds(agent, 3)

        def works(_seconds: float) -> None:
            agent.tick()

        with locked(bench.home):
            assert is_running(bench.home)
            with pytest.raises(ConflictError), locked(bench.home):
                pass
            row = owner.evict(bench.home, said.attempt_id, sleep=works)
        assert not is_running(bench.home)
        assert owner.has_ended(row)


def test_everything_that_left_is_told_and_no_output_byte_is_kept(tmp_path: Path) -> None:
    def script(_work: object, _index: int) -> Ending:
        return Ending(stdout=b"secret words", files={"z": b"secret bytes"})

    with Bench(tmp_path, script=script) as bench:
        said, agent = run(spec(outputs=("z",))), bench.agent()
        agent.publish()
        bench.hub.wish(said)
        bench.rounds(agent)
        entries = [json.loads(line) for line in owner.sent_lines(bench.home, as_json=True)]
        assert [entry["path"].rpartition("/")[2] for entry in entries] == bench.hub.calls
        kept = json.dumps(entries)
        assert "c2VjcmV0" not in kept
        assert "secret" not in kept
        output = next(json.loads(entry["body"]) for entry in entries if entry["path"].endswith("outputs"))
        assert output["data_sha256"] == sha256(b"secret bytes")
        report = next(entry for entry in entries if entry["path"].endswith("report"))
        assert sha256(report["body"].encode()) == report["sha256"]
        assert len(list(owner.sent_lines(bench.home, as_json=False))) == len(entries)


def test_what_was_dropped_from_the_journal_is_told(tmp_path: Path) -> None:
    now = [START]
    journal = SentJournal(tmp_path / "sent", lambda: now[0], SentBounds(days=1, mib=1))
    journal.record(Departure("/connector/v1/poll", b"{}"))
    now[0] += timedelta(days=2)
    for _each in range(20):
        journal.record(Departure("/connector/v1/report", b"x" * 100_000))
    journal.rotate()
    left, dropped = list(journal.entries()), journal.dropped()
    journal.close()
    assert dropped is not None
    assert dropped.entries + len(left) == 21
    assert sum(entry.size for entry in left) <= 1024 * 1024
    assert left[-1].number == 21


def test_a_wrong_file_is_told_with_file_and_field(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    good = CONFIG.format(hub="http://127.0.0.1:1", policy="", top="")
    for bad, field in (
        (good.replace('region = "310000"', 'region = "x"'), "inventory.sites.0.region"),
        (good.replace("usage_segment_s = 60", "usage_segment_s = 0"), "usage_segment_s"),
        (good.replace("http://127.0.0.1:1", "http://hub.example"), "hub"),
        (good + "own_entty = 'x'\n", "policy.own_entty"),
    ):
        path.write_text(bad)
        with pytest.raises(InvalidError) as caught:
            read_config(path)
        assert caught.value.faults[0].field == field
        assert str(path) in str(caught.value)
    path.write_text("hub = ")
    with pytest.raises(InvalidError, match="is not TOML"):
        read_config(path)
    with pytest.raises(InvalidError, match="cannot be read"):
        read_config(tmp_path / "none")


def test_the_driver_is_built_from_the_file_and_a_wrong_option_is_named(tmp_path: Path) -> None:
    home, good = Home(tmp_path), CONFIG.format(hub="http://127.0.0.1:1", policy="", top="")
    home.config.write_text(
        good + '[driver]\noptions = { slots = 3 }\nenvironments = { python = { launcher = ["x"] } }\n'
    )
    options = build_driver(read_config(home.config), home, DriverRegistry())._options  # type: ignore[attr-defined]  # noqa: SLF001 - how the driver keeps it
    assert (options.slots, options.root) == (3, home.driver)
    assert options.environments["python"].launcher == ("x",)
    for bad, field in (("slots = 'many'", "driver.options.slots"), ("slotz = 1", "driver.options.slotz")):
        home.config.write_text(f"{good}[driver]\noptions = {{ {bad} }}\n")
        with pytest.raises(InvalidError) as caught:
            build_driver(read_config(home.config), home, DriverRegistry())
        assert caught.value.field == field
    home.config.write_text(f'{good}[driver]\nname = "none"\n')
    with pytest.raises(DriverError, match="there is no driver 'none'"):
        build_driver(read_config(home.config), home, DriverRegistry())


def command(home: Path, *words: str, lang: str = "") -> int:
    try:
        return run_command([*words, "--home", str(home)], AgentSettings(lang=lang or "en"))
    finally:
        set_language(None)


def test_enrol_pins_the_key_and_the_owners_commands_work_with_the_hub_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    with FakeHub() as hub:
        (tmp_path / "a.toml").write_text(CONFIG.format(hub=hub.url, policy="", top=""))
        enrol = ("enrol", hub.url, "--token", "jt_good", "--config", str(tmp_path / "a.toml"))
        assert command(home, "status") == 1
        wrong = ("--hub-key", "ed25519:" + "A" * 43)
        assert command(home, *enrol, *wrong) == 1
        assert not (home / "identity.json").exists()
        keys = f"it says {hub.keypair.public_text}, you gave ed25519:{'A' * 43}."
        assert f"The hub has another key than the one you gave: {keys}" in capsys.readouterr().err
        hub.faults.clear()
        assert command(home, *enrol) == 0
        assert hub.keypair.public_text in capsys.readouterr().out
        assert command(home, *enrol) == 1
        assert hub.faults == []
    assert (home / "connector.key").stat().st_mode & 0o777 == 0o600
    assert (home / "identity.json").stat().st_mode & 0o777 == 0o600
    assert command(home, "pause") == 0
    assert command(home, "status") == 0
    assert "Nothing new is accepted." in capsys.readouterr().out
    assert command(home, "status", lang="zh") == 0
    assert "不再接受新任务" in capsys.readouterr().out
    assert command(home, "resume") == 0
    assert command(home, "sent", "--json") == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert any(entry["path"] == "/connector/v1/enrol" for entry in said)
    assert command(home, "evict", "x") == 1
    assert command(home, "nonsense") == 2


@contextmanager
def process(home: Path) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", "from suanlian.agent.main import main; main()", "run", "--home", str(home)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@pytest.mark.e2e
def test_the_process_enters_publishes_and_ends_on_sigterm_and_only_one_runs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with FakeHub() as hub:
        (tmp_path / "a.toml").write_text(CONFIG.format(hub=hub.url, policy="", top=""))
        assert command(home, "enrol", hub.url, "--token", "jt_good", "--config", str(tmp_path / "a.toml")) == 0
        with process(home) as running:
            until(lambda: hub.inventories and hub.accepting and "poll" in hub.calls)
            assert is_running(Home(home))
            assert command(home, "run") == 1
            assert command(home, "pause") == 0
            until(lambda: not hub.accepting[-1])
            os.kill(running.pid, signal.SIGTERM)
            assert running.wait(30) == 0
        assert not is_running(Home(home))
        assert hub.faults == []
