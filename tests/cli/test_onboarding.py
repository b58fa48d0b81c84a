"""Applying by a file, tokens in files of their own, and what stands in the place of `approve`."""

import json
import stat
from pathlib import Path

import pytest

from suanlian.testing.people_hub import PeopleHub
from suanlian.testing.people_samples import platform

from .conftest import Suanlian

MANY = """
title_zh: 芜湖集群
connectors:
  - {name: dc-01, title: East hall, region: 340200}
  - {name: dc-02}
"""


def test_one_file_applies_for_many_connectors(suanlian: Suanlian, logged_in: PeopleHub, tmp_path: Path) -> None:
    (tmp_path / "wuhu.yaml").write_text(MANY, encoding="utf-8")
    logged_in.says("POST /v1/platforms", platform())
    code, _out, err = suanlian("platform", "apply", "wuhu", "--file", str(tmp_path / "wuhu.yaml"), "--title", "Wuhu")
    assert (code, err) == (0, "")
    asked = json.loads(logged_in.asked[0].body)
    assert (asked["name"], asked["title"], asked["title_zh"]) == ("wuhu", "Wuhu", "芜湖集群")
    assert [(one["name"], one.get("region")) for one in asked["connectors"]] == [("dc-01", "340200"), ("dc-02", None)]


def test_every_fault_of_the_file_is_told_with_its_connector(
    suanlian: Suanlian, logged_in: PeopleHub, tmp_path: Path
) -> None:
    (tmp_path / "f.yaml").write_text("connectors: [{name: A}, {name: b, region: 99}, {title: c}]", encoding="utf-8")
    code, _out, err = suanlian("platform", "apply", "wuhu", "--file", str(tmp_path / "f.yaml"))
    assert code == 1
    assert logged_in.asked == []
    for place in ("connectors.0.name", "connectors.1.region", "connectors.2.name"):
        assert place in err


def test_tokens_go_into_files_that_only_their_owner_reads(
    suanlian: Suanlian, logged_in: PeopleHub, tmp_path: Path
) -> None:
    until = "2026-03-02T00:00:00Z"
    tokens = [{"connector": name, "join_token": f"jt_{name}", "expires_at": until} for name in ("dc-01", "dc-02")]
    logged_in.says("POST /v1/platforms/wuhu/tokens", {"platform": "wuhu", "platform_id": "p", "tokens": tokens})
    code, out, _err = suanlian("platform", "tokens", "wuhu", "--out", str(tmp_path / "tokens"))
    assert code == 0
    assert "jt_" not in out
    for name in ("dc-01", "dc-02"):
        file = tmp_path / "tokens" / f"{name}.token"
        assert file.read_text() == f"jt_{name}\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(("lang", "word"), [("en", "step by step"), ("zh", "逐步")])
def test_approve_tells_what_stands_in_its_place(
    suanlian: Suanlian, logged_in: PeopleHub, monkeypatch: pytest.MonkeyPatch, lang: str, word: str
) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    code, _out, err = suanlian("platform", "approve", "wuhu")
    assert (code, logged_in.asked) == (1, [])
    assert word in err
    assert "suanlian platform go-live wuhu" in err


def test_an_entity_is_stated_with_fields_in_one_word(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    entity = {"id": "e", "public_id": "x", "name": "anhui", "created_at": "2026-03-01T08:00:00Z"}
    logged_in.says("POST /v1/entities/anhui/change", entity)
    licence, contact = "licence,number=17,valid_until=2027-12-31", "Li,phone=1"
    code, _out, _err = suanlian("entity", "change", "anhui", "--qualification", licence, "--contact", contact)
    assert code == 0
    asked = json.loads(logged_in.asked[0].body)
    assert asked["qualifications"][0]["valid_until"] == "2027-12-31"
    assert asked["contacts"][0]["phone"] == "1"
    # what is not said stays as it is
    assert set(asked) == {"qualifications", "contacts"}
    code, _out, err = suanlian("entity", "change", "anhui", "--contact", "Li,phone")
    assert code == 1
    assert "phone" in err
