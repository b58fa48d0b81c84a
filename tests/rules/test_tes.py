"""Tasks of GA4GH TES as jobs, and jobs as such tasks: laws and tables, the runner by a real shell."""

import re
import string
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.model.base import NAME_PATTERN
from suanlian.model.errors import BadTaskError
from suanlian.model.ids import AttemptId, new_id
from suanlian.model.job import Attempt, JobState, Outcome, OutputFile
from suanlian.model.performance import Architecture
from suanlian.model.tes import NewTesTask, TesExecutor, TesKept, TesState, View
from suanlian.rules.images import Reference
from suanlian.rules.tes.parameters import Where, unread
from suanlian.rules.tes.paths import GATHERED, ROOT
from suanlian.rules.tes.script import Pattern, Runner
from suanlian.rules.tes.software import KnownSoftware
from suanlian.rules.tes.translate import Surroundings, Translated, job_name, translated
from suanlian.rules.tes.view import NO_CODE, Stage, Streams, Told, deliveries, shown, state_of

Executors = Sequence[Mapping[str, Any]]
USUAL = "registry.docker.com"
NONCE = "0123456789ab"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGEST = "sha256:" + "0" * 64
ARMS = frozenset({Architecture.X86_64, Architecture.AARCH64})
KNOWN = KnownSoftware(
    {
        Reference.read("python:3.12"): frozenset({("py", Architecture.X86_64), ("py", Architecture.AARCH64)}),
        Reference.read(f"{USUAL}/library/alpine"): frozenset({("base", Architecture.X86_64)}),
        Reference.read("images.example.org/lab/tool:1"): frozenset({("py", Architecture.X86_64)}),
        Reference.read(f"other.example.org/lab/other@{DIGEST}"): frozenset({("other", Architecture.X86_64)}),
    },
    ARMS,
)
AROUND = Surroundings(KNOWN, Where(frozenset({"wuhu", "suzhou"}), frozenset({"main"})), NONCE)


def task(**changes: object) -> dict[str, Any]:
    return {"executors": [{"image": "alpine", "command": ["true"]}], **changes}


def made(**changes: object) -> Translated:
    return translated(NewTesTask.model_validate(task(**changes)), AROUND)


def refused(**changes: object) -> tuple[str, str]:
    """Field and code of what a task is refused for."""
    with pytest.raises(BadTaskError) as found:
        made(**changes)
    return found.value.field or "", found.value.code


def run(runner: Runner, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the executors by a real shell, in ``folder``."""
    (folder / "run").write_text(runner.text())
    return subprocess.run(["/bin/sh", "run"], cwd=folder, capture_output=True, check=False)


def runner(*executors: Mapping[str, object], **changes: Any) -> Runner:  # noqa: ANN401 - of Runner
    every = [TesExecutor.model_validate({"image": "alpine", **each}) for each in executors]
    return Runner(**{"executors": every, "directories": (), "patterns": (), "root": ROOT, "nonce": NONCE, **changes})


# ---------------------------------------------------------------- the program that runs executors

words = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=30, deadline=None)
@given(st.lists(words, min_size=1, max_size=5), words)
def test_arguments_and_variables_arrive_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, arguments: list[str], value: str
) -> None:
    show = ["/bin/sh", "-c", 'printf "%s\\0" "$V" "$@"', "sh", *arguments]
    done = run(runner({"command": show, "env": {"V": value}}), tmp_path_factory.mktemp("run"))
    assert done.stdout.split(b"\x00")[:-1] == [text.encode() for text in (value, *arguments)]


@pytest.mark.parametrize(
    ("codes", "ends", "ran"),
    [
        ([0, 0], 0, 2),
        ([3, 0], 3, 1),
        ([(3, True), 0], 0, 2),
        ([(3, True), (4, False), 0], 4, 2),
        ([0, (5, True)], 0, 2),
    ],
)
def test_executors_run_in_a_row_until_one_fails_that_is_not_to_be_ignored(
    tmp_path: Path, codes: list[Any], ends: int, ran: int
) -> None:
    pairs = [code if isinstance(code, tuple) else (code, False) for code in codes]
    every = [
        {"command": ["/bin/sh", "-c", f"echo out{n}; echo err{n} >&2; exit {code}"], "ignore_error": ignored}
        for n, (code, ignored) in enumerate(pairs)
    ]
    done = run(runner(*every), tmp_path)
    assert done.returncode == ends
    (log,) = _logs(every, attempt(exit_code=ends), Streams(done.stdout, done.stderr))
    assert [(each["exit_code"], each["stdout"], each["stderr"]) for each in log] == [
        (code, f"out{n}\n", f"err{n}\n") for n, (code, _) in enumerate(pairs[:ran])
    ]
    assert all(each["start_time"] <= each["end_time"] for each in log)


def test_streams_go_to_files_and_their_ends_are_shown(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("words\n")
    files = {name: str(tmp_path / name) for name in ("out", "err")}
    command = ["/bin/sh", "-c", "cat; echo wrong >&2"]
    streams = {"stdin": str(tmp_path / "in"), "stdout": files["out"], "stderr": files["err"]}
    done = run(runner({"command": command, **streams}), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"words\n", b"wrong\n")
    assert [Path(files[name]).read_text() for name in ("out", "err")] == ["words\n", "wrong\n"]
    one = {"stdout": files["out"], "stderr": files["out"], "stdin": str(tmp_path / "in")}
    done = run(runner({"command": command, **one}), tmp_path)
    assert (done.stdout, done.stderr, Path(files["out"]).read_text()) == (b"words\nwrong\n", b"", "words\nwrong\n")


def test_what_cannot_start_fails_with_a_word(tmp_path: Path) -> None:
    missing = run(runner({"command": ["/no/such/program"]}), tmp_path)
    assert missing.returncode == 127
    assert b"/no/such/program" in missing.stderr
    nowhere = run(runner({"command": ["true"], "workdir": "/proc/none"}), tmp_path)
    assert nowhere.returncode == 125
    unread = run(runner({"command": ["true"], "stdin": "/no/such/file"}), tmp_path)
    assert unread.returncode != 0


def test_matches_of_a_pattern_are_gathered_as_files(tmp_path: Path) -> None:
    data = tmp_path / "data $x"
    for name in ("a.txt", "b.txt", "c.dat", "it's [1].txt"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_text(name)
    (data / "link.txt").symlink_to("a.txt")
    # as the mounts have it: a path lies below the root in the working directory, too
    (tmp_path / ROOT).symlink_to("/")
    patterns = [Pattern(f"{data}/[!b]*.txt", f"{GATHERED}/0"), Pattern(f"{data}/none*", f"{GATHERED}/1")]
    done = run(runner({"command": ["true"]}, patterns=patterns), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    found = {path.name: path for path in (tmp_path / GATHERED / "0").rglob("*.txt")}
    assert {name: path.read_text() for name, path in found.items()} == {
        "a.txt": "a.txt",
        "it's [1].txt": "it's [1].txt",
        "link.txt": "a.txt",
    }
    assert not any(path.is_symlink() for path in found.values())
    assert list((tmp_path / GATHERED / "1").iterdir()) == []


# ---------------------------------------------------------------- images


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("python", f"{USUAL}/library/python:latest"),
        ("docker://python:3.12", f"index.{USUAL}/library/python:3.12"),
        ("lab/tool", f"{USUAL}/lab/tool:latest"),
        ("localhost:5000/a/b:1", "localhost:5000/a/b:1"),
        (f"images.example.org/lab/tool:1@{DIGEST}", f"images.example.org/lab/tool:2@{DIGEST}"),
    ],
)
def test_an_image_is_one_however_it_is_written(one: str, other: str) -> None:
    assert Reference.read(other).covers(Reference.read(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("python:3.12", "python:3.11"),
        ("python", "images.example.org/python"),
        ("lab/python", "python"),
        (f"python@{DIGEST}", "python"),
        ("python", f"python@{DIGEST}"),
    ],
)
def test_other_images_are_not_taken_for_it(one: str, other: str) -> None:
    assert not Reference.read(other).covers(Reference.read(one))


def test_an_image_is_every_environment_that_stands_for_it() -> None:
    variants = made(executors=[{"image": f"{USUAL}/python:3.12", "command": ["x"]}]).spec.variants
    assert {(v.environment, v.architecture) for v in variants} == {("py", each) for each in ARMS}
    both = made(
        executors=[{"image": image, "command": ["x"]} for image in ("python:3.12", "images.example.org/lab/tool:1")]
    )
    assert {(v.environment, v.architecture) for v in both.spec.variants} == {("py", Architecture.X86_64)}


def test_an_image_by_its_digest_is_itself_a_variant() -> None:
    variants = made(executors=[{"image": f"lab/tool@{DIGEST}", "command": ["x"]}]).spec.variants
    assert {v.image for v in variants} == {f"lab/tool@{DIGEST}"}
    assert {v.architecture for v in variants} == ARMS
    listed = made(executors=[{"image": f"other.example.org/lab/other@{DIGEST}", "command": ["x"]}]).spec.variants
    assert ("other", None) in {(v.environment, v.image) for v in listed}


def test_images_that_cannot_be_had_are_refused_with_the_nearest() -> None:
    with pytest.raises(BadTaskError, match=r"'pyton:3.12'.*nearest known: python:3.12"):
        made(executors=[{"image": "pyton:3.12", "command": ["x"]}])
    pair = [{"image": image, "command": ["x"]} for image in ("alpine", "python:3.12")]
    assert refused(executors=pair) == ("executors", "images_differ")
    only = {"backend_parameters": {"suanlian.architecture": "riscv64"}}
    assert refused(resources=only)[1] == "field_invalid"


# ---------------------------------------------------------------- resources and parameters


def test_every_documented_parameter_is_read() -> None:
    assert list(unread()) == []


def test_what_is_left_out_or_zero_has_the_documented_defaults() -> None:
    for resources in (None, {}, {"cpu_cores": 0, "ram_gb": 0, "disk_gb": 0}):
        spec = made(resources=resources).spec
        assert (spec.resources.cpu, spec.resources.memory, spec.resources.disk) == (1000, 2048, 0)
        assert (spec.wall_time_s, spec.network, spec.attempts) == (86_400, True, 3)


def test_resources_zones_and_parameters_say_what_the_job_wants() -> None:
    parameters = {
        "Suanlian.Accelerators": "ascend-910b:2",
        "suanlian.wall_time_s": "600",
        "suanlian.network": "no",
        "suanlian.priority": "-5",
        "suanlian.max_cost": "1.50",
        "suanlian.data_level": "2",
        "suanlian.job_class": "training",
    }
    asked = {"cpu_cores": 4, "ram_gb": 1.5, "disk_gb": 1, "zones": ["wuhu", "34", "310000"], "preemptible": True}
    spec = made(resources={**asked, "backend_parameters": parameters}).spec
    amounts = spec.resources
    assert (amounts.cpu, amounts.memory, amounts.disk, amounts.accelerator) == (4000, 1431, 954, 2)
    assert {v.chip_family for v in spec.variants} == {"ascend-910b"}
    assert (spec.wants.platform, spec.wants.residency, spec.wants.data_level) == ("wuhu", ("34", "310000"), 2)
    assert (spec.wall_time_s, spec.network, spec.priority) == (600, False, -5)


def test_a_parameter_that_is_not_known_is_dropped_and_told_or_refused_where_that_is_strict() -> None:
    asked = {"backend_parameters": {"VmSize": "big", "suanlian.site": "main"}}
    found = made(resources=asked)
    assert found.kept.task.resources is not None
    assert found.kept.task.resources.backend_parameters == {"suanlian.site": "main"}
    assert "VmSize" in found.kept.warnings[0]
    strict = {**asked, "backend_parameters_strict": True}
    assert refused(resources=strict) == ("resources.backend_parameters.VmSize", "parameter_unknown")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("accelerators", "many"),
        ("accelerators", "0"),
        ("accelerators", "No Family:1"),
        ("architecture", "sparc"),
        ("attempts", "11"),
        ("data_level", "9"),
        ("job_class", "fun"),
        ("max_cost", "-1"),
        ("network", "perhaps"),
        ("priority", "101"),
        ("residency", "x"),
        ("wall_time_s", "soon"),
        ("wall_time_s", "0"),
        ("platform", "No Name"),
    ],
)
def test_a_bad_value_is_told_with_its_parameter(key: str, value: str) -> None:
    asked = {"backend_parameters": {f"suanlian.{key}": value}}
    assert refused(resources=asked) == (f"resources.backend_parameters.suanlian.{key}", "field_invalid")


def test_zones_that_cannot_be_meant_are_refused() -> None:
    for zones in (["nowhere"], ["wuhu", "suzhou"]):
        assert refused(resources={"zones": zones}) == ("resources.zones", "field_invalid")


# ---------------------------------------------------------------- paths, inputs, outputs

IN = {"path": "/data/a", "content": "x"}
OUT = {"path": "/data/b", "url": "suanlian:"}


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"inputs": [IN, IN]}, "inputs.1.path", "paths_collide"),
        ({"inputs": [IN, {**IN, "path": "/data/a/b"}]}, "inputs.1.path", "paths_collide"),
        ({"inputs": [IN], "volumes": ["/data/a"]}, "volumes.0", "paths_collide"),
        ({"inputs": [{**IN, "path": "/a"}]}, "inputs.0.path", "paths_collide"),
        ({"inputs": [{**IN, "path": "/usr/lib/x"}]}, "inputs.0.path", "paths_collide"),
        ({"inputs": [{**IN, "path": "/job/x"}]}, "inputs.0.path", "paths_collide"),
        ({"volumes": ["/"]}, "volumes.0", "paths_collide"),
        ({"volumes": [f"/v{n}" for n in range(65)]}, "volumes.0", "paths_collide"),
        ({"outputs": [{**OUT, "url": "https://a.example/x"}] * 2}, "outputs.1.url", "paths_collide"),
        ({"outputs": [{**OUT, "path": "/data/*"}]}, "outputs.0.path_prefix", "wildcard_misused"),
        ({"outputs": [{**OUT, "path": "/data/*", "path_prefix": "/dat"}]}, "outputs.0.path_prefix", "wildcard_misused"),
        ({"outputs": [{**OUT, "path": "/data/[a", "path_prefix": "/data"}]}, "outputs.0.path", "wildcard_misused"),
        ({"outputs": [{**OUT, "path": "/data/[$(x)]", "path_prefix": "/data"}]}, "outputs.0.path", "wildcard_misused"),
        ({"outputs": [{**OUT, "path": "/*", "path_prefix": "/"}]}, "outputs.0.path", "paths_collide"),
        ({"outputs": [{**OUT, "url": "s3://bucket/x"}]}, "outputs.0.url", "address_unsupported"),
        ({"outputs": [{**OUT, "url": "https://me:secret@a.example/x"}]}, "outputs.0.url", "address_unsupported"),
        ({"inputs": [{"path": "/data/a"}]}, "inputs.0", "field_invalid"),
        ({"inputs": [{"path": "/data/a", "url": "gs://bucket/x"}]}, "inputs.0.url", "address_unsupported"),
        ({"inputs": [{"path": "/data/a", "url": "suanlian:x"}]}, "inputs.0.url", "address_unsupported"),
        ({"inputs": [{**IN, "type": "DIRECTORY"}]}, "inputs.0.type", "field_invalid"),
        (
            {"inputs": [{"path": "/data/a", "url": "https://a.example/x", "type": "DIRECTORY"}]},
            "inputs.0.type",
            "address_unsupported",
        ),
    ],
)
def test_paths_and_addresses_that_cannot_be_meant_are_refused(changes: dict[str, Any], field: str, code: str) -> None:
    assert refused(**changes) == (field, code)


def test_directories_are_mounted_where_the_task_says_and_none_within_another() -> None:
    executor = {"image": "alpine", "command": ["x"], "workdir": "/work/", "stdout": "/logs/out", "stdin": "/etc/passwd"}
    found = made(
        inputs=[IN, {**IN, "path": "/data/deep/er/c"}],
        outputs=[OUT, {"path": "/res/dir", "url": "suanlian:", "type": "DIRECTORY"}],
        volumes=["/data/deep/", "/vol/A/"],
        executors=[executor],
    )
    assert {mount.path: mount.source for mount in found.spec.mounts} == {
        path: f"tes{path}" for path in ("/data", "/logs", "/res/dir", "/vol/A", "/work")
    }
    assert found.spec.outputs == ("tes/data/b", "tes/res/dir")


def test_a_directory_of_an_image_is_not_hidden_by_the_working_directory() -> None:
    executor = {"image": f"lab/tool@{DIGEST}", "command": ["x"], "workdir": "/app"}
    assert made(executors=[executor]).spec.mounts == ()


def test_long_contents_are_objects_and_addresses_with_a_digest_are_read_by_the_platform() -> None:
    long = "x" * 20_000
    found = made(
        inputs=[
            {**IN, "content": long},
            {"path": "/data/b", "url": f"https://a.example/b?sig=1#sha256={'1' * 64}"},
            {"path": "/data/c", "url": "https://a.example/c"},
            {"path": "/data/d", "content": "", "url": "https://a.example/d"},
            {"path": "/data/e", "content": ""},
        ]
    )
    by_path = {item.path: item for item in found.spec.inputs}
    assert found.objects == {by_path["tes/data/a"].sha256: long.encode()}
    assert (by_path["tes/data/b"].url, by_path["tes/data/b"].sha256) == ("https://a.example/b?sig=1", "1" * 64)
    assert by_path["tes/data/e"].content == ""
    # content that is empty does not stand before an address
    assert [fetch.path for fetch in found.kept.fetches] == ["tes/data/c", "tes/data/d"]


@given(st.text(max_size=300))
def test_any_name_of_a_task_gives_a_name_of_a_job(name: str) -> None:
    assert re.fullmatch(NAME_PATTERN, job_name(name))


# ---------------------------------------------------------------- views


def attempt(state: JobState = JobState.COMPLETE, *, number: int = 1, **outcome: Any) -> Attempt:  # noqa: ANN401 - of Outcome
    ended = None if state in (JobState.QUEUED, JobState.RUNNING) else AT
    fields = {"id": AttemptId(new_id()), "task_index": 0, "number": number, "token": 1, "state": state}
    place = {"platform": "wuhu", "site": "main", "share": "s1", "flavor": "cpu", "architecture": "x86_64"}
    times = {"simulated": False, "created_at": AT, "started_at": AT, "ended_at": ended}
    return Attempt.model_validate({**fields, **place, **times, "outcome": Outcome(**outcome)})


def _told(executors: Executors, *attempts: Attempt, streams: Streams | None = None, **changes: Any) -> Told:  # noqa: ANN401 - of Told
    kept = made(executors=[{"image": "alpine", **each} for each in executors], **changes.pop("task", {})).kept
    last = attempts[-1].id if attempts else ""
    fields = {"attempts": attempts, "streams": {last: streams or Streams()}, "home": "https://hub/", **changes}
    return Told("id", TesState.COMPLETE, AT, kept, **fields)


def _logs(executors: Executors, *attempts: Attempt | Streams) -> list[list[dict[str, Any]]]:
    given_ = [each for each in attempts if isinstance(each, Attempt)]
    (streams,) = [each for each in attempts if isinstance(each, Streams)] or [Streams()]
    task_ = shown(_told(executors, *given_, streams=streams), View.FULL)
    return [[each.model_dump() for each in log.logs] for log in task_.logs or ()]


def test_one_executor_has_the_times_and_the_code_of_its_attempt() -> None:
    streams = Streams(b"out\n", b"\xff")
    ((log,),) = _logs([{"command": ["x"]}], attempt(exit_code=0), streams)
    assert log == {"start_time": AT, "end_time": AT, "stdout": "out\n", "stderr": "\ufffd", "exit_code": 0}
    ((killed,),) = _logs([{"command": ["x"]}], attempt(JobState.EXECUTOR_ERROR, limit="memory"))
    assert killed["exit_code"] == NO_CODE
    # one that runs has none, which a log must have
    assert _logs([{"command": ["x"]}], attempt(JobState.RUNNING)) == [[]]


def test_while_the_second_executor_runs_the_first_has_its_log() -> None:
    mark = f"== suanlian {NONCE} executor"
    out = f"{mark} 1 begins\nfirst\n{mark} 2 begins\nsecond so far".encode()
    err = f"{mark} 1 begins\n{mark} 1 ended 0 2026-01-02T03:04:05Z 2026-01-02T03:04:06Z\n{mark} 2 begins\n".encode()
    every = [{"command": ["a"]}, {"command": ["b"]}]
    ((log,),) = _logs(every, attempt(JobState.RUNNING), Streams(out, err))
    assert (log["stdout"], log["stderr"], log["exit_code"], log["start_time"]) == ("first\n", "", 0, AT)
    (both,) = _logs(every, attempt(JobState.EXECUTOR_ERROR, limit="memory"), Streams(out, err))
    assert [(each["stdout"], each["exit_code"]) for each in both] == [("first\n", 0), ("second so far", NO_CODE)]


def test_each_try_is_an_entry_and_waiting_says_why() -> None:
    first = attempt(JobState.PREEMPTED, reason="evicted")
    told = _told([{"command": ["x"]}], first, attempt(JobState.RUNNING, number=2))
    assert [log.metadata and log.metadata["attempt"] for log in shown(told, View.FULL).logs or ()] == ["1", "2"]
    waits = _told([{"command": ["x"]}], waiting="no free core", problem="")
    ((log,),) = [shown(waits, View.FULL).logs or ()]
    assert log.system_logs == ("no free core",)
    again = _told([{"command": ["x"]}], first, waiting="no free core")
    assert [log.system_logs and log.system_logs[-1] for log in shown(again, View.FULL).logs or ()] == [
        "evicted",
        "no free core",
    ]


def test_the_smaller_views_leave_out_what_the_standard_says_and_what_gives_a_right() -> None:
    signed = "https://store.example/x?signature=secret"
    changes = {"inputs": [IN, {"path": "/data/c", "url": signed}], "outputs": [{**OUT, "url": signed}]}
    files = (OutputFile(path="tes/data/b", size=1, sha256="0" * 64),)
    told = _told([{"command": ["x"]}], attempt(exit_code=0, outputs=files), streams=Streams(b"so", b"se"), task=changes)
    full, basic, minimal = (
        shown(told, view).model_dump_json(exclude_none=True) for view in (View.FULL, View.BASIC, View.MINIMAL)
    )
    assert full.count("secret") == 3
    assert all(word in full for word in ('"content":"x"', '"stdout":"so"', '"stderr":"se"', "system_logs"))
    assert not any(word in basic for word in ("secret", '"content"', '"stdout"', '"stderr"', "system_logs"))
    assert '"exit_code":0' in basic
    assert minimal == '{"id":"id","state":"COMPLETE"}'


def test_a_task_runs_until_its_outputs_are_where_they_are_to_be() -> None:
    assert state_of(JobState.COMPLETE, Stage.BRING, "") is TesState.RUNNING
    assert state_of(JobState.EXECUTOR_ERROR, Stage.BRING, "") is TesState.RUNNING
    assert state_of(JobState.COMPLETE, Stage.DONE, "") is TesState.COMPLETE
    assert state_of(JobState.COMPLETE, Stage.DONE, "SYSTEM_ERROR") is TesState.SYSTEM_ERROR
    for state in (JobState.CANCELED, JobState.SYSTEM_ERROR, JobState.QUEUED, JobState.RUNNING, JobState.CANCELING):
        assert state_of(state, Stage.BRING, "") is TesState(state.value)


safe = st.text(string.ascii_letters + string.digits + "._- ", min_size=1, max_size=8).filter(lambda t: t.strip(". "))


@given(st.lists(safe, min_size=1, max_size=4))
def test_a_file_of_a_directory_or_pattern_is_brought_below_its_address(parts: list[str]) -> None:
    inner = "/".join(parts)
    outputs = [
        {"path": "/res", "url": "https://a.example/d?sig=1", "type": "DIRECTORY"},
        {"path": "/pat/*", "url": "suanlian:x", "path_prefix": "/pat"},
    ]
    kept: TesKept = made(outputs=outputs).kept
    paths = (f"tes/res/{inner}", f"{GATHERED}/1/pat/{inner}", "tes/other")
    files = [OutputFile(path=path, size=n, sha256="0" * 64) for n, path in enumerate(paths)]
    directory, pattern = deliveries(kept.task, files, "https://hub/")
    assert (directory.path, pattern.path) == (f"/res/{inner}", f"/pat/{inner}")
    quoted = inner.replace(" ", "%20")
    assert directory.url == f"https://a.example/d/{quoted}?sig=1"
    assert pattern.url == f"https://hub/{GATHERED}/1/pat/{quoted}"
