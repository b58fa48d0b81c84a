"""How platforms come in, as rows: steps, proposals, named connectors, and what the hub found out about connectors."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, func, insert, select, update

from suanlian.model.event import EventType
from suanlian.model.onboarding import Act, Proposal, Verdict
from suanlian.model.platform import PlatformState
from suanlian.store import tables as t
from suanlian.store.dialect import insert_new
from suanlian.store.unit import Row, Unit

_EVENT: Final[Mapping[PlatformState, EventType]] = {
    PlatformState.LIVE: EventType.PLATFORM_LIVE,
    PlatformState.SUSPENDED: EventType.PLATFORM_SUSPENDED,
    PlatformState.FROZEN: EventType.PLATFORM_FROZEN,
}

_WHO: Final = ("proposed_by", "decided_by")


@dataclass(frozen=True, slots=True)
class Stride:
    """A step that is to be made: to where, by which act, why; ``columns`` of the platform that change with it."""

    act: Act
    to: PlatformState
    why: str = ""
    reference: str = ""
    columns: Mapping[str, Any] | None = None


def move(unit: Unit, platform: Row, stride: Stride) -> bool:
    """Make a step if the platform is still in the state of ``platform``: its row, the step and the event, at once."""
    which = (t.platform.c.id == platform["id"]) & (t.platform.c.state == platform["state"])
    values = {"state": stride.to.value, "state_since": unit.now, **(stride.columns or {})}
    if unit.connection.execute(update(t.platform).where(which).values(**values)).rowcount != 1:
        return False
    keep_step(unit, platform["id"], platform["state"], stride)
    change = {"act": stride.act.value, "before": platform["state"], "after": stride.to.value}
    kind = _EVENT.get(stride.to, EventType.PLATFORM_MOVED)
    unit.record(kind, platform["id"], name=platform["name"], why=stride.why, **change)
    return True


def keep_step(unit: Unit, platform_id: str, before: str | None, stride: Stride) -> None:
    """Append a step; nothing ever changes or removes one."""
    row = {
        "platform_id": platform_id,
        "from_state": before,
        "to_state": stride.to.value,
        "act": stride.act.value,
        "actor": "hub" if unit.caller is None else unit.caller.principal_id,
        "at": unit.now,
        "why": stride.why,
        "reference": stride.reference,
    }
    unit.connection.execute(insert(t.onboarding_step).values(**row))


def steps(unit: Unit, platform_id: str) -> Sequence[Row]:
    """The platform's steps, oldest first."""
    query = select(t.onboarding_step).where(t.onboarding_step.c.platform_id == platform_id)
    return unit.connection.execute(query.order_by(t.onboarding_step.c.id)).mappings().all()


def add_proposal(unit: Unit, row: Row) -> None:
    """Insert a proposal."""
    unit.connection.execute(insert(t.proposal).values(**row))


def find_proposal(unit: Unit, proposal_id: str) -> Row | None:
    """By its id."""
    return unit.connection.execute(select(t.proposal).where(t.proposal.c.id == proposal_id)).mappings().one_or_none()


def _is_open(unit: Unit) -> Any:  # noqa: ANN401 - a clause
    over = t.proposal.c.expires_at.is_not(None) & (t.proposal.c.expires_at <= unit.now)
    return (t.proposal.c.verdict == Verdict.OPEN.value) & ~over


def open_proposal(unit: Unit, subject: str, act: Act) -> Row | None:
    """The open proposal of this act on this subject, if there is one."""
    query = select(t.proposal).where(_is_open(unit), t.proposal.c.subject == subject, t.proposal.c.act == act.value)
    return unit.connection.execute(query.order_by(t.proposal.c.id).limit(1)).mappings().one_or_none()


def proposals_of(unit: Unit, subject: str) -> Sequence[Row]:
    """Every proposal on this subject, oldest first."""
    query = select(t.proposal).where(t.proposal.c.subject == subject).order_by(t.proposal.c.id)
    return unit.connection.execute(query).mappings().all()


def open_proposals(unit: Unit, *, after: str = "", limit: int | None = None) -> Sequence[Row]:
    """All that wait for a second person, oldest first."""
    query = select(t.proposal).where(_is_open(unit), t.proposal.c.id > after)
    return unit.connection.execute(query.order_by(t.proposal.c.id).limit(limit)).mappings().all()


def lapsed(unit: Unit) -> Sequence[Row]:
    """Proposals that stand open though their time is over."""
    query = select(t.proposal).where(t.proposal.c.verdict == Verdict.OPEN.value, t.proposal.c.expires_at <= unit.now)
    return unit.connection.execute(query).mappings().all()


def decide(unit: Unit, proposal: Row, verdict: Verdict, why: str = "") -> bool:
    """Close a proposal if it is still open."""
    values = {
        "verdict": verdict.value,
        "decided_by": None if unit.caller is None else unit.caller.principal_id,
        "decided_at": unit.now,
        "decided_why": why,
    }
    which = (t.proposal.c.id == proposal["id"]) & (t.proposal.c.verdict == Verdict.OPEN.value)
    if unit.connection.execute(update(t.proposal).where(which).values(**values)).rowcount != 1:
        return False
    told = {"act": proposal["act"], "subject_id": proposal["subject"], "before": "open", "after": verdict.value}
    unit.record(EventType.PROPOSAL_DECIDED, proposal["id"], name=proposal["name"], why=why, **told)
    return True


def name_connectors(unit: Unit, rows: Sequence[Row]) -> int:
    """Write down which connectors a platform is to have; returns how many were new."""
    return insert_new(unit.connection, t.named_connector, rows)


def named_connectors(unit: Unit, platform_id: str) -> Sequence[Row]:
    """The connectors that the platform is to have, in the order of names."""
    query = select(t.named_connector).where(t.named_connector.c.platform_id == platform_id)
    return unit.connection.execute(query.order_by(t.named_connector.c.name)).mappings().all()


def unused_tokens(unit: Unit, platform_id: str, purpose: str) -> Sequence[Row]:
    """The join tokens of a platform that nobody has used and that still hold."""
    c = t.one_time.c
    query = select(t.one_time).where(
        c.purpose == purpose, c.subject_id == platform_id, c.used_at.is_(None), c.expires_at > unit.now
    )
    return unit.connection.execute(query).mappings().all()


def void_tokens(unit: Unit, platform_id: str, purpose: str, bound_to: str) -> int:
    """Let the platform's unused tokens for one connector end now."""
    c = t.one_time.c
    which = and_(c.purpose == purpose, c.subject_id == platform_id, c.used_at.is_(None), c.expires_at > unit.now)
    which &= c.bound_to == bound_to
    return unit.connection.execute(update(t.one_time).where(which).values(expires_at=unit.now)).rowcount


def void_all_tokens(unit: Unit, platform_id: str) -> int:
    """Let every unused token end now by which anybody could speak for the platform or for a connector of it."""
    c, its = t.one_time.c, select(t.connector.c.id).where(t.connector.c.platform_id == platform_id)
    which = (c.subject_id == platform_id) | c.subject_id.in_(its)
    which &= c.used_at.is_(None) & (c.expires_at > unit.now)
    return unit.connection.execute(update(t.one_time).where(which).values(expires_at=unit.now)).rowcount


def newest_runs(unit: Unit, connector_ids: Collection[str]) -> dict[str, Row]:
    """Of each connector its newest conformance run that has ended."""
    c = t.conformance_run.c
    newest = (
        select(c.connector_id, func.max(c.asked_at).label("asked_at"))
        .where(c.connector_id.in_(connector_ids), c.ended_at.is_not(None))
        .group_by(c.connector_id)
        .subquery()
    )
    query = select(t.conformance_run).join(
        newest, and_(newest.c.connector_id == c.connector_id, newest.c.asked_at == c.asked_at)
    )
    rows = unit.connection.execute(query.where(c.ended_at.is_not(None)).order_by(c.id)).mappings().all()
    return {row["connector_id"]: row for row in rows}


def newest_capabilities(unit: Unit, flavor_ids: Collection[str], grade: str) -> Sequence[Row]:
    """Of each flavor, metric and precision the newest figure of this grade."""
    c = t.capability.c
    newest = (
        select(c.flavor_id, c.metric, c.precision, func.max(c.at).label("at"))
        .where(c.flavor_id.in_(flavor_ids), c.grade == grade)
        .group_by(c.flavor_id, c.metric, c.precision)
        .subquery()
    )
    on = and_(*(newest.c[name] == c[name] for name in ("flavor_id", "metric", "precision", "at")))
    query = select(t.capability).join(newest, on).where(c.grade == grade).order_by(c.id)
    return unit.connection.execute(query).mappings().all()


def admit(unit: Unit, connector: Row) -> bool:
    """From now on its shares may be placed on; False when they were before."""
    which = (t.connector.c.id == connector["id"]) & t.connector.c.admitted_at.is_(None)
    done = unit.connection.execute(update(t.connector).where(which).values(admitted_at=unit.now)).rowcount == 1
    if done:
        unit.record(EventType.CONNECTOR_ADMITTED, connector["id"], name=connector["name"])
    return done


def close_gate(unit: Unit, connector_id: str) -> None:
    """What this connector has passed counts no longer: only a run that is asked for from now on does."""
    which = t.connector.c.id == connector_id
    unit.connection.execute(update(t.connector).where(which).values(admitted_at=None, gate_from=unit.now))


def close_gates(unit: Unit, platform_id: str) -> None:
    """What its connectors have passed counts no longer: only a run that is asked for from now on does."""
    which = t.connector.c.platform_id == platform_id
    unit.connection.execute(update(t.connector).where(which).values(admitted_at=None, gate_from=unit.now))


def principals(unit: Unit, ids: Collection[str]) -> Sequence[Row]:
    """These principals with the names of their entities."""
    query = (
        select(t.principal, t.entity.c.name.label("entity"))
        .join(t.entity, t.entity.c.id == t.principal.c.entity_id)
        .where(t.principal.c.id.in_(ids))
    )
    return unit.connection.execute(query).mappings().all()


def names_of(unit: Unit, ids: Collection[str]) -> dict[str, str]:
    """What these principals are called, each with its entity."""
    return {row["id"]: f"{row['name']} ({row['entity']})" for row in principals(unit, ids)}


def people_in(rows: Iterable[Row]) -> set[str]:
    """Who proposed and decided these proposals."""
    return {row[column] for row in rows for column in _WHO if row[column]}


def proposal_value(row: Row, names: Mapping[str, str]) -> Proposal:
    """A proposal with its people by name."""
    return Proposal.model_validate({**row, **{who: names.get(row[who], row[who] or "") for who in _WHO}})


def operators(unit: Unit) -> Sequence[Row]:
    """Everybody who operates the hub."""
    return unit.connection.execute(select(t.principal).where(t.principal.c.role == "operator")).mappings().all()


def states(unit: Unit) -> dict[str, int]:
    """How many platforms are in each state."""
    query = select(t.platform.c.state, func.count()).group_by(t.platform.c.state)
    return {state: int(count) for state, count in unit.connection.execute(query).all()}


def moving(unit: Unit, states_: Collection[str]) -> Sequence[Row]:
    """Platforms in these states, in the order of ids."""
    query = select(t.platform).where(t.platform.c.state.in_(states_)).order_by(t.platform.c.id)
    return unit.connection.execute(query).mappings().all()


def any_unadmitted(unit: Unit, platform_id: str) -> bool:
    """Whether the platform has a connector that is not admitted."""
    c = t.connector.c
    query = select(c.id).where(c.platform_id == platform_id, c.admitted_at.is_(None)).limit(1)
    return unit.connection.execute(query).scalar_one_or_none() is not None
