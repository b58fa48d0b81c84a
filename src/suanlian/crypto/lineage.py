"""Whose word is a document, going by one public key alone?  Delegations, changes of keys, descriptors.

Everything here is pure: documents in, verdict out.  Strict: one document of a chain that does not hold, or that has
nothing to do with the name, and the chain as a whole is refused.  What a signature was worth when it was made is told
from the times inside; a thief of a key may write any time into a document, so a theft is answered by a change under the
recovery key, after which nothing of the stolen key counts beyond the moment that the change names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from suanlian.crypto.documents import key_id_of, sign_document, verify_document
from suanlian.crypto.errors import CryptoCode, CryptoError, SignatureError
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.model.base import Value
from suanlian.model.lineage import (
    DELEGATION_TYPE,
    KEY_CHANGE_TYPE,
    KEY_PROOF_TYPE,
    Chain,
    Delegation,
    KeyChange,
    KeyPin,
    SignedDelegation,
    SignedKeyChange,
)

CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""Two hubs' clocks may differ by so much."""
_PROVISIONAL_LENGTH: Final = 10


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key of a hub, and from when to when its signatures count."""

    key: PublicKey
    since: datetime | None
    until: datetime | None

    def counted(self, at: datetime) -> bool:
        """Whether a signature of that moment counts."""
        early = self.since is not None and at < self.since - CLOCKS_DIFFER
        late = self.until is not None and at > self.until + CLOCKS_DIFFER
        return not (early or late)


@dataclass(frozen=True, slots=True)
class Held:
    """The keys of one hub, oldest first, its current recovery key, and who it is where that is known."""

    keys: Mapping[str, HeldKey]
    recovery: str | None = None
    hub_id: str = ""

    def key(self, signature: str, at: datetime, what: str) -> PublicKey:
        """The key of this hub that made the signature then. Raises SignatureError."""
        named = _signer(signature, what)
        held = self.keys.get(named)
        if held is None:
            raise _broken(f"{what} is signed by the key {named}, which is none of the hub's in charge")
        if not held.counted(at):
            raise _broken(f"{what} is of {at.isoformat()}, when the key {named} did not count")
        return held.key


def provisional_prefix(key: PublicKey) -> str:
    """Under what a hub issues before the hub above has given it a prefix: nobody with another key may claim it."""
    own = "".join(c for c in key.key_id.upper() if c.isascii() and c.isalnum())[:_PROVISIONAL_LENGTH]
    return f"X{own}"


def body_of(value: Value) -> object:
    """The JSON value that is signed."""
    return value.model_dump(mode="json")


def sign_delegation(delegation: Delegation, keypair: KeyPair) -> SignedDelegation:
    """Sign a delegation as the hub above."""
    signature = sign_document(body_of(delegation), keypair, typ=DELEGATION_TYPE)
    return SignedDelegation(delegation=delegation, signature=signature)


def sign_change(change: KeyChange, by: KeyPair, fresh: KeyPair) -> SignedKeyChange:
    """Sign a change of key by the old or the recovery key, and prove the new one."""
    body = body_of(change)
    signature, proof = sign_document(body, by, typ=KEY_CHANGE_TYPE), sign_document(body, fresh, typ=KEY_PROOF_TYPE)
    return SignedKeyChange(change=change, signature=signature, proof=proof)


def pin_after(pin: KeyPin, changes: Iterable[SignedKeyChange]) -> KeyPin:
    """What is pinned after the changes that follow from it; those that do not follow are passed over.

    By the old key only upwards in serials; by the recovery key from wherever one stands, so that it undoes what a
    thief of the old key made one believe. Never raises: what does not prove itself changes nothing.
    """
    for signed in sorted(changes, key=lambda one: (one.change.serial, one.signature)):
        pin = _step(pin, signed) or pin
    return pin


def _step(pin: KeyPin, signed: SignedKeyChange) -> KeyPin | None:
    change = signed.change
    if pin.hub_id and change.hub_id != pin.hub_id:
        return None
    by_recovery = pin.recovery_key is not None and _made_by(signed, pin.recovery_key)
    if by_recovery and change.serial > pin.recovery_serial and _proved(signed):
        return _pinned(pin, change, recovery=change.recovery_key or pin.recovery_key, by_recovery=True)
    if change.serial == 0:
        introduces = change.new_key == pin.key and pin.recovery_key is None and _made_by(signed, pin.key)
        return _pinned(pin, change, recovery=change.recovery_key) if introduces and _proved(signed) else None
    follows = change.old_key == pin.key and change.serial > pin.serial and _made_by(signed, pin.key)
    keeps = pin.recovery_key is None or change.recovery_key == pin.recovery_key
    if follows and keeps and _proved(signed):
        return _pinned(pin, change, recovery=change.recovery_key)
    return None


def _pinned(pin: KeyPin, change: KeyChange, *, recovery: str | None, by_recovery: bool = False) -> KeyPin:
    return KeyPin(
        key=change.new_key,
        hub_id=change.hub_id,
        recovery_key=recovery,
        serial=change.serial,
        recovery_serial=change.serial if by_recovery else pin.recovery_serial,
    )


def _made_by(signed: SignedKeyChange, key: str) -> bool:
    return _holds(signed.change, signed.signature, key, KEY_CHANGE_TYPE)


def _proved(signed: SignedKeyChange) -> bool:
    return _holds(signed.change, signed.proof, signed.change.new_key, KEY_PROOF_TYPE)


def _holds(value: Value, signature: str, key: str, typ: str) -> bool:
    try:
        verify_document(body_of(value), signature, PublicKey.parse(key), typ=typ)
    except CryptoError:
        return False
    return True


def held_by(chain: Chain, root: PublicKey, prefix: str) -> Held:
    """The keys of the hub that issues under ``prefix``, going by the root's public key alone.

    Raises SignatureError ``chain_broken`` where a document of the chain does not hold or does not belong to it.
    """
    left = list(chain.changes)
    held = _root(root, left)
    levels = sorted({one.delegation.prefix for one in chain.delegations}, key=len)
    above = ""
    for level in levels:
        if not (prefix == level or prefix.startswith(level + ".")):
            raise _broken(f"the chain delegates {level}, which does not lead to {prefix}")
        here = [one for one in chain.delegations if one.delegation.prefix == level]
        held = _delegated(held, here, above, left)
        above = level
    if levels and levels[-1] != prefix:
        raise _broken(f"the chain ends at {levels[-1]}, not at {prefix}")
    if left:
        raise _broken(
            f"the change of key {left[0].change.serial} follows neither from the root's key nor from a hub below it"
        )
    return held


def check_delegated(chain: Chain, above: PublicKey, prefix: str, own: PublicKey) -> None:
    """Whether the hub with this key delegated the prefix to our key, going by the newest delegation of the chain.

    For a hub that knows the key of the hub above, and not the root's. Raises SignatureError ``chain_broken``.
    """
    mine = [one for one in chain.delegations if one.delegation.prefix == prefix]
    if not mine:
        raise _broken(f"nothing in the chain delegates {prefix}")
    newest = max(mine, key=lambda one: one.delegation.serial)
    if newest.delegation.key != own.text:
        raise _broken(f"{prefix} is delegated to another key than ours")
    _verify(newest.delegation, newest.signature, above, DELEGATION_TYPE, f"the delegation of {prefix}")


def _root(root: PublicKey, left: list[SignedKeyChange]) -> Held:
    hubs = {one.change.hub_id for one in left if root.text in (one.change.old_key, one.change.new_key)}
    if not hubs:
        return Held({root.key_id: HeldKey(root, None, None)})
    if len(hubs) > 1:
        raise _broken("the root's key stands in changes of two hubs")
    held = _replayed(left, hubs.pop())
    if root.key_id not in held.keys:  # pragma: no cover - it stands in one of the changes
        raise _broken("the changes of the root's key do not lead to the key that was given")
    return held


def _delegated(issuer: Held, signed: Sequence[SignedDelegation], above: str, left: list[SignedKeyChange]) -> Held:
    newest = max(signed, key=lambda one: one.delegation.serial).delegation
    first, last = min(one.delegation.issued_at for one in signed), max(one.delegation.not_after for one in signed)
    vouched: dict[str, HeldKey] = {}
    for one in signed:
        told, what = one.delegation, f"the delegation of {one.delegation.prefix}"
        parent, _dot, _label = told.prefix.rpartition(".")
        if told.issuer != parent or (above and above != parent) or told.hub_id != newest.hub_id:
            raise _broken(f"{what} is not of the hub above it")
        _verify(told, one.signature, issuer.key(one.signature, told.issued_at, what), DELEGATION_TYPE, what)
        public = PublicKey.parse(told.key)
        vouched[public.key_id] = HeldKey(public, first, last)
    held = _replayed(left, newest.hub_id) if newest.hub_id else Held({})
    if held.keys and not vouched.keys() <= held.keys.keys():
        raise _broken(f"{newest.prefix} was delegated to a key that the hub's changes of key do not know")
    within = {key_id: _within(key, first, last) for key_id, key in held.keys.items()}
    return Held(within or vouched, held.recovery or newest.recovery_key, newest.hub_id)


def _within(key: HeldKey, first: datetime, last: datetime) -> HeldKey:
    since = first if key.since is None else max(first, key.since)
    return HeldKey(key.key, since, last if key.until is None else min(last, key.until))


def _replayed(left: list[SignedKeyChange], hub_id: str) -> Held:
    """Take every change of this hub's keys out of ``left``: one line from the first key on, each step proved.

    A step is signed by the key before, or the recovery key, and proved by the key after: so a key vouches for the ones
    after it and for the one before it, and whoever trusts any key of the line may trust the line.
    """
    mine = sorted((one for one in left if one.change.hub_id == hub_id), key=lambda one: one.change.serial)
    held = Held({}, hub_id=hub_id)
    last: str | None = None
    for number, one in enumerate(mine):
        left.remove(one)
        change, what = one.change, f"the change of key {one.change.serial} of {hub_id}"
        again = number and change.serial <= mine[number - 1].change.serial
        if again or change.old_key != last or (number == 0) != (change.serial == 0):
            raise _broken(f"{what} does not go on from the one before it")
        held, last = _stepped(held, one, what), change.new_key
    return held


def _stepped(held: Held, signed: SignedKeyChange, what: str) -> Held:
    change, fresh = signed.change, PublicKey.parse(signed.change.new_key)
    _verify(change, signed.proof, fresh, KEY_PROOF_TYPE, what)
    by, recovery = PublicKey.parse(change.old_key or change.new_key), held.recovery
    if recovery is not None and _signer(signed.signature, what) == PublicKey.parse(recovery).key_id:
        by = PublicKey.parse(recovery)
    elif recovery is not None and change.recovery_key != recovery:
        raise _broken(f"{what} names another recovery key without being signed by the one before")
    _verify(change, signed.signature, by, KEY_CHANGE_TYPE, what)
    if fresh.key_id in held.keys:
        raise _broken(f"{what} takes up a key that was given up")
    keys = dict(held.keys)
    if change.old_key:
        old = keys[PublicKey.parse(change.old_key).key_id]
        keys[old.key.key_id] = replace(old, until=change.old_until)
    keys[fresh.key_id] = HeldKey(fresh, None if change.serial == 0 else change.at, None)
    return Held(keys, change.recovery_key, held.hub_id)


def _verify(value: Value, signature: str, key: PublicKey, typ: str, what: str) -> None:
    try:
        verify_document(body_of(value), signature, key, typ=typ)
    except CryptoError as error:
        raise _broken(f"{what} does not hold: {error.message}") from error


def _signer(signature: str, what: str) -> str:
    try:
        return key_id_of(signature)
    except SignatureError as error:
        raise _broken(f"{what} does not hold: {error.message}") from error


def _broken(what: str) -> SignatureError:
    return SignatureError(CryptoCode.CHAIN_BROKEN, what)
