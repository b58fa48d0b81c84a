"""How people move a platform: one act after another, some at once, some only when a second person wants them too.

An operator decides nothing about a platform of their own entity, and never both halves of an act. Suspending and
freezing hold at once; a second person confirms them or lifts them. Everything is kept: steps, proposals, events.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from suanlian.model.errors import ConflictError, ForbiddenError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import new_id
from suanlian.model.onboarding import Act, Moved, Proposal, Rectification, Verdict
from suanlian.model.party import PROVIDING, Caller, Decision, EntityKind, Standing
from suanlian.model.platform import Platform, PlatformKind, PlatformState
from suanlian.model.protocol import Wish
from suanlian.rules.onboarding import EFFECTS, after, may_go_live, missing, needs_two
from suanlian.store import attempts, onboarding, parties, platforms
from suanlian.store.gates import entities_of, platform_facts, standing_of
from suanlian.store.onboarding import Stride
from suanlian.store.unit import Row, Unit

PROPOSAL_LIFE: Final = timedelta(days=7)
_CONFIRMED_LATER: Final[Mapping[Act, PlatformState]] = {
    Act.SUSPEND: PlatformState.SUSPENDED,
    Act.FREEZE: PlatformState.FROZEN,
}
"""Acts that one person does at once, and the state that a second person confirms."""


def act(unit: Unit, caller: Caller, row: Row, what: Act, decision: Decision) -> Moved:
    """Do an act as an operator, or propose it where it needs two; the second person's same act confirms the proposal.

    Raises ForbiddenError ``own_platform`` or ``same_person``, ConflictError ``state_conflict``, ``entity_unchecked``,
    ``gate_closed``.
    """
    _not_own(unit, caller, row)
    proposed = onboarding.open_proposal(unit, row["id"], what)
    if proposed is not None:
        return confirm(unit, caller, proposed, decision.why)
    if what is Act.LIFT:
        return _lift(unit, caller, row, decision)
    stride = _stride(unit, row, what, decision)
    if needs_two(what, PlatformState(row["state"])):
        return Moved(platform=_platform(row), proposal=_propose(unit, row, what, decision, PROPOSAL_LIFE))
    moved = _move(unit, row, stride)
    if what in _CONFIRMED_LATER:
        return Moved(platform=moved, proposal=_propose(unit, row, what, decision, None))
    return Moved(platform=moved)


def withdraw_own(unit: Unit, row: Row, decision: Decision) -> Moved:
    """Its owner takes the platform away, at once and for good. Raises ConflictError ``state_conflict``."""
    return Moved(platform=_move(unit, row, _stride(unit, row, Act.WITHDRAW, decision)))


def confirm(unit: Unit, caller: Caller, proposal: Row, why: str) -> Moved:
    """Want it too, as a second person. Raises ForbiddenError ``same_person``, ConflictError as ``act``."""
    if proposal["act"] == Act.INVITE_OPERATOR:
        todo = f"suanlian operator invite {proposal['name']}: the link is then shown to you."
        raise ConflictError("state_conflict", "An invitation is confirmed by inviting the same name too.", todo=todo)
    row = _platform_row(unit, proposal)
    _not_own(unit, caller, row)
    _another_person(unit, caller, proposal)
    what = Act(proposal["act"])
    if what in _CONFIRMED_LATER:
        _decide(unit, proposal, Verdict.CONFIRMED, why)
        return Moved(platform=_platform(row), proposal=_proposal(unit, proposal["id"]))
    stride = _stride(unit, row, what, Decision(why=proposal["why"], reference=proposal["reference"]))
    _decide(unit, proposal, Verdict.CONFIRMED, why)
    return Moved(platform=_move(unit, row, stride), proposal=_proposal(unit, proposal["id"]))


def decline(unit: Unit, caller: Caller, proposal: Row, why: str) -> Moved:
    """Do not want it. Of a suspension or freeze: lift it, as a second person. Raises as ``confirm``."""
    if proposal["act"] == Act.INVITE_OPERATOR:
        _decide(unit, proposal, Verdict.DECLINED, why)
        return Moved(platform=None, proposal=_proposal(unit, proposal["id"]))
    row = _platform_row(unit, proposal)
    _not_own(unit, caller, row)
    if Act(proposal["act"]) in _CONFIRMED_LATER:
        return _lift(unit, caller, row, Decision(why=why))
    _decide(unit, proposal, Verdict.DECLINED, why)
    return Moved(platform=_platform(row), proposal=_proposal(unit, proposal["id"]))


def find_proposal(unit: Unit, proposal_id: str) -> Row:
    """An open proposal. Raises NotFoundError, ConflictError ``already_done`` when it is decided or has lapsed."""
    row = onboarding.find_proposal(unit, proposal_id)
    if row is None:
        wrong = f"There is no proposal {proposal_id[:80]!r}."
        raise NotFoundError("not_found", wrong, todo="suanlian proposals lists them.", field="proposal")
    over = row["expires_at"] is not None and row["expires_at"] <= unit.now
    if row["verdict"] != Verdict.OPEN or over:
        wrong = f"The proposal is {Verdict.LAPSED.value if over else row['verdict']}."
        raise ConflictError("already_done", wrong, todo="Propose it anew.")
    return row


def list_proposals(unit: Unit, *, after_id: str, limit: int) -> list[Proposal]:
    """All that wait for a second person."""
    return [_value(unit, row) for row in onboarding.open_proposals(unit, after=after_id, limit=limit)]


def _not_own(unit: Unit, caller: Caller, row: Row) -> None:
    if row["entity_id"] in entities_of(unit, caller):
        wrong = f"{row['name']!r} belongs to your own entity."
        raise ForbiddenError("own_platform", wrong, todo="Let an operator of another entity decide.")


def _another_person(unit: Unit, caller: Caller, proposal: Row) -> None:
    if parties.person_of(unit, caller.principal_id) == parties.person_of(unit, proposal["proposed_by"]):
        wrong = "The one who proposed it is you, or one whose key you minted or who minted yours."
        todo = "Another operator confirms it; suanlian operator invite NAME lets one in."
        raise ForbiddenError("same_person", wrong, todo=todo)


def _stride(unit: Unit, row: Row, what: Act, decision: Decision) -> Stride:
    """The step that the act makes from here, with all that must hold for it. Raises ConflictError."""
    state, kind = PlatformState(row["state"]), PlatformKind(row["kind"])
    to = after(what, state, kind)
    if to is None:
        wrong = f"{row['name']!r} is {state.value}: {what.value} leads nowhere from there."
        raise ConflictError("state_conflict", wrong, todo=f"suanlian platform onboarding {row['name']}")
    if what is Act.GO_LIVE and onboarding.open_proposal(unit, row["id"], _stopped_by(state)) is not None:
        wrong = f"{row['name']!r} is {state.value}, and nobody has confirmed it yet."
        raise ConflictError("state_conflict", wrong, todo="A second operator confirms it, or lifts it.")
    if what in (Act.CHECK_DOCUMENTS, Act.GO_LIVE):
        _entity_stands(unit, row)
    if what is Act.GO_LIVE:
        _gates_open(unit, row)
    columns = {Act.CHECK_DOCUMENTS: "documents_at"}.get(what)
    mend = f" (to mend: {decision.mend})" if isinstance(decision, Rectification) else ""
    stamped = {} if columns is None else {columns: unit.now}
    if to is PlatformState.LIVE and row["live_at"] is None:
        stamped["live_at"] = unit.now
    return Stride(what, to, f"{decision.why}{mend}", decision.reference, stamped)


def _stopped_by(state: PlatformState) -> Act:
    return Act.FREEZE if state is PlatformState.FROZEN else Act.SUSPEND


def _entity_stands(unit: Unit, row: Row) -> None:
    entity = parties.entity_of(unit, row["entity_id"])
    name = "" if entity is None else entity["name"]
    standing = standing_of(unit, entity)
    if standing is not Standing.CHECKED:
        wrong = f"The entity {name!r} is {standing.value}, not checked."
        raise ConflictError("entity_unchecked", wrong, todo=f"suanlian entity check {name} --why TEXT")
    if entity is not None and EntityKind(entity["kind"]) not in PROVIDING:
        wrong = f"The entity {name!r} is of the kind {entity['kind']}, which owns no platform."
        raise ConflictError("entity_unchecked", wrong, todo=f"suanlian entity change {name} --kind both")


def _gates_open(unit: Unit, row: Row) -> None:
    facts = platform_facts(unit, row)
    if not may_go_live(facts):
        codes = ", ".join(sorted({one.code for one in missing(facts)}))
        wrong = f"{row['name']!r} has not passed what must be passed before: {codes}."
        raise ConflictError("gate_closed", wrong, todo=f"suanlian platform onboarding {row['name']}")


def _move(unit: Unit, row: Row, stride: Stride) -> Platform:
    if not onboarding.move(unit, row, stride):
        wrong = f"{row['name']!r} has just moved on."
        raise ConflictError("state_conflict", wrong, todo="Look at it again.")
    for proposal in onboarding.proposals_of(unit, row["id"]):
        onboarding.decide(unit, proposal, Verdict.VOID, f"{stride.act.value} came first")
    if not EFFECTS[stride.to].keeps_unstarted:
        _recall(unit, row["id"])
    if stride.act is Act.RECTIFY:
        onboarding.close_gates(unit, row["id"])
    if stride.to is PlatformState.WITHDRAWN:
        onboarding.void_all_tokens(unit, row["id"])
    return _platform(_row(unit, row["id"]))


def _recall(unit: Unit, platform_id: str) -> None:
    """Take back what has not started; what runs goes on."""
    for attempt in attempts.unstarted_at(unit, platform_id):
        attempts.wish(unit, attempt, Wish.RECALL)


def _lift(unit: Unit, caller: Caller, row: Row, decision: Decision) -> Moved:
    """Lead back to where it was before a suspension or freeze that nobody has confirmed."""
    state = PlatformState(row["state"])
    proposal = onboarding.open_proposal(unit, row["id"], _stopped_by(state))
    if state not in _CONFIRMED_LATER.values() or proposal is None:
        wrong = f"{row['name']!r} is {state.value}, and there is nothing unconfirmed to lift."
        raise ConflictError("state_conflict", wrong, todo=f"suanlian platform go-live {row['name']}: two persons")
    _another_person(unit, caller, proposal)
    last = onboarding.steps(unit, row["id"])[-1]
    prior = None if last["from_state"] is None else PlatformState(last["from_state"])
    to = after(Act.LIFT, state, PlatformKind(row["kind"]), prior=prior)
    if to is None:
        raise ConflictError("state_conflict", f"It is not known where {row['name']!r} was before.", todo="Rectify it.")
    _decide(unit, proposal, Verdict.DECLINED, decision.why)
    moved = _move(unit, row, Stride(Act.LIFT, to, decision.why, decision.reference))
    return Moved(platform=moved, proposal=_proposal(unit, proposal["id"]))


def _propose(unit: Unit, row: Row, what: Act, decision: Decision, life: timedelta | None) -> Proposal:
    proposal = {
        "id": new_id(),
        "act": what.value,
        "subject": row["id"],
        "name": row["name"],
        "proposed_by": "" if unit.caller is None else unit.caller.principal_id,
        "proposed_at": unit.now,
        "why": decision.why,
        "reference": decision.reference,
        "expires_at": None if life is None else unit.now + life,
        "verdict": Verdict.OPEN.value,
        "decided_by": None,
        "decided_at": None,
        "decided_why": "",
    }
    onboarding.add_proposal(unit, proposal)
    told = {"act": what.value, "subject_id": row["id"], "name": row["name"]}
    unit.record(EventType.PROPOSAL_MADE, str(proposal["id"]), why=decision.why, **told)
    return _value(unit, proposal)


def _decide(unit: Unit, proposal: Row, verdict: Verdict, why: str) -> None:
    if not onboarding.decide(unit, proposal, verdict, why):
        raise ConflictError("already_done", "Somebody decided it just now.", todo="suanlian proposals")


def _value(unit: Unit, row: Row) -> Proposal:
    return onboarding.proposal_value(row, onboarding.names_of(unit, onboarding.people_in([row])))


def _proposal(unit: Unit, proposal_id: str) -> Proposal:
    row = onboarding.find_proposal(unit, proposal_id)
    if row is None:
        raise NotFoundError("not_found", "There is no such proposal.")
    return _value(unit, row)


def _platform_row(unit: Unit, proposal: Row) -> Row:
    return _row(unit, proposal["subject"])


def _row(unit: Unit, platform_id: str) -> Row:
    row = platforms.find(unit, platform_id)
    if row is None:
        raise NotFoundError("no_such_platform", "There is no such platform.", todo="suanlian platforms lists them.")
    return row


def _platform(row: Row) -> Platform:
    return Platform.model_validate({name: row[name] for name in Platform.model_fields})
