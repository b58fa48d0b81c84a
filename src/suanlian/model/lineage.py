"""Whose key speaks for a prefix: what a hub above delegated, and how a hub's own key changed. Signed, kept for ever.

A ``Chain`` is carried by whoever has to prove a name: the hub below keeps what the hub above signed for it, the file of
a descriptor brings all of it. It is read from one public key alone, that of the root (``crypto/lineage.py``).
"""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from suanlian.model.base import LongText, Name, Text, Utc, Value, Wire
from suanlian.model.ids import HubId, Prefix

DELEGATION_TYPE: Final = "suanlian-delegation"
KEY_CHANGE_TYPE: Final = "suanlian-key-change"
KEY_PROOF_TYPE: Final = "suanlian-key-proof"
MAX_DELEGATIONS: Final = 64
MAX_KEY_CHANGES: Final = 256

KeyText = Annotated[str, StringConstraints(pattern=r"^ed25519:[A-Za-z0-9_-]{43}$")]
"""A public key as it is shown and pinned."""

Signature = Annotated[str, StringConstraints(max_length=1024)]
"""A detached JWS over the RFC 8785 bytes of a document."""

Serial = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Delegation(Value):
    """The hub above says whose a prefix is, and by which key its holder is known. A later one has a higher serial."""

    issuer: Prefix
    prefix: Prefix
    hub_id: Text
    name: Name
    url: Text
    key: KeyText
    recovery_key: KeyText | None = None
    serial: Serial
    issued_at: Utc
    not_after: Utc


class SignedDelegation(Value):
    """A delegation under the key of the hub above."""

    delegation: Delegation
    signature: Signature


class KeyChange(Value):
    """A hub's key gives way to another. Serial 0 introduces the first key and, with it, the recovery key.

    Signed by the old key, or by the recovery key, which stands above it; only the latter may name another recovery key.
    """

    hub_id: Text
    serial: Serial
    old_key: KeyText | None = None
    new_key: KeyText
    recovery_key: KeyText | None = None
    at: Utc
    old_until: Utc
    why: LongText = ""


class SignedKeyChange(Value):
    """A change of key under the old or the recovery key; ``proof`` is by the new key over the same document."""

    change: KeyChange
    signature: Signature
    proof: Signature


class Chain(Value):
    """All that leads from the root's key to a hub's: delegations from above downwards, changes of the hubs' keys."""

    delegations: tuple[SignedDelegation, ...] = Field(default=(), max_length=MAX_DELEGATIONS)
    changes: tuple[SignedKeyChange, ...] = Field(default=(), max_length=MAX_KEY_CHANGES)

    def with_more(self, other: "Chain") -> "Chain":
        """Both together, each document once."""
        return Chain(
            delegations=tuple(dict.fromkeys((*self.delegations, *other.delegations))),
            changes=tuple(dict.fromkeys((*self.changes, *other.changes))),
        )


class KeyPin(Value):
    """What one peer knows of a hub's key: the one that is trusted, the recovery key, how far it has followed."""

    key: KeyText
    hub_id: Text = ""
    recovery_key: KeyText | None = None
    serial: Serial = 0
    recovery_serial: Serial = 0
    """The serial of the last change that the recovery key signed: an older one is not taken again."""


class NodeKeys(Wire):
    """What a hub serves of its keys; every document proves itself, so nobody need trust the way it came."""

    hub_id: HubId
    prefix: Text
    key: KeyText
    serial: Serial
    recovery_key: KeyText | None = None
    changes: tuple[SignedKeyChange, ...] = ()
    chain: Chain = Chain()
