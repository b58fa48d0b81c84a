"""Can anybody but the pinned hub make this platform run something? No answer is believed that the hub did not give."""

from datetime import timedelta
from pathlib import Path

import pytest

from suanlian.model.errors import SuanlianError
from suanlian.model.job import Input, JobState
from suanlian.sdk.connector import UntrustedError
from suanlian.testing.fake_hub import Mischief
from tests.agent.bench import Bench, run, sha256, spec


@pytest.mark.parametrize(
    "what",
    [
        Mischief.WRONG_KEY,
        Mischief.UNSIGNED,
        Mischief.REPLAYED,
        Mischief.OTHER_CONNECTOR,
        Mischief.EXPIRED,
        Mischief.CHANGED,
        Mischief.REDIRECTED,
    ],
)
def test_an_impostor_runs_nothing(tmp_path: Path, what: Mischief) -> None:
    with Bench(tmp_path) as bench:
        said, agent = run(), bench.agent()
        agent.poll(0)
        bench.hub.wish(said)
        bench.hub.mischief("poll", what)
        with pytest.raises(UntrustedError):
            agent.poll(0)
        agent.tick()
        assert agent.desk.ledger.rows() == []
        assert agent.desk.ledger.revision() == 0
        assert bench.engine.starts == {}
        bench.rounds(agent)
        assert bench.hub.last(said.attempt_id).state is JobState.COMPLETE


def test_an_answer_from_before_the_clock_was_set_is_not_believed(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        agent = bench.agent()
        bench.hub.clock = lambda: bench.clock.now - timedelta(minutes=10)
        with pytest.raises(SuanlianError) as caught:
            agent.poll(0)
        assert caught.value.code in ("signature_expired", "unauthenticated", "signature_invalid")
        assert bench.hub.faults
        bench.hub.faults.clear()


def test_an_unsigned_refusal_changes_nothing(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        said, agent = run(), bench.agent()
        bench.hub.wish(said)
        bench.rounds(agent, 1)
        bench.hub.mischief("report", Mischief.WRONG_KEY)
        with pytest.raises(UntrustedError):
            bench.rounds(agent, 3)
        row = agent.desk.ledger.row(said.attempt_id)
        assert row is not None
        assert not row.abandoned
        bench.rounds(agent)
        assert bench.hub.last(said.attempt_id).state is JobState.COMPLETE


def test_an_object_with_another_checksum_starts_nothing(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        wanted = sha256(b"what was uploaded")
        said = run(spec(inputs=(Input(path="a", object=True, sha256=wanted),)))
        bench.hub.objects[wanted] = b"something else"
        bench.hub.wish(said)
        bench.rounds(bench.agent())
        end = bench.hub.last(said.attempt_id)
        assert end.state is JobState.SYSTEM_ERROR
        assert end.outcome.reason.startswith("checksum_mismatch: ")
        assert bench.engine.starts == {}
