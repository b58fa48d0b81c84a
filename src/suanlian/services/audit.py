"""The audit log of this hub: the chain over its journal, signed heads, proofs, and the check of the whole."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from suanlian.crypto.journal import COLUMNS, START, Chain, Link, Walk, is_signed, leaf_of, paired, sign_head
from suanlian.crypto.keys import PublicKey
from suanlian.crypto.merkle import consistency_proof, inclusion_proof, peaks_of
from suanlian.model.audit import (
    MAX_ROWS,
    AuditExtract,
    AuditHead,
    AuditProof,
    AuditRow,
    Fault,
    Finding,
    HeadShown,
    HeldHead,
    SignedHead,
    Verdict,
)
from suanlian.model.errors import InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import HubId, new_id
from suanlian.model.lineage import Chain as KeyChain
from suanlian.model.report import Receipt
from suanlian.services.ports import Node
from suanlian.store import audit, nodes
from suanlian.store.unit import Row, Unit

HEAD_ROWS: Final = 1000
HEAD_AGE: Final = timedelta(seconds=10)
"""A head is signed after so many rows, or when the last one is so old and there are new rows."""
_MICRO: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Extension:
    """Rows that are to be chained next, worked out while no unit of work is open."""

    base: int
    links: tuple[Link, ...]


def next_links(unit: Unit, limit: int) -> Extension:
    """The next rows behind the chain, at most ``limit``."""
    chain, number = _end(unit)
    base = chain.peaks.size
    rows = audit.rows_after(unit, number, limit)
    return Extension(base, tuple(chain.append(row["number"], leaf_of(_stored(row))) for row in rows))


def extend(unit: Unit, extension: Extension) -> bool:
    """Append to the chain; False when it was extended otherwise meanwhile."""
    last = audit.last_link(unit)
    if (0 if last is None else last["index"] + 1) != extension.base:
        return False
    fields = ("index", "number", "leaf", "chain", "nodes")
    audit.add_links(unit, [{name: getattr(one, name) for name in fields} for one in extension.links])
    return True


def _end(unit: Unit) -> tuple[Chain, int]:
    last = audit.last_link(unit)
    if last is None:
        return Chain(), -(2**63)
    return Chain(peaks_of(last["index"] + 1, audit.subtrees(unit)), bytes(last["chain"])), last["number"]


def _stored(row: Row) -> dict[str, object]:
    return {column: row[column] for column in COLUMNS}


def next_head(unit: Unit, node: Node) -> SignedHead | None:
    """The head that is due now, signed; None while none is."""
    newest, last = audit.newest_head(unit), audit.last_link(unit)
    size = 0 if last is None else last["index"] + 1
    if size == (0 if newest is None else newest["size"]):
        return None
    due = newest is None or size - newest["size"] >= HEAD_ROWS or unit.now - newest["made_at"] >= HEAD_AGE
    return make_head(unit, node, epoch=0 if newest is None else newest["epoch"]) if due else None


def make_head(unit: Unit, node: Node, *, epoch: int) -> SignedHead:
    """Sign what is chained now."""
    chain, _number = _end(unit)
    last = audit.last_link(unit)
    head = AuditHead(
        hub_id=HubId(node.id),
        hub=node.name,
        prefix=node.prefix,
        epoch=epoch,
        size=chain.peaks.size,
        number=0 if last is None else last["number"],
        root=chain.peaks.root().hex(),
        chain=(chain.last if last is not None else START).hex(),
        made_at=unit.now,
    )
    return sign_head(head, node.keypair)


def keep_head(unit: Unit, node: Node, signed: SignedHead) -> None:
    """Keep a head. It is its own record: an event for each would make another head necessary, and so on for ever."""
    head = signed.head
    row = {"id": new_id(), "epoch": head.epoch, "size": head.size, "number": head.number, "made_at": head.made_at}
    row |= {"body": head.model_dump_json(), "signature": signed.signature, "key": node.keypair.public_text}
    audit.add_head(unit, row)


def declare_restored(unit: Unit, node: Node, why: str) -> int:
    """Say in the log itself that the store was restored and rows may be gone; the epoch from now on."""
    newest = audit.newest_head(unit)
    epoch = (0 if newest is None else newest["epoch"]) + 1
    unit.record(EventType.AUDIT_RESTORED, node.id, why=why, epoch=epoch)
    return epoch


def lag(unit: Unit) -> tuple[int, float]:
    """How many rows no signed head covers yet, and how old the oldest of them is (seconds)."""
    newest = audit.newest_head(unit)
    count, oldest = audit.newer_than(unit, -(2**63) if newest is None else newest["number"])
    return count, 0.0 if oldest is None else max(0.0, (unit.now - (_EPOCH + oldest * _MICRO)).total_seconds())


def shown(unit: Unit, keys: KeyChain, since: int | None) -> HeadShown:
    """The newest head with its receipts; ``since``: with the proof that it continues the head of so many rows.

    ``keys``: what leads from the root's key to this hub's, for who trusts no other.

    Raises NotFoundError when there is none yet, InvalidError when it has fewer rows.
    """
    row = _head_row(unit)
    count, oldest_s = lag(unit)
    consistency: list[bytes] = []
    if since is not None:
        if since > row["size"]:
            wrong = f"The log has {row['size']} rows under its newest head, not {since}."
            raise InvalidError("audit_truncated", wrong, todo="Ask its operator why it is shorter.", field="since")
        consistency = consistency_proof(since, row["size"], audit.subtrees(unit))
    path = tuple(step.hex() for step in consistency)
    return HeadShown(extract=_extract(unit, keys, row), newer=count, oldest_s=oldest_s, consistency=path)


def extract(unit: Unit, keys: KeyChain, first: int, last: int) -> AuditExtract:
    """Rows of the journal from number to number, each with its way to the root of the newest head.

    Raises NotFoundError when none of them is under a head, InvalidError for more than MAX_ROWS.
    """
    head = _head_row(unit)
    rows = audit.links_between(unit, first, min(last, head["number"]), MAX_ROWS + 1)
    if not rows:
        wrong = f"No row from {first} to {last} is under a signed head."
        raise NotFoundError("not_found", wrong, todo="A row is under a head some seconds after it was written.")
    if len(rows) > MAX_ROWS:
        wrong = f"More than {MAX_ROWS} rows at once are not exported."
        raise InvalidError("limit_exceeded", wrong, todo="Export them in several files.", field="to")
    subtree = audit.subtrees(unit)
    proofs = tuple(
        AuditProof(
            row=AuditRow.model_validate({**_stored(row), "index": row["index"]}),
            path=tuple(step.hex() for step in inclusion_proof(row["index"], head["size"], subtree)),
        )
        for row in rows
    )
    return _extract(unit, keys, head).model_copy(update={"proofs": proofs})


def _head_row(unit: Unit) -> Row:
    row = audit.newest_head(unit)
    if row is None:
        wrong = "There is no signed head yet."
        raise NotFoundError("not_found", wrong, todo="The running hub signs one within some seconds.")
    return row


def _extract(unit: Unit, keys: KeyChain, row: Row) -> AuditExtract:
    signed = _signed(row)
    receipts = tuple(
        HeldHead(
            signed=signed,
            receipt=Receipt.model_validate_json(one["receipt"]),
            receipt_signature=one["signature"],
        )
        for one in audit.receipts_of(unit, row["id"])
    )
    return AuditExtract(key=row["key"], signed=signed, receipts=receipts, chain=keys)


def _signed(row: Row) -> SignedHead:
    return SignedHead(head=AuditHead.model_validate_json(row["body"]), signature=row["signature"])


def verify(unit: Unit, keys: Sequence[PublicKey], elsewhere: Iterable[SignedHead] = ()) -> Verdict:
    """Walk the whole log against every head kept here and those kept ``elsewhere``; one consistent state is read.

    ``keys``: the one that this hub signs with, then those that it signed with before.
    """
    known, outside = list(keys), list(elsewhere)
    heads = [_signed(row) for row in audit.all_heads(unit)]
    signed = [one for one in [*heads, *outside] if is_signed(one, known)]
    walk = Walk([one.head for one in signed])
    findings = walk.over(paired(_links(unit), _rows(unit)))
    findings += [
        Finding(fault=Fault.UNSIGNED, number=one.head.number) for one in [*heads, *outside] if one not in signed
    ]
    newer, oldest_s = lag(unit)
    held = [row for one in nodes.uplinks(unit) if (row := audit.newest_received(unit, one["id"])) is not None]
    return Verdict(
        rows=max((one.head.number for one in signed if is_signed(one, known[:1])), default=0),
        heads=len(signed),
        above=max((row["number"] for row in held), default=0),
        newer=newer,
        oldest_s=oldest_s,
        independent=bool(outside),
        findings=tuple(findings),
    )


def _links(unit: Unit) -> Iterator[Link]:
    for row in audit.all_links(unit):
        yield Link(row["index"], row["number"], bytes(row["leaf"]), bytes(row["chain"]), bytes(row["nodes"]))


def _rows(unit: Unit) -> Iterator[dict[str, object]]:
    for row in audit.all_rows(unit):
        yield _stored(row)
