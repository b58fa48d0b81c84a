"""Keys of connectors over time: the next one introduced by the one in use, a fresh one by a token of the owner's."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from suanlian.crypto.apikeys import TokenKind, keyed_hash, mint, split
from suanlian.crypto.documents import verify_document
from suanlian.crypto.errors import CryptoError, TokenError
from suanlian.crypto.keys import PublicKey
from suanlian.crypto.lineage import body_of, pin_after
from suanlian.model.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import ConnectorId, HubId, PlatformId
from suanlian.model.lineage import KeyPin
from suanlian.model.platform import PlatformKind
from suanlian.model.protocol import EnrolAnswer
from suanlian.model.rekey import REKEY_TYPE, NewKey, RecoverCall, RecoveryToken, RekeyCall
from suanlian.services.ports import Node, Secrets
from suanlian.store import keys, platforms
from suanlian.store import parties as one_time_tokens
from suanlian.store.unit import Row, Unit

RECOVERY: Final = "recovery"
_TOKEN_LIFE: Final = timedelta(days=7)
_ANSWER_LIFE: Final = timedelta(seconds=60)


def offer(unit: Unit, connector: Row, call: RekeyCall) -> str:
    """Write the next key down, beside the one in use. The same one again changes nothing; another one takes its place.

    A hub below that brings the change of its own key is known by the new key at once, and what it was delegated goes to
    that key. Raises InvalidError ``signature_invalid``, ``chain_broken``; ConflictError ``duplicate_key``.
    """
    if call.public_key == connector["public_key"]:
        return ""
    _check_proof(connector, call)
    owner = keys.owner_of_key(unit, call.public_key)
    known = {row["public_key"]: row for row in keys.connector_keys(unit, connector["id"])}
    if (owner is not None and owner["id"] != connector["id"]) or _is_over(known.get(call.public_key)):
        wrong = "This key is, or was, another's, or was given up."
        raise ConflictError("duplicate_key", wrong, todo="Make a fresh one.", field="public_key")
    if call.change is not None:
        _follow(unit, connector, call)
    for row in known.values():
        if row["used_at"] is None and row["until"] is None and row["public_key"] != call.public_key:
            keys.change_connector_key(unit, connector["id"], row["key_id"], {"until": unit.now})
    if call.public_key not in known:
        _keep_current(unit, connector, known)
        _write(unit, connector["id"], call.public_key, by="rekey")
    return call.public_key


def _is_over(row: Row | None) -> bool:
    return row is not None and row["until"] is not None


def _check_proof(connector: Row, call: RekeyCall) -> None:
    said = NewKey(connector_id=ConnectorId(connector["id"]), public_key=call.public_key)
    try:
        verify_document(body_of(said), call.proof, PublicKey.parse(call.public_key), typ=REKEY_TYPE)
    except CryptoError as error:
        wrong = "The new key has not signed that it is this connector's."
        raise InvalidError("signature_invalid", wrong, todo="Sign NewKey with it.", field="proof") from error


def _follow(unit: Unit, connector: Row, call: RekeyCall) -> None:
    """The change has to follow from what the delegation says of the hub below: by its old key, or its recovery key."""
    delegated = keys.delegate_of(unit, connector["platform_id"])
    if delegated is None or call.change is None:
        raise InvalidError("chain_broken", "Only a hub below has a change of key.", field="change")
    pin = KeyPin(
        key=delegated["public_key"],
        hub_id=delegated["hub_id"],
        recovery_key=delegated["recovery_key"],
        serial=delegated["key_serial"],
        recovery_serial=delegated["recovery_serial"],
    )
    after = pin_after(pin, [call.change])
    if after.key != call.public_key:
        wrong = "The change of key does not follow from the key or the recovery key that is known of this hub."
        raise InvalidError("chain_broken", wrong, todo="Sign it with one of the two.", field="change")
    told = {"public_key": after.key, "recovery_key": after.recovery_key, "key_serial": after.serial}
    keys.change_delegate(unit, delegated["prefix"], {**told, "recovery_serial": after.recovery_serial})


def _keep_current(unit: Unit, connector: Row, known: dict[str, Row]) -> None:
    if connector["public_key"] not in known:
        _write(unit, connector["id"], connector["public_key"], by="enrolment", used=True)


def _write(unit: Unit, connector_id: str, public_key: str, *, by: str, used: bool = False) -> None:
    row = {"connector_id": connector_id, "key_id": PublicKey.parse(public_key).key_id, "public_key": public_key}
    used_at = unit.now if used else None
    keys.add_connector_key(unit, {**row, "introduced_by": by, "since": unit.now, "used_at": used_at, "until": None})


def mint_recovery(unit: Unit, secrets: Secrets, platform: Row, name: str) -> RecoveryToken:
    """A single-use token by which the connector of this name is taken up with a fresh key. Raises NotFoundError."""
    connector = _named(platforms.connectors_of(unit, platform["id"]), name)
    token, expires_at = mint(TokenKind.JOIN, secrets.random_bytes), unit.now + _TOKEN_LIFE
    row: dict[str, Any] = {"prefix": token.prefix, "hash": keyed_hash(token.text, secrets.pepper), "purpose": RECOVERY}
    one_time_tokens.add_one_time(unit, {**row, "subject_id": connector["id"], "expires_at": expires_at})
    unit.record(EventType.CONNECTOR_RECOVERING, connector["id"], platform=platform["name"], name=name)
    return RecoveryToken(connector=name, token=token.text, expires_at=expires_at)


def _named(connectors: Sequence[Row], name: str) -> Row:
    found = next((row for row in connectors if row["name"] == name), None)
    if found is None:
        wrong = f"No connector {name[:80]!r} has entered."
        raise NotFoundError("not_found", wrong, todo="suanlian platform connectors lists them.", field="connector")
    return found


def recover(unit: Unit, node: Node, secrets: Secrets, call: RecoverCall) -> EnrolAnswer:
    """Take a connector up with a fresh key; every key that it had holds no longer. Its attempts and revision stay.

    The same key with the same token again gets the same answer. Raises ForbiddenError ``join_token_invalid`` or
    ``token_of_another_connector``, ConflictError ``duplicate_key``.
    """
    prefix, connector = _of_token(unit, secrets, call)
    if connector["name"] != call.name:
        wrong = f"The token is not for the connector {call.name!r}."
        raise ForbiddenError("token_of_another_connector", wrong, todo="Ask its owner.", field="name")
    if connector["public_key"] != call.public_key:
        if keys.owner_of_key(unit, call.public_key) is not None:
            wrong = "This key is, or was, a connector's."
            raise ConflictError("duplicate_key", wrong, todo="Make a fresh one.", field="public_key")
        if not one_time_tokens.use_one_time(unit, prefix, unit.now):
            raise _refused()
        known = {row["public_key"]: row for row in keys.connector_keys(unit, connector["id"])}
        _keep_current(unit, connector, known)
        for row in keys.connector_keys(unit, connector["id"]):
            if row["until"] is None:
                keys.change_connector_key(unit, connector["id"], row["key_id"], {"until": unit.now})
        _write(unit, connector["id"], call.public_key, by=RECOVERY, used=True)
        keys.change_connector(unit, connector["id"], {"public_key": call.public_key})
        told = {"before": connector["public_key"], "after": call.public_key, "by": RECOVERY}
        unit.record(EventType.CONNECTOR_REKEYED, connector["id"], **told)
    return _entered(node, connector, unit)


def _of_token(unit: Unit, secrets: Secrets, call: RecoverCall) -> tuple[str, Row]:
    try:
        token = split(call.token, TokenKind.JOIN)
    except TokenError as error:
        raise _refused() from error
    row = one_time_tokens.find_one_time(unit, token.prefix, RECOVERY)
    if row is None or row["hash"] != keyed_hash(token.text, secrets.pepper):
        raise _refused()
    connector = platforms.find_connector(unit, row["subject_id"])
    if connector is None:
        raise _refused()
    return token.prefix, connector


def _refused() -> ForbiddenError:
    todo = "Mint a fresh one: suanlian identifier recover PLATFORM CONNECTOR"
    return ForbiddenError(
        "join_token_invalid", "The recovery token is unknown, used or expired.", todo=todo, field="token"
    )


def _entered(node: Node, connector: Row, unit: Unit) -> EnrolAnswer:
    platform = platforms.find(unit, connector["platform_id"])
    is_hub = platform is not None and platform["kind"] == PlatformKind.HUB
    return EnrolAnswer(
        connector_id=ConnectorId(connector["id"]),
        expires_at=unit.now + _ANSWER_LIFE,
        platform_id=PlatformId(connector["platform_id"]),
        platform=connector["platform"],
        hub_id=HubId(node.id),
        hub_name=node.name,
        hub_public_key=node.keypair.public_text,
        prefix=f"{node.prefix}.{platform['label']}" if is_hub and platform is not None else "",
    )
