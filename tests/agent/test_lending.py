"""What the agent lends and what it makes of what happens: the steps one by one, and what its owner is told."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from suanlian.agent.ledger import Ledger
from suanlian.agent.lending.fetching import Shelf
from suanlian.agent.lending.loans import Doors, Loans
from suanlian.agent.lending.row import Ended, LentRow, Step, let_go
from suanlian.agent.lending.spec import SCRIPT, shell_of, spec_of
from suanlian.agent.lending.terms import Away, Lending, why_not
from suanlian.drivers.lending import Contents, LocalJob, Phase
from suanlian.model.errors import ForbiddenError, InvalidError, UnavailableError
from suanlian.model.job import JobState
from suanlian.model.lending import LendConfirmCall, LendKey
from suanlian.model.quantity import Resources
from suanlian.sdk.connector import ConnectorClient
from suanlian.testing.fake_lender import AwayJob, FakeLendingHub, FakeQueue, QueuedJob
from suanlian.testing.hub import FrozenClock

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TERMS = Lending(queues=("main",), wait_s=60, patience_s=600, data_level=1)
SCRIPT_TEXT = b"#!/bin/bash\necho hello\n"


def job(number: int = 1, **changes: Any) -> LocalJob:  # noqa: ANN401 - fields of it  # noqa: ANN401 - fields of it
    key = LendKey(cluster="wuhu", native_id=str(number), submitted_at=NOW - timedelta(seconds=100))
    given: dict[str, Any] = {
        "key": key,
        "user": "alice",
        "queue": "main",
        "name": "My Job",
        "resources": Resources.model_validate({"cpu": "2", "memory": "1GiB"}),
        "wall_time_s": 600,
        "since": NOW - timedelta(seconds=100),
    }
    return LocalJob(**{**given, **changes})


class Scene:
    """A queue with one job, a hub, and an agent that lends."""

    def __init__(self, root: Path) -> None:
        self.clock = FrozenClock(NOW)
        self.queue, self.hub = FakeQueue(), FakeLendingHub(self.clock)
        self.ledger, self.root = Ledger(root / "ledger"), root
        self.one = self.queue.submit(job())
        self.loans = self.agent()

    def agent(self) -> Loans:
        doors = Doors(self.queue, cast("ConnectorClient", self.hub), Shelf(self.root / "shelf"))
        return Loans(TERMS, doors, self.ledger, self.clock)

    def forget(self) -> None:
        """The ledger is lost."""
        self.ledger.close()
        self.ledger = Ledger(self.root / "another")
        self.loans = self.agent()

    def go_on(self, seconds: int = 11) -> LentRow:
        self.clock.advance(seconds)
        self.loans.round()
        row = self.loans.book.row(self.one.job.key)
        assert row is not None
        return row

    def lent(self) -> AwayJob:
        assert self.go_on().step is Step.LENT
        self.hub.place()
        return self.hub.jobs[self.one.job.key]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.ledger.close()


def test_it_runs_elsewhere_and_its_end_is_told_at_home(scene: Scene) -> None:
    scene.lent()
    assert scene.go_on().where == "suzhou"
    assert "RUNNING at suzhou" in scene.one.note
    scene.hub.end(JobState.EXECUTOR_ERROR, 7)
    assert scene.go_on().step is Step.BROUGHT
    scene.queue.schedule()
    closed = scene.go_on()
    assert (closed.ended, scene.one.told, scene.one.body_runs) == (Ended.BROUGHT, [7], 0)


def test_what_is_cancelled_at_home_is_ended_elsewhere(scene: Scene) -> None:
    away = scene.lent()
    scene.queue.cancel(scene.one.job.key)
    assert scene.go_on().step is Step.WITHDRAWING
    scene.go_on()
    assert away.canceling
    scene.hub.end(JobState.CANCELED)
    assert scene.go_on().ended is Ended.GONE


def test_where_nothing_has_room_it_comes_home_and_is_not_lent_again(scene: Scene) -> None:
    assert scene.go_on().step is Step.LENT
    scene.go_on(700)
    scene.go_on()
    closed = scene.go_on()
    assert (closed.ended, scene.one.held) == (Ended.HOME, False)
    assert not any(not why for _job, why in scene.loans.judged())
    scene.queue.schedule()
    assert scene.one.body_runs == 1


def test_an_end_that_the_hub_alone_decided_lets_nothing_run_at_home(scene: Scene) -> None:
    scene.lent()
    scene.hub.give_up_on_the_silent()
    for _round in range(5):
        assert scene.go_on(700).step is Step.LENT
    assert scene.one.held
    scene.hub.end(JobState.SYSTEM_ERROR)
    assert scene.go_on().ended is Ended.HOME


def test_what_the_hub_does_not_know_any_more_stays_held_until_its_owner_decides(scene: Scene) -> None:
    scene.lent()
    scene.hub.put_back()
    assert scene.go_on().step is Step.STUCK
    assert scene.go_on(7000).step is Step.STUCK
    assert scene.one.held
    scene.loans.book.change(scene.one.job.key, let_go)
    assert scene.go_on().ended is Ended.HOME


def test_a_lost_ledger_finds_its_own_by_their_marks(scene: Scene) -> None:
    scene.lent()
    scene.forget()
    assert scene.go_on().step is Step.LENT
    scene.hub.end(JobState.COMPLETE, 0)
    scene.go_on()
    scene.queue.schedule()
    assert (scene.go_on().ended, scene.one.told) == (Ended.BROUGHT, [0])


def test_a_lost_ledger_and_a_hub_that_was_put_back_release_nothing(scene: Scene) -> None:
    scene.lent()
    scene.forget()
    scene.hub.put_back()
    assert scene.go_on().step is Step.STUCK
    assert scene.one.held


def test_its_owner_takes_it_home(scene: Scene) -> None:
    scene.lent()
    scene.loans.book.change(scene.one.job.key, let_go)
    scene.go_on()
    assert scene.one.held, "it may be running still"
    scene.hub.end(JobState.CANCELED)
    assert scene.go_on().ended is Ended.HOME


def test_its_owner_takes_it_home_while_the_hub_is_being_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    confirm = scene.hub.lend_confirm

    def and_the_owner_says_so(call: LendConfirmCall) -> object:
        answer = confirm(call)
        scene.loans.book.change(scene.one.job.key, let_go)
        return answer

    monkeypatch.setattr(scene.hub, "lend_confirm", and_the_owner_says_so)
    assert scene.go_on().step is Step.WITHDRAWING
    assert scene.go_on().ended is Ended.HOME
    assert scene.hub.jobs[scene.one.job.key].state is JobState.CANCELED


def test_a_name_as_long_as_names_can_be_comes_home_and_one_that_cannot_be_is_told(scene: Scene) -> None:
    longest, too_long = "\u7b97" * 85, "\u7b97" * 90
    scene.lent()
    scene.hub.outputs = {longest: b"1", f"{too_long}/x": b"2", "y": b"3"}
    scene.hub.end(JobState.COMPLETE, 0)
    assert scene.go_on().step is Step.BROUGHT
    end = scene.one.end
    assert end is not None
    assert end.outputs is not None
    assert sorted(file.name for file in end.outputs.iterdir()) == ["y", longest]
    assert "could not be brought back" in end.stderr.read_text()


def test_an_end_that_overtakes_the_cancel_is_brought_back(scene: Scene) -> None:
    scene.lent()
    scene.loans.book.change(scene.one.job.key, let_go)
    scene.hub.end(JobState.COMPLETE, 0)
    assert scene.go_on().step is Step.BROUGHT


WHY_NOT = [
    ({}, {}, ""),
    ({"why_not": "it is an array"}, {}, "array"),
    ({}, {"data_level": None}, "data_level"),
    ({}, {"users": ("bob", "c*")}, "user"),
    ({"options": {"env": ("gpu",)}}, {}, "environment"),
    ({"options": {"env": ("gpu",)}}, {"environments": ("gpu",)}, ""),
    ({"options": {"speed": ("9",)}}, {}, "speed"),
    ({"since": NOW}, {}, "waited"),
    ({"wall_time_s": 10**8}, {}, "time limit"),
    ({}, {"max_of_user": 1}, "of its user"),
]


@pytest.mark.parametrize(("of_job", "of_terms", "why"), WHY_NOT)
def test_why_a_job_is_not_lent(of_job: dict[str, Any], of_terms: dict[str, object], why: str) -> None:
    terms = Lending.model_validate({**TERMS.model_dump(), **of_terms})
    found = why_not(job(**of_job), terms, Away(("alice",)), NOW)
    assert why in found if why else found == ""


def test_a_spool_that_not_every_node_finds_is_refused() -> None:
    with pytest.raises(ValidationError):
        Lending.model_validate({"spool": "here"})


def test_a_script_travels_as_an_input_and_a_shell_runs_it() -> None:
    contents = Contents(SCRIPT_TEXT, {"a.dat": b"\x00\x01"}, {"OMP_NUM_THREADS": "2"})
    spec = spec_of(job(options={"out": ("res",)}), contents, TERMS)
    assert spec.variants[0].command == ("/bin/bash", SCRIPT)
    laid = {item.path: item.inline() for item in spec.inputs}
    assert laid == {SCRIPT: SCRIPT_TEXT, "a.dat": b"\x00\x01"}
    assert (spec.outputs, spec.env["SLURM_JOB_ID"], spec.env["OMP_NUM_THREADS"]) == (("res",), "1", "2")
    assert (spec.wants.data_level, spec.retries.lost, spec.name) == (1, 0, "lent-my-job")
    assert base64.b64decode(spec.inputs[0].content_base64 or "") == SCRIPT_TEXT


SHELLS = [
    (b"#!/bin/bash\n", "/bin/bash"),
    (b"#!/bin/sh -e\n", None),
    (b"#! /usr/bin/env bash\nx", "/bin/bash"),
    (b"#!/usr/bin/python3\n", None),
    (b"echo\n", None),
    (b"#!/bin/sh\n", "/bin/sh"),
]


@pytest.mark.parametrize(("script", "shell"), SHELLS)
def test_only_scripts_of_shells_travel(script: bytes, shell: str | None) -> None:
    assert shell_of(script) == shell


def test_what_cannot_travel_is_told_by_its_field() -> None:
    with pytest.raises(InvalidError) as found:
        spec_of(job(options={"out": ("../up",)}), Contents(SCRIPT_TEXT), TERMS)
    assert "outputs" in str(found.value)


def test_a_refusal_of_the_hub_brings_it_home(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_call: object) -> None:
        raise InvalidError("job_too_large", "No share could ever hold it.")

    monkeypatch.setattr(scene.hub, "lend", refuse)
    scene.go_on()
    row = scene.go_on()
    assert (row.ended, scene.one.held) == (Ended.HOME, False)
    assert "job_too_large" in row.why


def test_what_was_only_offered_is_let_go_when_the_hub_stays_away(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_call: object) -> None:
        raise UnavailableError("hub_unavailable", "The hub is away.")

    monkeypatch.setattr(scene.hub, "lend", away)
    assert scene.go_on().step is Step.HELD
    for _round in range(6):
        row = scene.go_on(70)
    assert (row.ended, scene.one.held) == (Ended.HOME, False)


def test_while_the_hub_is_away_nothing_is_held(scene: Scene) -> None:
    scene.hub.away = True
    scene.clock.advance(11)
    scene.loans.round()
    assert (scene.loans.book.open_rows(), scene.one.held) == ([], False)


def test_a_hub_that_takes_nothing_costs_no_job_its_chance(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_call: object) -> None:
        raise ForbiddenError("lending_closed", "The platform is suspended.")

    other = scene.queue.submit(job(2))
    with monkeypatch.context() as patched:
        patched.setattr(scene.hub, "lend", closed)
        scene.go_on()
        for _round in range(5):
            scene.go_on()
        assert not other.held, "another would be refused for the same"
    assert scene.one.mark is Phase.HOME
    scene.clock.advance(700)
    assert [why for found, why in scene.loans.judged() if found.key == other.job.key] == [""]
    scene.loans.round()
    assert other.held


def test_nothing_is_lent_where_the_engine_side_says_why(scene: Scene) -> None:
    scene.queue.off = "the hook is not installed"
    scene.clock.advance(11)
    scene.loans.round()
    assert scene.loans.book.open_rows() == []
    assert scene.loans.judged()[0][1] == "the hook is not installed"
    assert isinstance(scene.one, QueuedJob)
