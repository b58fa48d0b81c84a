"""The OpenAPI document and the hub say the same: whatever is sent, no failure, and each answer is one that is declared.

Schemathesis makes calls of the document; each is made by some role with the hub's own things named in its path, so that
not all of them end at the door. A connector's calls are signed by a connector.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core import NotSet
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy.exc import SQLAlchemyError

from suanlian.rules.access import ACTIONS, Door, Rule
from tests.hub.test_access import api_routes, done, policies
from tests.hub.world import World

__all__ = ["done"]

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
)
ROLES = ("operator", "supervisor", "provider", "buyer", "nobody")
EXAMPLES = {"sqlite": 8, "postgresql": 20}
"""Of each operation: enough that each role and each kind of body comes, few enough for every run of the tests.

PostgreSQL refuses what SQLite takes, and is asked more; the calls of the one are the first of the other's.
"""

SETTLED = settings(
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True, slots=True)
class Doors:
    """How to get in: the world, and the rule of each operation."""

    world: World
    rules: Mapping[str, Rule]

    @classmethod
    def of(cls, world: World) -> "Doors":
        found = {
            f"{method} {route.path.replace(':path', '')}": ACTIONS[policies(route)[0].action]
            for route in api_routes(world.hub.app)
            for method in route.methods or ()
        }
        return cls(world, found)

    def roles(self, operation: str) -> st.SearchStrategy[str]:
        """Anybody, but more often somebody who may."""
        granted = [role.value for role in self.rules[operation].grants] or list(ROLES)
        return st.sampled_from(ROLES) | st.sampled_from(granted) | st.sampled_from(granted)

    def headers(self, operation: str, who: str, case: Any) -> dict[str, str]:  # noqa: ANN401 - a case of schemathesis
        """The key of somebody, or the signature of a connector over the body, which is then sent as it is."""
        if self.rules[operation].door is not Door.CONNECTOR:
            key = self.world.template.keys.get(who)
            return {} if key is None else {"Authorization": f"Bearer {key}"}
        case.body = b"" if isinstance(case.body, NotSet) else json.dumps(case.body).encode()
        return self.world.connector().signed(case.operation.path, case.body)


class Tried:
    """One operation, called again and again."""

    def __init__(self, doors: Doors, operation: Any, done: dict[str, Any], failures: list[str]) -> None:  # noqa: ANN401 - of schemathesis
        self.name = f"{operation.method.upper()} {operation.path}"
        self.doors, self.failures, self.answered = doors, failures, set[int]()
        ref = "wuhu-cluster" if "/platforms/" in operation.path else done["id"]
        self.known = {"ref": ref, "identifier": done["platform"], "index": 0, "number": 1, "site": "main", "path": "o"}

    def call(self, case: Any, who: str, *, real: bool) -> None:  # noqa: ANN401 - a case of schemathesis
        """Make one call and keep what is wrong with its answer."""
        for part in case.path_parameters or () if real else ():
            case.path_parameters[part] = self.known.get(part, case.path_parameters[part])
        try:
            answer = case.call(headers=self.doors.headers(self.name, who, case))
            self.answered.add(answer.status_code)
            case.validate_response(answer, checks=CHECKS)
        except (AssertionError, SQLAlchemyError, FailureGroup) as error:
            self.failures.append(f"{self.name} by {who}: {type(error).__name__} {str(error)[:2000]}")

    def calling(self) -> Callable[[Any, str, bool], None]:
        """As a function, which is what hypothesis takes."""

        def call(case: Any, who: str, real: bool) -> None:  # noqa: ANN401, FBT001 - as they are drawn
            self.call(case, who, real=real)

        return call


@pytest.mark.timeout(600)  # thousands of calls
def test_no_call_makes_the_hub_fail_and_no_answer_is_another_than_is_declared(
    world: World, done: dict[str, Any], engine: str
) -> None:
    world.clock.advance(11)
    world.hub.settle()
    doors, failures, answered = Doors.of(world), list[str](), set[int]()
    document = schemathesis.openapi.from_asgi("/openapi.json", world.hub.app)
    operations: list[Any] = [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]
    assert {f"{one.method.upper()} {one.path}" for one in operations} == set(doors.rules)
    for operation in operations:
        tried = Tried(doors, operation, done, failures)
        drawn = given(case=operation.as_strategy(), who=doors.roles(tried.name), real=st.booleans())
        drawn(seed(1)(settings(SETTLED, max_examples=EXAMPLES[engine])(tried.calling())))()
        answered |= tried.answered
    assert not failures, "\n\n".join(failures[:10])
    # the calls got somewhere: they were answered, refused for their content, for who made them, for what is not there
    assert answered >= {200, 401, 403, 404, 422}


def test_every_refusal_is_declared_as_a_problem(world: World) -> None:
    document = world.hub.http.get("/openapi.json").json()
    for operations in document["paths"].values():
        for operation in operations.values():
            assert set(operation["responses"]["4XX"]["content"]) == {"application/problem+json"}
            assert "422" not in operation["responses"]
    problem = world.person("nobody").get("/v1/me").json()
    assert set(document["components"]["schemas"]["Problem"]["properties"]) == set(problem)


@pytest.mark.parametrize("path", ["/v1/jobs/%00", "/v1/identifiers/%F0%9F%A6%8A", "/v1/jobs?limit=9" + "9" * 400])
def test_odd_addresses_are_refused_by_a_problem(world: World, path: str) -> None:
    answer = world.person("buyer").get(path)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
