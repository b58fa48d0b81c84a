"""What a hub says of itself, and the answer to `resolve`."""

from enum import StrEnum
from typing import Final

from suanlian.model.base import LongText, Name, Text, Utc, Wire
from suanlian.model.ids import HubId, Kind
from suanlian.model.lineage import Signature, SignedDelegation
from suanlian.model.sign_in import ProviderAbout

RESOLUTION_TYPE: Final = "suanlian-resolution"
FOUND_TTL_S: Final = 300
ABSENT_TTL_S: Final = 30
"""For so long it is not asked again whether there is such a thing."""


class NodeAbout(Wire):
    """Who this hub is; open to everybody."""

    hub_id: HubId
    public_id: str
    name: Name
    prefix: Text
    provisional: bool
    public_key: Text
    protocol: int
    version: Text
    upstream: Text = ""
    sign_in: ProviderAbout | None = None


class Standing(StrEnum):
    """What the answer is."""

    FOUND = "found"
    REFERRAL = "referral"
    MOVED = "moved"


class Resolution(Wire):
    """What an identifier names, signed by the hub that answers; a referral names the hub to ask next.

    ``by`` is the prefix of the hub that answers, ``refer_prefix`` that of the hub to ask: upwards a leading part of
    ``by``, downwards longer, with the delegation that ``by`` signed for it. ``standing`` says what kind of answer it
    is, ``status`` what the identifier is worth (active, frozen, revoked, moved; platforms only).
    """

    identifier: Text
    standing: Standing
    kind: Kind
    issuer: Text
    name: Text = ""
    state: Text = ""
    status: Text = ""
    moved_to: Text = ""
    registered_at: Utc | None = None
    by: Text = ""
    refer_to: Text = ""
    refer_key: Text = ""
    refer_prefix: Text = ""
    refer_delegation: SignedDelegation | None = None
    as_of: Utc | None = None
    ttl_s: int = 0
    signature: Signature = ""


class Resolved(Wire):
    """An answer as it was got: which hubs were asked, the last of which knew, when, and whether it was kept from then.

    ``why`` says, of an answer that is older than it holds, why there is no fresh one.
    """

    resolution: Resolution
    asked: tuple[str, ...]
    fetched_at: Utc | None = None
    age_s: int = 0
    stale: bool = False
    why: LongText = ""
