"""Who may do what, route by route; what others learn of a job: nothing."""

import base64
import hashlib
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from suanlian.api.deps import May
from suanlian.api.signed import Signed
from suanlian.model.job import JobState
from suanlian.model.party import Role
from suanlian.model.protocol import LogCall, OutputCall
from suanlian.rules.access import ACTIONS, Access, Door
from tests.hub.access_data import CONNECTORS, DATA, data_bodies
from tests.hub.world import World, job, offer, segment

SECRET = "swordfish"
WHO = ("operator", "supervisor", "provider", "provider2", "buyer", "buyer2", "nobody")
ALL = "200 200 200 200 200 200 401"
OPERATOR = "200 403 403 403 403 403 401"
WATCHERS = "200 200 403 403 403 403 401"
JOB = "200 200 403 403 200 404 401"
PLATFORM = "200 200 200 404 403 403 401"
PLATFORM_ACT = "200 403 200 404 403 403 401"
OWNER = "403 403 403 403 200 404 401"
BUYERS = "403 403 403 403 200 200 401"
OPEN = "200 200 200 200 200 200 200"
NOWHERE = "404 404 404 404 404 404 404"

TABLE = {
    "GET /healthz": OPEN,
    "GET /v1/node": OPEN,
    "GET /v1/identifiers/{identifier}": OPEN,
    "GET /v1/identifiers/{identifier}/resolution": ALL,
    "GET /v1/node/keys": OPEN,
    "GET /v1/identifiers/{identifier}/status": OPEN,
    "GET /v1/identifiers/{identifier}/descriptor": NOWHERE,
    "GET /v1/identifiers/{identifier}/descriptors": OPEN,
    "GET /v1/identifiers/{identifier}/descriptors/{version}": NOWHERE,
    "GET /v1/identifiers/{identifier}/history": OPEN,
    "POST /v1/identifiers/{identifier}/transfers": OPERATOR,
    "GET /v1/identifiers/{identifier}/transfers": "200 200 200 200 403 403 401",
    "POST /v1/transfers/{transfer}/second": "404 403 403 403 403 403 401",
    "POST /v1/transfers/{transfer}/accept": "403 403 404 404 403 403 401",
    "POST /v1/transfers/{transfer}/decline": "404 403 404 404 403 403 401",
    # nothing is frozen yet
    "POST /v1/identifiers/{identifier}/thaw": "409 403 403 403 403 403 401",
    "POST /v1/identifiers/{identifier}/revoke": "409 403 403 403 403 403 401",
    "POST /v1/identifiers/{identifier}/freeze": OPERATOR,
    "POST /v1/identifiers/{identifier}/move": OPERATOR,
    "GET /v1/duplicates": WATCHERS,
    "POST /v1/operators/claim": "403 403 403 403 403 403 403",
    "GET /v1/me": ALL,
    "POST /v1/entities": OPERATOR,
    "GET /v1/entities": WATCHERS,
    "GET /v1/entities/{ref}": "200 200 200 404 404 404 401",
    "POST /v1/entities/{ref}/change": "200 403 200 404 404 404 401",
    "POST /v1/entities/{ref}/check": OPERATOR,
    "POST /v1/operators/invite": OPERATOR,
    "POST /v1/principals": OPERATOR,
    "POST /v1/sessions": "404 404 404 404 404 404 404",
    "POST /v1/sessions/redeem": "404 404 404 404 404 404 404",
    "GET /v1/sign-in": "404 404 404 404 404 404 404",
    "GET /v1/sign-in/callback": "404 404 404 404 404 404 404",
    "GET /v1/me/identities": ALL,
    "POST /v1/me/erase": "403 403 422 422 422 422 401",
    "POST /v1/me/identities": "404 404 404 404 404 404 401",
    "POST /v1/invitations": "403 403 200 200 200 200 401",
    "GET /v1/keys": ALL,
    "POST /v1/keys": ALL,
    "POST /v1/keys/{prefix}/revoke": "404 404 404 404 404 404 401",
    "POST /v1/platforms": "403 403 200 200 403 403 401",
    "GET /v1/platforms": ALL,
    "GET /v1/platforms/{ref}": ALL,
    "GET /v1/platforms/{ref}/onboarding": PLATFORM,
    "POST /v1/platforms/{ref}/connectors": PLATFORM_ACT,
    "POST /v1/platforms/{ref}/tokens": "403 403 200 404 403 403 401",
    "POST /v1/platforms/{ref}/check-documents": "409 403 403 403 403 403 401",
    "POST /v1/platforms/{ref}/go-live": "409 403 403 403 403 403 401",
    "POST /v1/platforms/{ref}/lift": "409 403 403 403 403 403 401",
    # before the acts below: where nothing may be placed no probe is
    "POST /v1/platforms/{ref}/conformance": "200 403 200 404 403 403 401",
    "POST /v1/platforms/{ref}/suspend": OPERATOR,
    "POST /v1/platforms/{ref}/drain": OPERATOR,
    "POST /v1/platforms/{ref}/undrain": OPERATOR,
    "GET /v1/platforms/{ref}/drain": ALL,
    "POST /v1/platforms/{ref}/freeze": OPERATOR,
    "POST /v1/platforms/{ref}/rectify": OPERATOR,
    "GET /v1/proposals": WATCHERS,
    "POST /v1/proposals/{ref}/confirm": "404 403 403 403 403 403 401",
    "POST /v1/proposals/{ref}/decline": "404 403 403 403 403 403 401",
    "GET /v1/platforms/{ref}/connectors": PLATFORM,
    "GET /v1/platforms/{ref}/attempts": PLATFORM,
    "POST /v1/platforms/{ref}/connectors/{connector}/recovery": "403 403 200 404 403 403 401",
    "GET /v1/platforms/{ref}/conformance": PLATFORM,
    "POST /v1/platforms/{ref}/sites/{site}/checks": OPERATOR,
    "GET /v1/platforms/{ref}/checks": ALL,
    "POST /v1/platforms/{ref}/offers": "403 403 200 404 403 403 401",
    "GET /v1/sites": ALL,
    "GET /v1/flavors": ALL,
    "GET /v1/shares": ALL,
    "GET /v1/offers": ALL,
    "GET /v1/storages": ALL,
    **DATA,
    "GET /v1/states": ALL,
    **dict.fromkeys(("GET /v1/links", "GET /v1/links/classes", "GET /v1/paths"), ALL),
    "POST /v1/links": "403 403 200 200 403 403 401",
    "POST /v1/links/{name}/withdraw": "404 403 404 404 403 403 401",
    "GET /v1/links/reservations": "200 200 200 200 200 200 401",
    "POST /v1/links/reservations": "403 403 403 403 404 404 401",
    "POST /v1/links/reservations/{reservation}/give-back": "403 403 403 403 404 404 401",
    "GET /v1/capacity": ALL,
    "GET /v1/capabilities": ALL,
    "GET /v1/platforms/{ref}/supply": PLATFORM,
    "POST /v1/supply/checks/{check_id}/reply": "403 403 404 404 403 403 401",
    "GET /v1/supply/periods/{number}": "404 404 404 404 404 404 401",
    "GET /v1/platforms/{ref}/verifications": PLATFORM,
    "POST /v1/platforms/{ref}/verifications": "409 403 409 404 403 403 401",
    "POST /v1/objects": BUYERS,
    "GET /v1/secrets": BUYERS,
    "PUT /v1/secrets/{name}": BUYERS,
    "DELETE /v1/secrets/{name}": "403 403 403 403 204 204 401",
    "POST /v1/jobs": BUYERS,
    "POST /v1/jobs:batch": BUYERS,
    "POST /v1/jobs:estimate": BUYERS,
    "POST /v1/jobs:plan": BUYERS,
    "GET /v1/jobs": "200 200 403 403 200 200 401",
    "GET /v1/jobs/{ref}": JOB,
    "GET /v1/jobs/{ref}/tasks": JOB,
    "GET /v1/jobs/{ref}/explanation": JOB,
    "GET /v1/jobs/{ref}/usage": JOB,
    "GET /v1/jobs/{ref}/charges": JOB,
    "POST /v1/jobs/{ref}/cancel": "409 403 403 403 409 404 401",
    "POST /v1/jobs/{ref}/move": "409 403 403 403 409 404 401",
    "POST /v1/jobs/{ref}/pause": "409 403 403 403 409 404 401",
    "POST /v1/jobs/{ref}/resume": "409 403 403 403 409 404 401",
    "POST /v1/jobs/{ref}/corrections": "204 403 403 403 403 403 401",
    "GET /v1/jobs/{ref}/log": OWNER,
    "GET /v1/jobs/{ref}/outputs": OWNER,
    "GET /v1/jobs/{ref}/outputs/{index}/{path:path}": OWNER,
    "GET /v1/charges": "200 200 403 403 200 200 401",
    "GET /v1/supervision/report": WATCHERS,
    "POST /v1/supervision/report/send": OPERATOR,
    "GET /v1/supervision/reports": WATCHERS,
    "GET /v1/market": WATCHERS,
    "GET /v1/market/policy": ALL,
    "GET /v1/market/policy/versions": ALL,
    "POST /v1/market/policy": OPERATOR,
    "GET /v1/events": WATCHERS,
    "GET /v1/audit/head": WATCHERS,
    "GET /v1/audit/proofs/{number}": WATCHERS,
    "POST /v1/platforms/{ref}/withdraw": PLATFORM_ACT,
    "POST /v1/entities/{ref}/refuse": OPERATOR,
    "GET /ga4gh/tes/v1/service-info": OPEN,
    "GET /ga4gh/tes/v1/images": ALL,
    # no platform's software stands for any image
    "POST /ga4gh/tes/v1/tasks": "403 403 403 403 400 400 401",
    "GET /ga4gh/tes/v1/tasks": BUYERS,
    # the job is no task
    "GET /ga4gh/tes/v1/tasks/{ref}": "403 403 403 403 404 404 401",
    "POST /ga4gh/tes/v1/tasks/{ref}:cancel": "403 403 403 403 404 404 401",
    **CONNECTORS,
}
"""Each route's status for each of WHO; the platform is the provider's, the job the buyer's."""

LINE = {"start": "wuhu-cluster/main", "end": "suzhou-cloud/main", "capacity_mbps": "1000"}
SITE_CHECK = {"grade": 3, "region": "340200", "number": "1", "valid_until": "2099-12-31", "why": "seen"}


MORE = {"version": 1, "transfer": "x", "connector": "c1", "number": 1, "check_id": "x", "reservation": "x"}
MORE |= {"replica": "x", "grant": "x", "page": 0, "object_id": "x", "access_id": "x"}


def api_routes(app: FastAPI) -> list[APIRoute]:
    """Every route of the application, those of the included routers too."""
    listed: list[Any] = list(app.routes)
    found: list[APIRoute] = []
    for entry in listed:
        inner = getattr(entry, "original_router", None)
        found += [route for route in ([entry] if inner is None else inner.routes) if isinstance(route, APIRoute)]
    return found


def policies(route: APIRoute) -> list[May | Signed]:
    return [d.call for d in route.dependant.dependencies if isinstance(d.call, May | Signed)]


@pytest.fixture
def done(world: World) -> dict[str, Any]:
    """A job of the buyer that ran on the provider's platform; whatever its owner alone may read says SECRET."""
    variant = {"architecture": "x86_64", "environment": "python", "command": ["echo", SECRET]}
    text = base64.b64encode(SECRET.encode()).decode()
    made, told = world.at(
        "wuhu-cluster",
        variants=[variant],
        env={"KEY": SECRET},
        inputs=[{"path": "a", "content": SECRET}],
        outputs=["o"],
    )
    connector, started = world.connector(), world.clock()
    connector.report(told, JobState.RUNNING, started_at=started)
    attempt, token = told.attempt_id, told.token
    connector.client.log(LogCall(attempt_id=attempt, token=token, stream="stdout", offset=0, data=text))
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    connector.client.output(OutputCall(attempt_id=attempt, token=token, path="o", sha256=digest, data=text))
    world.clock.advance(36)
    connector.use(segment(told, started, 36))
    connector.report(told, JobState.COMPLETE, started_at=started)
    world.hub.settle()
    platform = world.ok("buyer", "GET", "/v1/platforms/wuhu-cluster")["public_id"]
    dataset = world.ok("buyer", "POST", "/v1/datasets", {"name": "private"})["id"]
    world.ok("buyer", "POST", f"/v1/datasets/{dataset}/versions", {})
    return {**made, "attempt": told.attempt_id, "platform": platform, "dataset": dataset}


DECIDED = (
    *(
        f"/v1/platforms/{{ref}}/{act}"
        for act in ("check-documents", "go-live", "suspend", "lift", "freeze", "withdraw")
    ),
    *(f"/v1/proposals/{{ref}}/{act}" for act in ("confirm", "decline")),
    *(f"/v1/entities/{{ref}}/{act}" for act in ("check", "refuse")),
)


def ref_of(path: str, done: dict[str, Any]) -> str:
    if path.startswith("/v1/datasets/"):
        return str(done["dataset"])
    return "wuhu-cluster" if "/platforms/" in path else "wuhu" if "/entities/" in path else str(done["id"])


def call(world: World, who: str, route: str, done: dict[str, Any]) -> int:
    method, path = route.split(" ")
    names = {"identifier": done["platform"], "prefix": "aaaaaaaa", "index": 0, "site": "main", "name": "db", **MORE}
    filled = path.replace("{path:path}", "o").format(ref=ref_of(path, done), **names)
    body: Any = {
        "/v1/operators/claim": {"link": "ot_x", "name": "x"},
        "/v1/entities": {"name": f"new-{who}"},
        "/v1/keys": {"scopes": ["read"]},
        "/v1/sessions": {"id_token": "x"},
        "/v1/supply/checks/{check_id}/reply": {"text": "x"},
        "/v1/sessions/redeem": {"handle": "x", "verifier": "x" * 43},
        "/v1/me/identities": {"id_token": "x"},
        "/v1/me/erase": {"name": "somebody-else"},
        "/v1/invitations": {"role": "provider" if who.startswith("provider") else "buyer"},
        "/v1/principals": {"name": f"new-{who}", "role": "buyer", "entity": "lab"},
        "/v1/platforms": {"name": f"new-{who}"},
        "/v1/links": {"name": f"line-{who}", **LINE},
        "/v1/links/reservations": {"link": "db", "start": "2026-03-02T00:00Z", "end": "2026-03-03T00:00Z", "mbps": "1"},
        "/v1/market/policy": {"fair_s": 100, "why": "test"},
        "/v1/platforms/{ref}/conformance": {},
        "/v1/operators/invite": {"name": "op3", "why": "test"},
        "/v1/entities/{ref}/change": {"contacts": []},
        "/v1/platforms/{ref}/connectors": {"connectors": [{"name": "c1"}]},
        "/v1/platforms/{ref}/tokens": {},
        **{f"/v1/platforms/{{ref}}/{act}": {} for act in ("drain", "undrain")},
        **{f"/v1/jobs/{{ref}}/{act}": {} for act in ("move", "pause", "resume")},
        "/v1/platforms/{ref}/rectify": {"why": "test", "mend": "test"},
        **{path: {"why": "test"} for path in DECIDED},
        "/v1/platforms/{ref}/sites/{site}/checks": SITE_CHECK,
        "/v1/platforms/{ref}/offers": offer("0.2").model_dump(mode="json"),
        "/v1/secrets/{name}": {"value": "a-long-enough-value"},
        "/v1/identifiers/{identifier}/transfers": {"to": "suzhou", "why": "sold"},
        "/v1/identifiers/{identifier}/freeze": {"why": "test"},
        "/v1/identifiers/{identifier}/thaw": {"why": "test"},
        "/v1/identifiers/{identifier}/revoke": {"why": "test"},
        "/v1/identifiers/{identifier}/move": {"why": "test", "to": done["public_id"]},
        **data_bodies(who),
        "/v1/jobs": job(),
        "/ga4gh/tes/v1/tasks": {"executors": [{"image": "alpine", "command": ["true"]}]},
        "/v1/jobs:batch": {"jobs": [job()]},
        "/v1/jobs:estimate": job(),
        "/v1/jobs:plan": job(),
        "/v1/jobs/{ref}/corrections": {
            "attempt_id": done["attempt"],
            "sequence": 0,
            "corrected_s": "-1",
            "reason": "test",
        },
    }.get(path)
    person = world.person(who)
    filled += f"?start={LINE['start']}&end={LINE['end']}" if path == "/v1/paths" else ""
    if path == "/v1/objects":
        sha256 = hashlib.sha256(b"x").hexdigest()
        return person.post(f"{filled}?sha256={sha256}", content=b"x").status_code
    return person.send(method, filled, None if method in ("GET", "DELETE") else body).status_code


def test_every_route_names_an_action_and_every_action_is_a_routes(world: World) -> None:
    named: list[str] = []
    for route in api_routes(world.hub.app):
        found = policies(route)
        assert len(found) == 1, f"{route.path} has {len(found)} policies"
        action = found[0].action
        is_signed = ACTIONS[action].door is Door.CONNECTOR
        assert isinstance(found[0], Signed) == is_signed, route.path
        assert (
            ACTIONS[action].reads == ("GET" in (route.methods or ()))
            or route.path
            in (
                "/v1/jobs:estimate",
                "/v1/jobs:plan",
                "/connector/v1/poll",
                "/connector/v1/data/poll",
                "/connector/v1/objects",
                "/connector/v1/lent",
                "/connector/v1/lent-log",
                "/connector/v1/lent-output",
            )
            or route.path.startswith("/v1/sign-in")
        )  # a browser only follows
        named.append(action)
    assert len(set(named)) == len(named)
    # decided in the middle of the route that resolves
    assert set(ACTIONS) - set(named) == {"identifier.resolve-job", "identifier.history-why"}


def test_the_table_has_a_row_for_every_route(world: World) -> None:
    routes = {f"{method} {route.path}" for route in api_routes(world.hub.app) for method in route.methods or ()}
    assert routes == set(TABLE)


def test_each_role_at_each_route(world: World, done: dict[str, Any]) -> None:
    found = {route: " ".join(str(call(world, who, route, done)) for who in WHO) for route in TABLE}
    wrong = {route: (found[route], wanted) for route, wanted in TABLE.items() if found[route] != wanted}
    assert not wrong


GRANTED = {"operator": Role.OPERATOR, "supervisor": Role.SUPERVISOR, "provider": Role.PROVIDER, "buyer": Role.BUYER}
FOREIGN_TO = {"provider2": Role.PROVIDER, "buyer2": Role.BUYER}


def test_the_table_says_what_the_policy_says(world: World) -> None:
    """Role x action x relation of ``rules/access.py``, held against the expected statuses above."""
    for route in api_routes(world.hub.app):
        rule = ACTIONS[policies(route)[0].action]
        for method in route.methods or ():
            row = dict(zip(WHO, TABLE[f"{method} {route.path}"].split(), strict=True))
            if rule.door is not Door.KEY:
                continue
            assert row["nobody"] == "401", route.path
            for who, role in GRANTED.items():
                denied = rule.grants.get(role, Access.DENIED) is Access.DENIED
                assert (row[who] == "403") == denied, (route.path, who)
            for who, role in FOREIGN_TO.items():
                access = rule.grants.get(role, Access.DENIED)
                assert (row[who] == "403") == (access is Access.DENIED), (route.path, who)
                if access is Access.OWN and "{ref}" in route.path:
                    assert row[who] == "404", (route.path, who)


def test_a_job_is_resolved_only_for_who_may_see_it(world: World, done: dict[str, Any]) -> None:
    path = f"/v1/identifiers/{done['public_id']}"
    assert [world.person(who).get(path).status_code for who in WHO] == [200, 200, 404, 404, 200, 404, 404]


def test_a_provider_of_the_buyers_own_entity_is_no_buyer(world: World, done: dict[str, Any]) -> None:
    new = {"name": "rent", "role": "provider", "entity": "lab"}
    key = world.ok("operator", "POST", "/v1/principals", new)["key"]
    person = world.hub.person(key)
    assert person.get(f"/v1/identifiers/{done['public_id']}").status_code == 404
    assert person.get(f"/v1/jobs/{done['id']}").status_code == 403


FOREIGN = ("", "/tasks", "/explanation", "/usage", "/charges", "/log", "/outputs", "/outputs/0/o")


def test_a_foreign_job_answers_as_one_that_is_not_there(world: World, done: dict[str, Any]) -> None:
    absent = "01990000-0000-7000-8000-000000000000"
    person = world.person("buyer2")
    for foreign in (done["id"], done["public_id"]):
        for tail in FOREIGN:
            there, nowhere = person.get(f"/v1/jobs/{foreign}{tail}"), person.get(f"/v1/jobs/{absent}{tail}")
            assert there.status_code == nowhere.status_code == 404
            assert there.text.replace(foreign, "X") == nowhere.text.replace(absent, "X"), tail
        there, nowhere = person.post(f"/v1/jobs/{foreign}/cancel"), person.post(f"/v1/jobs/{absent}/cancel")
        assert there.status_code == 404
        assert there.text.replace(foreign, "X") == nowhere.text.replace(absent, "X")


def everything(world: World, who: str) -> dict[str, str]:
    """All that somebody can read without knowing an id of another's, in the words of the hub."""
    person = world.person(who)
    paths = [route.removeprefix("GET ") for route in TABLE if route.startswith("GET ") and "{" not in route]
    seen = {path: person.get(path).text for path in paths}
    estimate = person.post("/v1/jobs:estimate", job(name="mine"))
    seen["estimate"] = estimate.text.replace(estimate.json()["at"], "NOW")
    seen["platform"] = person.get("/v1/platforms/wuhu-cluster").text
    seen["attempts"] = person.get("/v1/platforms/wuhu-cluster/attempts").text
    seen["name"] = person.get("/v1/jobs", name="secret-plan").text
    seen["cursor"] = person.get("/v1/jobs", cursor="ffffffff").text
    seen["object"] = person.post("/v1/jobs", job(inputs=[{"path": "a", "object": True, "sha256": "0" * 64}])).text
    return seen


def test_what_a_buyer_does_changes_nothing_of_what_another_reads(world: World) -> None:
    """Held against each other before, and after a job of another buyer ran here: not a count, price or name differs."""
    before = everything(world, "buyer2")
    made, told = world.at("wuhu-cluster", name="secret-plan")
    connector, started = world.connector(), world.clock()
    connector.report(told, JobState.RUNNING, started_at=started)
    assert made["id"] not in str(everything(world, "buyer2"))
    assert "secret-plan" not in str(everything(world, "buyer2"))
    world.clock.advance(36)
    connector.use(segment(told, started, 36))
    connector.report(told, JobState.COMPLETE, started_at=started)
    world.hub.settle()
    world.clock.advance(5)
    after = everything(world, "buyer2")
    assert {path: text for path, text in after.items() if text != before[path]} == {}


def test_only_capacity_tells_that_another_job_runs_and_not_whose(world: World) -> None:
    before = everything(world, "buyer2")
    _made, told = world.at("wuhu-cluster", name="secret-plan")
    world.connector().report(told, JobState.RUNNING, started_at=world.clock())
    world.clock.advance(5)
    now = everything(world, "buyer2")
    assert {path for path in now if now[path] != before[path]} <= {"/v1/capacity", "estimate"}
    assert world.template.keys["buyer"] not in str(now)
    assert "lab" not in now["/v1/capacity"] + now["estimate"]


def test_an_id_of_anothers_job_as_a_cursor_or_name_tells_nothing(world: World, done: dict[str, Any]) -> None:
    person = world.person("buyer2")
    absent = "01990000-0000-7000-8000-000000000000"
    for name in ("cursor", "name"):
        assert person.get("/v1/jobs", **{name: done["id"]}).text == person.get("/v1/jobs", **{name: absent}).text
    for path in ("/v1/identifiers/{}", "/v1/keys/{}/revoke"):
        send = person.get if "identifiers" in path else person.post
        there, nowhere = send(path.format(done["public_id"])), send(path.format(done["public_id"][:-1] + "0"))
        assert there.status_code in (404, 422)
        assert nowhere.status_code in (404, 422)


def test_anothers_key_is_as_one_that_is_not_there(world: World) -> None:
    prefix = world.template.keys["buyer"].split("_")[1]
    foreign, absent = world.person("buyer2").post(f"/v1/keys/{prefix}/revoke"), "aaaaaaaa"
    nowhere = world.person("buyer2").post(f"/v1/keys/{absent}/revoke")
    assert foreign.status_code == nowhere.status_code == 404
    assert foreign.text.replace(prefix, "X") == nowhere.text.replace(absent, "X")
    assert world.person("buyer").get("/v1/me").status_code == 200
    assert world.person("operator").post(f"/v1/keys/{prefix}/revoke").status_code == 204


def test_lists_hold_nothing_of_another_buyer(world: World, done: dict[str, Any]) -> None:
    person = world.person("buyer2")
    for path in ("/v1/jobs", f"/v1/jobs?name={done['name']}", "/v1/jobs?state=COMPLETE", "/v1/charges"):
        assert person.get(path).json() == {"items": [], "next": None}
    assert len(world.person("buyer").get("/v1/jobs").json()["items"]) == 1
    assert len(world.person("buyer").get("/v1/charges").json()["items"]) == 1


def test_only_its_owner_ever_reads_what_a_job_is(world: World, done: dict[str, Any]) -> None:
    owner = world.person("buyer")
    assert SECRET in owner.get(f"/v1/jobs/{done['id']}").text
    assert owner.get(f"/v1/jobs/{done['id']}/log").text == SECRET
    assert owner.get(f"/v1/jobs/{done['id']}/outputs/0/o").text == SECRET
    paths = [route.removeprefix("GET ") for route in TABLE if route.startswith("GET ")]
    for who in ("operator", "supervisor", "provider", "buyer2", "nobody"):
        for path in paths:
            named = {"ref": ref_of(path, done), "identifier": done["public_id"], "index": 0, **MORE}
            filled = path.replace("{path:path}", "o").format(**named)
            shown = world.person(who).get(filled).text
            assert SECRET not in shown, (who, filled)


def test_the_supervisor_sees_the_metadata_of_all(world: World, done: dict[str, Any]) -> None:
    seen = world.job(done["id"], "supervisor")
    assert seen["spec"] is None
    assert seen["tally"] == {"COMPLETE": 1}
    assert world.ok("supervisor", "GET", f"/v1/jobs/{done['id']}/charges")["items"]
    assert world.ok("operator", "POST", f"/v1/jobs/{world.submit()['id']}/cancel")["spec"] is None


def test_another_platforms_connector_gets_nothing_of_the_attempt(world: World, done: dict[str, Any]) -> None:
    assert done["attempt"] not in world.connector("suzhou-cloud").poll().model_dump_json()
