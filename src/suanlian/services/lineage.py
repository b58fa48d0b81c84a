"""The hub's own keys over time, what it delegates to hubs below, and the chain that it was given from above."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from suanlian.crypto.dossiers import sign_counter
from suanlian.crypto.errors import SignatureError
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.crypto.lineage import check_delegated, sign_change, sign_delegation
from suanlian.model.descriptor import CounterSignature
from suanlian.model.errors import ConflictError, ForbiddenError, InvalidError
from suanlian.model.event import EventType
from suanlian.model.ids import HubId
from suanlian.model.lineage import Chain, Delegation, KeyChange, KeyPin, NodeKeys, SignedDelegation, SignedKeyChange
from suanlian.model.protocol import EnrolAnswer, EnrolCall
from suanlian.model.rekey import DelegationAnswer, DelegationCall
from suanlian.services.ports import Followed, Node
from suanlian.store import identifiers, keys, nodes, platforms
from suanlian.store.unit import Row, Unit

DELEGATION_LIFE: Final = timedelta(days=400)
"""Renewed long before it is over; what was signed within it stays good."""
EMPTY: Final = Chain()
_DELEGATIONS_TOLD: Final = 7


def begin(unit: Unit, node: Node, recovery_key: str | None = None) -> None:
    """Write the first key down, once: signed by itself, with the recovery key where there is one."""
    if keys.hub_keys(unit):
        return
    change = KeyChange(
        hub_id=node.id,
        serial=0,
        new_key=node.keypair.public_text,
        recovery_key=recovery_key,
        at=unit.now,
        old_until=unit.now,
    )
    keep_change(unit, sign_change(change, node.keypair, node.keypair))


def keep_change(unit: Unit, signed: SignedKeyChange) -> None:
    """Keep a change of the hub's own key."""
    change = signed.change
    row = {"serial": change.serial, "public_key": change.new_key, "recovery_key": change.recovery_key, "at": change.at}
    row |= {"body": change.model_dump_json(), "signature": signed.signature, "proof": signed.proof}
    keys.add_hub_key(unit, row)
    unit.record(EventType.HUB_REKEYED, change.hub_id, serial=change.serial, before=change.old_key, after=change.new_key)


def rotate(unit: Unit, node: Node, change: SignedKeyChange, fresh: KeyPair) -> Node:
    """Take up a fresh key: sign anew, by it, that descriptors were registered, and what hubs below were delegated."""
    keep_change(unit, change)
    after = replace(node, keypair=fresh)
    for row in identifiers.all_descriptors(unit):
        counter = CounterSignature.model_validate_json(row["counter"]).model_copy(update={"signed_at": unit.now})
        identifiers.sign_anew(unit, row, counter.model_dump_json(), sign_counter(counter, fresh))
    for row in keys.all_delegates(unit):
        delegate(unit, after, row["prefix"])
    return after


def next_change(unit: Unit, node: Node, fresh: KeyPair, **said: Any) -> KeyChange:  # noqa: ANN401 - of KeyChange
    """The change from the hub's key to a fresh one; ``said`` says otherwise of recovery_key, old_until, why."""
    last = own_changes(unit)[-1].change
    fields: dict[str, Any] = {
        "hub_id": node.id,
        "serial": last.serial + 1,
        "old_key": last.new_key,
        "new_key": fresh.public_text,
        "recovery_key": last.recovery_key,
        "at": unit.now,
        "old_until": unit.now,
    }
    return KeyChange.model_validate({**fields, **said})


def delegation_call(unit: Unit, node: Node) -> DelegationCall:
    """What a hub below asks of the one above."""
    own = own_changes(unit)
    recovery = own[-1].change.recovery_key if own else None
    return DelegationCall(hub_id=node.id, name=node.name, url=node.url, recovery_key=recovery)


def renew(unit: Unit, node: Node, connector: Row, call: DelegationCall) -> DelegationAnswer:
    """Give a hub below what leads to it from the root; its address and recovery key are as it says now.

    Its recovery key is taken the first time only: after that it changes with a change of key that it signed. Raises
    ForbiddenError for who is no hub below.
    """
    delegated = keys.delegate_of(unit, connector["platform_id"])
    if delegated is None:
        raise ForbiddenError("forbidden", "No prefix is delegated to this platform.", todo="Enrol as a hub.")
    told = {"url": call.url, "hub_name": call.name, "hub_id": delegated["hub_id"] or call.hub_id}
    told["recovery_key"] = delegated["recovery_key"] or call.recovery_key
    if any(delegated[name] != value for name, value in told.items()):
        keys.change_delegate(unit, delegated["prefix"], told)
    own = node_keys(unit, node)
    return DelegationAnswer(
        connector_id=connector["id"],
        expires_at=unit.now + timedelta(seconds=60),
        prefix=delegated["prefix"],
        chain=delegate(unit, node, delegated["prefix"]),
        hub_recovery_key=own.recovery_key,
        hub_key_serial=own.serial,
    )


def uplinks(unit: Unit) -> list[tuple[Row, KeyPin]]:
    """The hubs above, with what is pinned of each one's key."""
    return [
        (
            row,
            KeyPin(
                key=row["hub_key"],
                hub_id=row["hub_id"],
                recovery_key=row["recovery_key"],
                serial=row["key_serial"],
                recovery_serial=row["recovery_serial"],
            ),
        )
        for row in nodes.uplinks(unit)
    ]


def follow(unit: Unit, node: Node, uplink: Row, heard: Followed) -> bool:
    """Keep what the hub above said, and its key as it is now. Raises InvalidError ``chain_broken``."""
    pin, answer = heard.pin, heard.answer
    try:
        above = PublicKey.parse(pin.key)
        check_delegated(answer.chain, above, uplink["prefix"], node.keypair.public)
    except SignatureError as error:
        todo = "Nothing was kept; ask the operator of the hub above."
        raise InvalidError(error.code, error.message, todo=todo, field="chain") from error
    values: dict[str, Any] = {"hub_key": pin.key, "recovery_key": pin.recovery_key or answer.hub_recovery_key}
    values |= {"key_serial": pin.serial, "recovery_serial": pin.recovery_serial}
    values |= {"chain": answer.chain.model_dump_json()}
    if all(uplink[name] == value for name, value in values.items()):
        return False
    keys.change_uplink(unit, uplink["id"], {**values, "chain_at": unit.now, "seen_at": unit.now})
    unit.record(EventType.UPLINK_CHANGED, uplink["hub_id"], before=uplink["hub_key"], after=pin.key)
    return True


def own_changes(unit: Unit) -> tuple[SignedKeyChange, ...]:
    """Every change of this hub's key."""
    return tuple(
        SignedKeyChange(
            change=KeyChange.model_validate_json(row["body"]), signature=row["signature"], proof=row["proof"]
        )
        for row in keys.hub_keys(unit)
    )


def chain(unit: Unit) -> Chain:
    """What leads from the root's key to this hub's, as far as the hub above has told."""
    above = nodes.uplinks(unit)
    given = Chain.model_validate_json(above[0]["chain"]) if above else EMPTY
    return given.with_more(Chain(changes=own_changes(unit)))


def node_keys(unit: Unit, node: Node) -> NodeKeys:
    """What the hub serves of its keys."""
    changes = own_changes(unit)
    last = changes[-1].change if changes else None
    return NodeKeys(
        hub_id=HubId(node.id),
        prefix=node.prefix,
        key=node.keypair.public_text,
        serial=0 if last is None else last.serial,
        recovery_key=None if last is None else last.recovery_key,
        changes=changes,
        chain=chain(unit),
    )


def admit(unit: Unit, node: Node, call: EnrolCall, answer: EnrolAnswer) -> EnrolAnswer:
    """Complete what a connector is told at enrolment: how the hub's key is followed, for a hub below its delegation.

    Raises ConflictError ``duplicate_key`` when another platform's connector has the same key.
    """
    owner = keys.owner_of_key(unit, call.public_key)
    if owner is not None and owner["platform_id"] != answer.platform_id:
        wrong = "This key is another connector's."
        raise ConflictError("duplicate_key", wrong, todo="Give each connector a key of its own.", field="public_key")
    own = node_keys(unit, node)
    if not answer.prefix:
        return answer.model_copy(update={"hub_recovery_key": own.recovery_key, "hub_key_serial": own.serial})
    known = keys.delegate_of(unit, answer.platform_id)
    if known is not None and not known["hub_id"]:  # a further connector of that hub changes nothing of it
        told = {"hub_id": call.hub_id, "hub_name": call.name, "recovery_key": call.recovery_key}
        keys.change_delegate(unit, answer.prefix, told)
    identifiers.forget_answers(unit, answer.prefix)
    given = delegate(unit, node, answer.prefix)
    update = {"hub_recovery_key": own.recovery_key, "hub_key_serial": own.serial, "chain": given}
    return answer.model_copy(update=update)


def chain_below(unit: Unit, node: Node, connector: Row) -> Chain:
    """What leads from the root to the hub below that this connector is; empty for a platform."""
    delegated = keys.delegate_of(unit, connector["platform_id"])
    return EMPTY if delegated is None else delegate(unit, node, delegated["prefix"])


def delegate(unit: Unit, node: Node, prefix: str) -> Chain:
    """The chain of a hub below; signs a delegation when none says what is so, or the last one is half over."""
    delegated = platforms.delegation_of(unit, prefix)
    if delegated is None or delegated["prefix"] != prefix:
        return EMPTY
    issued = keys.delegations(unit, prefix)
    if not issued or _outdated(unit, delegated, issued[-1], node.keypair):
        _sign(unit, node, delegated, 1 if not issued else issued[-1]["serial"] + 1)
    issued = keys.delegations(unit, prefix)
    # the first says since when, the last ones by which keys: what lies between proves nothing more
    signed = tuple(
        SignedDelegation(delegation=Delegation.model_validate_json(row["body"]), signature=row["signature"])
        for row in (*issued[:1], *issued[1:][-_DELEGATIONS_TOLD:])
    )
    return chain(unit).with_more(Chain(delegations=signed))


def _outdated(unit: Unit, delegated: Row, issued: Row, keypair: KeyPair) -> bool:
    said = Delegation.model_validate_json(issued["body"])
    now = (delegated["public_key"], delegated["recovery_key"], delegated["url"], delegated["hub_id"])
    signer = keys.hub_keys(unit)
    older = bool(signer) and signer[-1]["at"] > issued["issued_at"] and signer[-1]["public_key"] == keypair.public_text
    half = issued["not_after"] - DELEGATION_LIFE / 2 < unit.now
    return (said.key, said.recovery_key, said.url, said.hub_id) != now or older or half


def _sign(unit: Unit, node: Node, delegated: Row, serial: int) -> None:
    delegation = Delegation(
        issuer=delegated["prefix"].rpartition(".")[0],
        prefix=delegated["prefix"],
        hub_id=delegated["hub_id"],
        name=delegated["hub_name"] or "hub",
        url=delegated["url"],
        key=delegated["public_key"],
        recovery_key=delegated["recovery_key"],
        serial=serial,
        issued_at=unit.now,
        not_after=unit.now + DELEGATION_LIFE,
    )
    signed = sign_delegation(delegation, node.keypair)
    row = {"prefix": delegation.prefix, "serial": serial, "body": delegation.model_dump_json()}
    row |= {"signature": signed.signature, "issued_at": delegation.issued_at, "not_after": delegation.not_after}
    keys.add_delegation(unit, row)
    unit.record(EventType.DELEGATION_SIGNED, delegation.prefix, serial=serial, key=delegation.key)
