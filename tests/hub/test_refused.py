"""Entities as nobody can mean them: each refused by its own code, and nothing is changed."""

from datetime import timedelta
from typing import Any

import pytest

from suanlian.rules.levels import today
from suanlian.testing.onboarding import example_code
from tests.hub.test_bad_input import refused
from tests.hub.world import World

GOOD = example_code("newcomer")
ANOTHER_END = GOOD[:-1] + ("0" if GOOD[-1] != "0" else "1")


def entity(**changes: object) -> dict[str, Any]:
    said = {"name": "newcomer", "title": "Newcomer", "kind": "provider", "region": "350200", "credit_code": GOOD}
    return {**said, **changes}


@pytest.mark.parametrize("code", [ANOTHER_END, GOOD[:-1], GOOD + "0", f"I{GOOD[1:]}"])
def test_a_credit_code_that_is_wrong_is_refused(world: World, code: str) -> None:
    person, before = world.person("operator"), world.hub.rows()
    refused(person.post("/v1/entities", entity(credit_code=code)), 422, "credit_code_invalid", "credit_code")
    assert world.hub.rows() == before
    assert person.post("/v1/entities", entity()).status_code == 200


def test_a_qualification_that_ran_out_is_not_checked(world: World) -> None:
    until = (today(world.clock()) - timedelta(days=1)).isoformat()
    licence = {"kind": "idc", "number": "A1", "issuer": "miit", "valid_until": until}
    world.ok("operator", "POST", "/v1/entities", entity(qualifications=[licence]))
    before = world.hub.rows()
    answer = world.person("operator").post("/v1/entities/newcomer/check", {"why": "seen"})
    refused(answer, 409, "qualification_expired")
    assert world.hub.rows() == before
