"""The audit log as it is shown, signed, handed up and proved: rows of the journal, heads, proofs, findings."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from suanlian.model.base import Name, Sha256, Text, Utc, Wire
from suanlian.model.ids import HubId
from suanlian.model.lineage import Chain
from suanlian.model.protocol import Call, Envelope
from suanlian.model.report import Receipt

HEAD_TYPE: Final = "suanlian-audit-head"
RECEIPT_TYPE: Final = "suanlian-audit-receipt"
FORMAT: Final = "suanlian-audit-1"
MAX_PATH: Final = 128
"""No proof over fewer than 2^63 rows is longer."""
MAX_ROWS: Final = 10_000
"""So many rows are exported at once."""

Size = Annotated[int, Field(ge=0, le=2**53 - 1)]
Path = Annotated[tuple[Sha256, ...], Field(max_length=MAX_PATH)]
Signature = Annotated[str, StringConstraints(max_length=1000)]


class AuditRow(Wire):
    """A row of the journal as it is stored, text by text; ``index`` is its place in the log, from 0 on."""

    index: Size
    number: int
    type: str
    subject: str
    account_id: str | None
    actor: str
    on_behalf_of: str
    request_id: str
    source: str
    data: str
    at: int = Field(description="microseconds since 1970, UTC")


class AuditHead(Wire):
    """What a hub says of its log: so many rows, this root, this last link of the chain.

    ``epoch`` counts the gaps that were declared (a store that was restored); within an epoch heads only grow.
    """

    hub_id: HubId
    hub: Name
    prefix: Text
    epoch: Size
    size: Size
    number: int = Field(description="the last row's number in the journal; 0 while there is none")
    root: Sha256
    chain: Sha256
    made_at: Utc


class SignedHead(Wire):
    """A head with its signature: a detached JWS of the type ``suanlian-audit-head``."""

    head: AuditHead
    signature: Signature


class HeldHead(Wire):
    """A head that a hub above holds, with the receipt that it signed (``suanlian-audit-receipt``)."""

    signed: SignedHead
    receipt: Receipt
    receipt_signature: Signature


class AuditCall(Call):
    """A head going up, with the proof that it continues the one of ``since`` rows. Path ``/connector/v1/audit``.

    Without a head it asks what is held.
    """

    signed: SignedHead | None = None
    since: Size = 0
    proof: Path = ()


class AuditAnswer(Envelope):
    """The newest head that is held now: the one of the call when it was taken; none when there is none."""

    held: HeldHead | None = None


class AuditProof(Wire):
    """A row and the way from it to the root of a head."""

    row: AuditRow
    path: Path


class AuditExtract(Wire):
    """What an outsider needs to check rows without the hub: a signed head, who received it, rows with their proofs."""

    format: Literal["suanlian-audit-1"] = FORMAT
    key: Text = Field(description="the public key of the hub whose log it is")
    signed: SignedHead
    receipts: tuple[HeldHead, ...] = ()
    chain: Chain = Field(default=Chain(), description="what leads from the root's key to the hub's")
    proofs: Annotated[tuple[AuditProof, ...], Field(max_length=MAX_ROWS)] = ()


class HeadShown(Wire):
    """The newest head, and what it does not cover yet."""

    extract: AuditExtract
    newer: int = Field(description="rows of the journal behind the head: not protected yet")
    oldest_s: float = Field(description="age of the oldest of them, seconds; 0 when there is none")
    consistency: Path = Field(default=(), description="that it continues the head of ``since`` rows, where asked for")


class Fault(StrEnum):
    """What can be wrong with a log."""

    EDITED = "edited"
    MOVED = "moved"
    """The row holds what another row held."""
    REMOVED = "removed"
    INSERTED = "inserted"
    CHAIN = "chain"
    """The chain's own records were changed."""
    REWRITTEN = "rewritten"
    """Rows and chain agree with each other, but not with a head that was signed."""
    TRUNCATED = "truncated"
    """A signed head covers more rows than there are."""
    UNSIGNED = "unsigned"
    """A head is not signed by the hub's key."""


class Finding(Wire):
    """One fault: the number of the row in the journal; ``until`` where only a range can be named."""

    fault: Fault
    number: int
    until: int | None = None
    detail: str = ""


class Verdict(Wire):
    """What a check of the whole log found. ``rows`` are under a signed head, ``above`` of them under one held above."""

    rows: int
    heads: int
    above: int
    newer: int
    oldest_s: float
    independent: bool = Field(description="whether a head kept elsewhere was compared")
    findings: tuple[Finding, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings
