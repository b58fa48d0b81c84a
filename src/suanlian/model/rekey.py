"""How a connector's key gives way to another: introduced by the old one, or by a token of its owner's."""

from typing import Annotated, Final

from pydantic import StringConstraints

from suanlian.model.base import Name, Text, Utc, Value
from suanlian.model.ids import ConnectorId
from suanlian.model.lineage import Chain, KeyText, Signature, SignedKeyChange
from suanlian.model.protocol import Call, Envelope

REKEY_TYPE: Final = "suanlian-rekey"


class NewKey(Value):
    """What the new key signs, to prove that it is there and for whom it is."""

    connector_id: ConnectorId
    public_key: KeyText


class RekeyCall(Call):
    """Introduce the connector's next key; signed by the one in use. Path ``/connector/v1/rekey``.

    ``proof``: by the new key over ``NewKey``. The old key holds until the new one has signed a call. A hub below brings
    the change of its key along, so that what it was delegated follows; with a change that its recovery key signed, the
    call may be signed by the new key itself.
    """

    public_key: KeyText
    proof: Signature
    change: SignedKeyChange | None = None


class RekeyAnswer(Envelope):
    """Which keys hold now."""

    public_key: Text
    next_key: Text = ""
    chain: Chain = Chain()


class RecoverCall(Call):
    """Take up the connector of this name with a fresh key, which signs the call. Path ``/connector/v1/recover``."""

    token: Annotated[str, StringConstraints(max_length=200)]
    name: Name
    public_key: KeyText


class DelegationCall(Call):
    """A hub below asks for what leads to it from the root. Path ``/connector/v1/delegation``."""

    hub_id: Text
    name: Name
    url: Text
    recovery_key: KeyText | None = None


class DelegationAnswer(Envelope):
    """The chain, signed anew where that was due; and how the key of the hub above is followed."""

    prefix: Text
    chain: Chain = Chain()
    hub_recovery_key: KeyText | None = None
    hub_key_serial: int = 0


class RecoveryToken(Value):
    """A token that lets a connector's owner give it a fresh key. Shown this once."""

    connector: Name
    token: str
    expires_at: Utc
