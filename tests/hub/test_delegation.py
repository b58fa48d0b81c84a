"""What the hub above signs for the one below: the root's key alone proves a descriptor of a platform two hubs down."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from suanlian.commands.initialise import Above
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.crypto.lineage import held_by
from suanlian.model.errors import InvalidError
from suanlian.model.lineage import Chain, NodeKeys
from suanlian.sdk.client import Client
from suanlian.sdk.verify import checked
from suanlian.testing.hub import Person, ServedHub, SignedConnector, Wire
from suanlian.testing.onboarding import entity_fields
from tests.hub.described import draft, hand_in
from tests.hub.test_two_hubs import Pair
from tests.hub.world import WHY, Stores, Template, inventory, offer


@pytest.fixture
def pair(template: Template, stores: Stores) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stores, template, stack)


def keys_of(hub: ServedHub) -> NodeKeys:
    return NodeKeys.model_validate(hub.person().get("/v1/node/keys").json())


def platform_at(hub: ServedHub, operator: Person, name: str = "jiashan") -> SignedConnector:
    """A platform that came in at this hub, connected."""
    operator.post("/v1/entities", entity_fields(f"{name}-owner"))
    operator.post(f"/v1/entities/{name}-owner/check", WHY)
    new = {"name": "owner", "role": "provider", "entity": f"{name}-owner"}
    owner = hub.person(operator.post("/v1/principals", new).json()["key"])
    assert owner.post("/v1/platforms", {"name": name, "connectors": [{"name": "c1"}]}).status_code == 200
    assert operator.post(f"/v1/platforms/{name}/check-documents", WHY).status_code == 200
    token = owner.post(f"/v1/platforms/{name}/tokens", {}).json()["tokens"][0]["join_token"]
    connector = SignedConnector.enrol(Wire(hub.http, hub.url, hub.key, hub.running.hub.clock), token)
    connector.publish(inventory(), offer())
    return connector


def lower_of(pair: Pair, label: str = "YRD") -> tuple[ServedHub, Person]:
    settings, made = pair.lower(Above(pair.upper.url, pair.token(label), pair.upper.key.text))
    assert not made.warning
    return pair.serve_lower(settings, made)


def test_the_hub_below_keeps_what_leads_to_it_from_the_root(pair: Pair) -> None:
    hub, _operator = lower_of(pair)
    told = keys_of(hub)
    (delegation,) = told.chain.delegations
    said = delegation.delegation
    assert (said.issuer, said.prefix, said.key, said.hub_id) == ("CN", "CN.YRD", hub.key.text, told.hub_id)
    assert (said.recovery_key, said.not_after > said.issued_at) == (told.recovery_key, True)
    held = held_by(told.chain, pair.upper.key, "CN.YRD")
    assert [one.key for one in held.keys.values()] == [hub.key]
    assert keys_of(pair.upper).chain.delegations == ()
    signed = pair.operator.get("/v1/events?type=delegation.signed").json()["items"]
    assert [event["subject"] for event in signed] == ["CN.YRD"]


def test_the_roots_key_alone_proves_a_descriptor_of_a_platform_two_hubs_down(pair: Pair) -> None:
    hub, operator = lower_of(pair)
    connector = platform_at(hub, operator)
    answer = hand_in(connector, draft(connector, "jiashan"))
    # asked at the hub above, which refers to the one in charge
    with Client(hub.url) as door:
        text = door.identifiers.dossier(answer.identifier).model_dump_json().encode()
    found = checked(text, pair.upper.key.text)
    assert (found.descriptor.identifier, found.counter.issuer, found.hub_key) == (answer.identifier, "CN.YRD", hub.key)
    for root in (hub.key.text, KeyPair.generate().public_text):
        with pytest.raises(InvalidError) as caught:
            checked(text, root)
        assert caught.value.code == "chain_broken"


def test_two_regions_of_one_root_do_not_vouch_for_each_other(pair: Pair) -> None:
    yrd, operator = lower_of(pair)
    gba, _other = lower_of(pair, "GBA")
    connector = platform_at(yrd, operator)
    identifier = hand_in(connector, draft(connector, "jiashan")).identifier
    with Client(yrd.url) as door:
        dossier = door.identifiers.dossier(identifier)
    foreign = keys_of(gba).chain
    for chain in (foreign, dossier.chain.with_more(foreign), Chain()):
        with pytest.raises(InvalidError):
            checked(dossier.model_copy(update={"chain": chain}).model_dump_json().encode(), pair.upper.key.text)
    assert PublicKey.parse(keys_of(yrd).key) == yrd.key
