"""Do `suanlian links`, `link` and `path` show each figure with its grade and age, and send what is written?"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from suanlian.testing.people_hub import PeopleHub

from .conftest import Suanlian

NOW = datetime.now(UTC)
LINE = {
    "start": "wuhu/main",
    "end": "zhongwei/main",
    "carrier": "telco",
    "name": "line",
    "one_way_ms": "16.9",
    "latency_grade": "measured",
    "latency_class": "20ms",
    "mbps": "950.000",
    "mbps_grade": "measured",
    "cny_per_gb": "0.10",
    "hours": [{"start": "22:00:00", "end": "06:00:00"}],
    "measured_at": (NOW - timedelta(hours=7, minutes=5)).isoformat(),
    "mbps_measured_at": (NOW - timedelta(hours=5)).isoformat(),
    "samples": 20,
}
GUESS = {
    "start": "wuhu/main",
    "end": "zhongwei/main",
    "one_way_ms": "19.4",
    "latency_grade": "estimated",
    "latency_class": "20ms",
    "source": "estimate by great-circle distance",
}
ROAD = {
    **LINE,
    "name": "road",
    "courier": True,
    "courier_hours": "20",
    "courier_bytes": 10**14,
    "mbps_grade": "declared",
}
PATH = {
    "start": "wuhu/main",
    "end": "zhongwei/main",
    "direct": GUESS,
    "others": [ROAD],
    "relay": "suzhou/main",
    "legs": [{**LINE, "end": "suzhou/main"}, {**LINE, "start": "suzhou/main"}],
    "relay_mbps": "950",
    "relay_copy_mbps": "475",
    "relay_one_way_ms": "33.8",
    "relay_cny_per_gb": "0.20",
    "why": "only-way",
}
HELD = {
    "id": "r1",
    "account": "lab",
    "link": "line",
    "start": "2026-05-04T14:00:00Z",
    "end": "2026-05-04T22:00:00Z",
    "mbps": "100",
    "cost_cny": "36",
}


def test_each_figure_has_its_grade_and_age(
    suanlian: Suanlian, logged_in: PeopleHub, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    monkeypatch.setenv("COLUMNS", "240")
    logged_in.lists("/v1/links", LINE, GUESS)
    code, out, _err = suanlian("links")
    assert code == 0
    measured, guessed = {"en": ("measured", "estimate"), "zh": ("实测", "估算")}[lang]
    assert f"16.9 ms ({measured}" in out
    assert f"19.4 ms ({guessed})" in out
    assert "0.1 CNY/GB" in out
    assert "22:00-06:00" in out
    assert ("7 h ago" in out) == (lang == "en")
    assert ("5 h ago" in out) == (lang == "en")


def test_the_way_is_shown_with_the_best_relay_and_what_is_estimated_says_so(
    suanlian: Suanlian, logged_in: PeopleHub, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    monkeypatch.setenv("COLUMNS", "240")
    logged_in.says("GET /v1/paths", PATH, PATH)
    code, out, _err = suanlian("path", "wuhu/main", "zhongwei/main")
    assert code == 0
    for text in ("19.4 ms", "estimate by great-circle distance", "suzhou/main", "475 Mbit/s", "33.8 ms", "road"):
        assert text in out
    assert ("by courier" in out) == (lang == "en")
    _code, out, _err = suanlian("path", "wuhu/main", "zhongwei/main", "--json")
    assert json.loads(out)["relay"] == "suzhou/main"
    assert [one.path for one in logged_in.asked] == ["/v1/paths", "/v1/paths"]


def test_where_no_relay_is_better_it_says_so(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says(
        "GET /v1/paths", {"start": "a/b", "end": "c/d", "direct": LINE, "why": "direct"}, {"start": "a/b", "end": "c/d"}
    )
    _code, out, _err = suanlian("path", "a/b", "c/d")
    assert "No relay is better" in out
    _code, out, _err = suanlian("path", "a/b", "c/d")
    assert "Nothing is known of a direct way" in out


def test_pairs_within_each_class_are_counted(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says(
        "GET /v1/links/classes",
        {"pairs": 20, "measured": 4, "estimated": 10, "within": {"1ms": 0, "5ms": 1, "20ms": 3}},
    )
    _code, out, _err = suanlian("links", "--classes")
    assert "4 (20.0%)" in out
    assert "3 (15.0%)" in out


def test_a_link_is_offered_by_file_or_options(suanlian: Suanlian, logged_in: PeopleHub, tmp_path: Path) -> None:
    file = tmp_path / "line.yaml"
    file.write_text("name: line\nstart: wuhu/main\nend: zhongwei/main\ncapacity_mbps: 1000\n")
    logged_in.says("POST /v1/links", LINE, LINE)
    assert suanlian("link", "offer", file, "--price", "0.1")[0] == 0
    code, out, _err = suanlian(
        *("link", "offer", "--name", "line", "--start", "wuhu/main", "--end", "zhongwei/main", "--mbps", "1000"),
        *("--hours", "22:00-06:00", "--one-way-ms", "17"),
    )
    assert code == 0
    assert "telco" in out
    first, second = (json.loads(one.body) for one in logged_in.asked)
    assert (first["capacity_mbps"], first["cny_per_gb"]) == ("1000", "0.1")
    assert (second["hours"], second["one_way_ms"]) == ([{"start": "22:00:00", "end": "06:00:00"}], "17")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "FILE"),
        (["--name", "line"], "start"),
        (["--name", "x", "--start", "a/b", "--end", "a/b", "--mbps", "1"], "from one site to another"),
        (["--name", "x", "--start", "a/b", "--end", "c/d", "--mbps", "1", "--hours", "25"], "hours"),
    ],
)
def test_what_is_no_link_is_not_sent(suanlian: Suanlian, logged_in: PeopleHub, arguments: list[str], says: str) -> None:
    code, _out, err = suanlian("link", "offer", *arguments)
    assert code == 1
    assert says in err
    assert logged_in.asked == []


def test_a_part_is_held_listed_and_given_back(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says("POST /v1/links/reservations", HELD)
    logged_in.lists("/v1/links/reservations", HELD)
    logged_in.says("POST /v1/links/reservations/r1/give-back", {**HELD, "ended_at": "2026-05-04T15:00:00Z"})
    logged_in.says("POST /v1/links/line/withdraw", {})
    code, out, _err = suanlian(
        *(
            "link",
            "reserve",
            "line",
            "--mbps",
            "100",
            "--from",
            "2026-05-04T22:00+08:00",
            "--until",
            "2026-05-05T06:00+08:00",
        )
    )
    assert code == 0
    assert "36.00 CNY" in out
    assert logged_in.asked[0].document() == {
        "link": "line",
        "start": "2026-05-04T14:00:00.000000Z",
        "end": "2026-05-04T22:00:00.000000Z",
        "mbps": "100",
    }
    assert "lab" in suanlian("link", "reservations")[1]
    assert suanlian("link", "give-back", "r1")[0] == 0
    assert "line" in suanlian("link", "withdraw", "line")[1]
