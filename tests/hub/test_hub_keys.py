"""A hub's key gives way to another while it serves: nobody is locked out, nobody else takes over, old words hold."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from suanlian.app import HubKeys, assemble
from suanlian.commands.initialise import Above, Made, Wish, initialise
from suanlian.commands.keys import rotate, rotate_lost
from suanlian.crypto.errors import KeyFileError
from suanlian.crypto.keyring import KEY_FILE, in_use, prepared, set_aside
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.crypto.lineage import pin_after, sign_change
from suanlian.model.errors import SuanlianError
from suanlian.model.lineage import KeyPin, NodeKeys
from suanlian.sdk.client import Client
from suanlian.sdk.connector import UntrustedError
from suanlian.sdk.verify import checked
from suanlian.services import lineage
from suanlian.settings import HubSettings
from suanlian.testing.hub import InProcessHub, Person, ServedHub, SignedConnector
from suanlian.workers.lineage import Lineage
from tests.hub.described import draft, hand_in
from tests.hub.test_delegation import keys_of, platform_at
from tests.hub.test_two_hubs import Pair, buyer_of
from tests.hub.world import Stores, Template, World, job

MONTH = timedelta(days=30)


@pytest.fixture
def pair(template: Template, stores: Stores) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stores, template, stack)


def take_fresh_key(hub: InProcessHub | ServedHub, home: Path, recovery: KeyPair | None = None, **said: Any) -> str:  # noqa: ANN401 - of rotate
    """Change the key of a hub that serves, as the command does beside it; its name now."""
    made = rotate(hub.running.hub, home, recovery, **{"overlap": MONTH, "why": "a test", **said})
    keys = hub.running.hub.keys
    assert isinstance(keys, HubKeys)
    keys.refresh()
    assert hub.running.hub.node.keypair.public_text == made.new_key
    return made.new_key


def served_keys(world: World) -> NodeKeys:
    return NodeKeys.model_validate(world.ok("nobody", "GET", "/v1/node/keys"))


def at_key(connector: SignedConnector, key: str) -> SignedConnector:
    """The same connector with another key of the hub's pinned."""
    return replace(connector, wire=replace(connector.wire, hub_key=PublicKey.parse(key)))


def test_who_pinned_the_old_key_is_answered_by_it_and_told_of_the_new_one(world: World) -> None:
    connector, old = world.connector(), world.hub.key
    fresh = take_fresh_key(world.hub, world.hub.settings.hub_home)
    told = connector.poll().hub_key
    assert told == PublicKey.parse(fresh).key_id
    pin = pin_after(KeyPin(key=old.text), served_keys(world).changes)
    assert pin.key == fresh
    at_key(connector, pin.key).poll()
    assert served_keys(world).key == fresh
    # a key that was never the hub's is none
    with pytest.raises(UntrustedError):
        at_key(connector, KeyPair.generate().public_text).poll()


def test_after_the_overlap_the_old_key_is_refused_by_its_own_code_and_still_leads_to_the_new_one(world: World) -> None:
    connector, old = world.connector(), world.hub.key
    fresh = take_fresh_key(world.hub, world.hub.settings.hub_home)
    world.clock.advance(MONTH.total_seconds() + 1)
    with pytest.raises(SuanlianError) as caught:
        connector.poll()
    assert caught.value.code == "hub_key_changed"
    assert pin_after(KeyPin(key=old.text), served_keys(world).changes).key == fresh
    at_key(connector, fresh).poll()


def test_what_was_registered_long_ago_is_signed_anew_and_still_says_when(world: World) -> None:
    connector, old = world.connector(), world.hub.key.text
    identifier = hand_in(connector, draft(connector)).identifier
    registered = world.clock()
    for _year in range(2):
        world.clock.advance(365 * 24 * 3600)
        fresh = take_fresh_key(world.hub, world.hub.settings.hub_home)
    for version in ("descriptor", "descriptors/1"):
        text = world.person("nobody").get(f"/v1/identifiers/{identifier}/{version}").content
        for root in (old, fresh):
            found = checked(text, root)
            assert (found.hub_key.text, found.counter.registered_at) == (fresh, registered)
            assert found.counter.signed_at == world.clock()


def test_a_connector_enrols_under_whichever_key_it_was_told(world: World) -> None:
    world.ok("provider2", "POST", "/v1/platforms", {"name": "late"})
    fresh = take_fresh_key(world.hub, world.hub.settings.hub_home)
    assert world.ok("nobody", "GET", "/v1/node")["public_key"] == fresh
    about = served_keys(world)
    assert (about.serial, about.key, len(about.changes)) == (1, fresh, 2)


def test_a_stolen_key_is_put_out_by_the_recovery_key_at_once(pair: Pair) -> None:
    settings, made = pair.lower(Above(pair.upper.url, pair.token(), pair.upper.key.text))
    recovery = made.recovery
    assert recovery is not None
    hub, operator = pair.serve_lower(settings, made)
    connector, stolen = platform_at(hub, operator), hub.running.hub.node.keypair
    pin = KeyPin(key=stolen.public_text, hub_id=made.node.id, recovery_key=recovery.public_text)
    thief = KeyPair.generate()
    with hub.running.hub.reading() as unit:
        evil = lineage.next_change(unit, made.node, thief, old_until=unit.now + MONTH)
    misled = pin_after(pin, [sign_change(evil, stolen, thief)])
    assert misled.key == thief.public_text
    with pytest.raises(SuanlianError):
        take_fresh_key(hub, settings.hub_home, KeyPair.generate(), overlap=timedelta(0))
    fresh = take_fresh_key(hub, settings.hub_home, recovery, overlap=timedelta(0))
    for before in (pin, misled):
        assert pin_after(before, keys_of(hub).changes).key == fresh
    with pytest.raises(SuanlianError) as caught:
        connector.poll()
    assert caught.value.code == "hub_key_changed"
    at_key(connector, fresh).poll()


def lower_with(pair: Pair) -> tuple[HubSettings, Made, ServedHub, Person]:
    settings, made = pair.lower(Above(pair.upper.url, pair.token(), pair.upper.key.text))
    return (settings, made, *pair.serve_lower(settings, made))


def keep_up(hub: ServedHub | InProcessHub) -> None:
    """What the worker does by itself within seconds."""
    (worker,) = [one for one in hub.running.workers if isinstance(one, Lineage)]
    worker.asked.clear()
    worker.step()


def upper_connector(pair: Pair) -> str:
    (found,) = pair.provider.get("/v1/platforms/hub-yrd/connectors").json()["items"]
    key: str = found["public_key"]
    return key


def test_the_hub_below_changes_its_key_and_what_it_was_delegated_follows(pair: Pair) -> None:
    settings, _made, hub, operator = lower_with(pair)
    connector = platform_at(hub, operator)
    identifier = hand_in(connector, draft(connector, "jiashan")).identifier
    before = keys_of(hub)
    fresh = take_fresh_key(hub, settings.hub_home)
    keep_up(hub)
    assert [one.delegation.key for one in keys_of(hub).chain.delegations] == [before.key, fresh]
    sent = operator.post("/v1/supervision/report/send").json()
    assert len(sent["receipts"]) == 1
    assert upper_connector(pair) == fresh
    told = pair.upper.person().get(f"/v1/identifiers/{identifier}").json()
    assert (told["refer_key"], told["refer_delegation"]["delegation"]["serial"]) == (fresh, 2)
    with Client(hub.url) as door:
        text = door.identifiers.dossier(identifier).model_dump_json().encode()
    assert checked(text, pair.upper.key.text).hub_key.text == fresh
    assert buyer_of(operator, hub).post("/v1/jobs", job()).status_code == 200


def test_the_hub_above_changes_its_key_and_the_one_below_follows(pair: Pair) -> None:
    _settings, _made, hub, operator = lower_with(pair)
    connector = platform_at(hub, operator)
    identifier = hand_in(connector, draft(connector, "jiashan")).identifier
    old = pair.upper.key.text
    fresh = take_fresh_key(pair.upper, pair.upper_settings.hub_home)
    keep_up(hub)
    with hub.running.hub.reading() as unit:
        ((row, pin),) = lineage.uplinks(unit)
    assert (row["hub_key"], pin.serial) == (fresh, 1)
    assert operator.post("/v1/supervision/report/send").json()["uplinks"] == 1
    with Client(hub.url) as door:
        text = door.identifiers.dossier(identifier).model_dump_json().encode()
    for root in (old, fresh):
        assert checked(text, root).descriptor.identifier == identifier


def test_a_hub_that_lost_its_key_comes_back_by_its_recovery_key_alone(pair: Pair) -> None:
    settings, made, hub, operator = lower_with(pair)
    assert made.recovery is not None
    fresh = take_fresh_key(hub, settings.hub_home, made.recovery, overlap=timedelta(0))
    for path in (settings.hub_home / "hub-keys").iterdir():
        path.unlink()
    keys = hub.running.hub.keys
    assert isinstance(keys, HubKeys)
    keys.refresh()
    assert keys.before() == []
    keep_up(hub)
    sent = operator.post("/v1/supervision/report/send").json()
    assert len(sent["receipts"]) == 1
    assert upper_connector(pair) == fresh


def test_a_hub_whose_key_file_is_gone_starts_again_by_its_recovery_key(stores: Stores) -> None:
    settings = stores.fresh()
    made = initialise(settings, Wish("lonely", "http://127.0.0.1:9", prefix="CN"))
    assert made.recovery is not None
    (settings.hub_home / KEY_FILE).unlink()
    with pytest.raises(KeyFileError):
        assemble(settings)
    with pytest.raises(SuanlianError):
        rotate_lost(settings, KeyPair.generate(), why="a test")
    change = rotate_lost(settings, made.recovery, why="a test")
    with InProcessHub(settings) as hub:
        about = NodeKeys.model_validate(hub.person().get("/v1/node/keys").json())
        assert about.key == change.new_key == hub.key.text
        pin = KeyPin(key=made.node.keypair.public_text, recovery_key=made.recovery.public_text)
        assert pin_after(pin, about.changes).key == about.key
    stores.drop(settings)


def test_a_crash_between_store_and_file_is_mended_at_the_next_look(tmp_path: Path) -> None:
    first = KeyPair.generate()
    first.save(tmp_path / KEY_FILE)
    assert in_use(tmp_path, None).public == first.public
    fresh = prepared(tmp_path)
    assert prepared(tmp_path).public == fresh.public
    set_aside(tmp_path)
    set_aside(tmp_path)
    assert in_use(tmp_path, first.public_text).public == first.public
    # the store names the next one: whoever looks takes it up
    for _look in range(2):
        assert in_use(tmp_path, fresh.public_text).public == fresh.public
    assert prepared(tmp_path).public != fresh.public
    with pytest.raises(KeyFileError):
        in_use(tmp_path, KeyPair.generate().public_text)
