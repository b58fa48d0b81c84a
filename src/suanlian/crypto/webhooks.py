"""How does a receiver know that a webhook comes from this hub? By signatures in the form of Standard Webhooks.

Signed are id, time and body: ``v1`` is HMAC-SHA256 with a secret that both have, ``v1a`` Ed25519 with the hub's own
key, which everybody may read at ``/v1/node``. https://github.com/standard-webhooks/standard-webhooks
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from suanlian.crypto.keys import KeyPair


def signature_headers(
    event_id: str, at: datetime, body: bytes, *, keypair: KeyPair, secret: bytes | None
) -> Mapping[str, str]:
    """The headers that sign one delivery."""
    time = str(int(at.timestamp()))
    said = f"{event_id}.{time}.".encode() + body
    signed = [f"v1a,{base64.b64encode(keypair.private.sign(said)).decode()}"]
    if secret is not None:
        signed.insert(0, f"v1,{base64.b64encode(hmac.new(secret, said, hashlib.sha256).digest()).decode()}")
    return {"webhook-id": event_id, "webhook-timestamp": time, "webhook-signature": " ".join(signed)}
