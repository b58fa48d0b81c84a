"""What `suanlian market` says, in both languages, within the width of a terminal."""

import unicodedata

import pytest

from suanlian.testing.people_hub import PeopleHub
from suanlian.testing.people_samples import MOMENT

from .conftest import Suanlian

JOB = "01a21bca-f26e-7175-b3a2-dc631fd21df7"
MOVE = {
    "job": JOB,
    "index": 11,
    "attempt": "01a21bca-f293-70cb-b1a8-80c24af16118",
    "from_platform": "suzhou-cloud",
    "from_share": "s1",
    "to_platform": "wuhu-cluster",
    "to_share": "s1",
    "share_id": "s",
    "home": 2.49,
    "there": 0.84,
    "moving": 0.01,
    "gain": 1.64,
    "lost_s": 116,
}
TICK = {"id": "t", "at": MOMENT, "state": "ok", "demands": 3, "jobs": 2, "places": 2, "unserved": 0, "total": 10.5}
TICK |= {"bound": 10.0, "gap": 0.05, "took_ms": 900, "prices_hash": "h"}
SCARCE = {"platform": "wuhu-cluster", "share": "s1", "kind": "accelerator", "price": "1.250000"}
NOW = {"newest": TICK, "fresh": True, "ticks": 1, "scarce": [SCARCE]}


def width(line: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in line)


@pytest.mark.parametrize(
    ("told", "english", "chinese"),
    [
        (False, "Nothing was done: it is a proposal.", "尚未执行，仅为建议"),
        (True, "It was told to make room.", "已通知其让出位置"),
    ],
)
def test_the_market_tells_what_is_scarce_and_what_had_better_move(  # noqa: PLR0913 - fixtures
    monkeypatch: pytest.MonkeyPatch,
    suanlian: Suanlian,
    logged_in: PeopleHub,
    lang: str,
    *,
    told: bool,
    english: str,
    chinese: str,
) -> None:
    logged_in.says("GET /v1/market", {**NOW, "moves": [{**MOVE, "told": told}]})
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    code, out, err = suanlian("market")
    assert (code, err) == (0, "")
    assert JOB in out
    assert "suzhou-cloud/s1 -> wuhu-cluster/s1" in out
    assert "66%" in out
    assert (chinese if lang == "zh" else english) in out
    assert max(width(line) for line in out.splitlines()) <= 80


def test_before_anything_waited_there_is_nothing_to_tell(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says("GET /v1/market", {})
    code, out, _err = suanlian("market")
    assert code == 0
    assert len(out.splitlines()) == 1
