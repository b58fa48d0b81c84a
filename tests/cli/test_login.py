"""Is the key kept safely, and sent only to the hub that it is for?"""

import io
import json
import stat
from pathlib import Path

import pytest

from suanlian.testing.people_hub import PeopleHub, problem
from suanlian.testing.people_samples import MINTED, PRINCIPAL

from .conftest import Suanlian


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "config" / "suanlian" / "login.json"


def test_a_login_is_checked_and_kept_for_its_owner_only(
    suanlian: Suanlian, hub: PeopleHub, kept: Path, tmp_path: Path
) -> None:
    hub.says("GET /v1/me", PRINCIPAL)
    (tmp_path / "key").write_text("sl_secret\n")
    code, out, err = suanlian("login", hub.url + "/", "--key-file", tmp_path / "key")
    assert code == 0
    assert "ling" in out
    assert "sl_secret" not in out + err
    assert json.loads(kept.read_text()) == {"hub": hub.url, "key": "sl_secret"}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    suanlian("login", hub.url, "--key-file", tmp_path / "key")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    hub.lists("/v1/jobs")
    assert suanlian("jobs")[0] == 0
    assert hub.asked[-1].headers["authorization"] == "Bearer sl_secret"


def test_the_key_comes_by_standard_input(suanlian: Suanlian, hub: PeopleHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.says("GET /v1/me", PRINCIPAL)
    monkeypatch.setattr("sys.stdin", io.StringIO("sl_piped\n"))
    assert suanlian("login", hub.url, "--key-file", "-")[0] == 0
    assert hub.asked[0].headers["authorization"] == "Bearer sl_piped"


def test_a_key_that_the_hub_refuses_is_not_kept(suanlian: Suanlian, hub: PeopleHub, kept: Path, tmp_path: Path) -> None:
    hub.says("GET /v1/me", problem(401, "unauthenticated", "The key is unknown.", todo="Ask the operator for one."))
    (tmp_path / "key").write_text("sl_bad")
    code, _out, err = suanlian("login", hub.url, "--key-file", tmp_path / "key")
    assert code == 1
    assert "Refused (unauthenticated): The key is unknown." in err
    assert "what to do: Ask the operator for one." in err
    assert not kept.exists()


def test_a_kept_key_never_goes_to_another_hub(
    suanlian: Suanlian, hub: PeopleHub, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"hub": "https://other.example", "key": "sl_other"}))
    monkeypatch.setenv("SUANLIAN_HUB", hub.url)
    hub.lists("/v1/jobs")
    suanlian("jobs")
    assert "authorization" not in hub.asked[0].headers


def test_the_key_is_never_sent_in_the_clear_to_another_machine(suanlian: Suanlian, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sl_x")
    code, _out, err = suanlian("login", "http://hub.example", "--key-file", tmp_path / "key")
    assert code == 1
    assert "not_over_loopback" in err


def test_a_key_file_that_is_not_there_exits_2(suanlian: Suanlian, hub: PeopleHub, tmp_path: Path) -> None:
    code, _out, err = suanlian("login", hub.url, "--key-file", tmp_path / "none")
    assert code == 2
    assert str(tmp_path / "none") in err


def test_a_claim_logs_the_first_operator_in(suanlian: Suanlian, hub: PeopleHub, kept: Path) -> None:
    hub.says("POST /v1/operators/claim", MINTED)
    code, out, err = suanlian("claim", hub.url, "ot_once", "--name", "wei")
    assert code == 0
    assert hub.asked[0].document() == {"link": "ot_once", "name": "wei"}
    assert str(MINTED["key"]) not in out + err
    assert json.loads(kept.read_text())["key"] == MINTED["key"]


def test_without_a_hub_it_says_how_to_log_in(suanlian: Suanlian) -> None:
    code, _out, err = suanlian("jobs")
    assert code == 1
    assert "suanlian login URL" in err


def test_a_spoilt_login_says_so(suanlian: Suanlian, kept: Path) -> None:
    kept.parent.mkdir(parents=True)
    kept.write_text("{")
    code, _out, err = suanlian("jobs")
    assert code == 1
    assert str(kept) in err
