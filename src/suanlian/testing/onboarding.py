"""Letting entities and platforms in where a test is about something else; what is not real here is said aloud."""

import hashlib
import json
from typing import Final

from sqlalchemy import insert

from suanlian.model.ids import new_id
from suanlian.model.performance import Grade
from suanlian.rules.claims import verifiable
from suanlian.rules.entities import ALPHABET, check_character
from suanlian.store import platforms
from suanlian.store import tables as t
from suanlian.store.gates import connector_facts
from suanlian.store.unit import Row, Unit

_ORGANISATION: Final = 9
REGION: Final = "310000"


def example_code(name: str, region: str = REGION) -> str:
    """A well-formed credit code that belongs to nobody we know, the same for the same name."""
    digest = hashlib.sha256(name.encode()).digest()[:_ORGANISATION]
    first = f"91{region}" + "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest)
    return first + check_character(first)


def entity_fields(name: str, kind: str = "both") -> dict[str, str]:
    """What an entity must say to be checked."""
    return {"name": name, "title": f"{name} Ltd", "kind": kind, "credit_code": example_code(name), "region": REGION}


def write_gate_rows(unit: Unit, platform: str) -> None:
    """NOT REAL: writes that every connector of the platform passed conformance and every claim was verified.

    No check is run and nothing is measured: the rows say what a run and a verification would have said, so that tests
    of other things need not wait for them. Tests of conformance and verification never call this.
    """
    row = platforms.find(unit, platform)
    if row is None:
        raise LookupError(platform)
    flavors = {r["name"]: r["id"] for r in _current_flavors(unit, row)}
    for facts in connector_facts(unit, row):
        if not facts.enrolled:
            continue
        run = {"id": new_id(), "platform_id": row["id"], "connector_id": facts.id, "asked_by": "testing"}
        times = {"asked_at": unit.now, "started_at": unit.now, "ended_at": unit.now}
        unit.connection.execute(insert(t.conformance_run).values(**run, **times, passed=True, report="{}"))
        for claim in (claim for one in facts.flavors for claim in verifiable(one.flavor)):
            figure = {
                "id": new_id(),
                "platform_id": row["id"],
                "flavor_id": flavors[claim.flavor],
                "metric": claim.metric,
                "precision": claim.precision.value,
                "grade": Grade.VERIFIED.value,
                "value": claim.value,
                "unit": "T/s",
                "held": True,
                "evidence": json.dumps({"real": False}),
                "source": "testing",
                "at": unit.now,
            }
            unit.connection.execute(insert(t.capability).values(**figure))


def _current_flavors(unit: Unit, platform: Row) -> list[Row]:
    query = t.published.select().where(t.published.c.platform_id == platform["id"], t.published.c.subject == "flavor")
    return list(unit.connection.execute(query).mappings().all())
