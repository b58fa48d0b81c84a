"""What a hub says of itself, and the answer to `resolve`."""

from enum import StrEnum

from suanlian.model.base import Name, Text, Utc, Wire
from suanlian.model.ids import HubId, Kind
from suanlian.model.sign_in import ProviderAbout


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


class Resolution(Wire):
    """What an identifier names; a referral names the hub to ask next."""

    identifier: Text
    standing: Standing
    kind: Kind
    issuer: Text
    name: Text = ""
    state: Text = ""
    registered_at: Utc | None = None
    refer_to: Text = ""
    refer_key: Text = ""
