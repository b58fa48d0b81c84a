"""A connector that signs descriptors, as it should and as it should not."""

from typing import Any

from suanlian.crypto.dossiers import sign_descriptor
from suanlian.crypto.keys import KeyPair
from suanlian.model.descriptor import Descriptor, DescriptorAnswer, DescriptorCall, described
from suanlian.testing.hub import SignedConnector
from tests.hub.world import inventory


def draft(connector: SignedConnector, platform: str = "wuhu-cluster", **changes: Any) -> Descriptor:  # noqa: ANN401 - of Descriptor
    """The next version of what the connector says of itself."""
    there = connector.client.descriptor(DescriptorCall())
    sites, shares = described(inventory())
    fields = {
        "identifier": there.identifier,
        "version": there.version + 1,
        "part": "c1",
        "platform": platform,
        "entity": there.entity,
        "issuer": there.issuer,
        "key": connector.keypair.public_text,
        "sites": sites,
        "shares": shares,
        "made_at": connector.wire.clock(),
        "previous": there.digest,
    }
    return Descriptor.model_validate({**fields, **changes})


def hand_in(
    connector: SignedConnector, new: Descriptor, *, by: KeyPair | None = None, hardware: tuple[str, ...] = ()
) -> DescriptorAnswer:
    """Sign it and hand it in."""
    signature = sign_descriptor(new, by or connector.keypair)
    return connector.client.descriptor(DescriptorCall(descriptor=new, signature=signature, hardware=hardware))
