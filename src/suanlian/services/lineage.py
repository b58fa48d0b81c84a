"""The hub's own keys over time, what it delegates to hubs below, and the chain that it was given from above."""

from datetime import timedelta
from typing import Final

from suanlian.crypto.keys import KeyPair
from suanlian.crypto.lineage import sign_change, sign_delegation
from suanlian.model.errors import ConflictError
from suanlian.model.event import EventType
from suanlian.model.ids import HubId
from suanlian.model.lineage import Chain, Delegation, KeyChange, NodeKeys, SignedDelegation, SignedKeyChange
from suanlian.model.protocol import EnrolAnswer, EnrolCall
from suanlian.services.ports import Node
from suanlian.store import keys, nodes, platforms
from suanlian.store.unit import Row, Unit

DELEGATION_LIFE: Final = timedelta(days=400)
"""Renewed long before it is over; what was signed within it stays good."""
EMPTY: Final = Chain()


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
    told = {"hub_id": call.hub_id, "hub_name": call.name, "recovery_key": call.recovery_key}
    keys.change_delegate(unit, answer.prefix, told)
    given = delegate(unit, node, answer.prefix)
    update = {"hub_recovery_key": own.recovery_key, "hub_key_serial": own.serial, "chain": given}
    return answer.model_copy(update=update)


def delegate(unit: Unit, node: Node, prefix: str) -> Chain:
    """The chain of a hub below; signs a delegation when none says what is so, or the last one is half over."""
    delegated = platforms.delegation_of(unit, prefix)
    if delegated is None or delegated["prefix"] != prefix:
        return EMPTY
    issued = keys.delegations(unit, prefix)
    if not issued or _outdated(unit, delegated, issued[-1], node.keypair):
        _sign(unit, node, delegated, 1 if not issued else issued[-1]["serial"] + 1)
    signed = tuple(
        SignedDelegation(delegation=Delegation.model_validate_json(row["body"]), signature=row["signature"])
        for row in keys.delegations(unit, prefix)
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
