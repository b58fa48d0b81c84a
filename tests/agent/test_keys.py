"""The agent follows its hub's key by proof alone, and a crash in the middle of its own change locks nobody out."""

from pathlib import Path
from typing import Any, cast

import pytest

from suanlian.agent.config import Home
from suanlian.agent.desk import Identity
from suanlian.agent.enrol import keep_identity, read_identity
from suanlian.agent.keys import Keykeeper
from suanlian.crypto.documents import verify_document
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.crypto.lineage import sign_change
from suanlian.model.errors import UnavailableError
from suanlian.model.ids import ConnectorId, HubId, PlatformId, new_id
from suanlian.model.lineage import NodeKeys
from suanlian.model.rekey import REKEY_TYPE, NewKey, RekeyCall
from suanlian.sdk.connector import ConnectorClient
from tests.crypto.chains import MadeHub


class Hub:
    """The hub as the keeper sees it: it serves documents, takes next keys, and may be down."""

    def __init__(self, made: MadeHub) -> None:
        self.made, self.hub_has_moved, self.down = made, True, False
        self.taken: list[RekeyCall] = []
        self.links: list[dict[str, Any]] = []

    def hub_keys(self) -> NodeKeys:
        key = self.made.keypair.public_text
        return NodeKeys(hub_id=HubId("hub"), prefix="CN", key=key, serial=0, changes=tuple(self.made.changes))

    def rekey(self, call: RekeyCall) -> None:
        self.taken.append(call)
        if self.down:
            raise UnavailableError("hub_unavailable", "the answer was lost")

    def relink(self, **link: Any) -> None:  # noqa: ANN401 - of ConnectorClient
        self.links.append(link)


class Bench:
    def __init__(self, root: Path) -> None:
        self.home, self.made = Home(root), MadeHub("CN", "hub")
        self.first = self.made.keypair.public_text
        KeyPair.generate().save(self.home.key)
        identity = Identity(
            connector_id=ConnectorId(new_id()),
            platform_id=PlatformId(new_id()),
            platform="p1",
            hub_id=HubId("hub"),
            hub_name="fake",
            hub_url="http://127.0.0.1:1",
            hub_key=self.first,
            hub_recovery_key=self.made.recovery.public_text,
        )
        keep_identity(identity, self.home.identity)
        self.hub = Hub(self.made)
        self.keeper = Keykeeper(self.home, cast("ConnectorClient", self.hub))

    @property
    def pinned(self) -> str:
        return read_identity(self.home).hub_key


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_hubs_key_is_followed_over_several_changes_and_kept(bench: Bench) -> None:
    bench.made.rotate()
    bench.made.rotate(by_recovery=True)
    assert bench.keeper.turn()
    assert bench.pinned == bench.made.keypair.public_text
    assert bench.hub.links == [{"hub_key": bench.made.keypair.public}]
    assert (read_identity(bench.home).hub_key_serial, read_identity(bench.home).hub_recovery_serial) == (2, 2)
    assert not bench.keeper.turn()
    bench.hub.hub_has_moved = True
    assert not bench.keeper.turn()


def test_nobody_is_followed_who_does_not_prove_it(bench: Bench) -> None:
    thief = KeyPair.generate()
    bench.made.changes.append(sign_change(bench.made.change(1, thief, thief), thief, thief))
    assert not bench.keeper.turn()
    assert (bench.pinned, bench.hub.links) == (bench.first, [])


def test_a_lost_answer_changes_nothing_and_the_same_key_is_introduced_again(bench: Bench) -> None:
    bench.hub.hub_has_moved = False
    old, fresh = KeyPair.load(bench.home.key).public_text, KeyPair.generate()
    fresh.save(bench.home.next_key)
    bench.hub.down = True
    with pytest.raises(UnavailableError):
        bench.keeper.turn()
    assert KeyPair.load(bench.home.key).public_text == old
    bench.hub.down = False
    again = Keykeeper(bench.home, cast("ConnectorClient", bench.hub))
    assert again.turn()
    assert KeyPair.load(bench.home.key).public_text == fresh.public_text
    assert not bench.home.next_key.exists()
    assert {call.public_key for call in bench.hub.taken} == {fresh.public_text}
    said = NewKey(connector_id=read_identity(bench.home).connector_id, public_key=fresh.public_text)
    proof = bench.hub.taken[-1].proof
    verify_document(said.model_dump(mode="json"), proof, PublicKey.parse(fresh.public_text), typ=REKEY_TYPE)
    assert bench.hub.links[-1]["keypair"].public_text == fresh.public_text
    assert not again.turn()
