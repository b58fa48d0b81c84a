"""Hubs above hubs with keys that changed, and a descriptor at the lowest: all documents, made without any store."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from suanlian.crypto.canonical import digest
from suanlian.crypto.dossiers import sign_counter, sign_descriptor, sign_status
from suanlian.crypto.keys import KeyPair
from suanlian.crypto.lineage import body_of, sign_change, sign_delegation
from suanlian.model.descriptor import CounterSignature, Descriptor, Dossier, IdentifierStanding, Status
from suanlian.model.ids import Kind, public_id
from suanlian.model.lineage import Chain, Delegation, KeyChange, SignedDelegation, SignedKeyChange

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
UUID = "01990000-0000-7000-8000-000000000001"


@dataclass
class MadeHub:
    """A hub whose key may change; ``day`` is when its next document is made."""

    prefix: str
    hub_id: str
    keypair: KeyPair = field(default_factory=KeyPair.generate)
    recovery: KeyPair = field(default_factory=KeyPair.generate)
    changes: list[SignedKeyChange] = field(default_factory=list)
    delegations: list[SignedDelegation] = field(default_factory=list)

    def __post_init__(self) -> None:
        change = self.change(0, None, self.keypair)
        self.changes.append(sign_change(change, self.keypair, self.keypair))

    def change(self, serial: int, old: KeyPair | None, new: KeyPair, **fields: object) -> KeyChange:
        """A change of key as this hub would make it."""
        said = {
            "hub_id": self.hub_id,
            "serial": serial,
            "old_key": old and old.public_text,
            "new_key": new.public_text,
            "recovery_key": self.recovery.public_text,
            "at": NOW + serial * DAY,
            "old_until": NOW + (serial + 1) * DAY,
        }
        return KeyChange.model_validate({**said, **fields})

    def rotate(self, *, by_recovery: bool = False) -> None:
        """Take a fresh key."""
        fresh, serial = KeyPair.generate(), self.changes[-1].change.serial + 1
        change = self.change(serial, self.keypair, fresh)
        self.changes.append(sign_change(change, self.recovery if by_recovery else self.keypair, fresh))
        self.keypair = fresh

    def delegate(self, below: "MadeHub", day: int) -> None:
        """Sign the prefix over to a hub below."""
        delegation = Delegation(
            issuer=self.prefix,
            prefix=below.prefix,
            hub_id=below.hub_id,
            name="below",
            url="https://below.example",
            key=below.keypair.public_text,
            recovery_key=below.recovery.public_text,
            serial=len(below.delegations) + 1,
            issued_at=NOW + day * DAY,
            not_after=NOW + (day + 400) * DAY,
        )
        below.delegations.append(sign_delegation(delegation, self.keypair))


def chain_of(*hubs: MadeHub) -> Chain:
    """All that these hubs have."""
    return Chain(
        delegations=tuple(one for hub in hubs for one in hub.delegations),
        changes=tuple(one for hub in hubs for one in hub.changes),
    )


def dossier_of(hub: MadeHub, chain: Chain, *, day: int, under: str = "") -> Dossier:
    """A descriptor that a platform signed and the hub registered on that day; ``under``: issued under this prefix."""
    owner, at = KeyPair.generate(), NOW + day * DAY
    identifier = public_id(under or hub.prefix, Kind.PLATFORM, UUID)
    descriptor = Descriptor.model_validate(
        {
            "identifier": identifier,
            "version": 1,
            "part": "c1",
            "platform": "p1",
            "entity": public_id(hub.prefix, Kind.ENTITY, UUID),
            "issuer": hub.prefix,
            "key": owner.public_text,
            "endpoints": ["https://platform.example"],
            "sites": [{"name": "main", "region": "340200"}],
            "shares": [{"name": "s1", "site": "main", "flavor": "cpu", "capacity": {"cpu": "4"}}],
            "made_at": at,
        }
    )
    signature = sign_descriptor(descriptor, owner)
    counter = CounterSignature(
        identifier=identifier,
        part="c1",
        version=1,
        digest=digest(body_of(descriptor)),
        signature_digest=digest(signature),
        issuer=hub.prefix,
        hub_id=hub.hub_id,
        registered_at=at,
        signed_at=at,
    )
    status = Status(
        identifier=identifier,
        standing=IdentifierStanding.ACTIVE,
        state="live",
        issuer=hub.prefix,
        hub_id=hub.hub_id,
        as_of=at,
        valid_until=at + timedelta(minutes=5),
    )
    return Dossier(
        descriptor=descriptor,
        signature=signature,
        counter=counter,
        counter_signature=sign_counter(counter, hub.keypair),
        status=sign_status(status, hub.keypair),
        chain=chain,
    )
