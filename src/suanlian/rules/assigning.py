"""What is kept of a decision to give tasks a place: one assignment each, alike but for whose it is. Pure."""

from collections.abc import Sequence

from suanlian.model.ids import AssignmentId, AttemptId
from suanlian.model.owner import JoinLevel
from suanlian.model.place import Place
from suanlian.model.placement import Assignment, Explanation
from suanlian.model.quantity import Resources
from suanlian.model.version import Subject
from suanlian.rules.placement import shortened

Kept = dict[str, str | int | None]
"""A row of the store."""


def assignments(
    place: Place, explanation: Explanation, granted: Resources, ids: Sequence[tuple[AssignmentId, AttemptId]]
) -> list[Kept]:
    """The assignments of these attempts; the offer is named only where its platform trades."""
    priced = place.level is JoinLevel.TRADE
    versions = tuple(ref for ref in place.versions if priced or ref.subject is not Subject.OFFER)
    offer = next((ref for ref in versions if ref.subject is Subject.OFFER), None)
    first, attempt = ids[0]
    body = Assignment(
        id=first,
        attempt_id=attempt,
        share_id=place.share_id,
        granted=granted,
        versions=versions,
        explanation=shortened(explanation),
    ).model_dump_json()
    shared: Kept = {
        "share_id": place.share_id,
        "offer_id": None if offer is None else offer.id,
        "offer_version": None if offer is None else offer.version,
    }
    # the body begins with both ids: all that differs between tasks of one decision
    return [
        {**shared, "id": own, "attempt_id": of, "body": body.replace(first, own, 1).replace(attempt, of, 1)}
        for own, of in ids
    ]
