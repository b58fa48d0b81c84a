"""What the hub itself saw of platforms on their way in: the next step by facts, admission, and what is missing.

Level-triggered: ``due`` looks at the tables, ``apply`` looks again and makes the step only if it is still so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from suanlian.i18n.onboarding import missing_line
from suanlian.model.onboarding import Act, ConnectorProgress, Missing, Onboarding, Step, Verdict
from suanlian.model.platform import Connector, Platform, PlatformKind, PlatformState
from suanlian.rules.onboarding import EFFECTS, after, is_through, missing, missing_of, next_fact
from suanlian.store import onboarding, platforms
from suanlian.store.gates import JOIN, platform_facts
from suanlian.store.onboarding import Stride
from suanlian.store.unit import Row, Unit

_WATCHED: Final = tuple(state.value for state, effects in EFFECTS.items() if effects.inventory)
_WHY: Final = {
    Act.CONNECT: "a connector enrolled",
    Act.PASS_CONFORMANCE: "a connector passed its conformance run",
    Act.VERIFY: "of a connector that conforms every figure that can be verified was",
    Act.FALL_BACK: "what the step before stood on is no longer so",
}


@dataclass(frozen=True, slots=True)
class Due:
    """A platform for which a step by facts, or the admission of connectors, is due."""

    platform_id: str
    act: Act | None
    admits: tuple[str, ...] = ()


def due(unit: Unit) -> list[Due]:
    """What the facts make now. Writes nothing."""
    found = (_due(unit, row) for row in onboarding.moving(unit, _WATCHED))
    return [one for one in found if one is not None]


def _due(unit: Unit, row: Row) -> Due | None:
    if row["state"] in (PlatformState.LIVE, PlatformState.SUSPENDED) and not onboarding.any_unadmitted(unit, row["id"]):
        return None
    facts = platform_facts(unit, row)
    is_hub = facts.kind is PlatformKind.HUB
    admits = tuple(c.id for c in facts.connectors if c.enrolled and not c.admitted and (is_hub or is_through(c)))
    act = next_fact(facts)
    return Due(row["id"], act, admits) if act is not None or admits else None


def apply(unit: Unit, wanted: Due) -> bool:
    """Make it true if it still is what the facts say; False when they say otherwise by now."""
    row = platforms.find(unit, wanted.platform_id)
    now = None if row is None or row["state"] not in _WATCHED else _due(unit, row)
    if row is None or now is None:
        return False
    rows = {one["id"]: one for one in platforms.connectors_of(unit, row["id"])}
    admitted = [onboarding.admit(unit, rows[connector]) for connector in now.admits]
    return _step(unit, row, now.act) or any(admitted)


def _step(unit: Unit, row: Row, act: Act | None) -> bool:
    to = None if act is None else after(act, PlatformState(row["state"]), PlatformKind(row["kind"]))
    return act is not None and to is not None and onboarding.move(unit, row, Stride(act, to, _WHY[act]))


def any_lapsed(unit: Unit) -> bool:
    """Whether the time of an open proposal is over."""
    return bool(onboarding.lapsed(unit))


def lapse(unit: Unit) -> int:
    """Close the proposals whose time is over; a suspension or freeze has no such time."""
    return sum(onboarding.decide(unit, row, Verdict.LAPSED) for row in onboarding.lapsed(unit))


def onboarding_of(unit: Unit, row: Row) -> Onboarding:
    """Where the platform stands, how it came there, and what is missing."""
    facts = platform_facts(unit, row)
    steps, proposals = onboarding.steps(unit, row["id"]), onboarding.proposals_of(unit, row["id"])
    names = onboarding.names_of(unit, {*(step["actor"] for step in steps), *onboarding.people_in(proposals)})
    rows = {one["name"]: one for one in platforms.connectors_of(unit, row["id"])}
    titles = {one["name"]: one["title"] for one in onboarding.named_connectors(unit, row["id"])}
    tokens = {one["bound_to"]: one["expires_at"] for one in onboarding.unused_tokens(unit, row["id"], JOIN)}
    return Onboarding(
        platform=Platform.model_validate({name: row[name] for name in Platform.model_fields}),
        state=facts.state,
        since=row["state_since"],
        steps=tuple(_step_value(step, names) for step in steps),
        proposals=tuple(onboarding.proposal_value(one, names) for one in proposals),
        connectors=tuple(
            ConnectorProgress(
                name=one.name,
                title=titles.get(one.name, ""),
                connector=_connector(rows[one.name]) if one.name in rows else None,
                token_until=tokens.get(one.name),
                missing=_said(missing_of(facts, one)),
            )
            for one in facts.connectors
        ),
        missing=_said(missing(facts)),
    )


def _step_value(row: Row, names: Mapping[str, str]) -> Step:
    fields = {name: row[name] for name in Step.model_fields}
    return Step.model_validate({**fields, "actor": names.get(row["actor"], row["actor"])})


def _connector(row: Row) -> Connector:
    return Connector.model_validate({name: row[name] for name in Connector.model_fields})


def _said(found: Iterable[Missing]) -> tuple[Missing, ...]:
    return tuple(one.model_copy(update={"says": missing_line(one.code, one.fields)}) for one in found)
