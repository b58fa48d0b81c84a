"""Is the journal what it was? Bytes and hash of a row, the chain over rows, and the walk that names what was changed.

A row's bytes are the stored text of every column, each behind its length (eight bytes, big-endian), so that no text can
run into the next; NULL is a mark of its own. A row's place in the log is a dense index, not its number in the journal,
for numbers may have gaps. The chain is SHA-256 over 0x02, the link before and the leaf.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from suanlian.crypto.documents import sign_document, verify_document
from suanlian.crypto.errors import CryptoError
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.crypto.merkle import HASH_BYTES, Peaks, leaf_hash
from suanlian.model.audit import HEAD_TYPE, AuditHead, Fault, Finding, SignedHead

COLUMNS: Final = (
    "number",
    "type",
    "subject",
    "account_id",
    "actor",
    "on_behalf_of",
    "request_id",
    "source",
    "data",
    "at",
)
"""The columns of a row, in the order in which they are hashed."""
START: Final = bytes(HASH_BYTES)
"""The link before the first row."""
_TAG: Final = b"suanlian-event-1"
_LENGTH: Final = 8
_MOST_FINDINGS: Final = 100
_MOST_COMPARED: Final = 200

Row = Mapping[str, object]


def row_bytes(row: Row) -> bytes:
    """What of a row is hashed; ``row`` has COLUMNS, times as whole microseconds."""
    pieces = [_TAG]
    for column in COLUMNS:
        value = row[column]
        if value is None:
            pieces.append(b"\x00")
        else:
            text = str(value).encode("utf-8", "surrogatepass")
            pieces += [b"\x01", len(text).to_bytes(_LENGTH), text]
    return b"".join(pieces)


def leaf_of(row: Row) -> bytes:
    """The leaf of a row."""
    return leaf_hash(row_bytes(row))


def link(before: bytes, leaf: bytes) -> bytes:
    """The next link of the chain."""
    return hashlib.sha256(b"\x02" + before + leaf).digest()


def sign_head(head: AuditHead, keypair: KeyPair) -> SignedHead:
    """Sign a head."""
    return SignedHead(head=head, signature=sign_document(head.model_dump(mode="json"), keypair, typ=HEAD_TYPE))


def is_signed(signed: SignedHead, keys: Iterable[PublicKey]) -> bool:
    """Whether one of these keys signed the head."""
    return any(_verifies(signed, key) for key in keys)


def _verifies(signed: SignedHead, key: PublicKey) -> bool:
    try:
        verify_document(signed.head.model_dump(mode="json"), signed.signature, key, typ=HEAD_TYPE)
    except CryptoError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Link:
    """One record of the chain: the row's place and number, its leaf, the chain so far, the subtrees it completed."""

    index: int
    number: int
    leaf: bytes
    chain: bytes
    nodes: bytes


@dataclass(slots=True)
class Chain:
    """The end of a chain, to which rows are appended."""

    peaks: Peaks = field(default_factory=Peaks)
    last: bytes = START

    def append(self, number: int, leaf: bytes) -> Link:
        """One row more."""
        index = self.peaks.size
        self.last = link(self.last, leaf)
        self.peaks, made = self.peaks.append(leaf)
        return Link(index, number, leaf, self.last, b"".join(made))


def paired(links: Iterable[Link], rows: Iterable[Row]) -> Iterator[tuple[Link | None, Row | None]]:
    """Each link with its row, both in the order of numbers; what has no partner stands alone."""
    left, right = iter(links), iter(rows)
    kept, row = next(left, None), next(right, None)
    while kept is not None or row is not None:
        number = None if row is None else int(str(row["number"]))
        if kept is None or (number is not None and number < kept.number):
            yield None, row
            row = next(right, None)
        elif number is None or kept.number < number:
            yield kept, None
            kept = next(left, None)
        else:
            yield kept, row
            kept, row = next(left, None), next(right, None)


@dataclass(slots=True)
class Walk:
    """One pass over a log, from its first row to its last, against the heads that were signed of it."""

    heads: Sequence[AuditHead] = ()
    chain: Chain = field(default_factory=Chain)
    findings: list[Finding] = field(default_factory=list)
    newer: int = 0
    """Rows behind the chain: nothing is known of them yet."""
    first_newer: Row | None = None
    _waiting: list[AuditHead] = field(default_factory=list)
    _changed: list[tuple[Link, Row]] = field(default_factory=list)
    _alone: list[Row] = field(default_factory=list)
    _fitted: int = 0
    _number: int = 0

    def __post_init__(self) -> None:
        """Heads are met in the order of their size."""
        self._waiting = sorted(self.heads, key=lambda head: head.size, reverse=True)

    def over(self, log: Iterable[tuple[Link | None, Row | None]]) -> list[Finding]:
        """Walk; what was found, the first row first."""
        self._compare_heads()
        for kept, row in log:
            if kept is None and row is not None:
                self._alone.append(row)
            elif kept is not None:
                self._end_of_gap()
                self._step(kept, row)
        self._rest()
        self._name_moved()
        return sorted(self.findings, key=lambda finding: finding.number)

    def _end_of_gap(self) -> None:
        """Rows without a record that stand before one that has a record were put in afterwards."""
        for row in self._alone:
            self._find(Fault.INSERTED, int(str(row["number"])))
        self._alone.clear()

    def _step(self, kept: Link, row: Row | None) -> None:
        if row is None:
            self._find(Fault.REMOVED, kept.number)
        elif leaf_of(row) != kept.leaf:
            self._find(Fault.EDITED, kept.number)
            if len(self._changed) < _MOST_COMPARED:
                self._changed.append((kept, row))
        # the chain is followed over the leaves that it keeps: so a changed row and a changed chain are told apart
        expected = self.chain.append(kept.number, kept.leaf)
        if expected != kept:
            self._find(Fault.CHAIN, kept.number)
            self.chain.last = kept.chain
        self._number = kept.number
        self._compare_heads()

    def _compare_heads(self) -> None:
        while self._waiting and self._waiting[-1].size <= self.chain.peaks.size:
            head = self._waiting.pop()
            mine = (self.chain.peaks.root().hex(), self.chain.last.hex(), self._number)
            if mine == (head.root, head.chain, head.number):
                self._fitted = self._number
            elif not any(one.fault is Fault.REWRITTEN for one in self.findings):
                self._find(Fault.REWRITTEN, self._fitted + 1, until=head.number)

    def _rest(self) -> None:
        self.newer = len(self._alone)
        self.first_newer = self._alone[0] if self._alone else None
        if self._waiting:
            longest = self._waiting[0]
            self._find(Fault.TRUNCATED, self._number + 1, until=longest.number)

    def _name_moved(self) -> None:
        """A changed row that holds, but for its number, what another changed row held."""
        leaves = {kept.leaf: kept.number for kept, _row in self._changed}
        for kept, row in self._changed:
            came = next(
                (other.number for other, _ in self._changed if leaves.get(leaf_of({**row, "number": other.number}))),
                None,
            )
            if came is not None and came != kept.number:
                place = next(n for n, one in enumerate(self.findings) if (one.fault, one.number) == _edited(kept))
                self.findings[place] = Finding(fault=Fault.MOVED, number=kept.number, detail=str(came))

    def _find(self, fault: Fault, number: int, *, until: int | None = None) -> None:
        if len(self.findings) < _MOST_FINDINGS or fault is Fault.TRUNCATED:
            self.findings.append(Finding(fault=fault, number=number, until=until))


def _edited(kept: Link) -> tuple[Fault, int]:
    return Fault.EDITED, kept.number
