"""What a platform says of itself, signed; what the hub signs beside it; what of it holds today.

The platform signs a ``Descriptor``; the hub's ``CounterSignature`` says that this text was registered, and never more:
whether the identifier still holds is said by a ``Status`` alone, which is the hub's and expires.
"""

from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import Field, StringConstraints, model_validator

from suanlian.model.base import LongText, Name, Region, Text, Utc, Value, Wire
from suanlian.model.ids import Prefix
from suanlian.model.lineage import Chain, KeyText, Signature
from suanlian.model.platform import Inventory
from suanlian.model.protocol import Call, Envelope
from suanlian.model.quantity import Resources

DESCRIPTOR_TYPE: Final = "suanlian-descriptor"
COUNTER_TYPE: Final = "suanlian-countersignature"
STATUS_TYPE: Final = "suanlian-status"
FORMAT: Final = 1
STATUS_LIFE_S: Final = 300
"""For so long a status may be believed."""
MAX_HARDWARE: Final = 2000

DocumentDigest = Annotated[str, StringConstraints(pattern=r"^(sha-256:[0-9a-f]{64})?$")]
HardwareDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class DescribedSite(Value):
    """A place that the connector speaks for."""

    name: Name
    region: Region


class DescribedShare(Value):
    """A slice that it publishes."""

    name: Name
    site: Name
    flavor: Name
    capacity: Resources


class Descriptor(Value):
    """One connector's part of a platform, as its owner says it is. ``previous``: digest of the version before."""

    format: Annotated[int, Field(ge=1, le=FORMAT)] = FORMAT
    identifier: Text
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    part: Name
    platform: Name
    entity: Text
    issuer: Prefix
    key: KeyText
    endpoints: tuple[Text, ...] = Field(default=(), max_length=64)
    sites: tuple[DescribedSite, ...] = Field(default=(), max_length=400)
    shares: tuple[DescribedShare, ...] = Field(default=(), max_length=2000)
    level: Text = ""
    made_at: Utc
    previous: DocumentDigest = ""

    def content(self) -> dict[str, Any]:
        """All that it says, without which version it is and when it was made."""
        return self.model_dump(mode="json", exclude={"version", "made_at", "previous"})


def described(inventory: Inventory) -> tuple[tuple[DescribedSite, ...], tuple[DescribedShare, ...]]:
    """What of an inventory stands in a descriptor."""
    sites = tuple(DescribedSite(name=site.name, region=site.region) for site in inventory.sites)
    shares = tuple(
        DescribedShare(name=share.name, site=share.site, flavor=share.flavor, capacity=share.capacity)
        for share in inventory.shares
    )
    return sites, shares


class CounterSignature(Value):
    """The hub registered this descriptor then. It says nothing of today.

    ``signed_at``: when the hub signed this. When its key changes it signs anew, and ``registered_at`` stays.
    """

    identifier: Text
    part: Name
    version: int
    digest: DocumentDigest
    signature_digest: DocumentDigest
    issuer: Prefix
    hub_id: Text
    registered_at: Utc
    signed_at: Utc


class IdentifierStanding(StrEnum):
    """What an identifier is worth today."""

    ACTIVE = "active"
    FROZEN = "frozen"
    REVOKED = "revoked"
    MOVED = "moved"


class Status(Value):
    """What holds of an identifier today, by the hub that issued it; not to be believed after ``valid_until``."""

    identifier: Text
    standing: IdentifierStanding
    state: Text = ""
    moved_to: Text = ""
    issuer: Prefix
    hub_id: Text
    as_of: Utc
    valid_until: Utc


class SignedStatus(Value):
    """A status under the hub's key."""

    status: Status
    signature: Signature


class Dossier(Value):
    """A descriptor with all that is needed to check it with the root's public key alone."""

    format: Annotated[int, Field(ge=1, le=FORMAT)] = FORMAT
    descriptor: Descriptor
    signature: Signature
    counter: CounterSignature
    counter_signature: Signature
    status: SignedStatus | None = None
    chain: Chain = Chain()


class DescriptorEntry(Value):
    """A version that is kept."""

    identifier: Text
    part: Name
    version: int
    digest: DocumentDigest
    made_at: Utc
    registered_at: Utc


class DescriptorCall(Call):
    """Register a descriptor; without one, ask what was registered last. Path ``/connector/v1/descriptor``.

    ``hardware``: digests of serial numbers, salted for this hub; they are shown to nobody and stand in no descriptor.
    """

    descriptor: Descriptor | None = None
    signature: Signature = ""
    hardware: tuple[HardwareDigest, ...] = Field(default=(), max_length=MAX_HARDWARE)

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if (self.descriptor is None) != (not self.signature):
            msg = "a descriptor comes with its signature, and a question with neither"
            raise ValueError(msg)
        return self


class DescriptorAnswer(Envelope):
    """What is registered for this connector: the last version and its digest, and what its next one has to say."""

    identifier: Text
    entity: Text
    issuer: Text
    version: int = 0
    digest: DocumentDigest = ""
    registered_at: Utc | None = None


class Act(StrEnum):
    """What may happen to an identifier."""

    REGISTERED = "registered"
    CHANGED = "changed"
    TRANSFERRED = "transferred"
    FROZEN = "frozen"
    THAWED = "thawed"
    REVOKED = "revoked"
    MOVED = "moved"


class HistoryEntry(Wire):
    """One act; ``why`` and ``actor`` are shown to the owner and to those who see all."""

    number: int
    identifier: Text
    act: Act
    at: Utc
    part: Text = ""
    version: int = 0
    why: LongText = ""
    actor: Text = ""


class MarkKind(StrEnum):
    """By what one thing under two identifiers is found out."""

    KEY = "key"
    ENDPOINT = "endpoint"
    HARDWARE = "hardware"


class Duplicate(Wire):
    """Two identifiers that name one thing. Its value stays with the hub."""

    kind: MarkKind
    identifiers: tuple[Text, ...]
    entities: tuple[Text, ...]
    found_at: Utc


class Reason(Value):
    """Why an act is done."""

    why: LongText = Field(min_length=1)


class Move(Reason):
    """Under which identifier the thing is known now."""

    to: Text


class NewTransfer(Reason):
    """To which entity an identifier is to go."""

    to: Name


class Transfer(Wire):
    """A transfer on its way: proposed by an operator, seconded by another, accepted by the new owner."""

    id: Text
    identifier: Text
    to: Text
    why: LongText
    proposed_by: Text
    proposed_at: Utc
    seconded_by: Text = ""
    accepted_by: Text = ""
    done_at: Utc | None = None
    ended_at: Utc | None = None
