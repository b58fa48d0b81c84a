"""Secrets at a platform: opened in memory for one attempt, in no file that is kept, masked in whatever is told."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.agent import owner
from suanlian.agent.agent import Agent
from suanlian.agent.main import run as run_command
from suanlian.agent.vault import rotate
from suanlian.crypto.sealing import SealingRing, seal_to
from suanlian.drivers.contract import Work
from suanlian.i18n import set_language
from suanlian.model.job import JobState
from suanlian.model.probe import Purpose
from suanlian.model.protocol import Instruction, Wish
from suanlian.settings import AgentSettings
from suanlian.testing.fake_driver import Ending
from suanlian.testing.fake_hub import Mischief
from tests.agent.bench import Bench, Crash, CrashingLedger, run, spec, then

SECRET = "swordfish-of-the-deep"
KEYFILE = "-----BEGIN KEY-----\nMIIBVgIBADANBgkqhkiG\n-----END KEY-----\n"
USES = ({"name": "db", "env": "DB_PASSWORD"}, {"name": "key", "path": "creds/key.pem"})
LONG = 1000.0


class Seen:
    """What the engine was given; its job prints all of it."""

    def __init__(self, after_s: float = 0.0) -> None:
        self.works: list[Work] = []
        self.files: list[bytes] = []
        self._after_s = after_s

    def __call__(self, work: Work, _index: int) -> Ending:
        self.works.append(work)
        folder = next(iter(work.staged.values()), None)
        if folder is not None and (folder / "creds/key.pem").exists():
            self.files.append((folder / "creds/key.pem").read_bytes())
        said = f"the password is {work.secret_env.get('DB_PASSWORD')}\n{KEYFILE}".encode()
        files = {"out.txt": b"fine", "dir/creds.txt": b"made by the job"}
        return Ending(after_s=self._after_s, stdout=said, stderr=said[::-1] + said, files=files, reason=said.decode())


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def bench(tmp_path: Path, seen: Seen) -> Iterator[Bench]:
    with Bench(tmp_path, script=seen) as made:
        yield made


def asked(bench: Bench, **changes: object) -> Instruction:
    """An attempt whose job names two secrets, which the hub has."""
    said = run(spec(secrets=USES, **changes))
    bench.hub.secrets[said.attempt_id] = {"db": SECRET, "key": KEYFILE}
    return said


def begin(bench: Bench, said: Instruction) -> Agent:
    agent = bench.agent()
    agent.publish()
    bench.hub.wish(said)
    return agent


def everything(root: Path) -> Iterator[tuple[Path, bytes]]:
    return ((path, path.read_bytes()) for path in sorted(root.rglob("*")) if path.is_file())


def nowhere(bench: Bench) -> None:
    """No file of the agent's, no log, no report holds a secret; not even a line of one."""
    bench.hub.secrets.clear()
    told = json.dumps({str(key): bytes(log).decode() for key, log in bench.hub.logs.items()})
    told += "".join(report.model_dump_json() for reports in bench.hub.reports.values() for report in reports)
    told += "".join(owner.sent_lines(bench.home, as_json=True))
    for word in (SECRET, *KEYFILE.splitlines()):
        assert word not in told
        for path, content in everything(bench.home.root):
            assert word.encode() not in content, path


def test_the_job_has_its_secrets_and_nobody_else_has(bench: Bench, seen: Seen) -> None:
    said = asked(bench, outputs=("out.txt",))
    bench.rounds(begin(bench, said), 4)
    assert [work.secret_env for work in seen.works] == [{"DB_PASSWORD": SECRET}]
    assert SECRET not in repr(seen.works)
    assert seen.files == [KEYFILE.encode()]
    end = bench.hub.last(said.attempt_id)
    assert end.state is JobState.COMPLETE
    assert end.outcome.reason.startswith("the password is ****")
    log = bytes(bench.hub.logs[said.attempt_id, "stdout"])
    whole = f"the password is {SECRET}\n{KEYFILE}".encode()
    assert len(log) == len(whole)
    assert log.startswith(b"the password is " + b"*" * len(SECRET))
    assert bench.hub.calls.count("secrets") == 1
    assert list(bench.home.sealed.iterdir()) != []
    nowhere(bench)
    bench.hub.wish(then(said, Wish.FORGET))
    bench.rounds(bench.agent(), 2)
    assert list(bench.home.sealed.iterdir()) == []
    nowhere(bench)


def test_while_it_runs_and_after_a_restart_the_log_is_masked_alike(tmp_path: Path) -> None:
    with Bench(tmp_path, script=Seen(after_s=LONG)) as bench:
        said = asked(bench)
        bench.rounds(begin(bench, said), 2)
        first = bytes(bench.hub.logs[said.attempt_id, "stdout"])
        assert first.startswith(b"the password is ****")
        # the secret was changed meanwhile, and the hub answers no more: what is kept here is what the job has
        bench.hub.secrets[said.attempt_id] = {"db": "another-one-now", "key": "x" * 9}
        again = bench.agent()
        bench.hub.logs[said.attempt_id, "stdout"].clear()
        row = again.desk.ledger.row(said.attempt_id)
        assert row is not None
        again.desk.change(row, lambda was: was.with_(stdout_sent=0))
        again.stream()
        assert bytes(bench.hub.logs[said.attempt_id, "stdout"]) == first
        assert bench.hub.calls.count("secrets") == 1
        nowhere(bench)


def test_a_secrets_file_is_no_output(bench: Bench) -> None:
    said = asked(bench, outputs=("creds", "out.txt"))
    bench.rounds(begin(bench, said), 4)
    assert set(bench.hub.outputs[said.attempt_id]) == {"out.txt"}


def test_an_output_that_is_missing_is_told_without_the_secret(bench: Bench) -> None:
    said = asked(bench, outputs=(f"of-{SECRET}",))
    bench.rounds(begin(bench, said), 4)
    end = bench.hub.last(said.attempt_id)
    assert end.state is JobState.EXECUTOR_ERROR
    assert "is missing" in end.outcome.reason
    assert SECRET not in end.outcome.reason


@settings(max_examples=15, deadline=None)
@given(at=st.integers(1, 14), after=st.booleans())
def test_a_crash_at_any_change_starts_it_once_with_its_secrets(
    tmp_path_factory: pytest.TempPathFactory, at: int, *, after: bool
) -> None:
    seen = Seen()
    with Bench(tmp_path_factory.mktemp("crash"), script=seen) as bench:
        said = asked(bench, outputs=("out.txt",))
        try:
            agent = bench.agent(CrashingLedger(bench.home.ledger, at, after=after))
            agent.publish()
            bench.hub.wish(said)
            bench.rounds(agent, 4)
        except Crash:
            pass
        bench.clock.forward(60)
        last = bench.agent()
        last.publish()
        if said not in bench.hub.wishes:
            bench.hub.wish(said)
        bench.rounds(last, 5)
        assert bench.hub.last(said.attempt_id).state is JobState.COMPLETE
        assert bench.engine.starts == {said.attempt_id: 1}
        assert [work.secret_env for work in seen.works] == [{"DB_PASSWORD": SECRET}]
        nowhere(bench)


def test_a_new_key_is_told_and_the_old_one_opens_what_was_sealed_to_it(tmp_path: Path) -> None:
    with Bench(tmp_path, script=Seen(after_s=LONG)) as bench:
        first, second = asked(bench), asked(bench)
        agent = begin(bench, first)
        bench.rounds(agent, 2)
        old = bench.hub.inventories[-1].sealing_key
        assert command(bench, "rotate-sealing-key") == 0
        agent.tidy()
        assert len(SealingRing.load(bench.home.sealing).pairs) == 2
        assert agent.publish()
        new = bench.hub.inventories[-1].sealing_key
        assert new != old
        assert [p.public.text for p in SealingRing.load(bench.home.sealing).pairs] == [new, old]
        agent.tidy()
        bench.hub.wish(second)
        bench.rounds(agent, 3)
        # the first attempt goes on: after a restart, what was sealed to the old key still opens
        again = bench.agent()
        row = again.desk.ledger.row(first.attempt_id)
        assert row is not None
        assert again.desk.vault.kept(row) == {"db": SECRET.encode(), "key": KEYFILE.encode()}
        again.publish()
        again.tidy()
        assert len(SealingRing.load(bench.home.sealing).pairs) == 2
        bench.hub.wish(then(first, Wish.CANCEL), then(then(first, Wish.CANCEL), Wish.FORGET))
        bench.rounds(again, 5)
        again.tidy()
        assert [p.public.text for p in SealingRing.load(bench.home.sealing).pairs] == [new]
        assert bench.hub.last(second.attempt_id).state is JobState.RUNNING


def test_what_was_sealed_to_a_key_that_is_gone_is_asked_for_again(bench: Bench, seen: Seen) -> None:
    said = asked(bench)
    agent = begin(bench, said)
    rotate(bench.home)
    SealingRing.load(bench.home.sealing).without([SealingRing.load(bench.home.sealing).pairs[1].public.key_id]).save(
        bench.home.sealing
    )
    bench.rounds(agent, 2)
    assert seen.works == []
    agent.publish()
    bench.rounds(agent, 5)
    assert bench.hub.last(said.attempt_id).state is JobState.COMPLETE


def test_secrets_of_another_attempt_are_not_taken(bench: Bench, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    said, other = asked(bench), asked(bench)

    def swapped(content: bytes, key: object, typ: str, bound: dict[str, str]) -> str:
        return seal_to(content, key, typ, {**bound, "attempt": other.attempt_id})  # type: ignore[arg-type]

    monkeypatch.setattr("suanlian.testing.fake_hub.seal_to", swapped)
    bench.rounds(begin(bench, said), 3)
    end = bench.hub.last(said.attempt_id)
    assert (end.state, seen.works) == (JobState.SYSTEM_ERROR, [])
    assert end.outcome.reason.startswith("secret_unreadable: ")


@pytest.mark.parametrize("sent", [{}, {"db": SECRET}, {"db": SECRET, "key": KEYFILE, "more": "x" * 8}])
def test_other_secrets_than_the_job_names_are_not_taken(bench: Bench, seen: Seen, sent: dict[str, str]) -> None:
    said = asked(bench)
    bench.hub.secrets[said.attempt_id] = sent
    bench.rounds(begin(bench, said), 3)
    assert bench.hub.last(said.attempt_id).state is JobState.SYSTEM_ERROR
    assert seen.works == []
    assert list(bench.home.sealed.iterdir()) == []


def test_a_refusal_ends_it_and_an_outage_is_waited_for(bench: Bench, seen: Seen) -> None:
    refused, late = asked(bench), asked(bench)
    agent = begin(bench, refused)
    bench.hub.mischief("secrets", Mischief.REFUSED)
    bench.rounds(agent, 3)
    assert bench.hub.last(refused.attempt_id).state is JobState.SYSTEM_ERROR
    bench.hub.mischief("secrets", *[Mischief.BROKEN] * 3)
    bench.hub.wish(late)
    bench.rounds(agent, 6)
    assert bench.hub.last(late.attempt_id).state is JobState.COMPLETE
    assert len(seen.works) == 1


def test_a_probe_gets_no_secret_whatever_the_hub_wishes(bench: Bench, seen: Seen) -> None:
    said = asked(bench).model_copy(update={"probe": Purpose.SUPPLY})
    bench.rounds(begin(bench, said), 3)
    assert "secrets" not in bench.hub.calls
    assert seen.works == []


def test_a_log_that_cannot_be_masked_stays_here(tmp_path: Path) -> None:
    with Bench(tmp_path, script=Seen(after_s=LONG)) as bench:
        said = asked(bench)
        bench.rounds(begin(bench, said), 2)
        sent = len(bench.hub.logs[said.attempt_id, "stdout"])
        SealingRing.generate().save(bench.home.sealing)
        again = bench.agent()
        row = again.desk.ledger.row(said.attempt_id)
        assert row is not None
        again.desk.change(row, lambda was: was.with_(stdout_sent=0))
        bench.hub.logs.clear()
        assert not again.stream()
        assert (len(bench.hub.logs[said.attempt_id, "stdout"]), sent > 0) == (0, True)
        bench.hub.wish(then(said, Wish.CANCEL))
        bench.rounds(again, 3)
        end = bench.hub.last(said.attempt_id)
        assert end.state is JobState.CANCELED
        assert SECRET not in end.outcome.reason
        assert not bench.hub.logs[said.attempt_id, "stdout"]


def command(bench: Bench, *words: str) -> int:
    try:
        return run_command([*words, "--home", str(bench.home.root)], AgentSettings(lang="en"))
    finally:
        set_language(None)


def test_the_same_input_and_secret_path_is_refused_by_the_platform_too(bench: Bench, seen: Seen) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    inputs = ({"path": "creds/key.pem/x", "content": "x", "sha256": digest},)
    said = asked(bench, inputs=inputs)
    bench.rounds(begin(bench, said), 3)
    assert bench.hub.last(said.attempt_id).outcome.reason.startswith("path_escapes: ")
    assert seen.works == []
