"""How do keys change while the agent runs? Its own by the one in use; the hub's is followed from the one pinned."""

from suanlian.agent.config import Home
from suanlian.agent.desk import Identity, log
from suanlian.agent.enrol import keep_identity, read_identity
from suanlian.crypto.documents import sign_document
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.crypto.lineage import body_of, pin_after
from suanlian.model.ids import ConnectorId
from suanlian.model.lineage import KeyPin
from suanlian.model.rekey import REKEY_TYPE, NewKey, RekeyCall
from suanlian.sdk.connector import ConnectorClient


class Keykeeper:
    """Looks after the two keys that the agent lives by: its own and the hub's."""

    def __init__(self, home: Home, hub: ConnectorClient) -> None:
        """Begin; nothing is called yet."""
        self._home, self._hub = home, hub

    def turn(self) -> bool:
        """Follow the hub's key where it moved, introduce our next one where there is one; False when neither was due.

        Raises UnavailableError, and the error of a refusal.
        """
        moved = self._hub.hub_has_moved and self.follow()
        return self.rotate() or moved

    def follow(self) -> bool:
        """Go from the pinned key to the one that the hub's own documents prove; False when there is none further."""
        self._hub.hub_has_moved = False
        identity = read_identity(self._home)
        before = pin_of(identity)
        after = pin_after(before, self._hub.hub_keys().changes)
        if after == before:
            return False
        keep_identity(pinned(identity, after), self._home.identity)
        self._hub.relink(hub_key=PublicKey.parse(after.key))
        if after.key != before.key:
            log.info("the hub has another key, proved by the one that was pinned: %s", after.key)
        return after.key != before.key

    def rotate(self) -> bool:
        """Introduce the next key and take it up; False when there is none.

        The file is moved when the hub has answered: before that the one in use holds, after it both do until the new
        one has signed a call, so a crash at any line locks nobody out.
        """
        if not self._home.next_key.exists():
            return False
        fresh = KeyPair.load(self._home.next_key)
        said = NewKey(connector_id=ConnectorId(read_identity(self._home).connector_id), public_key=fresh.public_text)
        proof = sign_document(body_of(said), fresh, typ=REKEY_TYPE)
        self._hub.rekey(RekeyCall(public_key=fresh.public_text, proof=proof))
        self._home.next_key.replace(self._home.key)
        self._hub.relink(keypair=fresh)
        log.info("the connector has another key: %s", fresh.public_text)
        return True


def pin_of(identity: Identity) -> KeyPin:
    """What is known of the hub's key."""
    return KeyPin(
        key=identity.hub_key,
        hub_id=identity.hub_id,
        recovery_key=identity.hub_recovery_key,
        serial=identity.hub_key_serial,
        recovery_serial=identity.hub_recovery_serial,
    )


def pinned(identity: Identity, pin: KeyPin) -> Identity:
    """The identity with what is known of the hub's key now."""
    return identity.model_copy(
        update={
            "hub_key": pin.key,
            "hub_recovery_key": pin.recovery_key,
            "hub_key_serial": pin.serial,
            "hub_recovery_serial": pin.recovery_serial,
        }
    )
