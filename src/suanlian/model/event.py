"""What happened, written in the transaction in which it happened; a worker does what must follow."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import JsonValue

from suanlian.model.base import Utc, Value


class EventType(StrEnum):
    """Every kind of event. Which worker follows which stands in ARCHITECTURE.md; a test holds it against the code."""

    ENTITY_REGISTERED = "entity.registered"
    ACCOUNT_ERASING = "account.erasing"
    ACCOUNT_ERASED = "account.erased"
    ENTITY_CHANGED = "entity.changed"
    ENTITY_CHECKED = "entity.checked"
    ENTITY_REFUSED = "entity.refused"
    OPERATOR_INVITED = "operator.invited"
    PROPOSAL_MADE = "proposal.made"
    PROPOSAL_DECIDED = "proposal.decided"
    ENTITY_INVITED = "entity.invited"
    ENTITY_JOINED = "entity.joined"
    IDENTITY_LINKED = "identity.linked"
    KEY_MINTED = "key.minted"
    KEY_REVOKED = "key.revoked"
    PLATFORM_APPLIED = "platform.applied"
    PLATFORM_MOVED = "platform.moved"
    PLATFORM_LIVE = "platform.live"
    PLATFORM_SUSPENDED = "platform.suspended"
    PLATFORM_FROZEN = "platform.frozen"
    TOKEN_MINTED = "token.minted"  # noqa: S105 - an event, no secret
    CONNECTOR_ENROLLED = "connector.enrolled"
    CONNECTOR_SEALING_KEY = "connector.sealing-key"
    CONNECTOR_NAMED = "connector.named"
    CONNECTOR_ADMITTED = "connector.admitted"
    CONNECTOR_ACCEPTING = "connector.accepting"
    CONFORMANCE_ASKED = "conformance.asked"
    CONFORMANCE_ENDED = "conformance.ended"
    CONNECTOR_LEVEL = "connector.level"
    CONNECTOR_PARTNERS = "connector.partners"
    SITE_CHECKED = "site.checked"
    INVENTORY_CHANGED = "inventory.changed"
    OFFER_PUBLISHED = "offer.published"
    SECRET_SET = "secret.set"  # noqa: S105 - a kind of event
    SECRET_REMOVED = "secret.removed"  # noqa: S105 - a kind of event
    SECRET_SENT = "secret.sent"  # noqa: S105 - a kind of event
    JOB_SUBMITTED = "job.submitted"
    LEND_OFFERED = "lend.offered"
    LEND_WITHDRAWN = "lend.withdrawn"
    JOB_CANCELING = "job.canceling"
    JOB_ENDED = "job.ended"
    JOB_RELEASED = "job.released"
    TES_CREATED = "tes.created"
    TES_BROUGHT = "tes.brought"
    TASK_REQUEUED = "task.requeued"
    ATTEMPT_PLACED = "attempt.placed"
    ATTEMPT_STARTED = "attempt.started"
    ATTEMPT_ENDED = "attempt.ended"
    USAGE_RECORDED = "usage.recorded"
    USAGE_CORRECTED = "usage.corrected"
    CHARGE_WRITTEN = "charge.written"
    MARKET_POLICY_CHANGED = "market.policy-changed"
    SUPPLY_COMMITTED = "supply.committed"
    SUPPLY_CHECKED = "supply.checked"
    SUPPLY_REPLIED = "supply.replied"
    SUPPLY_REVEALED = "supply.revealed"
    LINK_OFFERED = "link.offered"
    LINK_WITHDRAWN = "link.withdrawn"
    LINK_RESERVED = "link.reserved"
    LINK_GIVEN_BACK = "link.given-back"
    VERIFICATION_ASKED = "verification.asked"
    VERIFICATION_ENDED = "verification.ended"
    MEASUREMENT_TAKEN = "measurement.taken"
    REPORT_MADE = "report.made"
    REPORT_RECEIVED = "report.received"
    RECEIPT_RECEIVED = "receipt.received"
    IDENTIFIER_REGISTERED = "identifier.registered"
    IDENTIFIER_CHANGED = "identifier.changed"
    IDENTIFIER_FROZEN = "identifier.frozen"
    IDENTIFIER_THAWED = "identifier.thawed"
    IDENTIFIER_REVOKED = "identifier.revoked"
    IDENTIFIER_MOVED = "identifier.moved"
    IDENTIFIER_TRANSFERRED = "identifier.transferred"
    IDENTIFIER_DOUBLED = "identifier.doubled"
    TRANSFER_PROPOSED = "transfer.proposed"
    TRANSFER_SECONDED = "transfer.seconded"
    TRANSFER_ACCEPTED = "transfer.accepted"
    TRANSFER_DECLINED = "transfer.declined"
    DELEGATION_SIGNED = "delegation.signed"
    HUB_REKEYED = "hub.rekeyed"
    HUB_DEAF = "hub.deaf"
    CONNECTOR_LOST = "connector.lost"
    CONNECTOR_REKEYED = "connector.rekeyed"
    CONNECTOR_RECOVERING = "connector.recovering"
    UPLINK_CHANGED = "uplink.changed"
    AUDIT_WITNESSED = "audit.witnessed"
    AUDIT_ALARM = "audit.alarm"
    AUDIT_RESTORED = "audit.restored"
    CALL_REFUSED = "call.refused"
    OBJECT_STORED = "object.stored"
    LOG_BEGUN = "log.begun"
    OUTPUT_KEPT = "output.kept"
    CHECKPOINT_KEPT = "checkpoint.kept"
    JOB_MOVING = "job.moving"
    JOB_PAUSING = "job.pausing"
    JOB_RESUMING = "job.resuming"
    PLATFORM_DRAINED = "platform.drained"
    PLATFORM_UNDRAINED = "platform.undrained"
    CONNECTOR_DRAINED = "connector.drained"


class Event(Value):
    """One thing that happened: who did it, for whom, to what, in which request."""

    number: int
    type: EventType
    subject: str
    actor: str
    on_behalf_of: str = ""
    request_id: str = ""
    source: str = ""
    data: Mapping[str, JsonValue]
    at: Utc
