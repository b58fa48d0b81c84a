"""A connector is not heard of: when that counts, what becomes of its work, and what its late words are worth."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from suanlian.model.errors import SuanlianError
from suanlian.model.job import JobState
from suanlian.model.lending import LentCancelCall
from suanlian.model.owner import JoinLevel
from suanlian.model.protocol import Instruction, LogCall, ObjectCall, OutputCall, ReportCall, SecretsCall, Wish
from suanlian.store import platforms
from suanlian.store import tables as t
from suanlian.testing.hub import InProcessHub, SignedConnector
from suanlian.workers import late
from tests.hub.laws import all_laws
from tests.hub.test_lending import KEY, lent, state, told_of
from tests.hub.world import World, inventory, offer, segment

WUHU, SUZHOU = "wuhu-cluster", "suzhou-cloud"
BOTH = (WUHU, SUZHOU)


def pass_(world: World, seconds: float, heard: Sequence[str]) -> None:
    """Let time pass while the hub lives, and these connectors with it."""
    left = seconds
    while left > 0:
        step = min(28.0, left)
        world.clock.advance(step)
        left -= step
        for name in heard:
            hear(world, name)
        settle(world)


def hear(world: World, name: str) -> None:
    """As if it had polled, without the way there."""
    connector_id = world.template.connectors[name].id
    world.hub.running.hub.writer.run(lambda unit: platforms.seen(unit, connector_id))


def settle(world: World) -> None:
    """Let those workers act that have to do with it."""
    workers = [w for w in world.hub.running.workers if w.name in ("lost", "place", "rate")]
    while any(worker.turn() for worker in workers):
        pass


def current(world: World, ref: str, index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = attempts(world, ref, index)[-1]
    return found


def attempts(world: World, ref: str, index: int = 0) -> list[dict[str, Any]]:
    path = f"/v1/jobs/{ref}/tasks?index={index}"
    found: list[dict[str, Any]] = world.ok("buyer", "GET", path)["items"][0]["attempts"]
    return found


def started(world: World, **changes: Any) -> tuple[dict[str, Any], Instruction, SignedConnector]:  # noqa: ANN401 - fields of a job
    """A job that runs at the first platform, and may run at either."""
    pass_(world, 10, BOTH)
    made = world.submit(**changes)
    world.hub.settle()
    given = {name: at(world, name, made["id"]) for name in BOTH}
    connector, told = next((world.connector(name), found[0]) for name, found in given.items() if found)
    connector.report(told, JobState.RUNNING, started_at=world.clock())
    return made, told, connector


def others(connector: SignedConnector, world: World) -> list[str]:
    return [name for name in BOTH if world.template.connectors[name].id != connector.id]


def at(world: World, name: str, ref: str) -> list[Instruction]:
    return [i for i in world.connector(name).poll().instructions if i.job_id == ref]


def rerun(
    world: World,
    **changes: Any,  # noqa: ANN401 - fields of a job
) -> tuple[dict[str, Any], Instruction, SignedConnector, Instruction, str]:
    """A job whose first place is lost, and that has another."""
    made, told, connector = started(world, **changes)
    (other,) = others(connector, world)
    pass_(world, 60 + 660, [other])
    (again,) = at(world, other, made["id"])
    return made, told, connector, again, other


def test_a_silent_connector_is_lost_and_keeps_what_it_has_for_a_while(world: World) -> None:
    made, _told, connector = started(world)
    (other,) = others(connector, world)
    pass_(world, 50, [other])
    assert current(world, made["id"])["lost_since"] is None
    pass_(world, 20, [other])
    lost = current(world, made["id"])
    assert lost["lost_since"] is not None
    assert lost["rerun_from"] > lost["lost_since"]
    assert lost["state"] == "RUNNING"
    pass_(world, 500, [other])
    assert len(attempts(world, made["id"])) == 1
    # it comes back: nothing happened
    connector.poll()
    world.hub.settle()
    assert current(world, made["id"])["lost_since"] is None
    pass_(world, 700, BOTH)
    assert len(attempts(world, made["id"])) == 1
    all_laws(world.hub)


def test_after_a_while_it_runs_elsewhere_and_the_first_is_fenced(world: World) -> None:
    made, told, connector, again, other = rerun(world)
    old, new = attempts(world, made["id"])
    assert (old["state"], old["fenced"], old["outcome"]["cause"]) == ("SYSTEM_ERROR", True, "lost")
    assert (new["state"], again.number, again.token) == ("QUEUED", 2, 2)
    all_laws(world.hub)
    # late words of the first are worth nothing, whatever they say
    before = world.job(made["id"])
    assert connector.report(told, JobState.COMPLETE).verdict == "stale"
    assert world.job(made["id"]) == before
    world.connector(other).run(again)
    assert world.job(made["id"])["state"] == "COMPLETE"
    all_laws(world.hub)


CALLS: dict[str, Callable[[SignedConnector, Instruction], object]] = {
    "logs": lambda c, i: c.client.log(
        LogCall(attempt_id=i.attempt_id, token=i.token, stream="stdout", offset=0, data=base64.b64encode(b"x").decode())
    ),
    "outputs": lambda c, i: c.client.output(
        OutputCall(
            attempt_id=i.attempt_id,
            token=i.token,
            path="out",
            sha256=hashlib.sha256(b"x").hexdigest(),
            data=base64.b64encode(b"x").decode(),
        )
    ),
    "objects": lambda c, i: c.client.fetch_object(ObjectCall(attempt_id=i.attempt_id, token=i.token, sha256="0" * 64)),
    "secrets": lambda c, i: c.client.secrets(SecretsCall(attempt_id=i.attempt_id, token=i.token)),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_nothing_is_taken_from_or_given_to_a_fenced_attempt(world: World, name: str) -> None:
    _made, told, connector, _again, _other = rerun(world)
    before = world.hub.rows()
    with pytest.raises(SuanlianError) as refused:
        CALLS[name](connector, told)
    assert refused.value.code == "report_stale"
    assert {k: v for k, v in world.hub.rows().items() if k in ("log_chunk", "output", "object")} == {
        k: v for k, v in before.items() if k in ("log_chunk", "output", "object")
    }


def charges(world: World, ref: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.ok("buyer", "GET", f"/v1/jobs/{ref}/charges?limit=200")["items"]
    return found


def cost(world: World, ref: str) -> float:
    return sum(float(line["cost"]["amount"]) for line in charges(world, ref))


def test_what_was_charged_for_a_fenced_attempt_is_taken_back_once(world: World) -> None:
    made, told, connector = started(world)
    (other,) = others(connector, world)
    begun = world.clock()
    world.clock.advance(20)
    used = [segment(told, begun + timedelta(seconds=10 * n), 10, n) for n in (0, 1)]
    assert [answer.verdict for answer in connector.use(*used)] == ["taken", "taken"]
    world.hub.settle()
    assert cost(world, made["id"]) > 0
    pass_(world, 60 + 660, [other])
    assert len(attempts(world, made["id"])) == 2
    assert cost(world, made["id"]) == 0
    lines = len(charges(world, made["id"]))
    # what comes now is not taken, rated or not, and the taking back is not done twice
    late = segment(told, begun + timedelta(seconds=20), 5, 2)
    assert [a.verdict for a in connector.use(late)] == ["stale"]
    pass_(world, 30, [other])
    assert len(charges(world, made["id"])) == lines
    all_laws(world.hub)


def test_usage_that_was_not_rated_yet_is_never_charged(world: World) -> None:
    made, told, connector, _again, _other = rerun(world)
    # as if the segment had come before the fence, and the rater only now
    _set_fence(world, told, None)
    connector.use(segment(told, world.clock() - timedelta(seconds=100), 10))
    _set_fence(world, told, world.clock())
    world.hub.settle()
    assert charges(world, made["id"]) == []
    with world.hub.running.hub.reading() as unit:
        assert unit.connection.execute(select(t.usage_segment.c.rated_at)).scalars().all() != [None]


def _set_fence(world: World, told: Instruction, moment: datetime | None) -> None:
    values = {"fenced_at": moment, "ended_at": moment}
    with world.hub.running.hub.store.writing.begin() as connection:
        connection.execute(update(t.attempt).where(t.attempt.c.id == told.attempt_id).values(**values))


def test_a_fenced_attempt_is_told_to_end_until_that_is_acknowledged(world: World) -> None:
    made, told, connector, _again, other = rerun(world)
    mine = connector_name(world, connector)
    for _time in range(2):  # from the beginning, as a connector with an empty ledger asks
        (said,) = at(world, mine, made["id"])
        assert (said.attempt_id, said.wish, said.fenced) == (told.attempt_id, Wish.FORGET, True)
    # meanwhile it is given nothing: what it still runs is in no book
    fresh = world.submit(wants={"platform": mine})
    world.hub.settle()
    assert at(world, mine, fresh["id"]) == []
    connector.gone(told)
    world.hub.settle()
    assert at(world, mine, made["id"]) == []
    assert len(at(world, mine, fresh["id"])) == 1
    assert other


def test_a_connector_of_an_earlier_release_acknowledges_by_its_revision(world: World) -> None:
    made, told, connector, _again, _other = rerun(world)
    mine = connector_name(world, connector)
    old = world.connector(mine)
    old.knows = ()
    answer = old.poll()
    assert [i.attempt_id for i in answer.instructions if i.job_id == made["id"]] == [told.attempt_id]
    old.poll(answer.revision)
    assert [i for i in old.poll().instructions if i.job_id == made["id"]] == []


def connector_name(world: World, connector: SignedConnector) -> str:
    return next(name for name in BOTH if world.template.connectors[name].id == connector.id)


def test_without_another_place_it_waits_for_its_own(world: World) -> None:
    made, told, connector = started(world)
    (other,) = others(connector, world)
    # the other one takes nothing
    world.connector(other).client.report(ReportCall(accepting=False, level=JoinLevel.TRADE))
    pass_(world, 900, [other])
    assert len(attempts(world, made["id"])) == 1
    assert world.job(made["id"])["waiting"]
    # the first comes back, and its end counts
    connector.run(told)
    world.hub.settle()
    assert world.job(made["id"])["state"] == "COMPLETE"
    assert world.job(made["id"])["waiting"] == ""
    all_laws(world.hub)


def test_without_tries_for_a_lost_place_it_is_never_run_again(world: World) -> None:
    made, told, connector = started(world, retries={"lost": 0})
    (other,) = others(connector, world)
    pass_(world, 1500, [other])
    assert len(attempts(world, made["id"])) == 1
    assert current(world, made["id"])["rerun_from"] is None
    connector.run(told)
    assert world.job(made["id"])["state"] == "COMPLETE"
    all_laws(world.hub)


def test_the_hubs_own_outage_makes_nobody_lost(world: World) -> None:
    made, told, connector = started(world)
    world.clock.advance(3 * 3600)
    world.hub.settle()
    assert current(world, made["id"])["lost_since"] is None
    (other,) = others(connector, world)
    pass_(world, 80, [other])
    assert current(world, made["id"])["lost_since"] is None
    connector.run(told)
    assert world.job(made["id"])["state"] == "COMPLETE"


def test_when_all_fall_silent_at_once_nothing_runs_again(world: World) -> None:
    made, _told, _connector = started(world)
    for name in BOTH:
        world.connector(name).poll()
    pass_(world, 3000, [])
    assert current(world, made["id"])["lost_since"] is not None
    assert len(attempts(world, made["id"])) == 1
    told = world.ok("operator", "GET", "/v1/events?type=hub.deaf")["items"]
    assert len(told) == 1
    # one is heard again: the others have the whole time to follow
    (other,) = others(_connector, world)
    pass_(world, 580, [other])
    assert len(attempts(world, made["id"])) == 1
    pass_(world, 60, [other])
    assert len(attempts(world, made["id"])) == 2
    all_laws(world.hub)


def test_a_cancelled_job_whose_place_is_lost_ends_after_a_while(world: World) -> None:
    made, told, connector = started(world)
    (other,) = others(connector, world)
    pass_(world, 100, [other])
    world.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")
    pass_(world, 500, [other])
    assert world.job(made["id"])["state"] == "CANCELING"
    pass_(world, 120, [other])
    assert world.job(made["id"])["state"] == "CANCELED"
    assert "not known" in current(world, made["id"])["outcome"]["reason"]
    assert connector.report(told, JobState.COMPLETE).verdict == "stale"
    all_laws(world.hub)


def test_a_job_cancelled_while_it_looks_for_another_place_is_counted_once(world: World) -> None:
    made, _told, connector = started(world, array_size=3, resources={"cpu": "3", "memory": "256MiB"})
    (other,) = others(connector, world)
    pass_(world, 700, [other])
    world.ok("buyer", "POST", f"/v1/jobs/{made['id']}/cancel")
    all_laws(world.hub)


def test_restarted(world: World) -> None:
    """A hub that is started anew gives everybody the whole time again."""
    made, _told, connector = started(world)
    (other,) = others(connector, world)
    pass_(world, 400, [other])
    assert current(world, made["id"])["lost_since"] is not None
    world.clock.advance(60)
    with InProcessHub(world.hub.settings, clock=world.clock) as hub:
        hub.settle()
    pass_(world, 500, [other])
    assert len(attempts(world, made["id"])) == 1
    pass_(world, 120, [other])
    assert len(attempts(world, made["id"])) == 2


def test_a_lent_job_is_not_stopped_before_its_lost_place_says_so(world: World) -> None:
    pass_(world, 10, BOTH)
    by, away = world.connector(WUHU), world.connector(SUZHOU)
    told = told_of(away, lent(world).job_id)
    away.report(told, JobState.RUNNING, started_at=world.clock())
    by.client.lent_cancel(LentCancelCall(key=KEY))
    pass_(world, 720, [WUHU])
    assert (state(by).state, state(by).stopped) == (JobState.CANCELED, False)
    away.gone(told)
    assert state(by).stopped


def test_a_lost_task_that_can_end_in_time_nowhere_else_stays_and_hides_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "_JOBS", 1)
    (worker,) = [w for w in world.hub.running.workers if w.name == "late"]
    for name in BOTH:
        world.connector(name).publish(inventory("4"), offer())
    whole = {"cpu": "4", "memory": "256MiB"}
    by = world.clock() + timedelta(seconds=2000)
    made, told, connector = started(world, wall_time_s=600, deadline=by.isoformat(), resources=whole)
    (other,) = others(connector, world)
    world.submit(name="blocker", resources=whole)
    world.hub.settle()
    pass_(world, 1500, [other])
    assert current(world, made["id"])["lost_since"] is not None
    assert not worker.turn() or not worker.turn()
    soon = world.clock() + timedelta(seconds=605)
    second = world.submit(name="second", wall_time_s=600, resources=whole, deadline=soon.isoformat())
    pass_(world, 10, [other])
    assert worker.turn()
    assert not worker.turn()
    ended = world.job(second["id"])
    assert (ended["state"], ended["reason"][:15]) == ("CANCELED", "deadline_passed")
    all_laws(world.hub)
    hear(world, connector_name(world, connector))
    settle(world)
    connector.run(told)
    found = world.job(made["id"])
    assert (found["state"], found["reason"]) == ("COMPLETE", "")
    all_laws(world.hub)
