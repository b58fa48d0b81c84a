"""What another hub answered is kept, told with its age, and good while that hub is down."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from suanlian.commands.initialise import Above
from suanlian.model.errors import ConflictError, NotFoundError, UnavailableError
from suanlian.model.ids import Kind, public_id
from suanlian.model.node import Resolution, Resolved
from suanlian.sdk.client import Client
from suanlian.services import identifiers
from suanlian.services.ports import Directory
from suanlian.testing.hub import FrozenClock, InProcessHub, ServedHub
from suanlian.testing.processes import free_port
from tests.hub.test_bad_input import refused
from tests.hub.test_two_hubs import Pair
from tests.hub.world import Stores, Template

UUID = "01990000-0000-7000-8000-000000000001"
ABROAD = public_id("CN.GBA", Kind.PLATFORM, UUID)


@pytest.fixture
def pair(template: Template, stores: Stores) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stores, template, stack)


class Told(Directory):
    """Answers what the test says."""

    def __init__(self) -> None:
        self.answer: Resolved | Exception = UnavailableError("hub_unavailable", "The hub above is down.")
        self.asked = 0

    def find(self, referral: Resolution) -> Resolved:
        assert referral.refer_key
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def abroad(name: str = "gpu", **fields: Any) -> Resolved:  # noqa: ANN401 - of Resolution
    said = {"identifier": ABROAD, "standing": "found", "kind": "P", "issuer": "CN.GBA", "name": name, "ttl_s": 300}
    return Resolved(resolution=Resolution.model_validate({**said, **fields}), asked=("https://gba.example",))


class Lower:
    """A hub below whose hub above is what the test says, with a clock of the test's."""

    def __init__(self, pair: Pair, stack: ExitStack) -> None:
        settings, made = pair.lower(Above(pair.upper.url, pair.token(), pair.upper.key.text))
        self.clock, self.told = FrozenClock(), Told()
        self.hub = stack.enter_context(InProcessHub(settings, clock=self.clock))
        self.hub.running.hub.directory = self.told
        key = self.hub.person().post("/v1/operators/claim", {"link": made.link, "name": "op"}).json()["key"]
        self.operator = self.hub.person(key)

    def ask(self, identifier: str = ABROAD) -> Any:  # noqa: ANN401 - a response
        return self.operator.get(f"/v1/identifiers/{identifier}/resolution")


@pytest.fixture
def lower(pair: Pair) -> Iterator[Lower]:
    with ExitStack() as stack:
        yield Lower(pair, stack)


def upper_url(pair: Pair) -> str:
    """The address that the upper hub knows itself by."""
    return pair.upper.running.hub.node.url


def test_each_hub_answers_for_the_other_and_keeps_it(pair: Pair) -> None:
    port = free_port()
    above = Above(pair.upper.url, pair.token(), pair.upper.key.text)
    settings, made = pair.lower(above, f"http://127.0.0.1:{port}")
    with ServedHub(settings, port=port) as hub:
        key = hub.person().post("/v1/operators/claim", {"link": made.link, "name": "op"}).json()["key"]
        operator = hub.person(key)
        names = [door.get("/v1/node").json() for door in (hub.person(), pair.upper.person())]
        for person, wanted, way in (
            (pair.operator, names[0], [upper_url(pair), hub.url]),
            (operator, names[1], [hub.url, pair.upper.url]),
        ):
            path = f"/v1/identifiers/{wanted['public_id']}/resolution"
            told = person.get(path).json()
            assert (told["resolution"]["name"], told["asked"]) == (wanted["name"], way)
            again = person.get(path).json()
            assert (again["resolution"], again["stale"]) == (told["resolution"], False)
            assert person.get(path.removesuffix("/resolution")).json()["standing"] == "referral"
        with Client(hub.url) as nobody:
            assert nobody.identifiers.ask(names[1]["public_id"]).asked == (hub.url, pair.upper.url)
    pair.stores.drop(settings)


def test_with_the_hub_above_down_the_answer_of_before_is_told_with_its_age(lower: Lower) -> None:
    refused(lower.ask(), 503, "hub_unavailable")
    lower.told.answer = abroad()
    first = lower.ask().json()
    assert (first["resolution"]["name"], first["age_s"], first["stale"]) == ("gpu", 0, False)
    lower.clock.advance(299)
    assert (lower.ask().json()["age_s"], lower.told.asked) == (299, 2)
    lower.told.answer = UnavailableError("hub_unavailable", "The hub above is down.")
    lower.clock.advance(3600)
    late = lower.ask().json()
    assert (late["resolution"]["name"], late["age_s"], late["stale"]) == ("gpu", 3899, True)
    assert "down" in late["why"]
    lower.told.answer = abroad("renamed", status="revoked")
    fresh = lower.ask().json()
    assert (fresh["resolution"]["name"], fresh["resolution"]["status"], fresh["stale"]) == ("renamed", "revoked", False)
    lower.told.answer = ConflictError("state_conflict", "led astray")
    lower.clock.advance(301)
    assert lower.ask().json()["stale"]


def test_that_there_is_no_such_thing_is_kept_for_a_moment(lower: Lower) -> None:
    lower.told.answer = NotFoundError("not_found", "no such thing")
    for _again in range(3):
        refused(lower.ask(), 404, "not_found")
    assert lower.told.asked == 1
    lower.told.answer = abroad()
    lower.clock.advance(31)
    assert lower.ask().json()["resolution"]["name"] == "gpu"
    lower.told.answer = abroad(standing="moved", moved_to=public_id("CN", Kind.PLATFORM, UUID))
    lower.clock.advance(301)
    assert lower.ask().json()["resolution"]["moved_to"].startswith("CN-P-")


def test_an_answer_holds_no_longer_than_we_let_it(lower: Lower) -> None:
    lower.told.answer = abroad(ttl_s=10**6)
    lower.ask()
    lower.clock.advance(301)
    lower.ask()
    assert lower.told.asked == 2


def test_what_was_not_there_is_asked_again_when_its_hub_is_let_in(pair: Pair) -> None:
    upper, told = pair.upper.running.hub, Told()
    upper.directory, told.answer = told, NotFoundError("not_found", "no such thing")
    identifier = public_id("CN.YRD", Kind.PLATFORM, UUID)
    upper.writer.run(lambda unit: identifiers.keep_absent(unit, identifier))
    pair.lower(Above(pair.upper.url, pair.token(), pair.upper.key.text))
    refused(pair.operator.get(f"/v1/identifiers/{identifier}/resolution"), 404, "not_found")
    assert told.asked == 1


def test_a_moved_and_a_revoked_platform_say_so(pair: Pair) -> None:
    one = pair.buyer.get("/v1/platforms/wuhu-cluster").json()["public_id"]
    other = pair.buyer.get("/v1/platforms/suzhou-cloud").json()["public_id"]
    assert pair.buyer.get(f"/v1/identifiers/{one}").json()["status"] == "active"
    pair.operator.post(f"/v1/identifiers/{one}/move", {"why": "merged", "to": other})
    told = pair.buyer.get(f"/v1/identifiers/{one}").json()
    assert (told["standing"], told["status"], told["moved_to"]) == ("moved", "moved", other)
    pair.operator.post(f"/v1/identifiers/{other}/freeze", {"why": "a test"})
    assert pair.buyer.get(f"/v1/identifiers/{other}").json()["status"] == "frozen"
