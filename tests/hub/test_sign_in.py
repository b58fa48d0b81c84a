"""Who gets in by an identity provider, as whom, and which tokens and sign-ins open nothing, each by its own code.

The provider is a small one of our own with real signatures; ``tests/engines`` holds the same against a real one.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from suanlian.testing.hub import InProcessHub, Person
from suanlian.testing.oidc_provider import TestProvider
from tests.hub.test_bad_input import refused
from tests.hub.world import World, job

RETURN = "http://127.0.0.1:7777/done"


@pytest.fixture
def provider(world: World) -> Iterator[TestProvider]:
    with TestProvider(world.clock) as running:
        yield running


@pytest.fixture
def hub(world: World, provider: TestProvider) -> Iterator[InProcessHub]:
    more = {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": "hub",
        "oidc_return_origins": ("https://console.example",),
    }
    with InProcessHub(world.hub.settings.model_copy(update=more), clock=world.clock) as running:
        yield running


def enter(hub: InProcessHub, token: str, **more: object) -> Any:  # noqa: ANN401 - a response
    return hub.person().post("/v1/sessions", {"id_token": token, **more})


def session(hub: InProcessHub, token: str, **more: object) -> Person:
    answer = enter(hub, token, **more)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return hub.person(answer.json()["key"])


def test_the_first_sign_in_makes_a_person_with_an_account_and_the_next_is_the_same_one(
    hub: InProcessHub, provider: TestProvider
) -> None:
    first = session(hub, provider.id_token())
    me = first.get("/v1/me").json()
    assert me["role"] == "buyer"
    assert me["key"]["session"] is True
    assert me["entity"].startswith("person-")
    before = hub.rows()
    assert session(hub, provider.id_token()).get("/v1/me").json()["id"] == me["id"]
    after = hub.rows()
    assert {name for name in after if after[name] != before[name]} == {"api_key", "event"}
    provider.subject = "u2"
    assert session(hub, provider.id_token()).get("/v1/me").json()["account_id"] != me["account_id"]
    assert first.get("/v1/jobs").json()["items"] == []


def test_nothing_personal_enters_the_journal(world: World, hub: InProcessHub, provider: TestProvider) -> None:
    token = provider.id_token()
    session(hub, token)
    events = hub.person(world.template.keys["operator"]).get("/v1/events", limit=200).text
    assert "identity.linked" in events
    for secret in (token, provider.name, provider.subject + '"', "Ling"):
        assert secret not in events


def test_a_session_is_short(world: World, hub: InProcessHub, provider: TestProvider) -> None:
    person = session(hub, provider.id_token())
    world.clock.advance(3599)
    assert person.get("/v1/me").status_code == 200
    world.clock.advance(1)
    refused(person.get("/v1/me"), 401, "unauthenticated")


LIES: list[tuple[dict[str, Any], str]] = [
    ({"iss": "https://other.example"}, "token_issuer"),
    ({"aud": "another-app"}, "token_audience"),
    ({"exp": 1}, "token_expired"),
    ({"nbf": 9_999_999_999}, "token_not_yet"),
    ({"sub": None}, "token_malformed"),
]


@pytest.mark.parametrize(("claims", "code"), LIES, ids=[code for _claims, code in LIES])
def test_a_token_with_a_wrong_claim_opens_nothing(
    hub: InProcessHub, provider: TestProvider, claims: dict[str, Any], code: str
) -> None:
    before = hub.rows()
    refused(enter(hub, provider.id_token(**claims)), 401, code)
    assert hub.rows() == before


def test_forged_unsigned_and_replayed_tokens_open_nothing(hub: InProcessHub, provider: TestProvider) -> None:
    token = provider.id_token()
    head, body, _signature = token.split(".")
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    before = hub.rows()
    refused(enter(hub, f"{unsigned}.{body}."), 401, "token_unsigned")
    refused(enter(hub, f"{head}.{body}.{'A' * 86}"), 401, "token_signature")
    refused(enter(hub, "a.b.c"), 401, "token_malformed")
    refused(enter(hub, ""), 422, "field_invalid", "id_token")
    with TestProvider() as other:
        other.issuer = provider.issuer
        refused(enter(hub, other.id_token()), 401, "token_key_unknown")
    assert hub.rows() == before
    session(hub, token)
    before = hub.rows()
    refused(enter(hub, token), 401, "token_replayed")
    assert hub.rows() == before


def test_a_token_is_remembered_as_long_as_it_is_good(world: World, hub: InProcessHub, provider: TestProvider) -> None:
    token = provider.id_token()
    session(hub, token)
    world.clock.advance(359)
    hub.settle()
    refused(enter(hub, token), 401, "token_replayed")
    world.clock.advance(2)
    refused(enter(hub, token), 401, "token_expired")


def test_keys_are_asked_anew_when_the_provider_changed_them_and_seldom_otherwise(
    world: World, hub: InProcessHub, provider: TestProvider
) -> None:
    session(hub, provider.id_token())
    assert provider.asked["/keys"] == 1
    with TestProvider() as other:
        other.issuer = provider.issuer
        for _ in range(5):
            refused(enter(hub, other.id_token()), 401, "token_key_unknown")
        assert provider.asked["/keys"] == 1
        world.clock.advance(61)
        for _ in range(5):
            refused(enter(hub, other.id_token(iat=int(world.clock().timestamp()))), 401, "token_key_unknown")
        assert provider.asked["/keys"] == 2
    provider.rotate()
    world.clock.advance(61)
    session(hub, provider.id_token())
    assert provider.asked["/keys"] == 3


def test_while_the_provider_is_down_known_keys_go_on_and_it_is_not_pressed(
    world: World, hub: InProcessHub, provider: TestProvider
) -> None:
    provider.down = True
    refused(enter(hub, provider.id_token()), 503, "provider_unavailable")
    refused(enter(hub, provider.id_token()), 503, "provider_unavailable")
    assert provider.asked["/.well-known/openid-configuration"] == 1
    provider.down = False
    world.clock.advance(11)
    session(hub, provider.id_token())
    provider.down = True
    world.clock.advance(3601)
    session(hub, provider.id_token())


def test_a_provider_that_calls_itself_otherwise_is_not_used(hub: InProcessHub, provider: TestProvider) -> None:
    token = provider.id_token()
    provider.issuer = "https://other.example"
    refused(enter(hub, token), 503, "provider_unavailable")


def test_without_a_provider_nobody_signs_in(world: World) -> None:
    refused(world.hub.person().post("/v1/sessions", {"id_token": "x"}), 404, "sign_in_not_offered")
    refused(world.hub.person().get("/v1/sign-in"), 404, "sign_in_not_offered")
    assert world.ok("nobody", "GET", "/v1/node")["sign_in"] is None


def test_a_hub_tells_where_one_signs_in(hub: InProcessHub, provider: TestProvider) -> None:
    assert hub.person().get("/v1/node").json()["sign_in"] == {"issuer": provider.issuer, "client_id": "hub"}


def test_a_closed_hub_lets_in_only_who_was_invited(world: World, provider: TestProvider) -> None:
    more = {"oidc_issuer": provider.issuer, "oidc_client_id": "hub", "oidc_sign_up": False}
    with InProcessHub(world.hub.settings.model_copy(update=more), clock=world.clock) as closed:
        before = closed.rows()
        refused(enter(closed, provider.id_token()), 403, "sign_up_closed")
        assert closed.rows() == before
        link = closed.person(world.template.keys["buyer"]).post("/v1/invitations", {"role": "buyer"}).json()["link"]
        assert session(closed, provider.id_token(), invitation=link).get("/v1/me").json()["entity"] == "lab"


# ---------------------------------------------------------------- colleagues


def test_a_colleague_comes_in_by_an_invitation_and_shares_the_account(
    world: World, hub: InProcessHub, provider: TestProvider
) -> None:
    owner = hub.person(world.template.keys["buyer"])
    link = owner.post("/v1/invitations", {"role": "buyer"}).json()["link"]
    made = owner.post("/v1/jobs", job()).json()
    colleague = session(hub, provider.id_token(), invitation=link)
    assert colleague.get(f"/v1/jobs/{made['id']}").status_code == 200
    provider.subject = "u2"
    before = hub.rows()
    refused(enter(hub, provider.id_token(), invitation=link), 403, "invitation_invalid")
    refused(enter(hub, provider.id_token(), invitation=link[:-2] + "AA"), 403, "invitation_invalid")
    refused(enter(hub, provider.id_token(), invitation="x"), 403, "invitation_invalid")
    assert hub.rows() == before
    provider.subject = "u1"
    other = owner.post("/v1/invitations", {"role": "buyer"}).json()["link"]
    refused(enter(hub, provider.id_token(), invitation=other), 409, "identity_taken")


def test_an_invitation_ends_and_gives_no_other_role(world: World, hub: InProcessHub, provider: TestProvider) -> None:
    owner = hub.person(world.template.keys["buyer"])
    for role in ("operator", "supervisor", "provider"):
        refused(owner.post("/v1/invitations", {"role": role}), 403, "forbidden")
    refused(hub.person(world.template.keys["operator"]).post("/v1/invitations", {"role": "operator"}), 403, "forbidden")
    refused(session(hub, provider.id_token()).post("/v1/invitations", {"role": "buyer"}), 403, "forbidden")
    provider.subject = "u2"
    link = owner.post("/v1/invitations", {"role": "buyer", "valid_days": 1}).json()["link"]
    assert link not in hub.person(world.template.keys["operator"]).get("/v1/events", limit=200).text
    world.clock.advance(24 * 3600)
    refused(enter(hub, provider.id_token(), invitation=link), 403, "invitation_invalid")


def test_a_principal_links_an_account_of_the_provider_once(
    world: World, hub: InProcessHub, provider: TestProvider
) -> None:
    buyer = hub.person(world.template.keys["buyer"])
    assert buyer.post("/v1/me/identities", {"id_token": provider.id_token()}).status_code == 204
    assert session(hub, provider.id_token()).get("/v1/me").json()["name"] == "buyer"
    assert [one["issuer"] for one in buyer.get("/v1/me/identities").json()["items"]] == [provider.issuer]
    other = hub.person(world.template.keys["buyer2"])
    refused(other.post("/v1/me/identities", {"id_token": provider.id_token()}), 409, "identity_taken")
    assert other.get("/v1/me/identities").json()["items"] == []


# ---------------------------------------------------------------- by browser


def start(hub: InProcessHub, provider: TestProvider, **asked: str) -> tuple[str, dict[str, str]]:
    """Begin in a browser and let the provider send it back: the path of the callback, and the cookie."""
    answer = hub.http.get("/v1/sign-in", params=asked, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    cookie = {"suanlian-sign-in": answer.cookies["suanlian-sign-in"]}
    hub.http.cookies.clear()
    asks = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert asks["code_challenge_method"] == "S256"
    _status, back = provider.answer("GET", "/authorize", asks, "")
    callback = urlsplit(back["location"])
    assert callback.path == "/v1/sign-in/callback"
    return f"{callback.path}?{callback.query}", cookie


def arrive(hub: InProcessHub, path: str, cookie: dict[str, str]) -> Any:  # noqa: ANN401 - a response
    headers = {"cookie": "; ".join(f"{name}={value}" for name, value in cookie.items())}
    answer = hub.http.get(path, headers=headers, follow_redirects=False)
    hub.http.cookies.clear()
    return answer


def test_a_browser_signs_in_by_a_code(hub: InProcessHub, provider: TestProvider) -> None:
    path, cookie = start(hub, provider)
    answer = arrive(hub, path, cookie)
    assert answer.headers["cache-control"] == "no-store"
    assert hub.person(answer.json()["key"]).get("/v1/me").json()["role"] == "buyer"
    refused(arrive(hub, path, cookie), 403, "sign_in_invalid")


def test_a_confidential_client_shows_its_secret(world: World, provider: TestProvider, tmp_path: Any) -> None:  # noqa: ANN401
    secret = tmp_path / "secret"
    secret.write_text("pass:word & more\n")
    provider.secret = "pass:word & more"
    more = {"oidc_issuer": provider.issuer, "oidc_client_id": "hub", "oidc_client_secret_file": secret}
    with InProcessHub(world.hub.settings.model_copy(update=more), clock=world.clock) as hub:
        assert arrive(hub, *start(hub, provider)).status_code == 200
        secret.write_text("wrong")
        refused(arrive(hub, *start(hub, provider)), 401, "sign_in_refused")


def test_a_sign_in_of_another_browser_or_time_is_nobodys(
    world: World, hub: InProcessHub, provider: TestProvider
) -> None:
    before = hub.rows()
    path, cookie = start(hub, provider)
    refused(arrive(hub, path, {}), 403, "sign_in_invalid")
    _other, stranger = start(hub, provider)
    refused(arrive(hub, path, stranger), 403, "sign_in_invalid")
    refused(arrive(hub, path.replace("state=", "state=x"), cookie), 403, "sign_in_invalid")
    world.clock.advance(600)
    refused(arrive(hub, path, cookie), 403, "sign_in_invalid")
    # who only begins, or comes back wrongly, has written nothing
    assert hub.rows() == before


def test_a_sign_in_that_came_back_is_forgotten_after_its_time(
    world: World, hub: InProcessHub, provider: TestProvider
) -> None:
    path, cookie = start(hub, provider)
    assert arrive(hub, path, cookie).status_code == 200
    assert hub.rows()["sign_in"] == 1
    world.clock.advance(900)
    hub.settle()
    assert hub.rows()["sign_in"] == 0
    refused(arrive(hub, path, cookie), 403, "sign_in_invalid")


def test_a_browser_that_changes_its_cookie_is_not_believed(hub: InProcessHub, provider: TestProvider) -> None:
    path, cookie = start(hub, provider, return_to=RETURN, challenge="A" * 43)
    said = json.loads(base64.urlsafe_b64decode(cookie["suanlian-sign-in"] + "=="))
    changed = base64.urlsafe_b64encode(json.dumps([said[0], "https://evil.example", *said[2:]]).encode()).decode()
    refused(arrive(hub, path, {"suanlian-sign-in": changed.rstrip("=")}), 403, "sign_in_invalid")
    assert arrive(hub, path, cookie).headers["location"].startswith(RETURN)


def test_the_nonce_binds_the_token_to_this_sign_in(hub: InProcessHub, provider: TestProvider) -> None:
    for nonce in (None, "another"):
        path, cookie = start(hub, provider)
        provider.claims = {}
        given = provider.id_token
        provider.id_token = lambda audience="hub", _given=given, _nonce=nonce, **more: _given(  # type: ignore[method-assign]
            audience, **{**more, "nonce": _nonce}
        )
        refused(arrive(hub, path, cookie), 401, "token_nonce")
        provider.id_token = given  # type: ignore[method-assign]


def test_a_code_of_another_sign_in_does_not_fit_the_verifier(hub: InProcessHub, provider: TestProvider) -> None:
    mine, cookie = start(hub, provider)
    theirs, _their_cookie = start(hub, provider)
    code = parse_qs(urlsplit(theirs).query)["code"][0]
    swapped = mine.replace(parse_qs(urlsplit(mine).query)["code"][0], code)
    refused(arrive(hub, swapped, cookie), 401, "sign_in_refused")


def test_a_refusal_or_another_issuers_answer_signs_nobody_in(hub: InProcessHub, provider: TestProvider) -> None:
    for more in ("&error=access_denied", "&iss=https://other.example"):
        path, cookie = start(hub, provider)
        refused(arrive(hub, path.split("&iss=")[0] + more, cookie), 401, "sign_in_refused")
    assert provider.asked.get("/token", 0) == 0


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/x",
        "http://console.example/x",
        "https://console.example.evil.example/",
        "https://console.example@evil.example/",
        "https://console.example:444/",
        "//evil.example",
        "javascript:alert(1)",
        "http://127.0.0.1:80@evil.example/",
        "https://console.example\\@evil.example/",
        "https://console.example/#x",
        "http://[::1",
        "https://console.example/\nx",
        "x" * 399,
    ],
)
def test_nobody_is_sent_to_an_address_that_nobody_registered(hub: InProcessHub, address: str) -> None:
    before = hub.rows()
    asked = {"return_to": address, "challenge": "A" * 43}
    refused(hub.http.get("/v1/sign-in", params=asked, follow_redirects=False), 422, "redirect_refused", "return_to")
    assert hub.rows() == before


@pytest.mark.parametrize("address", [RETURN, "https://console.example/in?x=1", "http://[::1]:9/"])
def test_a_sign_in_ends_where_it_began_and_its_handle_needs_the_verifier(
    hub: InProcessHub, provider: TestProvider, address: str
) -> None:
    refused(hub.http.get("/v1/sign-in", params={"return_to": address}), 422, "field_invalid", "challenge")
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    answer = arrive(hub, *start(hub, provider, return_to=address, challenge=challenge))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(address)
    assert "sl_" not in answer.headers["location"]
    handle = parse_qs(urlsplit(answer.headers["location"]).query)["sign_in"][0]
    anybody = hub.person()
    refused(anybody.post("/v1/sessions/redeem", {"handle": handle, "verifier": "w" * 43}), 403, "sign_in_invalid")
    refused(anybody.post("/v1/sessions/redeem", {"handle": "x", "verifier": verifier}), 403, "sign_in_invalid")
    key = anybody.post("/v1/sessions/redeem", {"handle": handle, "verifier": verifier}).json()["key"]
    assert hub.person(key).get("/v1/me").status_code == 200
    refused(anybody.post("/v1/sessions/redeem", {"handle": handle, "verifier": verifier}), 403, "sign_in_invalid")


def test_what_lies_in_the_database_completes_no_sign_in(
    world: World, hub: InProcessHub, provider: TestProvider
) -> None:
    path, cookie = start(hub, provider, return_to=RETURN, challenge="A" * 43)
    assert arrive(hub, path, cookie).status_code == 303
    with hub.running.hub.reading() as unit:
        kept = str(unit.connection.exec_driver_sql("SELECT * FROM sign_in").fetchall())
    state = parse_qs(urlsplit(path).query)["state"][0]
    for secret in (state, cookie["suanlian-sign-in"]):
        assert secret not in kept
    assert world.clock() is not None
