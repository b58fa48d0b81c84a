"""A chain proves a name, or it does not: from the root's key alone, whatever a thief or a careless hand does to it."""

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.crypto.dossiers import check_dossier
from suanlian.crypto.errors import SignatureError
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.crypto.lineage import held_by, pin_after, provisional_prefix, sign_change
from suanlian.model.errors import InvalidError
from suanlian.model.lineage import Chain, KeyPin
from suanlian.sdk.verify import checked
from tests.crypto.chains import MadeHub, chain_of, dossier_of

FORGED = {"chain_broken", "countersignature_forged", "descriptor_forged", "status_forged", "field_invalid"}


def three() -> tuple[MadeHub, MadeHub, MadeHub]:
    """A root, a region and a city; the root and the region have changed keys, delegations were signed anew."""
    root, region, city = MadeHub("CN", "root"), MadeHub("CN.YRD", "region"), MadeHub("CN.YRD.SH", "city")
    root.delegate(region, 0)
    region.delegate(city, 0)
    root.rotate()
    region.rotate(by_recovery=True)
    root.delegate(region, 2)
    region.delegate(city, 2)
    return root, region, city


ROOT, REGION, CITY = three()
FIRST_ROOT_KEY = ROOT.changes[0].change.new_key
DOSSIER = dossier_of(CITY, chain_of(ROOT, REGION, CITY), day=3)
TEXT = DOSSIER.model_dump_json()


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path


LEAVES = sorted(leaves(json.loads(TEXT)), key=str)


def edited(path: tuple[Any, ...], place: int) -> bytes:
    document = json.loads(TEXT)
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    old = holder[path[-1]]
    if isinstance(old, str) and old:
        # the last character of a signature carries bits that stand for nothing
        at = place % max(1, len(old) - 1)
        holder[path[-1]] = old[:at] + ("1" if old[at] != "1" else "2") + old[at + 1 :]
    else:
        holder[path[-1]] = "x" if isinstance(old, str) or old is None else old + 1
    return json.dumps(document).encode()


def code_of(text: bytes, root: str) -> str:
    with pytest.raises(InvalidError) as caught:
        checked(text, root)
    return caught.value.code


@pytest.mark.parametrize("key", [FIRST_ROOT_KEY, ROOT.keypair.public_text])
def test_a_descriptor_three_hubs_down_holds_by_any_key_of_the_root(key: str) -> None:
    found = checked(TEXT.encode(), key)
    assert (found.descriptor, found.hub_key) == (DOSSIER.descriptor, CITY.keypair.public)
    assert found.status is not None
    assert found.status.standing == "active"


@given(path=st.sampled_from(LEAVES), place=st.integers(0, 2000))
def test_any_edited_field_of_the_file_is_found(path: tuple[Any, ...], place: int) -> None:
    assert code_of(edited(path, place), FIRST_ROOT_KEY) in FORGED


@given(st.sampled_from(["delegations", "changes"]), st.integers(0, 20))
def test_what_is_left_out_of_the_chain_proves_no_more_than_before(which: str, index: int) -> None:
    document = json.loads(TEXT)
    documents = document["chain"][which]
    documents.pop(index % len(documents))
    found = None
    with suppress(InvalidError):
        found = checked(json.dumps(document).encode(), FIRST_ROOT_KEY)
    assert found is None or found.descriptor == DOSSIER.descriptor


def test_another_root_proves_nothing() -> None:
    assert code_of(TEXT.encode(), KeyPair.generate().public_text) == "chain_broken"
    assert code_of(TEXT.encode(), "ed25519:x") == "key_malformed"
    assert code_of(b"[]", FIRST_ROOT_KEY) == "field_invalid"
    assert code_of(b"no", FIRST_ROOT_KEY) == "field_invalid"


def test_a_descriptor_of_one_hub_is_not_believed_under_the_signature_of_its_neighbour() -> None:
    neighbour = MadeHub("CN.GBA", "neighbour")
    ROOT.delegate(neighbour, 3)
    foreign = dossier_of(neighbour, chain_of(ROOT, neighbour), day=4)
    said = foreign.counter.model_copy(update={"issuer": "CN.YRD"})
    for wrong in (
        foreign.model_copy(update={"chain": chain_of(ROOT, REGION)}),
        foreign.model_copy(update={"counter": said, "chain": chain_of(ROOT, REGION)}),
        foreign.model_copy(update={"chain": chain_of(ROOT, REGION, neighbour)}),
    ):
        with pytest.raises(SignatureError):
            check_dossier(wrong, PublicKey.parse(FIRST_ROOT_KEY))


def test_a_key_counts_from_when_it_came_until_it_was_given_up() -> None:
    root = MadeHub("CN", "root")
    old = root.keypair
    root.rotate()
    chain, key = chain_of(root), PublicKey.parse(root.changes[0].change.new_key)
    held = held_by(chain, key, "CN")
    assert [one.key for one in held.keys.values()] == [old.public, root.keypair.public]
    before, after = dossier_of(root, chain, day=1), dossier_of(root, chain, day=9)
    assert check_dossier(before, key).hub_key == root.keypair.public
    assert check_dossier(after, key).hub_key == root.keypair.public
    root.keypair = old
    assert check_dossier(dossier_of(root, chain, day=1), key).hub_key == old.public
    with pytest.raises(SignatureError, match="did not count"):
        check_dossier(dossier_of(root, chain, day=9), key)


def test_a_stolen_old_key_makes_no_second_line() -> None:
    root = MadeHub("CN", "root")
    old = root.keypair
    root.rotate()
    thief = KeyPair.generate()
    evil = sign_change(root.change(1, old, thief), old, thief)
    forked = Chain(changes=(*chain_of(root).changes, evil))
    for chain in (forked, Chain(changes=(root.changes[0], evil))):
        with pytest.raises(SignatureError):
            held_by(chain, root.keypair.public, "CN")


def test_only_the_recovery_key_names_another_recovery_key() -> None:
    root, thief = MadeHub("CN", "root"), KeyPair.generate()
    other = root.change(1, root.keypair, thief, recovery_key=thief.public_text)
    with pytest.raises(SignatureError):
        held_by(Chain(changes=(root.changes[0], sign_change(other, root.keypair, thief))), root.keypair.public, "CN")
    held = held_by(
        Chain(changes=(root.changes[0], sign_change(other, root.recovery, thief))), root.keypair.public, "CN"
    )
    assert held.recovery == thief.public_text


def pin_of(hub: MadeHub) -> KeyPin:
    return KeyPin(key=hub.changes[0].change.new_key, hub_id=hub.hub_id, recovery_key=hub.recovery.public_text)


@given(st.lists(st.booleans(), max_size=5), st.randoms())
def test_a_pin_follows_every_change_in_whatever_order_it_comes_and_twice(by_recovery: list[bool], random: Any) -> None:  # noqa: ANN401 - random.Random
    hub = MadeHub("CN", "root")
    for one in by_recovery:
        hub.rotate(by_recovery=one)
    changes = hub.changes * 2
    random.shuffle(changes)
    pin = pin_after(pin_of(hub), changes)
    assert (pin.key, pin.serial) == (hub.keypair.public_text, len(by_recovery))
    assert pin_after(pin, changes) == pin


def test_a_pin_takes_no_step_that_does_not_prove_itself() -> None:
    hub, thief = MadeHub("CN", "root"), KeyPair.generate()
    pin = pin_of(hub)
    good = hub.change(1, hub.keypair, thief)
    stranger = MadeHub("CN", "other").change(1, hub.keypair, thief)
    wrong = [
        sign_change(good, thief, thief),
        sign_change(good, hub.keypair, hub.keypair),
        sign_change(stranger, hub.keypair, thief),
        sign_change(hub.change(1, thief, thief), hub.keypair, thief),
        sign_change(hub.change(1, hub.keypair, thief, recovery_key=None), hub.keypair, thief),
        sign_change(hub.change(1, hub.keypair, thief, recovery_key=thief.public_text), hub.keypair, thief),
    ]
    for one in wrong:
        assert pin_after(pin, [one]) == pin
    assert pin_after(pin, [sign_change(good, hub.keypair, thief)]).key == thief.public_text


def test_the_recovery_key_undoes_what_a_thief_of_the_key_made_one_believe() -> None:
    hub, thief = MadeHub("CN", "root"), KeyPair.generate()
    evil = sign_change(hub.change(7, hub.keypair, thief), hub.keypair, thief)
    misled = pin_after(pin_of(hub), [evil])
    assert misled.key == thief.public_text
    honest = copy.deepcopy(hub)
    honest.rotate(by_recovery=True)
    mended = pin_after(misled, honest.changes)
    assert mended.key == honest.keypair.public_text
    assert pin_after(mended, [evil]) == mended


def test_an_identifier_under_a_provisional_prefix_is_the_keys_own_and_no_other_hubs() -> None:
    hub = MadeHub("CN", "root")
    key, own = hub.keypair.public, provisional_prefix(hub.keypair.public)
    hub.rotate()
    early = dossier_of(hub, chain_of(hub), day=3, under=own)
    assert early.descriptor.identifier.startswith(f"{own}-P-")
    assert check_dossier(early, key).descriptor == early.descriptor
    foreign = provisional_prefix(KeyPair.generate().public)
    with pytest.raises(SignatureError):
        check_dossier(dossier_of(hub, chain_of(hub), day=3, under=foreign), key)
