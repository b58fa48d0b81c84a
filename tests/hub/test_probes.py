"""The hub's own small jobs: where they may go, what they take, how they end, and that nobody's lists show them."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import pytest

from suanlian.model.errors import ConflictError, SuanlianError
from suanlian.model.ids import AttemptId, new_id
from suanlian.model.job import JobState, Outcome
from suanlian.model.performance import Precision
from suanlian.model.platform import Inventory
from suanlian.model.probe import PROBE_ENVIRONMENT, Hold, Multiply, ProbeCap, Purpose, Tick, probe_environment
from suanlian.model.protocol import MAX_LOG_BYTES, Instruction, InventoryCall, LogCall, OutputCall, Verdict, Wish
from suanlian.model.quantity import Resources
from suanlian.services import probes
from suanlian.services.probes import Ask, Spot
from suanlian.store import attempts, files, jobs, journal, market
from suanlian.store.unit import Unit
from suanlian.testing.hub import SignedConnector
from tests.hub.laws import all_laws, never_over_committed
from tests.hub.world import World, inventory, job, offer, segment

T = TypeVar("T")
WUHU = "wuhu-cluster"
SMALL = Resources.of({"cpu": 200, "memory": 64})
LISTS = ("/v1/jobs", f"/v1/platforms/{WUHU}/attempts", "/v1/charges")


def offering() -> Inventory:
    """The inventory of these tests with the environment of probes."""
    made = inventory()
    flavors = tuple(
        flavor.model_copy(update={"environments": (*flavor.environments, probe_environment(flavor.architecture))})
        for flavor in made.flavors
    )
    return made.model_copy(update={"flavors": flavors})


def write(world: World, work: Callable[[Unit], T]) -> T:
    return world.hub.running.hub.writer.run(work)


def read(world: World, work: Callable[[Unit], T]) -> T:
    with world.hub.running.hub.reading() as unit:
        return work(unit)


@pytest.fixture
def connector(world: World) -> SignedConnector:
    found = world.connector(WUHU)
    found.publish(offering(), offer())
    return found


def spot(world: World) -> Spot:
    (found,) = read(world, lambda unit: probes.spots(unit, world.connector(WUHU).id))
    return found


def started(world: World, *, run: str = "", **changes: Any) -> AttemptId:  # noqa: ANN401 - fields of Ask
    ask = replace(Ask(spot(world), Purpose.SUPPLY, run or new_id(), Tick(), SMALL), **changes)
    made = write(world, lambda unit: probes.start(unit, world.hub.running.hub.node, ask))
    assert made is not None
    return made


def told(connector: SignedConnector, attempt: AttemptId) -> Instruction:
    return next(said for said in connector.poll().instructions if said.attempt_id == attempt)


def test_a_spot_is_a_share_that_offers_probes(world: World, connector: SignedConnector) -> None:
    found = spot(world)
    assert (found.share.name, found.free, found.cap) == ("s1", found.share.capacity, ProbeCap())
    cap = ProbeCap(seconds=7, per_day=3)
    connector.client.inventory(InventoryCall(inventory=offering(), offers=(offer(),), probes=cap))
    assert spot(world).cap == cap
    connector.publish(inventory(), offer())
    assert read(world, lambda unit: probes.spots(unit, connector.id)) == ()


def test_a_probe_runs_to_its_end_takes_its_room_and_costs_nothing(world: World, connector: SignedConnector) -> None:
    task = Tick(lines=3, interval_ms=5)
    attempt = started(world, task=task)
    said = told(connector, attempt)
    assert (said.wish, said.probe, said.task, said.granted) == (Wish.RUN, Purpose.SUPPLY, task, SMALL)
    assert said.entity == world.hub.running.hub.node.name
    assert spot(world).free == spot(world).share.capacity.minus(SMALL)
    began = world.clock()
    connector.report(said, JobState.RUNNING, started_at=began)
    world.clock.advance(2)
    connector.report(said, JobState.COMPLETE, started_at=began, outcome=Outcome(exit_code=0))
    assert connector.use(segment(said, began, 2, granted=SMALL.model_dump(), final=True))[0].verdict is Verdict.TAKEN
    seen = read(world, lambda unit: probes.look(unit, attempt))
    assert (seen.state, seen.started_at, seen.ended_at) == (JobState.COMPLETE, began, began + timedelta(seconds=2))
    assert [part.final for part in seen.segments] == [True]
    assert spot(world).free == spot(world).share.capacity
    world.hub.settle()
    assert world.hub.rows()["charge"] == 0
    all_laws(world.hub)


def test_a_probe_goes_to_a_platform_that_is_not_live(world: World, connector: SignedConnector) -> None:
    world.ok("operator", "POST", f"/v1/platforms/{WUHU}/suspend", {"why": "a test"})
    assert told(connector, started(world)).wish is Wish.RUN


@pytest.mark.parametrize("verb", ["freeze", "withdraw"])
def test_no_probe_goes_to_a_platform_that_is_frozen_or_gone(
    world: World, connector: SignedConnector, verb: str
) -> None:
    assert connector.id
    there = spot(world)
    world.ok("operator" if verb == "freeze" else "provider", "POST", f"/v1/platforms/{WUHU}/{verb}", {"why": "a test"})
    before = world.hub.rows()
    node = world.hub.running.hub.node
    for overcommit in (False, True):
        ask = Ask(there, Purpose.CONFORMANCE, new_id(), Tick(), SMALL, overcommit=overcommit)
        assert write(world, partial(probes.start, node=node, ask=ask)) is None
    assert world.hub.rows() == before


def hands_in(connector: SignedConnector, said: Instruction, path: str, product: bytes = b"12") -> str:
    sha256, data = hashlib.sha256(product).hexdigest(), base64.b64encode(product).decode()
    call = OutputCall(attempt_id=said.attempt_id, token=said.token, path=path, sha256=sha256, data=data)
    try:
        connector.client.output(call)
    except SuanlianError as error:
        return error.code
    return "taken"


MULTIPLY = Multiply(seed="00" * 16, precision=Precision.FP64, n=128, segments=1, threads=1, seconds=20)


def test_a_probe_brings_what_it_was_asked_for_while_it_runs_and_fills_no_quota(
    world: World, connector: SignedConnector
) -> None:
    """The hub's own quota is for all probes: whoever could fill it would make everybody else fail theirs."""
    before = world.hub.rows()["output"]
    tick = told(connector, started(world))
    assert hands_in(connector, tick, "product") == "field_invalid"
    multiply = told(connector, started(world, task=MULTIPLY))
    assert hands_in(connector, multiply, "more") == "field_invalid"
    assert hands_in(connector, multiply, "product", b"0" * (128 * 128 * 8 + 1)) == "body_too_large"
    assert hands_in(connector, multiply, "product") == "taken"
    for ended in (tick, multiply):
        connector.report(ended, JobState.RUNNING, started_at=world.clock())
        connector.report(ended, JobState.COMPLETE, started_at=world.clock(), outcome=Outcome(exit_code=0))
    assert write(world, lambda unit: probes.discard(unit, multiply.attempt_id)) == 2
    assert hands_in(connector, multiply, "product") == "report_stale"
    cancelled = told(connector, started(world, task=MULTIPLY))
    write(world, lambda unit: probes.cancel(unit, cancelled.attempt_id))
    # what comes too late is answered as if it lay here, so that nobody sends it for ever
    assert hands_in(connector, cancelled, "product") == "taken"
    assert world.hub.rows()["output"] == before


def test_only_the_probe_that_is_to_be_refused_takes_more_than_there_is(
    world: World, connector: SignedConnector
) -> None:
    much = Resources.of({"cpu": 200, "memory": spot(world).share.capacity.memory + 1})
    ask = Ask(spot(world), Purpose.CONFORMANCE, new_id(), Tick(), much)
    node = world.hub.running.hub.node
    assert write(world, lambda unit: probes.start(unit, node, ask)) is None
    before = world.hub.rows()["capacity"]
    attempt = started(world, granted=much, overcommit=True)
    assert told(connector, attempt).granted == much
    # the one attempt that holds nothing: it is to be refused
    assert world.hub.rows()["capacity"] == before
    never_over_committed(world.hub)


def test_a_probe_that_is_given_back_is_tried_nowhere_else(world: World, connector: SignedConnector) -> None:
    attempt = started(world)
    connector.report(told(connector, attempt), JobState.PREEMPTED, outcome=Outcome(reason="probe_cap: no"))
    world.hub.settle()
    seen = read(world, lambda unit: probes.look(unit, attempt))
    assert (seen.state, seen.outcome.reason) == (JobState.PREEMPTED, "probe_cap: no")
    assert world.hub.rows()["attempt"] == 1
    all_laws(world.hub)


def test_a_probe_is_cancelled_once(world: World, connector: SignedConnector) -> None:
    run = new_id()
    attempt = started(world, run=run)
    assert read(world, lambda unit: probes.still_open(unit, Purpose.SUPPLY, run)) == [attempt]
    assert write(world, lambda unit: probes.cancel(unit, attempt))
    assert not write(world, lambda unit: probes.cancel(unit, attempt))
    said = told(connector, attempt)
    assert (said.wish, said.version, said.spec) == (Wish.CANCEL, 2, None)
    connector.report(said, JobState.CANCELED)
    assert read(world, lambda unit: probes.still_open(unit, Purpose.SUPPLY, run)) == []
    assert not write(world, lambda unit: probes.cancel(unit, attempt))
    all_laws(world.hub)


def test_the_same_instruction_is_told_again(world: World, connector: SignedConnector) -> None:
    attempt = started(world)
    first = connector.poll()
    write(world, lambda unit: probes.tell_again(unit, attempt))
    again = connector.poll(first.revision)
    assert [said.attempt_id for said in again.instructions] == [attempt]
    assert again.instructions == tuple(said for said in first.instructions if said.attempt_id == attempt)


def test_what_a_probe_brought_is_discarded_and_ordinary_outputs_stay(world: World, connector: SignedConnector) -> None:
    made, said = world.at(WUHU, outputs=["product"])
    probe = told(connector, started(world, task=MULTIPLY))
    for each in (said, probe):
        body = {"attempt_id": each.attempt_id, "token": each.token, "path": "product", "data": "YWJj"}
        digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        connector.client.output(OutputCall.model_validate({**body, "sha256": digest}))
    assert read(world, lambda unit: probes.output(unit, probe.attempt_id, "product")) == b"abc"
    assert write(world, lambda unit: probes.discard(unit, probe.attempt_id)) == 3
    assert read(world, lambda unit: probes.output(unit, probe.attempt_id, "product")) is None
    with pytest.raises(ConflictError):
        write(world, lambda unit: probes.discard(unit, said.attempt_id))
    assert read(world, lambda unit: probes.output(unit, said.attempt_id, "product")) == b"abc"
    assert made["id"]


def test_nobodys_list_and_no_report_shows_a_probe(world: World, connector: SignedConnector) -> None:
    report = "/v1/supervision/report"
    since = (world.clock() - timedelta(hours=1)).isoformat()
    world.clock.advance(1)

    def shown() -> list[object]:
        lists = [world.ok(who, "GET", path)["items"] for who in ("operator", "supervisor") for path in LISTS]
        told = world.person("operator").get(report, since=since).json()
        return [*lists, world.ok("provider", "GET", LISTS[1])["items"], told["platforms"], told["jobs"]]

    made, ordinary = world.at(WUHU)
    before = shown()
    probe = told(connector, started(world))
    assert shown() == before
    began = world.clock()
    connector.report(probe, JobState.RUNNING, started_at=began)
    connector.report(probe, JobState.COMPLETE, started_at=began)
    assert shown() == before

    def ids(unit: Unit) -> tuple[set[str], dict[str, int], set[str]]:
        alive = attempts.made_between(unit, world.clock() - timedelta(hours=1), world.clock() + timedelta(hours=1))
        counts = jobs.count_by_state(unit, world.clock() - timedelta(hours=1), world.clock() + timedelta(hours=1))
        waiting = {row["id"] for row in market.waiting(unit, limit=10)}
        return {row["id"] for row in alive}, counts, waiting

    assert read(world, ids) == ({ordinary.attempt_id}, {"QUEUED": 1}, set())
    assert made["id"]


def test_a_buyers_journal_passes_no_probe(world: World, connector: SignedConnector) -> None:
    started(world)
    assert connector.id
    buyer = world.hub.running.hub.known.caller(world.template.keys["buyer"])
    assert read(world, lambda unit: journal.events(unit, buyer, after=0, limit=100)) == []


@pytest.mark.parametrize("place", [0, 1])
def test_no_submitted_job_may_name_the_environment_of_probes(
    world: World, connector: SignedConnector, place: int
) -> None:
    del connector
    variants = [*job()["variants"], *job()["variants"]]
    variants[place] = {**variants[place], "environment": PROBE_ENVIRONMENT}
    before = world.hub.rows()
    answer = world.person("buyer").post("/v1/jobs", job(variants=variants))
    assert (answer.status_code, answer.json()["code"]) == (422, "environment_reserved")
    assert answer.json()["faults"][0]["field"] == f"variants.{place}.environment"
    assert world.hub.rows() == before


def test_a_hub_that_nobody_operates_starts_no_probe(new_world: World) -> None:
    made = inventory()
    node = new_world.hub.running.hub.node
    nowhere = Spot(
        "p", "c", "s", "f", made.shares[0], made.flavors[0], made.flavors[0].architecture, SMALL, ProbeCap(), ()
    )
    ask = Ask(nowhere, Purpose.SUPPLY, new_id(), Hold(), SMALL)
    with pytest.raises(ConflictError):
        write(new_world, lambda unit: probes.start(unit, node, ask))


def test_a_probe_fills_the_store_with_no_log(world: World, connector: SignedConnector) -> None:
    made, ordinary = world.at(WUHU)
    probe = told(connector, started(world))
    chunk = base64.b64encode(b"x" * MAX_LOG_BYTES).decode()

    def kept(said: Instruction) -> int:
        for number in range(1024 * 1024 // MAX_LOG_BYTES + 1):
            shared = {"attempt_id": said.attempt_id, "token": said.token, "stream": "stdout"}
            call = LogCall.model_validate({**shared, "offset": number * MAX_LOG_BYTES, "data": chunk})
            # it is answered as if all lay here, so that nobody sends it for ever
            assert connector.client.log(call).length >= number * MAX_LOG_BYTES
        return read(world, lambda unit: files.log_length(unit, said.attempt_id, "stdout"))

    assert kept(probe) == 1024 * 1024
    assert kept(ordinary) > 1024 * 1024
    assert made["id"]
