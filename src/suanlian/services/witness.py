"""Heads of the audit log held by the hub above: sent up with their proof, taken from below against a receipt.

Only a head that is kept where its owner cannot change it shows that a log was rewritten together with its chain.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from suanlian.crypto.canonical import digest
from suanlian.crypto.documents import sign_document, verify_document
from suanlian.crypto.errors import CryptoError
from suanlian.crypto.journal import is_signed
from suanlian.crypto.keys import PublicKey
from suanlian.crypto.merkle import EMPTY_ROOT, consistency_proof, extends
from suanlian.model.audit import RECEIPT_TYPE, AuditAnswer, AuditCall, AuditHead, HeldHead, SignedHead
from suanlian.model.errors import ConflictError, ForbiddenError, InvalidError, SuanlianError
from suanlian.model.event import EventType
from suanlian.model.ids import ConnectorId, Kind, new_id, public_id
from suanlian.model.report import Receipt
from suanlian.services.ports import Node, Upstream
from suanlian.store import audit, keys, nodes, platforms
from suanlian.store.unit import Row, Unit

ALARM_AGE: Final = timedelta(hours=1)
"""One alarm an hour for one hub: a fault that lasts is told, and fills no journal."""
_LIFE: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A head that is to go up by one uplink, with the proof from the head that the hub above has."""

    uplink: Row
    head_id: str
    size: int
    call: AuditCall


def outgoing(unit: Unit) -> list[Outgoing]:
    """The newest head for each uplink that has no receipt for it."""
    newest, found = audit.newest_head(unit), []
    for uplink in nodes.uplinks(unit) if newest is not None else ():
        known = audit.newest_received(unit, uplink["id"])
        if newest is not None and (known is None or known["id"] != newest["id"]):
            call = _call(unit, newest, 0 if known is None else known["size"])
            found.append(Outgoing(uplink, newest["id"], newest["size"], call))
    return found


def _call(unit: Unit, newest: Row, since: int) -> AuditCall:
    proof = consistency_proof(since, newest["size"], audit.subtrees(unit))
    signed = SignedHead(head=AuditHead.model_validate_json(newest["body"]), signature=newest["signature"])
    return AuditCall(signed=signed, since=since, proof=tuple(step.hex() for step in proof))


def again(unit: Unit, before: Outgoing, held: AuditHead) -> Outgoing:
    """The same head with the proof from the head that the hub above says it has.

    Raises ConflictError ``audit_truncated`` when that has more rows than our log.
    """
    newest = audit.newest_head(unit)
    if newest is not None and newest["epoch"] > held.epoch:
        # a gap was declared since: what it holds is of the log that was lost
        return Outgoing(before.uplink, newest["id"], newest["size"], _call(unit, newest, 0))
    if newest is None or held.size > newest["size"]:
        wrong = f"The hub above holds a head of {held.size} rows; this log has fewer."
        todo = "If the store was restored from a backup, stop the hub and run suanlian-hub audit restored --why."
        raise ConflictError("audit_truncated", wrong, todo=todo)
    call = _call(unit, newest, held.size)
    return Outgoing(before.uplink, newest["id"], newest["size"], call)


def deliver(sent: Outgoing, upstream: Upstream) -> HeldHead | None:
    """Send it; no transaction is open. What the hub above holds now, its receipt checked. Raises SuanlianError."""
    held = upstream.send_head(sent.call).held
    if held is not None:
        check_receipt(held, PublicKey.parse(sent.uplink["hub_key"]))
    return held


def ask(upstream: Upstream, key: PublicKey) -> HeldHead | None:
    """The newest head of ours that the hub above holds. Raises SuanlianError."""
    held = upstream.send_head(AuditCall()).held
    if held is not None:
        check_receipt(held, key)
    return held


def check_receipt(held: HeldHead, key: PublicKey) -> None:
    """Raises InvalidError ``signature_invalid`` unless this key signed a receipt for this very head."""
    same = held.receipt.digest == digest(held.signed.head.model_dump(mode="json"))
    try:
        verify_document(held.receipt.model_dump(mode="json"), held.receipt_signature, key, typ=RECEIPT_TYPE)
    except CryptoError as error:
        wrong = "The receipt is not signed by the hub above."
        raise InvalidError("signature_invalid", wrong, todo="It will be asked for again.") from error
    if not same:
        raise InvalidError("digest_mismatch", "The receipt is for another head.", todo="It will be asked for again.")


def is_taken(sent: Outgoing, held: HeldHead | None) -> bool:
    """Whether what the hub above holds is what was sent."""
    return held is not None and held.signed == sent.call.signed


def keep_receipt(unit: Unit, sent: Outgoing, held: HeldHead) -> None:
    """The hub above has the head. No event: it would make another head necessary."""
    known = audit.newest_received(unit, sent.uplink["id"])
    if known is None or known["id"] != sent.head_id:
        row = {"head_id": sent.head_id, "uplink_id": sent.uplink["id"], "received_at": unit.now}
        row |= {"receipt": held.receipt.model_dump_json(), "signature": held.receipt_signature}
        audit.add_receipt(unit, row)


def alarm(unit: Unit, node: Node, code: str) -> None:
    """The hub above does not take our log as the one that it knows."""
    unit.record(EventType.AUDIT_ALARM, node.id, code=code)


def receive(unit: Unit, node: Node, connector: Row, call: AuditCall) -> AuditAnswer | SuanlianError:
    """Take a head from a hub below: it must continue the one that is held. Answers with what is held then.

    A fork or a log that shrank is kept too, with an alarm; the refusal is returned, not raised, so that they stay.
    Raises ForbiddenError for another hub's prefix, InvalidError for a signature that does not fit.
    """
    newest = audit.newest_witnessed(unit, connector["platform_id"])
    if call.signed is None:
        return _answer(unit, connector, newest)
    _check(unit, connector, call.signed)
    known = audit.witnessed(unit, connector["platform_id"], _digest(call.signed))
    if known is not None:
        return _answer(unit, connector, known)
    head, since = call.signed.head, newest
    if newest is not None and head.epoch > newest["epoch"]:
        since = audit.witnessed_at(unit, connector["platform_id"], call.since)
    fault = _fault(head, newest)
    if fault is None and _size(since) != call.since and not _starts_anew(head, newest, call):
        return _answer(unit, connector, newest)
    if fault is None and not _continues(since, call):
        fault = "audit_forked"
    if fault is not None:
        return _refused(unit, connector, call.signed, fault)
    return _answer(unit, connector, _take(unit, node, connector, call.signed, newest))


def _check(unit: Unit, connector: Row, signed: SignedHead) -> None:
    delegated = platforms.delegation_of(unit, signed.head.prefix)
    if delegated is None or delegated["platform_id"] != connector["platform_id"]:
        wrong = f"The prefix {signed.head.prefix!r} is not delegated to this hub."
        raise ForbiddenError("forbidden", wrong, todo="Send the head of your own log.", field="signed.head.prefix")
    if not is_signed(signed, map(PublicKey.parse, keys.every_key(unit, connector))):
        wrong = "The head is not signed by the hub that it comes from."
        raise InvalidError("signature_invalid", wrong, todo="Sign it as it is sent.", field="signed.signature")


def _digest(signed: SignedHead) -> str:
    return digest(signed.head.model_dump(mode="json"))


def _size(row: Row | None) -> int:
    return 0 if row is None else int(row["size"])


def _fault(head: AuditHead, newest: Row | None) -> str | None:
    if newest is None or head.epoch > newest["epoch"]:
        return None
    if head.epoch < newest["epoch"]:
        return "audit_forked"
    return "audit_truncated" if head.size < newest["size"] else None


def _starts_anew(head: AuditHead, newest: Row | None, call: AuditCall) -> bool:
    """After a declared gap in which every head that is held here was lost below."""
    return newest is not None and head.epoch > newest["epoch"] and call.since == 0


def _continues(since: Row | None, call: AuditCall) -> bool:
    if call.signed is None:
        return False
    head = call.signed.head
    if call.since == 0 or since is None:
        root = EMPTY_ROOT
    else:
        root = bytes.fromhex(AuditHead.model_validate_json(since["body"]).root)
    path = [bytes.fromhex(step) for step in call.proof]
    return extends(call.since, root, head.size, bytes.fromhex(head.root), path)


def _take(unit: Unit, node: Node, connector: Row, signed: SignedHead, newest: Row | None) -> Row:
    receipt_id = new_id()
    receipt = Receipt(
        id=receipt_id,
        public_id=public_id(node.prefix, Kind.REPORT, receipt_id),
        hub=node.name,
        digest=_digest(signed),
        received_at=unit.now,
    )
    proof = sign_document(receipt.model_dump(mode="json"), node.keypair, typ=RECEIPT_TYPE)
    row = _row(unit, connector, signed, receipt_id)
    row |= {"receipt": receipt.model_dump_json(), "receipt_signature": proof, "fault": None}
    audit.add_witnessed(unit, row)
    head, before = signed.head, _size(newest)
    if newest is not None and head.epoch > newest["epoch"]:
        unit.record(
            EventType.AUDIT_ALARM, connector["platform_id"], code="audit_restored", before=before, after=head.size
        )
    unit.record(EventType.AUDIT_WITNESSED, connector["platform_id"], before=before, after=head.size)
    return row


def _row(unit: Unit, connector: Row, signed: SignedHead, row_id: str) -> dict[str, object]:
    head = signed.head
    return {
        "id": row_id,
        "platform_id": connector["platform_id"],
        "digest": _digest(signed),
        "epoch": head.epoch,
        "size": head.size,
        "body": head.model_dump_json(),
        "signature": signed.signature,
        "received_at": unit.now,
    }


def _refused(unit: Unit, connector: Row, signed: SignedHead, fault: str) -> SuanlianError:
    last = audit.last_refused(unit, connector["platform_id"])
    if last is None or unit.now - last["received_at"] >= ALARM_AGE:
        row = _row(unit, connector, signed, new_id())
        audit.add_witnessed(unit, {**row, "receipt": None, "receipt_signature": None, "fault": fault})
        unit.record(EventType.AUDIT_ALARM, connector["platform_id"], code=fault, size=signed.head.size)
    wrong = "The head does not continue the log that is known here."
    todo = "If the store was restored from a backup, run suanlian-hub audit restored --why there."
    return ConflictError(fault, wrong, todo=todo, field="signed.head")


def _answer(unit: Unit, connector: Row, row: Row | None) -> AuditAnswer:
    return AuditAnswer(
        connector_id=ConnectorId(connector["id"]), expires_at=unit.now + _LIFE, held=None if row is None else held(row)
    )


def held(row: Row) -> HeldHead:
    """A head that was taken, with its receipt."""
    signed = SignedHead(head=AuditHead.model_validate_json(row["body"]), signature=row["signature"])
    receipt = Receipt.model_validate_json(row["receipt"])
    return HeldHead(signed=signed, receipt=receipt, receipt_signature=row["receipt_signature"])
