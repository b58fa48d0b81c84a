"""The owner's own work takes a leftover share back: who goes, when, and that nobody goes who need not."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.agent.row import Row, Step
from suanlian.agent.taking_back import TAKEN_BACK, noticed, notices
from suanlian.drivers.contract import EngineLoad
from suanlian.model.ids import AttemptId, JobId
from suanlian.model.job import EndCause, JobState
from suanlian.model.platform import Share, ShareMode
from suanlian.model.protocol import Wish
from suanlian.model.quantity import Resources
from suanlian.rules.owner import is_refusal
from suanlian.testing.fake_driver import Ending
from tests.agent.bench import START, Bench, run, spec

NOTICE_S = 60


def cores(number: int) -> Resources:
    return Resources.of({"cpu": number * 1000})


def share(mode: ShareMode = ShareMode.LEFTOVER, capacity: int = 8) -> Share:
    return Share(name="h1", site="s1", flavor="f1", capacity=cores(capacity), mode=mode, notice_s=NOTICE_S)


def row(number: int, size: int = 1, **changes: Any) -> Row:  # noqa: ANN401 - fields of a row
    given_row: dict[str, Any] = {
        "attempt_id": AttemptId(f"a{number}"),
        "token": 1,
        "job_id": JobId("j"),
        "task_index": 0,
        "entity": "e1",
        "share": "h1",
        "flavor": "f1",
        "granted": cores(size),
        "wish": Wish.RUN,
        "wish_version": 1,
        "step": Step.STARTED,
        "state": JobState.RUNNING,
        "started_at": START + timedelta(seconds=number),
    }
    return Row.model_validate(given_row | changes)


rows_of = st.lists(st.tuples(st.integers(1, 3), st.integers(-2, 2)), max_size=6).map(
    lambda made: [row(number, size, priority=priority) for number, (size, priority) in enumerate(made)]
)


@given(rows_of, st.integers(0, 12))
def test_so_many_go_as_are_needed_and_none_besides(rows: list[Row], others: int) -> None:
    goes = set(notices(share(), cores(others), rows, START))
    held, gone = (
        sum(one.granted.cpu for one in rows if one.attempt_id in of) for of in ({r.attempt_id for r in rows}, goes)
    )
    left = max(0, 8 - others) * 1000
    assert held - gone <= left or goes == {one.attempt_id for one in rows}
    assert (held > left) is bool(goes)
    order = sorted(
        (one for one in rows if one.attempt_id in goes),
        key=lambda one: (one.priority, -one.started_at.timestamp() if one.started_at else 0),
    )
    if order:
        last = order[-1].granted.cpu
        assert held - (gone - last) > left, "the last of them need not have gone"
    stay = [one for one in rows if one.attempt_id not in goes]
    assert all(one.priority >= gone_one.priority for one in stay for gone_one in order)


@given(rows_of, st.integers(0, 12), st.sampled_from([ShareMode.EXCLUSIVE, ShareMode.CAPPED]))
def test_only_of_a_leftover_share(rows: list[Row], others: int, mode: ShareMode) -> None:
    assert notices(share(mode), cores(others), rows, START) == {}


@given(rows_of, st.integers(0, 12), st.integers(0, 12))
def test_who_has_notice_goes_before_others_and_stays_when_the_room_is_there(
    rows: list[Row], first: int, then: int
) -> None:
    told = notices(share(), cores(first), rows, START)
    assert set(told.values()) <= {START + timedelta(seconds=NOTICE_S)}
    after = [noticed(one, at=told.get(one.attempt_id)) for one in rows]
    again = notices(share(), cores(then), after, START + timedelta(seconds=1))
    if then == first:
        assert again == {}, "told again, nothing changes"
    if then <= first:
        assert all(at is None for at in again.values()), "nobody else goes when less is wanted"
    if then >= first:
        assert all(at is not None for at in again.values()), "nobody stays when more is wanted"
    if sum(one.granted.cpu for one in rows) <= share().capacity.cpu:
        assert notices(share(), cores(0), after, START) == dict.fromkeys(told), "all may stay when nothing is wanted"


@given(rows_of, st.integers(0, 12))
def test_what_is_ending_already_counts_first(rows: list[Row], others: int) -> None:
    """So that one who goes for another reason costs nobody else the place."""
    ending = [one.with_(wish=Wish.PREEMPT) if number == 0 else one for number, one in enumerate(rows)]
    goes = notices(share(), cores(others), ending, START)
    assert not goes or ending[0].attempt_id in goes


def leftover(bench: Bench, **changes: object) -> None:
    """The share of the bench, of two cores, as leftover."""
    text = bench.home.config.read_text()
    said = "".join(f"{name} = {value}\n" for name, value in {"mode": '"leftover"', "notice_s": 30, **changes}.items())
    bench.home.config.write_text(text.replace('flavor = "f1"\ncapacity', f'flavor = "f1"\n{said}capacity'))


def test_it_ends_after_its_notice_and_says_so_that_the_share_rests(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lambda _work, _index: Ending(after_s=1000)) as bench:
        leftover(bench)
        agent = bench.agent()
        urgent, other = run(spec(priority=5)), run()
        bench.hub.wish(other)
        bench.rounds(agent)
        bench.hub.wish(urgent)
        bench.rounds(agent)
        bench.engine.loads["h1"] = EngineLoad(cores(2), waiting=cores(1))
        agent.look()
        bench.rounds(agent, 5)
        assert bench.hub.last(other.attempt_id).state is JobState.RUNNING, "it has its notice"
        bench.clock.forward(30)
        bench.rounds(agent)
        end = bench.hub.last(other.attempt_id)
        assert (end.state, end.outcome.reason, end.outcome.cause) == (
            JobState.PREEMPTED,
            TAKEN_BACK,
            EndCause.REFUSED,
        )
        assert is_refusal(end.outcome.reason)
        assert bench.hub.last(urgent.attempt_id).state is JobState.RUNNING


def test_it_stays_where_the_owner_needs_the_room_no_longer(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lambda _work, _index: Ending(after_s=1000)) as bench:
        leftover(bench)
        agent, said = bench.agent(), run()
        bench.hub.wish(said)
        bench.rounds(agent)
        for waiting in (2, 0):
            bench.engine.loads["h1"] = EngineLoad(cores(1), waiting=cores(waiting))
            agent.look()
            bench.rounds(agent, 5)
        bench.clock.forward(60)
        bench.rounds(agent)
        assert bench.hub.last(said.attempt_id).state is JobState.RUNNING


def test_a_load_that_is_not_known_takes_nothing_back_and_lets_nothing_in(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lambda _work, _index: Ending(after_s=1000)) as bench:
        leftover(bench, notice_s=0)
        agent, said, late = bench.agent(), run(), run()
        bench.hub.wish(said)
        bench.rounds(agent)
        bench.engine.loads["h1"] = RuntimeError("broken")
        agent.look()
        bench.hub.wish(late)
        bench.rounds(agent)
        assert bench.hub.last(said.attempt_id).state is JobState.RUNNING
        assert bench.hub.last(late.attempt_id).state is JobState.PREEMPTED


@pytest.mark.parametrize(("used", "state"), [(0, JobState.RUNNING), (2, JobState.PREEMPTED)])
def test_what_the_owner_uses_is_asked_again_before_a_start(tmp_path: Path, used: int, state: JobState) -> None:
    with Bench(tmp_path, script=lambda _work, _index: Ending(after_s=1000)) as bench:
        leftover(bench)
        bench.engine.loads["h1"] = EngineLoad(cores(used))
        agent, said = bench.agent(), run()
        bench.hub.wish(said)
        bench.rounds(agent)
        assert bench.hub.last(said.attempt_id).state is state


def test_what_is_ours_is_never_told_as_the_owners(tmp_path: Path) -> None:
    with Bench(tmp_path, script=lambda _work, _index: Ending(after_s=1000)) as bench:
        leftover(bench)
        agent, said = bench.agent(), run()
        bench.hub.wish(said)
        bench.rounds(agent)
        bench.engine.loads["h1"] = EngineLoad(cores(2), waiting=cores(7))
        agent.look()
        (load,) = agent.desk.loads
        assert (load.ours, load.others) == (said.granted, cores(2))
