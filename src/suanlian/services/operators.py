"""Letting a further operator in by a one-time link, so that nobody but who opens it ever holds the key.

The second operator is invited by the first alone; there is nobody else. From then on inviting one takes two persons.
What this cannot know: who opened the link. An operator who opens their own invitation is two operators to the hub.
"""

from datetime import timedelta
from typing import Final

from suanlian.crypto.apikeys import TokenKind, keyed_hash, mint
from suanlian.model.errors import ConflictError, ForbiddenError
from suanlian.model.event import EventType
from suanlian.model.ids import new_id
from suanlian.model.onboarding import Act, OperatorInvitation, Proposal, Verdict
from suanlian.model.party import Caller, Decision
from suanlian.services.ports import Secrets
from suanlian.store import onboarding, parties
from suanlian.store.gates import persons
from suanlian.store.unit import Row, Unit

_LINK_LIFE: Final = timedelta(hours=24)
_PROPOSAL_LIFE: Final = timedelta(days=7)
_ALONE: Final = 1


def invite(unit: Unit, secrets: Secrets, caller: Caller, name: str, decision: Decision) -> OperatorInvitation:
    """A link for an operator of this name, or the proposal of one; the second person's same call makes the link.

    Raises ConflictError ``duplicate_name``, ForbiddenError ``same_person``.
    """
    if parties.principal_named(unit, caller.entity_id, name) is not None:
        wrong = f"{name!r} is somebody of your entity already."
        raise ConflictError("duplicate_name", wrong, todo="Choose another name.", field="name")
    if persons(unit) <= _ALONE:
        return _link(unit, secrets, caller, name)
    proposal = onboarding.open_proposal(unit, name, Act.INVITE_OPERATOR)
    if proposal is None:
        return OperatorInvitation(name=name, proposal=_propose(unit, caller, name, decision))
    if parties.person_of(unit, caller.principal_id) == parties.person_of(unit, proposal["proposed_by"]):
        wrong = f"You proposed to invite {name!r}."
        raise ForbiddenError("same_person", wrong, todo="Another operator invites them too.")
    onboarding.decide(unit, proposal, Verdict.CONFIRMED, decision.why)
    return _link(unit, secrets, caller, name)


def _link(unit: Unit, secrets: Secrets, caller: Caller, name: str) -> OperatorInvitation:
    token = mint(TokenKind.OPERATOR_LINK, secrets.random_bytes)
    expires_at = unit.now + _LINK_LIFE
    row = {
        "prefix": token.prefix,
        "hash": keyed_hash(token.text, secrets.pepper),
        "purpose": TokenKind.OPERATOR_LINK,
        "subject_id": None,
        "bound_to": name,
        "minted_by": caller.principal_id,
        "expires_at": expires_at,
    }
    parties.add_one_time(unit, row)
    unit.record(EventType.OPERATOR_INVITED, token.prefix, name=name)
    return OperatorInvitation(name=name, link=token.text, expires_at=expires_at)


def _propose(unit: Unit, caller: Caller, name: str, decision: Decision) -> Proposal:
    row: Row = {
        "id": new_id(),
        "act": Act.INVITE_OPERATOR.value,
        "subject": name,
        "name": name,
        "proposed_by": caller.principal_id,
        "proposed_at": unit.now,
        "why": decision.why,
        "reference": decision.reference,
        "expires_at": unit.now + _PROPOSAL_LIFE,
        "verdict": Verdict.OPEN.value,
        "decided_by": None,
        "decided_at": None,
        "decided_why": "",
    }
    onboarding.add_proposal(unit, row)
    unit.record(EventType.PROPOSAL_MADE, row["id"], act=row["act"], name=name, why=decision.why)
    return Proposal.model_validate({**row, "decided_by": ""})
