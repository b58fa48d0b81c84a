"""What `suanlian plan` says, by words and by its exit code."""

from pathlib import Path

import pytest

from suanlian.cli import why
from suanlian.testing.people_hub import PeopleHub
from suanlian.testing.people_samples import LATER, ME, MOMENT, UUID, explanation, job

from .conftest import Suanlian

SPEC_YAML = """
name: pi
resources: {cpu: 0.5, memory: 128MiB}
variants:
  - {architecture: x86_64, environment: python, command: [python, pi.py]}
inputs:
  - {path: pi.py, file: programs/pi.py}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "pi.py").write_text("print(3)\n")
    path = tmp_path / "pi.yaml"
    path.write_text(SPEC_YAML)
    return path


CHANGES = [
    {
        "field": "wall_time_s",
        "was": 3600,
        "to": 1800,
        "effect": {"gain": "starts", "share_id": "s", "platform": "wuhu", "share": "open", "simulated": False}
        | {"starts": MOMENT, "billed": "0.01"},
    },
    {
        "field": "of a newer hub",
        "was": None,
        "to": ["a", "b"],
        "effect": {"gain": "shinier", "share_id": "s", "platform": "wuhu", "share": "open", "simulated": True}
        | {"starts": LATER, "billed": "0.01", "more": "-0.5", "part": "0.98", "more_of": "this"},
    },
]


@pytest.mark.parametrize(
    ("verdict", "code", "english", "chinese"),
    [
        ("starts", 0, "0 of 3 tasks have room now.", "3 个任务中现有 0 个有空位"),
        ("waits", 3, "Expected to start 2026-03-01", "预计 2026-03-01"),
        ("never", 4, "no place could ever run it", "没有地点能运行它"),
        ("of a newer hub", 0, "What you can do:", "您可以："),
    ],
)
def test_a_plan_says_by_its_code_whether_it_starts_waits_or_never_runs(  # noqa: PLR0913, PLR0917 - fixtures
    suanlian: Suanlian,
    logged_in: PeopleHub,
    file: Path,
    lang: str,
    monkeypatch: pytest.MonkeyPatch,
    verdict: str,
    code: int,
    english: str,
    chinese: str,
) -> None:
    (file.parent / "programs" / "pi.py").write_bytes(b"1")
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    outlook = {"verdict": verdict, "starts": LATER, "tasks": 3, "room": 0, "changes": CHANGES}
    logged_in.says("POST /v1/jobs:plan", {**explanation(), "outlook": outlook})
    logged_in.says("GET /v1/me", ME)
    found, out, _err = suanlian("plan", file)
    assert found == code
    assert (english if lang == "en" else chinese) in out
    first = ("starts now; with a wall time of 1800 s instead of 3600 s; at wuhu/open for 0.01 CNY", "立即开始")
    assert first[lang == "zh"] in out
    assert "[--set wall_time_s=1800]" in out
    assert ("All 3 of them at this price: about" if lang == "en" else "全部 3 个按此价格约需") in out
    assert "a, b" in out
    assert ("Billed, CNY" if lang == "en" else "计费") in out
    assert suanlian("plan", file, "--json")[0] == code


@pytest.mark.parametrize(("waiting", "english"), [(1, "1 job waits already"), (2, "2 jobs wait already"), (0, "")])
def test_a_plan_says_how_many_wait_before_it(
    suanlian: Suanlian, logged_in: PeopleHub, file: Path, waiting: int, english: str
) -> None:
    outlook = {"verdict": "starts", "waiting": waiting}
    logged_in.says("POST /v1/jobs:plan", {**explanation(), "outlook": outlook})
    logged_in.says("GET /v1/me", ME)
    _code, out, _err = suanlian("plan", file)
    assert english in out
    assert ("already" in out) is bool(waiting)
    # whose place in the queue is told needs no such count
    stands = {"place": 1, "of": 2, "waited_s": 0, "fair": "0"}
    logged_in.says("GET /v1/jobs", {"items": [job()], "next": None})
    logged_in.says(f"GET /v1/jobs/{UUID}/explanation", {**explanation(), "outlook": outlook, "queueing": stands})
    logged_in.says(f"GET /v1/jobs/{UUID}/tasks", {"items": [], "next": None})
    code, out, _err = suanlian("why", UUID)
    assert (code, "already" in out) == (0, False)


@pytest.mark.parametrize(("verdict", "warnings"), [("never", 1), ("waits", 0)])
def test_a_job_that_no_place_could_run_is_taken_with_a_warning(
    suanlian: Suanlian, logged_in: PeopleHub, file: Path, verdict: str, warnings: int
) -> None:
    logged_in.says("POST /v1/jobs", job(state="QUEUED", ended_at=None))
    logged_in.says("POST /v1/jobs:plan", {**explanation(), "outlook": {"verdict": verdict}})
    code, _out, err = suanlian("submit", file)
    assert code == 0
    assert err.count("no place can run") == warnings


def test_in_a_narrow_terminal_the_figures_of_a_place_stand_below_one_another(
    suanlian: Suanlian, logged_in: PeopleHub, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = explanation()["candidates"]
    assert isinstance(one, list)
    many = [{**one[0], "share_id": f"s{n}", "share": f"share{n}"} for n in range(7)]
    logged_in.says("POST /v1/jobs:plan", {**explanation(), "candidates": many, "outlook": {"verdict": "starts"}})
    logged_in.says("GET /v1/me", ME)
    monkeypatch.setattr(why, "is_narrow", lambda: True)
    _code, out, _err = suanlian("plan", file)
    head = next(line for line in out.splitlines() if line.startswith("Place"))
    assert head.split() == ["Place", "Outcome"]
    assert "Architecture: x86_64; Billed, CNY: 0.0125" in out
    assert "wuhu/share4" in out
    assert "wuhu/share5" not in out
    assert "2 more places" in out
