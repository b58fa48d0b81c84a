"""From a file to a result: submit, watch, ask why, read, fetch, pay."""

import hashlib
import json
import signal
import subprocess
import sys
import time
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from suanlian.cli.logs import texts
from suanlian.cli.visible import visible
from suanlian.model.ids import Kind
from suanlian.model.job import MAX_INLINE_BYTES
from suanlian.testing.people_hub import Answer, PeopleHub, problem
from suanlian.testing.people_samples import LATER, ME, MOMENT, UUID, charge, explanation, job, public_id, spec, task

from .conftest import Suanlian

WANTS = {
    "green_min": "0",
    "data_level": 1,
    "protection_min": 0,
    "residency": [],
    "owners": {"only": [], "never": []},
    "tiers": ["on-demand"],
    "west": "default",
    "prefer": "cost",
}
OTHER = "019a0000-0000-7000-8000-000000000002"
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


def sent(hub: PeopleHub) -> dict[str, object]:
    document = hub.asked[-1].document()
    assert isinstance(document, dict)
    return document


def test_a_yaml_file_becomes_a_job(suanlian: Suanlian, logged_in: PeopleHub, file: Path) -> None:
    logged_in.says("POST /v1/jobs", job(state="QUEUED", ended_at=None))
    code, out, _err = suanlian("submit", file, "--set", "wants.platform=wuhu", "--set", "resources.cpu=0.25")
    assert code == 0
    assert public_id(Kind.JOB) in out
    document = sent(logged_in)
    assert document["resources"] == {"cpu": "0.25", "memory": "128MiB", "disk": "0MiB", "accelerator": "0"}
    assert document["wants"] == {**WANTS, "platform": "wuhu"}
    assert document["inputs"] == [{"path": "pi.py", "content": "print(3)\n", "object": False}]


def test_json_is_taken_as_well(suanlian: Suanlian, logged_in: PeopleHub, tmp_path: Path) -> None:
    (tmp_path / "pi.json").write_text(json.dumps(spec()).replace('"0.5"', "0.5"))
    logged_in.says("POST /v1/jobs", job())
    assert suanlian("submit", tmp_path / "pi.json", "--json")[0] == 0
    assert sent(logged_in)["name"] == "pi"


def test_a_long_input_is_uploaded_first(suanlian: Suanlian, logged_in: PeopleHub, file: Path) -> None:
    data = bytes(range(256)) * 1000
    (file.parent / "programs" / "pi.py").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    logged_in.says("POST /v1/objects", {"sha256": digest, "size": len(data)})
    logged_in.says("POST /v1/jobs", job())
    assert suanlian("submit", file)[0] == 0
    assert logged_in.asked[0].body == data
    assert sent(logged_in)["inputs"] == [{"path": "pi.py", "object": True, "sha256": digest}]


def test_a_binary_input_travels_as_base64(suanlian: Suanlian, logged_in: PeopleHub, file: Path) -> None:
    (file.parent / "programs" / "pi.py").write_bytes(b"\xff\x00")
    logged_in.says("POST /v1/jobs", job())
    assert suanlian("submit", file)[0] == 0
    assert sent(logged_in)["inputs"] == [{"path": "pi.py", "content_base64": "/wA=", "object": False}]


def test_an_input_beyond_the_limit_is_refused_before_it_is_read(
    suanlian: Suanlian, logged_in: PeopleHub, file: Path
) -> None:
    with (file.parent / "programs" / "pi.py").open("wb") as hollow:
        hollow.truncate(MAX_INLINE_BYTES + 1)
    code, _out, err = suanlian("submit", file)
    assert code == 1
    assert "body_too_large" in err
    assert logged_in.asked == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("name: PI!", "resources"),
        (SPEC_YAML.replace("128MiB", "-1MiB"), "resources.memory"),
        ("[1, 2]", "it holds no fields"),
        ("a: [", "does not read as YAML"),
        ("!!python/object/apply:os.system [id]", "does not read as YAML"),
    ],
)
def test_a_bad_file_says_where_and_sends_nothing(
    suanlian: Suanlian, logged_in: PeopleHub, file: Path, text: str, named: str
) -> None:
    file.write_text(text)
    code, _out, err = suanlian("submit", file)
    assert code == 1
    assert "Refused (field_invalid)" in err
    assert named in err
    assert logged_in.asked == []


@pytest.mark.parametrize("setting", ["name", "=1", "name.x=1", "variants.7.command=[a]", "variants.a=1", "name=["])
def test_a_setting_that_cannot_be_applied_is_refused(
    suanlian: Suanlian, logged_in: PeopleHub, file: Path, setting: str
) -> None:
    code, _out, err = suanlian("submit", file, "--set", setting)
    assert code == 1
    assert "--set" in err
    assert logged_in.asked == []


@pytest.mark.parametrize(("state", "expected"), [("COMPLETE", 0), ("EXECUTOR_ERROR", 3), ("CANCELED", 3)])
def test_waiting_tells_by_the_exit_code_how_it_ended(
    suanlian: Suanlian, logged_in: PeopleHub, file: Path, state: str, expected: int
) -> None:
    logged_in.says("POST /v1/jobs", job(state="QUEUED", ended_at=None))
    logged_in.says(f"GET /v1/jobs/{UUID}", job(state="RUNNING", ended_at=None), job(state=state))
    code, out, _err = suanlian("submit", file, "--wait", "--timeout", "10")
    assert code == expected
    assert state in out


def waiting() -> dict[str, object]:
    (won,) = cast("list[dict[str, object]]", explanation()["candidates"])
    miss = {"filter": "room", "wanted": "2 core cpu", "had": "1 core cpu"}
    missed = {**won, "failed": [miss], "terms": [], "cost": None}
    return {**explanation(), "winner": None, "nearest": 0, "candidates": [missed]}


def test_waiting_tells_each_change_of_the_state_once(
    suanlian: Suanlian, logged_in: PeopleHub, file: Path, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    queued = job(state="QUEUED", ended_at=None, waiting="waits: nearest is wuhu/open: in the hub's words")
    running = job(state="RUNNING", ended_at=None)
    logged_in.says("POST /v1/jobs", queued)
    logged_in.says(f"GET /v1/jobs/{UUID}", queued, queued, running, running, job())
    logged_in.says(f"GET /v1/jobs/{UUID}/explanation", waiting())
    lines = suanlian("submit", file, "--wait", "--timeout", "10")[2].splitlines()
    assert [line[:7] for line in lines[2:]] == ["RUNNING", "COMPLET"]
    assert lines[1].startswith("QUEUED: nearest is wuhu/open: wanted 2 cores" if lang == "en" else "QUEUED：最接近的是")
    assert sum(asked.path.endswith("explanation") for asked in logged_in.asked) == 1


@pytest.mark.parametrize(
    "case",
    [
        ("waits: x", waiting(), "等待原因 最接近的是 wuhu/open："),
        ("waits: x", {**explanation(), "winner": None, "candidates": []}, "等待原因 尚无平台发布算力份额"),
        ("waits: in the hub's words", explanation(), "等待原因 in the hub's words"),
        ("it has not been looked at yet", {}, "等待原因 尚未轮到它"),
    ],
)
def test_what_a_job_waits_for_is_shown_in_the_language_of_the_person(
    suanlian: Suanlian, logged_in: PeopleHub, monkeypatch: pytest.MonkeyPatch, case: tuple[str, object, str]
) -> None:
    text, answer, told = case
    monkeypatch.setenv("SUANLIAN_LANG", "zh")
    logged_in.says(f"GET /v1/jobs/{UUID}", job(state="QUEUED", ended_at=None, waiting=text))
    logged_in.lists(f"/v1/jobs/{UUID}/tasks")
    logged_in.says(f"GET /v1/jobs/{UUID}/explanation", answer)
    out = suanlian("show", UUID)[1]
    assert told in " ".join(out.split())


def test_an_interrupt_ends_the_waiting_with_130(logged_in: PeopleHub, file: Path) -> None:
    logged_in.says("POST /v1/jobs", job(state="QUEUED", ended_at=None))
    logged_in.says(f"GET /v1/jobs/{UUID}", job(state="RUNNING", ended_at=None))
    command = [sys.executable, "-c", "from suanlian.cli.main import main; main()", "submit", str(file), "--wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        while not any(asked.method == "GET" for asked in logged_in.asked):
            assert waiting.poll() is None
            time.sleep(0.01)
        waiting.send_signal(signal.SIGINT)
        _out, err = waiting.communicate(timeout=10)
    assert waiting.returncode == 130
    assert "Traceback" not in err


def test_a_refusal_says_what_where_and_what_to_do(
    suanlian: Suanlian, logged_in: PeopleHub, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = {"field": "wants.flavor", "wrong": "no platform has it", "todo": "see `suanlian flavors`"}
    logged_in.says(
        "POST /v1/jobs", problem(422, "no_such_flavor", "No such flavor.", todo="Choose one.", faults=[fault])
    )
    code, out, err = suanlian("submit", file)
    assert (code, out) == (1, "")
    for part in (
        "no_such_flavor",
        "wants.flavor: no platform has it see `suanlian flavors`",
        "what to do: Choose one.",
    ):
        assert part in err
    monkeypatch.setenv("SUANLIAN_LANG", "zh")
    err = suanlian("submit", file)[2]
    assert err.startswith("被拒绝（no_such_flavor）：没有平台发布该规格。\n  详情：No such flavor.\n")


def test_a_mistyped_field_is_told_with_its_neighbour_in_both_languages(
    suanlian: Suanlian, file: Path, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    monkeypatch.setenv("SUANLIAN_HUB", "http://127.0.0.1:9")
    file.write_text(SPEC_YAML.replace("command:", "comand:"))
    err = suanlian("submit", file)[2]
    english = ["variants.0.comand: is no field here; Did you mean command?", "variants.0.command: is missing"]
    chinese = ["variants.0.comand: 没有这个字段；", "variants.0.command: 缺少此项"]
    for told in english if lang == "en" else chinese:
        assert told in err
    assert "at least 1 item" not in err


def test_an_estimate_uploads_nothing(suanlian: Suanlian, logged_in: PeopleHub, file: Path) -> None:
    (file.parent / "programs" / "pi.py").write_bytes(bytes(100_000))
    logged_in.says("POST /v1/jobs:estimate", explanation())
    logged_in.says("GET /v1/me", ME)
    code, out, err = suanlian("estimate", file)
    assert code == 0
    assert "6.5 left of 10" in err
    assert "wuhu" in out
    assert "estimate" in err
    assert "Data level: 1 (public)" in err
    assert [asked.path for asked in logged_in.asked] == ["/v1/jobs:estimate", "/v1/me"]


def test_jobs_are_listed_and_narrowed(
    suanlian: Suanlian, logged_in: PeopleHub, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    logged_in.lists("/v1/jobs", job(), job(id=OTHER, name="late", state="QUEUED", waiting="no room", ended_at=None))
    code, out, _err = suanlian("jobs", "--state", "QUEUED", "--name", "late")
    assert code == 0
    assert logged_in.asked[0].query.items() >= {"state": "QUEUED", "name": "late"}.items()
    assert ("Waits because" if lang == "en" else "等待原因") in out
    assert "no room" in out


def test_every_list_is_json_on_demand(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.lists("/v1/jobs", job())
    assert json.loads(suanlian("jobs", "--json")[1])[0]["name"] == "pi"
    logged_in.lists("/v1/platforms")
    assert json.loads(suanlian("platforms", "--json")[1]) == []
    assert suanlian("platforms") == (0, "", "Nothing to show.\n")


def test_a_job_is_shown_with_its_attempts(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says(f"GET /v1/jobs/{UUID}", job())
    killed = {"exit_code": 137, "reason": "killed", "limit": "memory"}
    logged_in.lists(f"/v1/jobs/{UUID}/tasks", task(state="EXECUTOR_ERROR", outcome=killed))
    code, out, _err = suanlian("show", UUID)
    assert code == 0
    for part in ("wuhu/wuhu-1/open", "137", "memory", "30.5 s", "simulated"):
        assert part in out
    assert json.loads(suanlian("show", UUID, "--json")[1])["tasks"][0]["attempts"][0]["simulated"] is True


def test_a_job_is_found_by_name_and_by_beginning(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.lists("/v1/jobs", job(), job(id=OTHER, name="pi-late"))
    logged_in.says(f"POST /v1/jobs/{UUID}/cancel", job(canceling=True, ended_at=None))
    logged_in.says(f"POST /v1/jobs/{OTHER}/cancel", job(id=OTHER))
    identifier = public_id(Kind.JOB)
    logged_in.says(f"POST /v1/jobs/{identifier}/cancel", job())
    assert suanlian("cancel", "pi")[0] == 0
    assert suanlian("cancel", "pi-l")[0] == 0
    assert suanlian("cancel", OTHER[:-1] + "2")[0] == 0
    assert suanlian("cancel", identifier)[0] == 0
    assert [asked.path for asked in logged_in.asked if asked.method == "POST"] == [
        f"/v1/jobs/{UUID}/cancel",
        f"/v1/jobs/{OTHER}/cancel",
        f"/v1/jobs/{OTHER}/cancel",
        f"/v1/jobs/{identifier}/cancel",
    ]


def test_a_beginning_of_several_or_of_none_is_told(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.lists("/v1/jobs", job(name="pi-1"), job(id=OTHER, name="pi-2"))
    code, _out, err = suanlian("show", "pi")
    assert code == 1
    assert public_id(Kind.JOB, OTHER) in err
    assert suanlian("show", "019a")[0] == 1
    assert "There is no job 'zeta'" in suanlian("show", "zeta")[2]


@pytest.mark.parametrize("command", ["why", "logs", "outputs", "charges", "show"])
def test_of_jobs_of_one_name_the_newest_is_read_and_it_is_said(
    suanlian: Suanlian, logged_in: PeopleHub, command: str
) -> None:
    logged_in.lists("/v1/jobs", job(), job(id=OTHER, created_at=LATER), job(id=OTHER[:-1] + "3", name="pi-late"))
    asked = f"/v1/jobs/{OTHER}" + {"why": "/explanation", "logs": "/log", "show": ""}.get(command, f"/{command}")
    _code, _out, err = suanlian(command, "pi")
    assert logged_in.asked[-1].path == asked
    told = err.splitlines()[0]
    assert public_id(Kind.JOB, OTHER) in told
    assert "2026-03-01 16:00:30+08:00" in told
    assert "1 other has this name" in told


def test_of_jobs_of_one_name_none_is_canceled(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.lists("/v1/jobs", job(), job(id=OTHER, created_at=LATER))
    code, _out, err = suanlian("cancel", "pi")
    assert code == 1
    assert "duplicate_name" in err
    assert [asked.method for asked in logged_in.asked] == ["GET"]


def test_why_names_the_place_and_every_candidate(
    suanlian: Suanlian, logged_in: PeopleHub, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    logged_in.says(f"GET /v1/jobs/{UUID}/explanation", explanation())
    logged_in.lists(f"/v1/jobs/{UUID}/tasks")
    code, out, _err = suanlian("why", UUID, "--index", "2")
    assert code == 0
    assert logged_in.asked[0].query == {"index": "2", "outlook": "true"}
    assert out.count("wuhu") >= 2
    assert ("Outcome" if lang == "en" else "结果") in out
    assert json.loads(suanlian("why", UUID, "--json")[1])["winner"] == 0


def resting_task() -> dict[str, object]:
    tried = task(state="EXECUTOR_ERROR", outcome={"exit_code": 7, "reason": "exit code 7"})
    return {**tried, "state": "QUEUED", "due": "2026-03-01T08:02:00.000000Z", "tries": 4}


@pytest.mark.parametrize("command", ["why", "show"])
@pytest.mark.parametrize(
    ("lang", "told"),
    [
        ("en", "until 16:02:00, for try 2 of at most 4: the last one ended EXECUTOR_ERROR (exit code 7)"),
        ("zh", "到 16:02:00，然后进行第 2 次尝试（最多 4 次）：上一次以 EXECUTOR_ERROR 结束（退出码 7）"),
    ],
)
def test_before_another_try_it_says_until_when_for_which_and_why(  # noqa: PLR0913, PLR0917 - fixtures
    suanlian: Suanlian, logged_in: PeopleHub, monkeypatch: pytest.MonkeyPatch, command: str, lang: str, told: str
) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    monkeypatch.setenv("COLUMNS", "400")
    logged_in.says(f"GET /v1/jobs/{UUID}", job(state="QUEUED", ended_at=None, waiting="waits until then"))
    logged_in.says(f"GET /v1/jobs/{UUID}/explanation", problem(404, "not_found", "It waits until then."))
    logged_in.lists(f"/v1/jobs/{UUID}/tasks", resting_task())
    code, out, _err = suanlian(command, UUID)
    assert code == 0
    assert told.replace(" ", "") in "".join(out.split())
    if command == "show":
        assert ("1 of at most 4" if lang == "en" else "1（最多 4）") in out


SHUT = (
    (
        {"by": "operator", "since": MOMENT, "until": LATER, "why": "new roof"},
        "emptied by the operator since",
        "new roof",
    ),
    ({"by": "owner", "since": MOMENT, "why": "mine"}, "emptied by its owner since", "as soon as can be: mine"),
    ({"by": "unheard", "since": MOMENT}, "not heard of since 2026-03-01 16:00:00+08:00", ""),
    ({"by": "downtime", "since": MOMENT, "until": LATER, "why": "cooling"}, "off by its owner's calendar", "cooling"),
    ({"by": "paused"}, "its owner lets it take no new jobs", ""),
    ({"by": "clearing"}, "has yet to end", ""),
    ({"by": "state", "since": MOMENT, "why": "suspended"}, "wuhu: suspended since 2026-03-01", ""),
)


@pytest.mark.parametrize("command", ["why", "show"])
def test_what_takes_nothing_now_is_named_with_who_says_so_and_why(
    suanlian: Suanlian, logged_in: PeopleHub, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    logged_in.says(f"GET /v1/jobs/{UUID}", job(state="QUEUED", ended_at=None, waiting="waits: x"))
    shut = [{"platform": "wuhu", **one} for one, _begin, _end in SHUT]
    logged_in.says(f"GET /v1/jobs/{UUID}/explanation", {**waiting(), "shut": shut, "in_doubt": True})
    logged_in.lists(f"/v1/jobs/{UUID}/tasks")
    out = suanlian(command, UUID)[1]
    for _one, begin, end in SHUT:
        assert any(begin in line and end in line for line in out.splitlines()), (begin, out)
    assert "its own line is in doubt" in out


def test_where_a_lost_place_is_waited_for_it_is_said_since_when(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says(f"GET /v1/jobs/{UUID}", job(state="RUNNING", ended_at=None))
    logged_in.lists(f"/v1/jobs/{UUID}/tasks", task(state="RUNNING", ended_at=None, lost_since=LATER))
    shut = [{"platform": "wuhu", "by": "unheard", "since": MOMENT}]
    logged_in.says(f"GET /v1/jobs/{UUID}/explanation", {**explanation(), "shut": shut})
    assert "wuhu: not heard of since" in suanlian("show", UUID)[1]


def test_why_of_a_hub_without_places_is_one_line(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.says(f"GET /v1/jobs/{UUID}/explanation", {**explanation(), "candidates": [], "winner": None})
    logged_in.lists(f"/v1/jobs/{UUID}/tasks")
    assert suanlian("why", UUID) == (0, "waits: no platform has published a share yet\n", "")


def test_only_what_still_runs_is_said_to_be_stopped(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    canceling = job(state="CANCELING", canceling=True, ended_at=None)
    logged_in.says(f"POST /v1/jobs/{UUID}/cancel", canceling, job(state="CANCELED", canceling=True))
    assert suanlian("cancel", UUID)[2] == "What runs is being stopped.\n"
    assert suanlian("cancel", UUID)[2] == ""


def test_a_log_commands_no_terminal(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    answers = [(b"ok \x1b[2Jgone\r\n\xe4\xb8", 13), (b"\xad\x07\xc2\x9b\n", 18), (b"", 18)]
    headers = [{"Suanlian-Next-Offset": str(following), "Suanlian-Ended": "true"} for _data, following in answers]
    logged_in.says(
        f"GET /v1/jobs/{UUID}/log",
        *(Answer(200, data, head) for (data, _n), head in zip(answers, headers, strict=True)),
    )
    code, out, _err = suanlian("logs", UUID, "--stderr", "--index", "1")
    assert (code, out) == (0, "ok \u241b[2Jgone\n中\u2407<U+009B>\n")
    assert logged_in.asked[0].query.items() >= {"stream": "stderr", "index": "1"}.items()


def test_a_log_is_raw_only_where_no_terminal_is(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    head = {"Suanlian-Next-Offset": "4", "Suanlian-Ended": "true"}
    logged_in.says(f"GET /v1/jobs/{UUID}/log", Answer(200, b"\x1b[2J", head), Answer(200, b"", head))
    logged_in.says(f"GET /v1/jobs/{UUID}", job(state="COMPLETE"))
    logged_in.lists(f"/v1/jobs/{UUID}/tasks", {"index": 0, "state": "COMPLETE"})
    code, out, _err = suanlian("logs", UUID, "--raw", "-f")
    assert (code, out) == (0, "\x1b[2J")


@given(st.text(), st.lists(st.integers(min_value=0, max_value=40)))
def test_text_is_the_same_wherever_it_was_cut(text: str, cuts: list[int]) -> None:
    data = text.encode("utf-8", "replace")
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    assert "".join(visible(piece) for piece in texts(pieces)) == visible(data.decode())


@given(st.text())
def test_what_is_shown_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    hidden = {char for char in visible(text) if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert hidden <= {"\n", "\t"}


def test_outputs_are_listed_and_fetched(suanlian: Suanlian, logged_in: PeopleHub, tmp_path: Path) -> None:
    item = {"path": "a/out.txt", "size": 5, "sha256": hashlib.sha256(b"right").hexdigest()}
    logged_in.lists(f"/v1/jobs/{UUID}/outputs", {**item, "task_index": 0}, {**item, "task_index": 1})
    logged_in.says(f"GET /v1/jobs/{UUID}", job(tasks=2))
    for index in (0, 1):
        logged_in.says(f"GET /v1/jobs/{UUID}/outputs/{index}/a/out.txt", Answer(body=b"right"))
    assert "a/out.txt" in suanlian("outputs", UUID)[1]
    code, _out, _err = suanlian("outputs", UUID, tmp_path / "got")
    assert code == 0
    assert (tmp_path / "got" / "1" / "a" / "out.txt").read_bytes() == b"right"
    code, _out, err = suanlian("outputs", UUID, tmp_path / "got")
    assert code == 1
    assert "--force" in err
    assert suanlian("outputs", UUID, tmp_path / "got", "--force")[0] == 0


def test_charges_never_add_real_and_simulated(suanlian: Suanlian, logged_in: PeopleHub) -> None:
    logged_in.lists("/v1/charges", charge(), charge(simulated=True, cost={"amount": "1.5", "currency": "CNY"}))
    code, out, err = suanlian("charges")
    assert code == 0
    assert "0.5 core-h" in out
    assert "open-cpu v3" in out
    assert err.splitlines() == ["Sum: 0.02 CNY", "Sum, simulated: 1.50 CNY"]
    logged_in.lists(f"/v1/jobs/{UUID}/charges", charge())
    assert json.loads(suanlian("charges", UUID, "--json")[1])[0]["cost"]["amount"] == "0.025"


def test_the_sample_reads_as_people_write_it() -> None:
    assert yaml.safe_load(SPEC_YAML)["resources"]["cpu"] == 0.5
