"""One identifier by command: a file is checked without any hub, acts ask the hub, answers are told."""

import json
from pathlib import Path

import pytest

from suanlian.crypto.keys import KeyPair
from suanlian.testing.people_hub import PeopleHub
from suanlian.testing.people_samples import resolved
from tests.crypto.chains import MadeHub, chain_of, dossier_of

from .conftest import Suanlian


@pytest.fixture
def root() -> MadeHub:
    return MadeHub("CN", "root")


@pytest.fixture
def file(root: MadeHub, tmp_path: Path) -> Path:
    region = MadeHub("CN.YRD", "region")
    root.delegate(region, 0)
    path = tmp_path / "platform.json"
    path.write_text(dossier_of(region, chain_of(root, region), day=1).model_dump_json(), encoding="utf-8")
    return path


def test_a_file_is_checked_without_any_hub(suanlian: Suanlian, file: Path, root: MadeHub) -> None:
    code, out, _err = suanlian("verify", file, "--root", root.keypair.public_text)
    assert code == 0
    for said in ("The signatures hold.", "CN.YRD-P-", "As of ", "is not checked offline"):
        assert said in out
    code, out, _err = suanlian("verify", file, "--root", root.keypair.public_text, "--json")
    assert (code, json.loads(out)["holds"], json.loads(out)["status"]["standing"]) == (0, True, "active")


def test_a_file_that_does_not_hold_says_what_and_exits_with_1(suanlian: Suanlian, file: Path, root: MadeHub) -> None:
    code, out, err = suanlian("verify", file, "--root", KeyPair.generate().public_text)
    assert (code, out) == (1, "")
    assert "chain_broken" in err
    document = json.loads(file.read_text())
    document["descriptor"]["shares"][0]["capacity"]["cpu"] = "4000"
    file.write_text(json.dumps(document))
    code, _out, err = suanlian("verify", file, "--root", root.keypair.public_text)
    assert code == 1
    assert "countersignature_forged" in err
    code, _out, err = suanlian("verify", file.parent / "nowhere.json", "--root", root.keypair.public_text)
    assert code == 2


def test_an_answer_of_before_is_told_with_its_age(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    document = {**resolved(), "stale": True, "age_s": 3899, "why": "The hub above is down."}
    identifier = document["resolution"]["identifier"] if isinstance(document["resolution"], dict) else ""
    logged_in.says(f"GET /v1/identifiers/{identifier}/resolution", document)
    code, out, err = suanlian("identifier", "resolve", identifier)
    assert code == 0
    assert "wuhu" in out
    assert "3899 s old" in err
    assert "down" in err


def test_a_recovery_token_is_shown_once(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    made = {"connector": "c1", "token": "jt_a_b", "expires_at": "2026-03-02T00:00:00Z"}
    logged_in.says("POST /v1/platforms/wuhu/connectors/c1/recovery", made)
    code, out, err = suanlian("identifier", "recover", "wuhu", "c1")
    assert code == 0
    assert "jt_a_b" in out
    assert "suanlian-agent recover" in err


def test_an_act_takes_a_reason(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    times = {"as_of": "2026-03-01T00:00:00Z", "valid_until": "2026-03-01T00:05:00Z"}
    status = {"identifier": "CN-P-X", "standing": "frozen", "issuer": "CN", "hub_id": "h", **times}
    logged_in.says("POST /v1/identifiers/wuhu/freeze", {"status": status, "signature": "x"})
    code, out, _err = suanlian("identifier", "freeze", "wuhu", "--why", "flood")
    assert (code, "frozen" in out) == (0, True)
    assert logged_in.asked[-1].document() == {"why": "flood"}
    assert suanlian("identifier", "freeze", "wuhu")[0] == 2
