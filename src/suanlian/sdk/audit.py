"""The audit log for those who watch, and its check by outsiders: a file and one public key, no hub."""

from dataclasses import dataclass

from suanlian.crypto.canonical import digest
from suanlian.crypto.documents import verify_document
from suanlian.crypto.errors import CryptoError
from suanlian.crypto.journal import is_signed, leaf_of
from suanlian.crypto.keys import PublicKey
from suanlian.crypto.lineage import held_by
from suanlian.crypto.merkle import includes
from suanlian.model.audit import RECEIPT_TYPE, AuditExtract, HeadShown, HeldHead
from suanlian.model.errors import InvalidError
from suanlian.sdk.people import Transport


class Audit:
    """For supervisors and operators."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def head(self, since: int | None = None) -> HeadShown:
        """The newest signed head; with ``since``, the proof that it continues the head of so many rows."""
        return self._transport.read(HeadShown, "/v1/audit/head", {"since": since})

    def proof(self, number: int) -> AuditExtract:
        """One row with the way from it to the root of the newest head."""
        return self._transport.read(AuditExtract, f"/v1/audit/proofs/{number}")


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file proves: whose log, by whose word, how many rows."""

    hub: str
    by: str
    """Empty: a key of the hub itself; else the name of the hub above that holds the head."""
    rows: int


def check(extract: AuditExtract, key: str) -> Checked:
    """Check an export against one public key: the hub's own, the root's, or that of a hub above which has the head.

    Raises InvalidError: ``key_malformed``; ``signature_invalid`` when that key vouches for nothing; ``audit_forked``
    when a row is not under the head, or rows in between are missing.
    """
    head, root, own = extract.signed.head, _key(key), _key(extract.key)
    if not is_signed(extract.signed, [own]):
        raise _unsigned(f"The head is not signed by {extract.key}.")
    by = "" if own == root or _follows(extract, root, own) else _voucher(extract, root)
    index: int | None = None
    for proof in extract.proofs:
        row, path = proof.row, [bytes.fromhex(step) for step in proof.path]
        if not includes(bytes.fromhex(head.root), head.size, leaf_of(row.model_dump()), row.index, path):
            wrong = f"Row {row.number} is not what the head covers."
            raise InvalidError("audit_forked", wrong, todo="It was changed after it was signed.", field="proofs")
        if index is not None and row.index != index + 1:
            wrong = f"Between rows {extract.proofs[0].row.number} and {row.number} rows are missing."
            raise InvalidError("audit_forked", wrong, todo="Ask for the whole range.", field="proofs")
        index = row.index
    return Checked(head.hub, by, len(extract.proofs))


def _key(text: str) -> PublicKey:
    try:
        return PublicKey.parse(text)
    except CryptoError as error:
        todo = "Copy it again from where it was shown: ed25519: and 43 characters."
        raise InvalidError("key_malformed", f"{text[:80]!r} is not a public key.", todo=todo) from error


def _follows(extract: AuditExtract, root: PublicKey, own: PublicKey) -> bool:
    """Whether the hub's key follows from the one that is trusted, by what was delegated and changed."""
    head = extract.signed.head
    try:
        held = held_by(extract.chain, root, head.prefix)
        return held.key(extract.signed.signature, head.made_at, "the head") == own
    except CryptoError:
        return False


def _voucher(extract: AuditExtract, root: PublicKey) -> str:
    for held in extract.receipts:
        if held.signed == extract.signed and _receives(held, root):
            return held.receipt.hub
    raise _unsigned("Neither the head nor a receipt for it is signed by the key that you trust.")


def _receives(held: HeldHead, root: PublicKey) -> bool:
    try:
        verify_document(held.receipt.model_dump(mode="json"), held.receipt_signature, root, typ=RECEIPT_TYPE)
    except CryptoError:
        return False
    return held.receipt.digest == digest(held.signed.head.model_dump(mode="json"))


def _unsigned(wrong: str) -> InvalidError:
    return InvalidError("signature_invalid", wrong, todo="Give the public key of the hub, or of the hub above it.")
