"""What runs makes room: moves, drains, downtimes; checkpoints as whole sets, handed to the next attempt."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from suanlian.model.errors import InvalidError, SuanlianError
from suanlian.model.ids import new_id
from suanlian.model.job import EndCause, JobState, Outcome, OutputFile
from suanlian.model.owner import JoinLevel
from suanlian.model.platform import Downtime, Drain, Feature
from suanlian.model.protocol import (
    CheckpointCall,
    CheckpointWholeCall,
    Instruction,
    InventoryCall,
    ObjectCall,
    ReportCall,
    Wish,
)
from suanlian.services import checkpoints as saved
from suanlian.store import checkpoints, jobs
from suanlian.store import tables as t
from suanlian.store.unit import Unit
from suanlian.testing.hub import SignedConnector
from suanlian.workers import drain
from tests.hub.laws import all_laws
from tests.hub.test_lost import BOTH, at, attempts, connector_name
from tests.hub.world import World, inventory, offer

CHECKPOINT = {"path": "state", "signal": "USR1", "grace_s": 30}
FILES = {"state/a": b"one" * 1000, "state/deep/b": b"", "state/c": b"x"}


@pytest.fixture
def able(world: World) -> World:
    """Both platforms can send signals and let jobs stand still."""
    for name in BOTH:
        told = inventory()
        flavor = told.flavors[0].model_copy(update={"features": (Feature.SIGNALS, Feature.SUSPEND)})
        world.connector(name).publish(told.model_copy(update={"flavors": (flavor,)}), offer())
        world.connector(name).poll()
    return world


def running(world: World, **changes: Any) -> tuple[dict[str, Any], Instruction, SignedConnector]:  # noqa: ANN401 - fields of a job
    made = world.submit(**{"checkpoint": CHECKPOINT, "wall_time_s": 7200, **changes})
    world.hub.settle()
    found = {name: at(world, name, made["id"]) for name in BOTH}
    connector, told = next((world.connector(name), told[0]) for name, told in found.items() if told)
    connector.report(told, JobState.RUNNING, started_at=world.clock())
    return made, told, connector


def other(world: World, connector: SignedConnector) -> str:
    return next(name for name in BOTH if name != connector_name(world, connector))


def wished(world: World, connector: SignedConnector, ref: str) -> Instruction:
    (said,) = at(world, connector_name(world, connector), ref)
    return said


def piece(of: Instruction, set_id: str, path: str, data: bytes, start: int = 0) -> CheckpointCall:
    text = base64.b64encode(data).decode()
    return CheckpointCall(attempt_id=of.attempt_id, token=of.token, set_id=set_id, path=path, start=start, data=text)


def whole(of: Instruction, set_id: str, files: Mapping[str, bytes]) -> CheckpointWholeCall:
    named = tuple(
        OutputFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest()) for path, data in files.items()
    )
    return CheckpointWholeCall(attempt_id=of.attempt_id, token=of.token, set_id=set_id, files=named)


def save(connector: SignedConnector, of: Instruction, files: Mapping[str, bytes]) -> str:
    set_id = new_id()
    for path, data in files.items():
        half = len(data) // 2
        for start, part in ((half, data[half:]), (0, data[:half])):  # in any order, and twice
            if part:
                connector.client.checkpoint(piece(of, set_id, path, part, start))
                connector.client.checkpoint(piece(of, set_id, path, part, start))
    connector.client.checkpoint_whole(whole(of, set_id, files))
    connector.client.checkpoint_whole(whole(of, set_id, files))
    return set_id


def made_room(connector: SignedConnector, of: Instruction) -> None:
    connector.report(of, JobState.PREEMPTED, outcome=Outcome(reason="made room", cause=EndCause.PREEMPTED))


def fetched(connector: SignedConnector, of: Instruction) -> dict[str, bytes]:
    found = {}
    for handed in of.passed:
        call = ObjectCall(attempt_id=of.attempt_id, token=of.token, sha256=handed.sha256)
        pieces = [
            base64.b64decode(connector.client.fetch_object(call.model_copy(update={"start": n, "length": 700})).data)
            for n in range(0, handed.size, 700)
        ]
        found[handed.path] = b"".join(pieces)
    return found


def test_a_moved_job_goes_elsewhere_with_its_checkpoint(able: World) -> None:
    made, told, connector = running(able)
    answer = able.ok("buyer", "POST", f"/v1/jobs/{made['id']}/move", {})
    assert answer["state"] == "RUNNING"
    said = wished(able, connector, made["id"])
    assert (said.wish, said.spec is not None, said.version) == (Wish.PREEMPT, True, 2)
    save(connector, told, FILES)
    made_room(connector, told)
    able.hub.settle()
    there = able.connector(other(able, connector))
    again = wished(able, there, made["id"])
    assert (again.wish, again.number, again.restored) == (Wish.RUN, 2, True)
    assert fetched(there, again) == FILES
    # exactly what was handed, to that attempt alone
    for who, of in ((there, again), (connector, told)):
        with pytest.raises(SuanlianError):
            who.client.fetch_object(ObjectCall(attempt_id=of.attempt_id, token=of.token, sha256="0" * 64))
    there.run(again)
    assert able.job(made["id"])["state"] == "COMPLETE"
    assert [a["outcome"]["cause"] for a in attempts(able, made["id"])] == ["preempted", None]
    all_laws(able.hub)


def test_a_job_is_moved_to_one_platform_and_back(able: World) -> None:
    made, told, connector = running(able)
    for _time in range(2):
        target = other(able, connector)
        able.ok("buyer", "POST", f"/v1/jobs/{made['id']}/move", {"to": target})
        made_room(connector, told)
        able.hub.settle()
        connector = able.connector(target)
        told = wished(able, connector, made["id"])
        connector.report(told, JobState.RUNNING, started_at=able.clock())
    wrong = able.person("buyer").post(f"/v1/jobs/{made['id']}/move", {"to": connector_name(able, connector)})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "state_conflict")
    assert "already" in wrong.json()["detail"]
    nowhere = able.person("buyer").post(f"/v1/jobs/{made['id']}/move", {"index": 5})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")
    assert "no task 5" in nowhere.json()["detail"]
    assert able.person("buyer").post(f"/v1/jobs/{made['id']}/move", {"to": "nowhere"}).status_code == 404


@pytest.mark.parametrize("index", [None, 300])
def test_all_tasks_of_an_array_are_sent_there_those_without_a_row_too(able: World, index: int | None) -> None:
    mine = BOTH[1]
    for name in BOTH:
        able.connector(name).publish(inventory("1"), offer())
    for name in BOTH:
        able.submit(name="holder", wants={"platform": name}, resources={"cpu": "1", "memory": "256MiB"})
    able.hub.settle()
    made = able.submit(array_size=400)
    able.hub.settle()
    able.ok("buyer", "POST", f"/v1/jobs/{made['id']}/move", {"to": mine, "index": index})
    able.hub.running.hub.writer.run(lambda unit: _make_all(unit, made["id"]))
    with able.hub.running.hub.reading() as unit:
        rows = unit.connection.execute(select(t.task.c.idx, t.task.c.aim).where(t.task.c.job_id == made["id"])).all()
    sent = {idx for idx, aim in rows if aim is not None and json.loads(aim)["platform"] == mine}
    assert sent == (set(range(400)) if index is None else {300})


def _make_all(unit: Unit, job_id: str) -> None:
    job = jobs.lock(unit, job_id)
    assert job is not None
    jobs.make_tasks(unit, job, 400)


def test_without_a_checkpoint_it_is_moved_only_when_that_is_said(able: World) -> None:
    made, told, connector = running(able, checkpoint=None)
    answer = able.person("buyer").post(f"/v1/jobs/{made['id']}/move", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_checkpoint")
    assert wished(able, connector, made["id"]).wish is Wish.RUN
    able.ok("buyer", "POST", f"/v1/jobs/{made['id']}/move", {"from_zero": True})
    assert wished(able, connector, made["id"]).wish is Wish.PREEMPT
    assert told.spec is not None


def test_a_connector_of_an_earlier_release_is_told_nothing_that_it_does_not_know(able: World) -> None:
    made, told, connector = running(able, checkpoint=None)
    old = able.connector(connector_name(able, connector))
    old.knows = ()
    old.poll()
    answer = able.person("buyer").post(f"/v1/jobs/{made['id']}/move", {"from_zero": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_possible_there")
    answer = able.person("buyer").post(f"/v1/jobs/{made['id']}/pause", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_possible_there")
    assert [i.wish for i in old.poll().instructions] == [Wish.RUN]
    assert told.wish is Wish.RUN


EARLIER = {
    *("name", "purpose", "resources", "variants", "inputs", "outputs", "env", "secrets", "array_size", "wall_time_s"),
    *("network", "attempts", "wants"),
}
"""What a job could say in the release before: its connectors refuse any other field, and all they are told with it."""
EARLIER_VARIANT = {"architecture", "environment", "image", "command", "chip_family", "throughput"}


def test_a_connector_of_an_earlier_release_is_told_jobs_as_it_knows_them(able: World) -> None:
    said = {
        "priority": 7,
        "deadline": (able.clock() + timedelta(days=1)).isoformat(),
        "budget": "100",
        "retries": {"program": 2},
        "job_class": "cpu",
        "tags": {"a": "b"},
    }
    made, _told, connector = running(able, checkpoint=None, **said)
    new = wished(able, connector, made["id"])
    assert new.spec is not None
    assert (new.spec.priority, new.spec.tags, new.spec.retries.program) == (7, {}, 0)
    old = able.connector(connector_name(able, connector))
    old.knows = ()
    old.poll()
    (told,) = [i for i in old.poll().instructions if i.job_id == made["id"]]
    spec = json.loads(told.model_dump_json())["spec"]
    assert set(spec) <= EARLIER
    assert all(set(variant) <= EARLIER_VARIANT for variant in spec["variants"])


def test_being_moved_counts_for_nothing(able: World) -> None:
    made, told, connector = running(able, checkpoint=None)
    for _time in range(22):
        able.ok("buyer", "POST", f"/v1/jobs/{made['id']}/move", {"to": other(able, connector), "from_zero": True})
        made_room(connector, told)
        able.hub.settle()
        connector = able.connector(other(able, connector))
        told = wished(able, connector, made["id"])
        connector.report(told, JobState.RUNNING, started_at=able.clock())
    assert told.number == 23


def test_a_set_counts_when_it_is_whole_and_takes_the_place_of_the_one_before(able: World) -> None:
    made, told, connector = running(able)
    save(connector, told, {"state/a": b"old"})
    # begun and never finished: the old one stays
    connector.client.checkpoint(piece(told, new_id(), "state/a", b"torn"))
    wrong = new_id()
    connector.client.checkpoint(piece(told, wrong, "state/a", b"other bytes"))
    for files in ({"state/a": b"stated"}, {"state/a": b"other bytes", "state/b": b"missing"}):
        with pytest.raises(SuanlianError) as refused:
            connector.client.checkpoint_whole(whole(told, wrong, files))
        assert refused.value.code == "checksum_mismatch"
    with able.hub.running.hub.reading() as unit:
        sets = select(t.checkpoint.c.id).where(t.checkpoint.c.whole_at.is_not(None))
        assert len(unit.connection.execute(sets).all()) == 1
    save(connector, told, {"state/a": b"new"})
    able.hub.settle()
    with able.hub.running.hub.reading() as unit:
        assert unit.connection.execute(select(t.checkpoint_piece.c.data)).scalars().all() == [b"ew", b"n"]
    for path in ("elsewhere/a", "state", "statement/a"):
        with pytest.raises(SuanlianError):
            connector.client.checkpoint(piece(told, new_id(), path, b"x"))
    assert made["id"]


def test_a_checkpoint_is_looked_at_beside_the_writer(able: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or everybody would wait for it: a set may have a gibibyte."""
    _made, told, connector = running(able)
    threads: list[str] = []

    def noted(*which: Any) -> Iterator[tuple[int, bytes]]:  # noqa: ANN401 - what is read
        threads.append(threading.current_thread().name)
        return found(*which)

    found = checkpoints.pieces
    monkeypatch.setattr(checkpoints, "pieces", noted)
    save(connector, told, FILES)
    assert threads
    assert "writer" not in threads


def test_what_comes_after_a_set_was_looked_at_is_no_part_of_it(able: World) -> None:
    _made, told, connector = running(able)
    set_id, hub, name = new_id(), able.hub.running.hub, connector_name(able, connector)
    connector_id = able.template.connectors[name].id
    connector.client.checkpoint(piece(told, set_id, "state/a", b"one"))
    call = whole(told, set_id, {"state/a": b"one"})
    with hub.reading() as unit:
        size = saved.look(unit, connector_id, call)
    connector.client.checkpoint(piece(told, set_id, "state/b", b"late"))
    with pytest.raises(InvalidError):
        hub.writer.run(lambda unit: saved.make_whole(unit, connector_id, call, size))


def test_what_is_dropped_goes_some_at_a_time_and_is_nobodys_at_once(
    able: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "CLEARED_BYTES", 3)
    _made, told, connector = running(able)
    (worker,) = [w for w in able.hub.running.workers if w.name == "sweep"]
    held = _held(able)
    old = {f"state/{n}": b"ab" for n in range(4)}
    first = save(connector, told, old)
    save(connector, told, {"state/a": b"new"})
    assert _held(able) == held + 3
    with pytest.raises(SuanlianError) as refused:
        connector.client.checkpoint(piece(told, first, "state/z", b"more"))
    assert refused.value.code == "already_done"
    left = []
    while worker.turn():
        left.append(_pieces(able, first))
    assert (left, _pieces(able, first)) == ([5, 2], 0)
    with able.hub.running.hub.reading() as unit:
        assert len(unit.connection.execute(select(t.checkpoint.c.id)).all()) == 1
    assert _held(able) == held + 3


def _pieces(world: World, set_id: str) -> int:
    """How many pieces of a set there are."""
    query = select(t.checkpoint_piece.c.start).where(t.checkpoint_piece.c.checkpoint_id == set_id)
    with world.hub.running.hub.reading() as unit:
        return len(unit.connection.execute(query).all())


def test_what_a_checkpoint_holds_is_given_back_at_the_end(able: World) -> None:
    made, told, connector = running(able)
    held = _held(able)
    save(connector, told, FILES)
    assert _held(able) == held + sum(map(len, FILES.values()))
    connector.run(told)
    able.hub.settle()
    with able.hub.running.hub.reading() as unit:
        assert unit.connection.execute(select(t.checkpoint)).all() == []
        assert unit.connection.execute(select(t.checkpoint_piece)).all() == []
    assert _held(able) == held
    with pytest.raises(SuanlianError) as refused:
        save(connector, told, FILES)
    assert refused.value.code == "report_stale"
    assert able.job(made["id"])["state"] == "COMPLETE"


def _held(world: World) -> int:
    with world.hub.running.hub.reading() as unit:
        return sum(unit.connection.execute(select(t.account.c.held_bytes)).scalars())


def test_a_running_job_stands_still_and_goes_on(able: World) -> None:
    made, told, connector = running(able)
    able.ok("buyer", "POST", f"/v1/jobs/{made['id']}/pause", {})
    said = wished(able, connector, made["id"])
    assert (said.wish, said.spec is not None) == (Wish.PAUSE, True)
    connector.report(told, JobState.PAUSED, started_at=able.clock())
    assert able.job(made["id"])["state"] == "PAUSED"
    answer = able.person("buyer").post(f"/v1/jobs/{made['id']}/pause", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
    assert answer.json()["detail"] == "It is paused already."
    able.ok("buyer", "POST", f"/v1/jobs/{made['id']}/resume", {})
    assert wished(able, connector, made["id"]).wish is Wish.RUN
    connector.report(told, JobState.RUNNING, started_at=able.clock())
    # also what stands still can be moved
    able.ok("buyer", "POST", f"/v1/jobs/{made['id']}/pause", {"index": 0})
    able.ok("buyer", "POST", f"/v1/jobs/{made['id']}/move", {})
    assert wished(able, connector, made["id"]).wish is Wish.PREEMPT
    able.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")
    assert wished(able, connector, made["id"]).wish is Wish.CANCEL
    assert able.person("buyer").post(f"/v1/jobs/{made['id']}/move", {}).json()["code"] == "job_ended"


def test_a_place_that_cannot_let_jobs_stand_still_says_so(world: World) -> None:
    made, _told, _connector = running(world, checkpoint=None)
    answer = world.person("buyer").post(f"/v1/jobs/{made['id']}/pause", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_possible_there")


def test_a_drained_platform_is_emptied_and_gets_nothing_new(able: World) -> None:
    made, told, connector = running(able)
    mine = connector_name(able, connector)
    drained = able.ok("operator", "POST", f"/v1/platforms/{mine}/drain", {"why": "new roof"})
    assert (drained["running"], drained["operator"]["why"]) == (1, "new roof")
    able.hub.settle()
    assert wished(able, connector, made["id"]).wish is Wish.PREEMPT
    made_room(connector, told)
    able.hub.settle()
    assert len(at(able, other(able, connector), made["id"])) == 1
    waits = able.submit(wants={"platform": mine})
    able.hub.settle()
    assert at(able, mine, waits["id"]) == []
    assert able.ok("buyer", "GET", f"/v1/platforms/{mine}/drain")["running"] == 0
    able.ok("operator", "POST", f"/v1/platforms/{mine}/undrain")
    able.hub.settle()
    assert len(at(able, mine, waits["id"])) == 1
    all_laws(able.hub)


def test_a_drain_by_a_time_moves_in_time_and_places_what_ends_before(able: World) -> None:
    made, _told, connector = running(able)
    mine = connector_name(able, connector)
    by = able.clock() + timedelta(hours=1)
    able.ok("operator", "POST", f"/v1/platforms/{mine}/drain", {"by": by.isoformat()})
    able.hub.settle()
    assert wished(able, connector, made["id"]).wish is Wish.RUN
    short, long = (able.submit(wants={"platform": mine}, wall_time_s=s) for s in (600, 3700))
    movable = able.submit(wants={"platform": mine}, wall_time_s=3700, checkpoint=CHECKPOINT)
    able.hub.settle()
    assert [len(at(able, mine, job["id"])) for job in (short, long, movable)] == [1, 0, 1]
    assert "empty" in able.job(long["id"])["waiting"]
    able.clock.advance(3600 - 91)
    connector.poll()
    able.hub.settle()
    assert wished(able, connector, made["id"]).wish is Wish.RUN
    able.clock.advance(2)
    connector.poll()
    able.hub.settle()
    assert wished(able, connector, made["id"]).wish is Wish.PREEMPT


def test_a_drain_looks_behind_those_that_are_not_due_and_those_that_cannot_be_told(
    able: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "_AT_ONCE", 2)
    mine = BOTH[0]
    big = inventory("8")
    flavor = big.flavors[0].model_copy(update={"features": (Feature.SIGNALS, Feature.SUSPEND)})
    able.connector(mine).publish(big.model_copy(update={"flavors": (flavor,)}), offer())
    graces = (30, 30, 30, 3600)
    made = [
        able.submit(wants={"platform": mine}, wall_time_s=600, checkpoint={**CHECKPOINT, "grace_s": s}) for s in graces
    ]
    able.hub.settle()
    connector = able.connector(mine)
    said = [at(able, mine, one["id"]) for one in made]
    for (one,) in said:
        connector.report(one, JobState.RUNNING, started_at=able.clock())
    by = able.clock() + timedelta(seconds=1800)
    able.ok("operator", "POST", f"/v1/platforms/{mine}/drain", {"by": by.isoformat()})
    able.hub.settle()
    wishes = [wished(able, connector, one["id"]).wish for one in made]
    assert wishes == [Wish.RUN, Wish.RUN, Wish.RUN, Wish.PREEMPT]


def test_a_drain_by_a_moment_that_is_past_is_refused_and_empties_nothing(able: World) -> None:
    made, _told, connector = running(able)
    mine = connector_name(able, connector)
    by = able.clock() - timedelta(days=365)
    answer = able.person("operator").post(f"/v1/platforms/{mine}/drain", {"by": by.isoformat()})
    assert (answer.status_code, answer.json()["code"]) == (422, "field_invalid")
    able.hub.settle()
    assert wished(able, connector, made["id"]).wish is Wish.RUN


def test_nothing_is_placed_into_an_owners_downtime_or_drain(able: World) -> None:
    mine = BOTH[0]
    connector = able.connector(mine)
    start = able.clock() + timedelta(minutes=30)
    told = inventory()
    down = Downtime(start=start, end=start + timedelta(hours=2), note="cooling")
    call = InventoryCall(inventory=told, offers=(offer(),), level=JoinLevel.TRADE, downtimes=(down,))
    connector.client.inventory(call)
    short, long = (able.submit(wants={"platform": mine}, wall_time_s=s) for s in (600, 3600))
    able.hub.settle()
    assert [len(at(able, mine, job["id"])) for job in (short, long)] == [1, 0]
    shown = able.ok("buyer", "GET", f"/v1/platforms/{mine}/drain")
    assert [d["note"] for d in shown["downtimes"]["c1"]] == ["cooling"]
    able.clock.advance(45 * 60)
    connector.poll()
    tiny = able.submit(wants={"platform": mine}, wall_time_s=1)
    able.hub.settle()
    assert at(able, mine, tiny["id"]) == []
    able.clock.advance(2 * 3600)
    connector.poll()
    able.hub.settle()
    assert len(at(able, mine, tiny["id"])) == 1
    drain = Drain(since=able.clock(), why="mine alone", who="owner")
    connector.client.report(ReportCall(level=JoinLevel.TRADE, drain=drain))
    assert able.ok("buyer", "GET", f"/v1/platforms/{mine}/drain")["owners"]["c1"]["why"] == "mine alone"
    last = able.submit(wants={"platform": mine}, wall_time_s=1)
    able.hub.settle()
    assert at(able, mine, last["id"]) == []
