"""Does `suanlian market policy` show the weights with their meaning, and set those that are written?"""

import json
from pathlib import Path

import pytest

from suanlian.cli.market_policy import MEANINGS
from suanlian.model.market_policy import MarketPolicy
from suanlian.testing.people_hub import PeopleHub
from suanlian.testing.people_samples import POLICY

from .conftest import Suanlian

PATH = "/v1/market/policy"


def test_every_weight_is_shown_with_its_bounds_and_meaning(
    suanlian: Suanlian, logged_in: PeopleHub, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    logged_in.says(f"GET {PATH}", POLICY)
    code, out, _err = suanlian("market", "policy")
    assert code == 0
    assert set(MEANINGS) == set(MarketPolicy.model_fields)
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    for name, meaning in MEANINGS.items():
        assert meaning() in lines[name]
    assert lines["fair_s"].split()[1:6] == ["43200", "21600", "0", "-", "2592000"]
    assert "op (national)" in out
    assert "fairer" in out
    assert ("设定者" in out) == (lang == "zh")


def test_where_nobody_set_any_it_says_so(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says(f"GET {PATH}", {"version": 0})
    _code, out, _err = suanlian("market", "policy")
    assert "nobody set any" in out


def test_weights_are_set_with_a_reason(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says(f"POST {PATH}", POLICY)
    code, out, _err = suanlian(
        *("market", "policy", "--set", "fair_s=43200", "--set", "detour=0.10", "--why", "fairer", "--json")
    )
    assert code == 0
    assert json.loads(out)["version"] == 1
    assert logged_in.asked[0].document() == {"fair_s": 43_200.0, "detour": "0.10", "why": "fairer"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "fair=1", "--why", "x"], "fair_s"),
        (["--set", "fair_s=-1", "--why", "x"], "fair_s"),
        (["--set", "fair_s=many", "--why", "x"], "fair_s"),
        (["--set", "fair_s", "--why", "x"], "fair_s"),
        (["--set", "fair_s=1"], "why"),
        (["--why", "x"], "set"),
        (["--versions", "--set", "fair_s=1", "--why", "x"], "versions"),
    ],
)
def test_what_cannot_be_set_is_not_sent(
    suanlian: Suanlian, logged_in: PeopleHub, arguments: list[str], says: str
) -> None:
    code, out, err = suanlian("market", "policy", *arguments)
    assert (code, out) == (1, "")
    assert says in err
    assert logged_in.asked == []


def test_versions_say_what_each_changed(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    later = {**POLICY, "version": 2, "policy": {"fair_s": 43200.0, "reservations": 8}, "why": "gangs"}
    logged_in.lists(f"{PATH}/versions", later, POLICY)
    code, out, _err = suanlian("market", "policy", "--versions")
    assert code == 0
    assert "reservations 48 -> 8" in out
    assert "fair_s 21600 -> 43200" in out
    _code, out, _err = suanlian("market", "policy", "--versions", "--json")
    assert [one["version"] for one in json.loads(out)] == [2, 1]


def test_the_market_alone_is_shown_as_before(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says("GET /v1/market", {"ticks": 3})
    code, out, _err = suanlian("market", "--json")
    assert code == 0
    assert json.loads(out)["ticks"] == 3
    assert [asked.path for asked in logged_in.asked] == ["/v1/market"]


@pytest.mark.parametrize("text", ['{"fairs": 1}', '{"policy": {"reservations": 0}}'])
def test_a_policy_file_that_cannot_be_meant_is_no_simulation(suanlian: Suanlian, tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    code, out, err = suanlian("simulate", "--policy", tmp_path / "p.json")
    assert (code, out) == (1, "")
    assert "simulating" not in err
