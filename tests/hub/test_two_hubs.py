"""A hub above and one below: the prefix is delegated, identifiers are resolved at both, reports earn a receipt."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest

from suanlian.app import assemble
from suanlian.commands.initialise import Above, Made, Wish, enrol_above, initialise
from suanlian.crypto.documents import sign_document, verify_document
from suanlian.crypto.keys import KeyPair
from suanlian.model.errors import SuanlianError
from suanlian.model.report import RECEIPT_TYPE, REPORT_TYPE, ReportUpCall, SupervisionReport
from suanlian.services import supervision
from suanlian.settings import HubSettings
from suanlian.store import nodes
from suanlian.testing.hub import InProcessHub, Person, ServedHub, SignedConnector, Wire
from tests.hub.test_bad_input import refused
from tests.hub.world import Stores, Template, job


class Pair:
    """A national hub that is served, and room for hubs below it."""

    def __init__(self, stores: Stores, template: Template, stack: ExitStack) -> None:
        self.stores = stores
        self.stack = stack
        self.upper_settings = stores.copy(template)
        self.upper = self.serve(self.upper_settings)
        self.operator = self.upper.person(template.keys["operator"])
        self.provider = self.upper.person(template.keys["provider"])
        self.buyer = self.upper.person(template.keys["buyer"])

    def serve(self, settings: HubSettings) -> ServedHub:
        """Serve a hub until the end of the test."""
        self.stack.callback(self.stores.drop, settings)
        return self.stack.enter_context(ServedHub(settings))

    def token(self, label: str = "YRD") -> str:
        """A join token for a hub below."""
        return self.token_of(f"hub-{label.lower()}", label)

    def token_of(self, name: str, label: str) -> str:
        """A join token for a hub below that applies under this name."""
        new = {"name": name, "kind": "hub", "label": label, "connectors": [{"name": "yrd"}]}
        assert self.provider.post("/v1/platforms", new).status_code == 200
        assert self.operator.post(f"/v1/platforms/{name}/check-documents", {"why": "test"}).status_code == 200
        token: str = self.provider.post(f"/v1/platforms/{name}/tokens", {}).json()["tokens"][0]["join_token"]
        return token

    def lower(self, above: Above, url: str = "http://127.0.0.1:9") -> tuple[HubSettings, Made]:
        """Make a hub below."""
        settings = self.stores.fresh()
        return settings, initialise(settings, Wish("yrd", url, above=above))

    def serve_lower(self, settings: HubSettings, made: Made) -> tuple[ServedHub, Person]:
        """Serve it; its operator."""
        hub = self.serve(settings)
        key = hub.person().post("/v1/operators/claim", {"link": made.link, "name": "op"}).json()["key"]
        return hub, hub.person(key)


@pytest.fixture
def pair(template: Template, stores: Stores) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stores, template, stack)


def buyer_of(operator: Person, hub: ServedHub) -> Person:
    operator.post("/v1/entities", {"name": "lab"})
    new = {"name": "b", "role": "buyer", "entity": "lab"}
    return hub.person(operator.post("/v1/principals", new).json()["key"])


def test_a_hub_below_gets_its_prefix_and_both_resolve_each_others_identifiers(pair: Pair) -> None:
    upper = pair.upper
    settings, made = pair.lower(Above(upper.url, pair.token(), upper.key.text), "http://127.0.0.1:9999")
    assert (made.node.prefix, made.node.provisional, made.warning) == ("CN.YRD", False, "")
    hub, operator = pair.serve_lower(settings, made)
    about = hub.person().get("/v1/node").json()
    assert (about["prefix"], about["provisional"], about["upstream"]) == ("CN.YRD", False, upper.url)
    assert pair.operator.get("/v1/platforms/hub-yrd").json()["state"] in ("documents-checked", "connected")
    buyer = buyer_of(operator, hub)
    below = buyer.post("/v1/jobs", job()).json()["public_id"]
    above = pair.buyer.post("/v1/jobs", job()).json()["public_id"]
    assert (below.split("-")[0], above.split("-")[0]) == ("CN.YRD", "CN")
    told = upper.person().get(f"/v1/identifiers/{below}").json()
    assert (told["standing"], told["issuer"], told["refer_to"]) == ("referral", "CN.YRD", "http://127.0.0.1:9999")
    assert told["refer_key"] == about["public_key"]
    told = hub.person().get(f"/v1/identifiers/{above}").json()
    assert (told["standing"], told["refer_to"], told["refer_key"]) == ("referral", upper.url, upper.key.text)
    assert hub.person().get(f"/v1/identifiers/{about['public_id']}").json()["standing"] == "found"
    assert buyer.get(f"/v1/identifiers/{below}").json()["name"] == "hello"
    assert buyer.get(f"/v1/jobs/{below}").json()["public_id"] == below


def test_a_label_is_delegated_once(pair: Pair) -> None:
    pair.lower(Above(pair.upper.url, pair.token(), pair.upper.key.text))
    token = pair.token_of("again", "YRD")
    _, made = pair.lower(Above(pair.upper.url, token, pair.upper.key.text))
    assert made.node.provisional
    assert "CN.YRD is delegated" in made.warning


def test_a_hub_whose_upper_hub_is_down_begins_with_a_prefix_of_its_own_and_joins_later(pair: Pair) -> None:
    settings, made = pair.lower(Above("http://127.0.0.1:9", "jt_x", pair.upper.key.text))
    assert made.node.provisional
    assert made.warning
    assert made.node.prefix.startswith("X")
    with InProcessHub(settings) as hub:
        key = hub.person().post("/v1/operators/claim", {"link": made.link, "name": "op"}).json()["key"]
        operator = hub.person(key)
        operator.post("/v1/entities", {"name": "lab"})
        key = operator.post("/v1/principals", {"name": "b", "role": "buyer", "entity": "lab"}).json()["key"]
        early = hub.person(key).post("/v1/jobs", job()).json()["public_id"]
        assert hub.person(key).get(f"/v1/jobs/{early}").json()["public_id"] == early
    running = assemble(settings)
    answer = enrol_above(running.hub, Above(pair.upper.url, pair.token(), pair.upper.key.text))
    assert (answer.prefix, running.hub.node.prefix, running.hub.node.provisional) == ("CN.YRD", "CN.YRD", False)
    with pytest.raises(SuanlianError) as caught:
        enrol_above(running.hub, Above(pair.upper.url, pair.token("GBA"), pair.upper.key.text))
    assert caught.value.code == "already_done"
    running.stop_unstarted()
    with InProcessHub(settings) as hub:
        assert hub.person(key).get(f"/v1/identifiers/{early}").json()["standing"] == "found"
        assert hub.person(key).get(f"/v1/jobs/{early}").status_code == 200
        late = hub.person(key).post("/v1/jobs", job()).json()["public_id"]
        assert late.startswith("CN.YRD-J-")


def test_a_hub_with_another_key_than_the_pinned_one_is_not_joined(pair: Pair) -> None:
    _, made = pair.lower(Above(pair.upper.url, pair.token(), KeyPair.generate().public_text))
    assert made.node.provisional
    assert made.warning


def test_a_home_holds_one_hub(pair: Pair) -> None:
    settings = pair.stores.fresh()
    initialise(settings, Wish("a", "http://127.0.0.1:9", prefix="CN"))
    for wish in (Wish("b", "http://127.0.0.1:9", prefix="CN"), Wish("b", "http://127.0.0.1:9")):
        with pytest.raises(SuanlianError):
            initialise(settings, wish)


def test_a_report_goes_up_and_its_receipt_comes_down(pair: Pair) -> None:
    upper = pair.upper
    settings, made = pair.lower(Above(upper.url, pair.token(), upper.key.text))
    _, operator = pair.serve_lower(settings, made)
    sent: dict[str, Any] = operator.post("/v1/supervision/report/send").json()
    assert sent["uplinks"] == 1
    (receipt,) = sent["receipts"]
    assert (receipt["hub"], receipt["public_id"].split("-")[:2]) == ("national", ["CN", "R"])
    (received,) = pair.operator.get("/v1/supervision/reports").json()["items"]
    assert received["report"] == sent["report"]
    assert received["receipt"] == receipt
    assert "receipt.received" in operator.get("/v1/events?limit=200").text
    assert "report.received" in pair.operator.get("/v1/events?limit=200").text


def test_the_same_report_gets_the_same_receipt_and_a_forged_one_none(pair: Pair) -> None:
    upper = pair.upper
    settings, _ = pair.lower(Above(upper.url, pair.token(), upper.key.text))
    running = assemble(settings)
    (row,) = _uplinks(running.hub.reading)
    pair_key = running.hub.node.keypair
    with httpx2.Client(trust_env=False) as http:
        connector = SignedConnector(Wire(http, upper.url, upper.key, running.hub.clock), pair_key, row["connector_id"])
        report = _report(running.hub.node.id, running.hub.clock())
        body = report.model_dump(mode="json")
        call = ReportUpCall(report=report, signature=sign_document(body, pair_key, typ=REPORT_TYPE))
        first, again = connector.client.supervision(call), connector.client.supervision(call)
        assert first.receipt == again.receipt
        verify_document(first.receipt.model_dump(mode="json"), first.signature, upper.key, typ=RECEIPT_TYPE)
        forged = sign_document(body, KeyPair.generate(), typ=REPORT_TYPE)
        other = report.model_copy(update={"jobs": 99})
        foreign = report.model_copy(update={"prefix": "CN.GBA"})
        signed = sign_document(foreign.model_dump(mode="json"), pair_key, typ=REPORT_TYPE)
        for wrong, code in (
            (ReportUpCall(report=report, signature=forged), "signature_invalid"),
            (ReportUpCall(report=other, signature=call.signature), "signature_invalid"),
            (ReportUpCall(report=foreign, signature=signed), "forbidden"),
        ):
            with pytest.raises(SuanlianError) as caught:
                connector.client.supervision(wrong)
            assert caught.value.code == code
    running.stop_unstarted()
    assert len(pair.operator.get("/v1/supervision/reports").json()["items"]) == 1


def _uplinks(reading: Any) -> list[Any]:  # noqa: ANN401 - a context manager of units
    with reading() as unit:
        return list(nodes.uplinks(unit))


def _report(hub_id: str, now: Any) -> SupervisionReport:  # noqa: ANN401 - a moment
    fields = {"hub_id": hub_id, "hub": "yrd", "prefix": "CN.YRD", "since": now, "until": now, "made_at": now}
    figures = dict.fromkeys(("core_s", "core_s_east_to_west", "core_s_green", "cost", "cost_simulated"), "0")
    lists: dict[str, Any] = {"capacity": (), "platforms": (), "flows": (), "jobs": 0, "jobs_by_state": {}}
    return SupervisionReport.model_validate({**fields, **figures, **lists})


def test_a_report_waits_until_the_upper_hub_is_there(pair: Pair) -> None:
    settings, made = pair.lower(Above(pair.upper.url, pair.token(), pair.upper.key.text))
    with InProcessHub(settings) as hub:
        key = hub.person().post("/v1/operators/claim", {"link": made.link, "name": "op"}).json()["key"]
        writer, node = hub.running.hub.writer, hub.running.hub.node
        with hub.running.hub.reading() as unit:
            report = supervision.make(unit, node, None, hub.running.hub.clock())
        writer.run(lambda unit: supervision.queue_up(unit, node, report))
        assert hub.rows()["report_sent"] == 1
        hub.settle()
        with hub.running.hub.reading() as unit:
            assert not supervision.unsent(unit)
        assert hub.person(key).get("/v1/events?type=receipt.received").json()["items"]


def test_a_provider_alone_may_not_report(pair: Pair) -> None:
    refused(pair.provider.post("/v1/supervision/report/send"), 403, "forbidden")
    sent = pair.operator.post("/v1/supervision/report/send").json()
    assert (sent["uplinks"], sent["receipts"]) == (0, [])
