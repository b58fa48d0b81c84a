"""Usage as it comes in, signed; and the charges that are made of it."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any, Final

from suanlian.crypto.canonical import digest
from suanlian.crypto.documents import verify_by_any
from suanlian.crypto.errors import CryptoError
from suanlian.model.charge import Charge, Payer
from suanlian.model.errors import InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import AttemptId, new_id
from suanlian.model.money import MAX_CHARGE, Currency, Money
from suanlian.model.offer import NewOffer
from suanlian.model.party import Caller
from suanlian.model.protocol import ItemAnswer, UsageCall, Verdict
from suanlian.model.quantity import Resources
from suanlian.model.usage import USAGE_TYPE, UsageCorrection, UsageSegment
from suanlian.model.version import Subject, VersionRef
from suanlian.rules.pricing import Line, charge_lines, corrected, lines_for
from suanlian.rules.usage import Acceptance, Bounds, accept
from suanlian.store import allowance, attempts, jobs, keys, published, usage
from suanlian.store.unit import Row, Unit

_VOID: Final = "another attempt took its place while this one was not heard of"
_HUB: Final = "hub"
"""Who writes a correction that nobody asked for."""


def keys_of(unit: Unit, connector: Row) -> list[str]:
    """Every key that the connector has or had: a batch may have waited while the key changed."""
    return keys.every_key(unit, connector)


def check_batch(call: UsageCall, connector_id: str, known: Collection[str]) -> None:
    """The batch is this connector's own and signed by a key of its. Raises InvalidError ``signature_invalid``."""
    wrong, todo = "The usage batch is not signed by this connector's key.", "Sign the batch as it is sent."
    if call.batch.connector_id != connector_id:
        raise InvalidError("signature_invalid", "The batch names another connector.", todo=todo, field="batch")
    try:
        body = call.batch.model_dump(mode="json")
        verify_by_any(body, call.signature, known, typ=USAGE_TYPE)
    except CryptoError as error:
        raise InvalidError("signature_invalid", wrong, todo=todo, field="signature") from error


def record(unit: Unit, connector_id: str, call: UsageCall) -> tuple[ItemAnswer, ...]:
    """Write the segments that are new. The same batch or segment again changes nothing; a contradiction is refused."""
    # by digest, not by number: a connector that lost its ledger counts from one again, and charges keep their evidence
    evidence = digest(call.batch.model_dump(mode="json"))
    batch = {"connector_id": connector_id, "digest": evidence, "number": call.batch.number}
    batch |= {"body": call.batch.model_dump_json(), "signature": call.signature, "received_at": unit.now}
    usage.add_batch(unit, batch)
    answers = _take(unit, connector_id, evidence, call.batch.segments)
    if any(answer.verdict is Verdict.TAKEN for answer in answers):
        unit.record(EventType.USAGE_RECORDED, connector_id, batch=call.batch.number)
    return answers


def _take(unit: Unit, connector_id: str, evidence: str, segments: Sequence[UsageSegment]) -> tuple[ItemAnswer, ...]:
    """Judge each, in order; what is taken counts for those behind it, and is written with the others."""
    ids = {segment.attempt_id for segment in segments}
    rows = {row["id"]: row for row in attempts.lock_many(unit, ids)}
    known = {
        attempt_id: [UsageSegment.model_validate_json(row["body"]) for row in found]
        for attempt_id, found in usage.segments_by_attempt(unit, ids).items()
    }
    answers, taken = list[ItemAnswer](), list[Row]()
    for segment in segments:
        row, before = rows.get(segment.attempt_id), known.setdefault(segment.attempt_id, [])
        if row is None or not attempts.is_current(row, connector_id):
            said = Acceptance(Verdict.STALE, "no such attempt here")
        else:
            said = accept(segment, before, _bounds(unit, row))
        if said.verdict is Verdict.TAKEN:
            before.append(segment)
            taken.append(_segment_row(unit, connector_id, evidence, segment))
        answers.append(ItemAnswer(attempt_id=segment.attempt_id, verdict=said.verdict, reason=said.reason))
    usage.add_segments(unit, taken)
    return tuple(answers)


def _bounds(unit: Unit, row: Row) -> Bounds:
    return Bounds(
        granted=Resources.model_validate_json(row["granted"]),
        # before it was placed nothing can have run, whatever the connector says of its start
        attempt_started=max(row["started_at"] or row["created_at"], row["created_at"]),
        attempt_ended=row["ended_at"],
        now=unit.now,
    )


def _segment_row(unit: Unit, connector_id: str, evidence: str, segment: UsageSegment) -> Row:
    return {
        "attempt_id": segment.attempt_id,
        "sequence": segment.sequence,
        "started_at": segment.started_at,
        "ended_at": segment.ended_at,
        "body": segment.model_dump_json(),
        "connector_id": connector_id,
        "batch": evidence,
        "received_at": unit.now,
        "rated_at": None,
    }


def rate(unit: Unit, limit: int) -> int:
    """Write the charges of segments that have none yet; returns how many segments were looked at.

    A line beyond ``MAX_CHARGE`` is an absurd price: the segment is not charged, and the event names it.
    """
    rows, absurd, charges = usage.unrated(unit, limit), list[str](), list[Row]()
    offers: dict[tuple[str, int], NewOffer] = {}
    for row in rows:
        segment = UsageSegment.model_validate_json(row["body"])
        # without an offer nothing was sold: the hub's own probes, and what runs for its owner
        # and of a fenced attempt nothing counts: another one took its place
        if not row["offer_id"] or row["fenced_at"] is not None:
            continue
        sold_by = (row["offer_id"], row["offer_version"])
        offer = offers[sold_by] = offers.get(sold_by) or _offer(unit, row)
        lines = charge_lines(segment, offer)
        if any(line.cost > MAX_CHARGE for line in lines):
            # it is not charged and told in the event: one absurd price must not keep all others from being rated
            absurd.append(f"{segment.attempt_id}/{segment.sequence}")
        else:
            charges += _charge_rows(unit, (row, offer), segment, lines)
    usage.add_charges(unit, charges)
    usage.mark_rated(unit, [(row["attempt_id"], row["sequence"]) for row in rows])
    if rows:
        unit.record(EventType.CHARGE_WRITTEN, "usage", segments=len(rows), not_charged=absurd)
    return len(rows)


def _offer(unit: Unit, row: Row) -> NewOffer:
    """The very version of the offer that the assignment names."""
    version = published.version(unit, row["offer_id"], row["offer_version"])
    if version is None:
        raise NotFoundError("not_found", f"Version {row['offer_version']} of offer {row['offer_id']} is gone.")
    return NewOffer.model_validate_json(version["body"])


def _charge_rows(
    unit: Unit, sold: tuple[Row, NewOffer], segment: UsageSegment, lines: tuple[Line, ...], correction_id: str = ""
) -> list[Row]:
    """``sold``: what pricing needs to know of the attempt, and the offer by which it was sold."""
    row, offer = sold
    shared: dict[str, Any] = {
        **{name: row[name] for name in ("account_id", "project_id", "platform_id", "job_id", "simulated", "free")},
        "attempt_id": segment.attempt_id,
        "sequence": segment.sequence,
        "correction_id": correction_id,
        "currency": offer.currency.value,
        "offer_id": row["offer_id"],
        "offer_version": row["offer_version"],
        "offer_name": offer.name,
        "started_at": segment.started_at,
        "ended_at": segment.ended_at,
        "written_at": unit.now,
    }
    return [
        {
            **shared,
            "id": new_id(),
            "kind": line.kind.value,
            "quantity": line.quantity,
            "rate": line.rate,
            "cost": line.cost,
        }
        for line in lines
    ]


def correct(unit: Unit, caller: Caller, ref: str, correction: UsageCorrection) -> None:
    """Write a correction as a further row, with the charges that make up the difference.

    Raises NotFoundError when there is no such segment, InvalidError when it would count for less than nothing.
    """
    rows = [r for r in usage.segments_of(unit, correction.attempt_id) if r["sequence"] == correction.sequence]
    attempt = attempts.lock(unit, correction.attempt_id)
    job = jobs.find(unit, caller, ref)
    if not rows or attempt is None or job is None or attempt["job_id"] != job["id"]:
        wrong = f"No segment {correction.sequence} of attempt {correction.attempt_id} was recorded."
        raise NotFoundError("not_found", wrong, todo="suanlian charges lists them.", field="sequence")
    segment = UsageSegment.model_validate_json(rows[0]["body"])
    before = _corrections(unit, correction.attempt_id)
    counted = corrected(segment, before)
    if counted + correction.corrected_s < 0:
        wrong = "The segment would count for less than nothing."
        raise InvalidError("field_invalid", wrong, todo="Take away at most its length.", field="corrected_s")
    known = _rating_row(unit, attempt)
    if not known["offer_id"]:
        raise InvalidError("field_invalid", "Nothing was charged for it.", todo="There is nothing to correct.")
    _write(unit, known, segment, correction, by=caller.principal_id)
    changed = {"before": counted, "after": counted + correction.corrected_s, "sequence": correction.sequence}
    unit.record(
        EventType.USAGE_CORRECTED,
        correction.attempt_id,
        account_id=attempt["account_id"],
        by=caller.principal_id,
        **changed,
    )


def _write(unit: Unit, known: Row, segment: UsageSegment, correction: UsageCorrection, *, by: str) -> None:
    """Write a correction and the charges that make up the difference; ``known``: the attempt as pricing needs it."""
    before = _corrections(unit, correction.attempt_id)
    row = {"id": new_id(), "attempt_id": correction.attempt_id, "sequence": correction.sequence}
    row |= {"corrected_s": correction.corrected_s, "reason": correction.reason, "written_at": unit.now}
    usage.add_correction(unit, {**row, "written_by": by})
    offer = _offer(unit, known)
    lines = _difference(segment, before, correction, offer)
    usage.add_charges(unit, _charge_rows(unit, (known, offer), segment, lines, str(row["id"])))


def void(unit: Unit, attempt_id: str) -> int:
    """Take back what was charged for an attempt that is fenced: one correction a segment; again, it changes nothing.

    Returns how many segments were taken back.
    """
    attempt, count = attempts.lock(unit, attempt_id), 0
    if attempt is None or attempt["fenced_at"] is None:
        return count
    charged, known = usage.charged(unit, attempt_id), _rating_row(unit, attempt)
    before = _corrections(unit, AttemptId(attempt_id)) if charged else []
    for row in usage.segments_of(unit, attempt_id) if charged else ():
        segment = UsageSegment.model_validate_json(row["body"])
        left = corrected(segment, before)
        if segment.sequence in charged and left:
            taken_back = UsageCorrection(
                attempt_id=segment.attempt_id, sequence=segment.sequence, corrected_s=-left, reason=_VOID
            )
            _write(unit, known, segment, taken_back, by=_HUB)
            count += 1
    if count:
        unit.record(EventType.USAGE_CORRECTED, attempt_id, account_id=attempt["account_id"], segments=count)
    return count


def _corrections(unit: Unit, attempt_id: AttemptId) -> list[UsageCorrection]:
    rows = usage.corrections_of(unit, attempt_id)
    return [
        UsageCorrection(
            attempt_id=AttemptId(r["attempt_id"]),
            sequence=r["sequence"],
            corrected_s=r["corrected_s"],
            reason=r["reason"],
        )
        for r in rows
    ]


def _rating_row(unit: Unit, attempt: Row) -> Row:
    assignment, job = attempts.assignment_of(unit, attempt["id"]), jobs.lock(unit, attempt["job_id"])
    if assignment is None or job is None:
        raise NotFoundError("not_found", "The attempt has no assignment.")
    offer = {name: assignment[name] for name in ("offer_id", "offer_version")}
    is_free = allowance.is_free(unit, attempt["job_id"])
    return {**dict(attempt), **offer, "project_id": job["project_id"], "free": is_free}


def _difference(
    segment: UsageSegment, before: list[UsageCorrection], new: UsageCorrection, offer: NewOffer
) -> tuple[Line, ...]:
    """New lines minus old lines: a correction is rated as the difference between two lengths."""
    old = {line.kind: line for line in lines_for(segment.granted, corrected(segment, before), offer)}
    now = lines_for(segment.granted, corrected(segment, [*before, new]), offer)
    return tuple(
        Line(line.kind, line.quantity - old[line.kind].quantity, line.rate, line.cost - old[line.kind].cost)
        for line in now
    )


def segments_of_job(unit: Unit, caller: Caller, ref: str) -> list[UsageSegment]:
    """The recorded segments of a job that the caller may see. Raises NotFoundError."""
    job = jobs.find(unit, caller, ref)
    if job is None:
        raise NotFoundError(
            "not_found", f"You have no job {ref[:80]!r}.", todo="suanlian jobs lists yours.", field="job"
        )
    return [UsageSegment.model_validate_json(row["body"]) for row in usage.segments_of_job(unit, job["id"])]


def charges_of(unit: Unit, caller: Caller, *, job: str | None, before: str, limit: int) -> list[Charge]:
    """The caller's charges, newest first; those of one job when named. Raises NotFoundError."""
    job_id = None
    if job is not None:
        row = jobs.find(unit, caller, job)
        if row is None:
            raise NotFoundError("not_found", f"You have no job {job[:80]!r}.", todo="suanlian jobs lists yours.")
        job_id = row["id"]
    return [_charge(row) for row in usage.charges_of(unit, caller, job_id=job_id, before=before, limit=limit)]


def _charge(row: Row) -> Charge:
    columns = [name for name in Charge.model_fields if name not in ("cost", "offer", "payer", "payable")]
    offer = VersionRef(subject=Subject.OFFER, id=row["offer_id"], version=row["offer_version"], name=row["offer_name"])
    cost = Money(amount=row["cost"], currency=Currency(row["currency"]))
    payer = Payer.HUB if row["free"] else Payer.ACCOUNT
    payable = Money(amount=Decimal(0), currency=cost.currency) if row["free"] else cost
    told: dict[str, Any] = {"cost": cost, "offer": offer, "payer": payer, "payable": payable}
    return Charge(**{name: row[name] for name in columns}, **told)


def any_unrated(unit: Unit) -> bool:
    """Whether there is anything to rate."""
    return usage.any_unrated(unit)
