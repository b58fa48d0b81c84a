"""Does a person sign in from a terminal, stay signed in unasked, and leave nothing behind by logging out?"""

import io
import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from suanlian.testing.oidc_provider import TestProvider
from suanlian.testing.people_hub import PeopleHub, problem
from suanlian.testing.people_samples import ME, MINTED, NODE

from .conftest import Suanlian


@pytest.fixture
def provider(hub: PeopleHub) -> Iterator[TestProvider]:
    with TestProvider() as running:
        running.lets_in = True
        hub.says("GET /v1/node", {**NODE, "sign_in": {"issuer": running.issuer, "client_id": "cli"}})
        hub.says("GET /v1/me", ME)
        yield running


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "config" / "suanlian" / "login.json"


def minted(key: str, seconds: float) -> dict[str, Any]:
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    return {**MINTED, "key": key, "expires_at": until.isoformat()}


def opened(hub: PeopleHub) -> list[Any]:
    return [asked.document() for asked in hub.asked if asked.path == "/v1/sessions"]


def test_a_person_signs_in_by_typing_a_code_elsewhere(
    suanlian: Suanlian, hub: PeopleHub, provider: TestProvider, kept: Path
) -> None:
    hub.says("POST /v1/sessions", minted("sl_abcdefgh_x", 3600))
    code, out, err = suanlian("login", hub.url, "--oidc")
    assert code == 0, err
    assert "WDJB-MJHT" in err
    assert f"{provider.issuer}/activate" in err
    assert provider.asked["/token"] == 2
    login = json.loads(kept.read_text())
    assert (login["key"], login["issuer"], login["client_id"]) == ("sl_abcdefgh_x", provider.issuer, "cli")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    for secret in (login["key"], login["refresh_token"]):
        assert secret not in out + err
    hub.lists("/v1/jobs")
    assert suanlian("jobs")[0] == 0
    assert hub.asked[-1].headers["authorization"] == "Bearer sl_abcdefgh_x"
    assert len(opened(hub)) == 1


def test_an_invitation_goes_along(suanlian: Suanlian, hub: PeopleHub, provider: TestProvider) -> None:
    hub.says("POST /v1/sessions", minted("sl_a", 3600))
    assert suanlian("login", hub.url, "--oidc", "--invitation", "iv_1")[0] == 0
    assert opened(hub)[0]["invitation"] == "iv_1"
    assert provider.asked["/device"] == 1


def test_a_session_is_renewed_without_being_asked_for(
    suanlian: Suanlian, hub: PeopleHub, provider: TestProvider, kept: Path
) -> None:
    hub.says("POST /v1/sessions", minted("sl_abcdefgh_1", 30), minted("sl_abcdefgh_2", 3600))
    suanlian("login", hub.url, "--oidc")
    before = json.loads(kept.read_text())["refresh_token"]
    hub.lists("/v1/jobs")
    code, _out, err = suanlian("jobs")
    assert code == 0, err
    assert hub.asked[-1].headers["authorization"] == "Bearer sl_abcdefgh_2"
    after = json.loads(kept.read_text())
    assert after["refresh_token"] != before
    assert len({document["id_token"] for document in opened(hub)}) == 2
    suanlian("jobs")
    assert len(opened(hub)) == 2
    assert provider.asked["/token"] == 3


def test_a_session_that_cannot_be_renewed_says_what_to_do(
    suanlian: Suanlian, hub: PeopleHub, provider: TestProvider
) -> None:
    hub.says("POST /v1/sessions", minted("sl_a", 30))
    suanlian("login", hub.url, "--oidc")
    provider.forget_renewals()
    code, _out, err = suanlian("jobs")
    assert code == 1
    assert "session_expired" in err
    assert f"suanlian login {hub.url} --oidc" in err


def test_a_provider_that_is_away_is_no_end_of_the_session(
    suanlian: Suanlian, hub: PeopleHub, provider: TestProvider, kept: Path
) -> None:
    hub.says("POST /v1/sessions", minted("sl_a", 30), minted("sl_b", 3600))
    suanlian("login", hub.url, "--oidc")
    before = kept.read_text()
    provider.down = True
    code, _out, err = suanlian("jobs")
    assert code == 1
    assert "provider_unavailable" in err
    assert kept.read_text() == before
    provider.down = False
    hub.lists("/v1/jobs")
    assert suanlian("jobs")[0] == 0


def test_logging_out_ends_the_session_and_forgets_it(
    suanlian: Suanlian, hub: PeopleHub, provider: TestProvider, kept: Path
) -> None:
    hub.says("POST /v1/sessions", minted("sl_abcdefgh_x", 3600))
    hub.says("POST /v1/keys/abcdefgh/revoke", {})
    suanlian("login", hub.url, "--oidc")
    assert provider.asked["/token"] == 2
    assert suanlian("logout")[:2] == (0, "Logged out.\n")
    assert hub.asked[-1].path == "/v1/keys/abcdefgh/revoke"
    assert not kept.exists()
    assert suanlian("logout")[:2] == (0, "You were not logged in.\n")
    assert suanlian("jobs")[0] == 1


def test_whoever_erases_themselves_is_told_what_goes_and_says_their_name(
    suanlian: Suanlian, hub: PeopleHub, provider: TestProvider, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.says("POST /v1/sessions", minted("sl_abcdefgh_x", 3600))
    hub.lists("/v1/jobs")
    hub.lists("/v1/charges")
    hub.says("POST /v1/me/erase", {"asked_at": "2026-03-01T08:00:00Z", "whole": True})
    suanlian("login", hub.url, "--oidc")
    monkeypatch.setattr("sys.stdin", io.StringIO("ling\n"))
    code, out, err = suanlian("account", "erase")
    assert code == 0, err
    assert "Kept: ids, times and amounts" in err
    assert hub.asked[-1].document() == {"name": "ling"}
    assert "shut out" in out
    assert not kept.exists()
    assert provider.asked["/device"] == 1


def test_logging_out_of_a_key_leaves_the_key_valid(suanlian: Suanlian, hub: PeopleHub, kept: Path) -> None:
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"hub": hub.url, "key": "sl_abcdefgh_x"}))
    assert suanlian("logout")[0] == 0
    assert hub.asked == []
    assert not kept.exists()


def test_a_hub_without_a_provider_says_so(suanlian: Suanlian, hub: PeopleHub, kept: Path) -> None:
    hub.says("GET /v1/node", NODE)
    code, _out, err = suanlian("login", hub.url, "--oidc")
    assert code == 1
    assert "sign_in_not_offered" in err
    assert not kept.exists()


def test_what_the_hub_refuses_is_told_and_not_kept(
    suanlian: Suanlian, hub: PeopleHub, provider: TestProvider, kept: Path
) -> None:
    hub.says("POST /v1/sessions", problem(401, "token_audience", "The token is for another application."))
    code, _out, err = suanlian("login", hub.url, "--oidc")
    assert code == 1
    assert "token_audience" in err
    assert not kept.exists()
    assert provider.asked["/token"] == 2


def test_a_provider_over_plain_http_elsewhere_is_never_asked(suanlian: Suanlian, hub: PeopleHub) -> None:
    hub.says("GET /v1/node", {**NODE, "sign_in": {"issuer": "http://idp.example", "client_id": "cli"}})
    code, _out, err = suanlian("login", hub.url, "--oidc")
    assert code == 1
    assert "provider_unavailable" in err
    assert "https" in err


def test_a_key_login_is_linked_to_an_account_of_the_provider(
    suanlian: Suanlian, logged_in: PeopleHub, provider: TestProvider
) -> None:
    logged_in.says("POST /v1/me/identities", {})
    code, out, err = suanlian("account", "link")
    assert code == 0, err
    assert "Linked" in out
    assert provider.asked["/device"] == 1
    assert logged_in.asked[-1].headers["authorization"] == "Bearer sl_test"
