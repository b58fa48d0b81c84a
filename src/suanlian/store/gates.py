"""The facts of a platform on its way in, put together from what the tables say; ``rules/onboarding.py`` judges them."""

from collections.abc import Mapping, Sequence
from typing import Final

from suanlian.model.conformance import too_small
from suanlian.model.gates import ConnectorFacts, FlavorFacts, PlatformFacts, Shown
from suanlian.model.onboarding import Act
from suanlian.model.owner import JoinLevel
from suanlian.model.party import Caller, Standing, read_qualifications, standing_on, today
from suanlian.model.performance import Grade
from suanlian.model.platform import Flavor, PlatformKind, PlatformState, Share
from suanlian.model.probe import ProbeCap
from suanlian.model.version import Subject
from suanlian.store import onboarding, parties, platforms, published
from suanlian.store.unit import Row, Unit

JOIN: Final = "jt"
"""The purpose of join tokens."""


def standing_of(unit: Unit, entity: Row | None) -> Standing:
    """The standing of an entity today; of one that is not there: only registered."""
    if entity is None:
        return Standing.REGISTERED
    held = read_qualifications(entity["qualifications"])
    return standing_on(Standing(entity["standing"]), held, today(unit.now))


def persons(unit: Unit) -> int:
    """How many different persons operate the hub."""
    return len({parties.person_of(unit, row["id"]) for row in onboarding.operators(unit)})


def entities_of(unit: Unit, caller: Caller) -> frozenset[str]:
    """Whose an operator is: of every entity in which the same person operates the hub, by whichever principal."""
    person = parties.person_of(unit, caller.principal_id)
    same = {row["entity_id"] for row in onboarding.operators(unit) if parties.person_of(unit, row["id"]) == person}
    return frozenset({caller.entity_id, *same})


def platform_facts(unit: Unit, platform: Row) -> PlatformFacts:
    """What the tables say of the platform now."""
    entity = parties.entity_of(unit, platform["entity_id"])
    return PlatformFacts(
        name=platform["name"],
        kind=PlatformKind(platform["kind"]),
        state=PlatformState(platform["state"]),
        standing=standing_of(unit, entity),
        entity="" if entity is None else entity["name"],
        connectors=connector_facts(unit, platform),
        proposed=onboarding.open_proposal(unit, platform["id"], Act.GO_LIVE) is not None,
        operators=persons(unit),
    )


def connector_facts(unit: Unit, platform: Row) -> tuple[ConnectorFacts, ...]:
    """Each connector that the application names, and each that entered, in the order of names."""
    rows = {row["name"]: row for row in platforms.connectors_of(unit, platform["id"])}
    named = {row["name"] for row in onboarding.named_connectors(unit, platform["id"])} | set(rows)
    tokens = {row["bound_to"] for row in onboarding.unused_tokens(unit, platform["id"], JOIN)}
    runs = onboarding.newest_runs(unit, [row["id"] for row in rows.values()]) if rows else {}
    flavors = _flavors(unit, platform["id"]) if rows else {}
    return tuple(
        ConnectorFacts(name=name, has_token=name in tokens)
        if name not in rows
        else ConnectorFacts(
            name=name,
            id=rows[name]["id"],
            has_token=name in tokens,
            observes=rows[name]["level"] == JoinLevel.OBSERVE,
            cap_lacks=_cap_lacks(rows[name]),
            passed=_passed(rows[name], runs.get(rows[name]["id"])),
            flavors=flavors.get(rows[name]["id"], ()),
            admitted=rows[name]["admitted_at"] is not None,
        )
        for name in sorted(named)
    )


def _cap_lacks(connector: Row) -> str:
    if connector["probe_cap"] is None:
        return ""
    needed = too_small(ProbeCap.model_validate_json(connector["probe_cap"]))
    return ", ".join(f"{name} {least}" for name, least in needed.items())


def _passed(connector: Row, run: Row | None) -> bool | None:
    """Of the newest run, if it was asked for since the gate was closed, and for this key and inventory."""
    if run is None or (connector["gate_from"] is not None and run["asked_at"] <= connector["gate_from"]):
        return None
    if any(run[name] not in ("", connector[name]) for name in ("public_key", "inventory_digest")):
        return None
    return bool(run["passed"])


def _flavors(unit: Unit, platform_id: str) -> Mapping[str, tuple[FlavorFacts, ...]]:
    """Connector -> the flavors that its shares name."""
    current = published.current(unit, platform_id=platform_id, subjects=(Subject.SHARE, Subject.FLAVOR))
    there = [row for row in current if not row["withdrawn"]]
    flavors = {row["name"]: row for row in there if row["subject"] == Subject.FLAVOR}
    shown = _shown(unit, [row["id"] for row in flavors.values()])
    found: dict[str, dict[str, FlavorFacts]] = {}
    for row in there:
        if row["subject"] == Subject.SHARE:
            name = Share.model_validate_json(row["body"]).flavor
            if name in flavors:
                facts = _flavor(flavors[name], shown)
                found.setdefault(row["connector_id"], {})[name] = facts
    return {connector: tuple(facts.values()) for connector, facts in found.items()}


def _flavor(row: Row, shown: Mapping[str, Sequence[Shown]]) -> FlavorFacts:
    return FlavorFacts(Flavor.model_validate_json(row["body"]), tuple(shown.get(row["id"], ())))


def _shown(unit: Unit, flavor_ids: Sequence[str]) -> dict[str, list[Shown]]:
    found: dict[str, list[Shown]] = {}
    for row in onboarding.newest_capabilities(unit, flavor_ids, Grade.VERIFIED) if flavor_ids else ():
        found.setdefault(row["flavor_id"], []).append(Shown(row["metric"], row["precision"], row["value"]))
    return found
