import json
import math
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from suanlian.demo.work.checks import check, check_groups
from suanlian.demo.work.job import DemoJob, JobResult, OptionContract, UrlContent, Variant, View
from suanlian.demo.work.pictures import merged_pixels, merged_png
from suanlian.demo.work.reference import closed_form
from suanlian.i18n import use_language

ResultOf = Callable[[str], JobResult]
RunJob = Callable[[DemoJob, Variant], JobResult]
RESULT = "out/result.json"

# at least one for each program, for each expectation, and of each an array where there is one
SAMPLE = (
    "classify-digits-1",
    "count-words-pillow",
    "count-words-sklearn-shared",
    "primes-native",
    "primes-wasm",
    "quote-call-95",
    "quote-put-95",
    "recognise-placed-digits",
    "render-julia",
    "search-breast-cancer-bayes",
    "search-digits-nearest",
    "simulate-asian-put-95",
    "simulate-call-streams",
    "sum-placed-digits",
    "train-breast-cancer-network",
    "train-digits-softmax",
)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_program_passes_its_check_and_speaks_while_it_runs(
    name: str, jobs: dict[str, DemoJob], result_of: ResultOf
) -> None:
    result = result_of(name)
    assert not check(jobs[name], result), result.stderr
    assert all(text.endswith("\n") for text in result.stdout.values())
    assert not any(result.stderr.values())


def test_the_sample_runs_every_program(jobs: dict[str, DemoJob]) -> None:
    def programs(names: object) -> set[str]:
        chosen = [job for job in jobs.values() if job.name in names]  # type: ignore[operator]  # a tuple or a dict
        return {file.path for job in chosen for file in job.inputs if file.path.endswith((".py", ".wat"))}

    assert programs(SAMPLE) == programs(jobs) - {"fill_memory.py"}


@pytest.mark.parametrize("name", ["train-breast-cancer-network", "render-julia", "simulate-call-streams"])
def test_a_second_run_gives_the_same_bytes(
    name: str, jobs: dict[str, DemoJob], result_of: ResultOf, run_job: RunJob
) -> None:
    assert run_job(jobs[name], jobs[name].variants[0]).outputs == result_of(name).outputs


def test_both_variants_of_one_job_give_the_same_bytes(jobs: dict[str, DemoJob], run_job: RunJob) -> None:
    either = jobs["primes-either"]
    native, wasm = (run_job(either, variant) for variant in either.variants)
    assert not check(either, native)
    assert not check(either, wasm)
    assert native.outputs == wasm.outputs


def test_tiles_merge_into_one_picture(jobs: dict[str, DemoJob], result_of: ResultOf) -> None:
    view, result = jobs["render-julia"].check, result_of("render-julia")
    assert isinstance(view, View)
    tiles = [result.outputs[index]["out/tile.png"] for index in range(6)]
    picture = Image.open(BytesIO(merged_png(view, tiles)))
    assert picture.size == (view.width, view.height)
    assert picture.tobytes() == merged_pixels(view, tiles)


def test_a_bad_command_is_reported_and_expected(jobs: dict[str, DemoJob]) -> None:
    job = jobs["fails-bad-command"]
    shown = JobResult("EXECUTOR_ERROR", stderr={0: "execvp no-such-program: No such file or directory"})
    assert not check(job, shown)
    assert [one.code for one in check(job, replace(shown, stderr={0: "failed"}))] == ["not-said"]
    assert [one.code for one in check(job, replace(shown, state="SYSTEM_ERROR"))] == ["state"]


def test_the_program_that_fills_memory_meets_a_limit(jobs: dict[str, DemoJob], tmp_path: Path) -> None:
    job = jobs["fails-over-memory"]
    (program,) = job.inputs
    assert not isinstance(program.content, UrlContent)
    (tmp_path / program.path).write_bytes(program.content)
    limit = 128 << 20
    done = subprocess.run(
        [sys.executable, program.path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert done.returncode != 0
    ended = JobResult("EXECUTOR_ERROR", stdout={0: done.stdout}, stderr={0: done.stderr})
    assert not check(job, ended)


def edited(result: JobResult, edit: Callable[[Any], None], path: str = RESULT, index: int = 0) -> JobResult:
    """Return the result with one JSON file of one task changed."""
    content = json.loads(result.outputs[index][path])
    edit(content)
    return with_file(result, json.dumps(content).encode(), path, index)


def with_file(result: JobResult, content: bytes, path: str = RESULT, index: int = 0) -> JobResult:
    changed = {**result.outputs[index], path: content}
    return replace(result, outputs={**result.outputs, index: changed})


def flip_first(predictions: list[int]) -> None:
    predictions[0] = 1 - predictions[0] if predictions[0] < 2 else 0


# job, what is done to its result.json, what the check says of it
EDITS: tuple[tuple[str, Callable[[Any], object], str], ...] = (
    ("search-breast-cancer-bayes", lambda found: flip_first(found["predictions"]), "differs"),
    ("search-breast-cancer-bayes", lambda found: found.update(accuracy="0.999000"), "differs"),
    ("search-breast-cancer-bayes", lambda found: found["predictions"].pop(), "unreadable"),
    ("train-digits-softmax", lambda found: flip_first(found["predictions"]), "differs"),
    ("train-digits-softmax", lambda found: found.update(predictions=[0] * 360), "tolerance"),
    ("quote-call-95", lambda found: found.update(price=f"{float(found['price']) * 1.02:.9f}"), "tolerance"),
    ("quote-call-95", lambda found: found.update(price="nan"), "tolerance"),
    ("quote-call-95", lambda found: found.update(standard_error="0.5"), "tolerance"),
    ("quote-call-95", lambda found: found.update(paths=100), "differs"),
    ("classify-digits-1", lambda found: flip_first(found["labels"]), "differs"),
    ("classify-digits-1", lambda found: found.pop("distances"), "unreadable"),
    ("count-words-pillow", lambda found: found.update(words=found["words"] + 1), "differs"),
    ("count-words-sklearn-shared", lambda found: found["top"].reverse(), "differs"),
    ("render-julia", lambda found: found.update(crc32=1), "differs"),
    ("sum-placed-digits", lambda found: found["sums"][3].reverse(), "differs"),
    ("sum-placed-digits", lambda found: found["sha256"].update({"04-08.bin": "0" * 64}), "differs"),
    ("sum-placed-digits", lambda found: found["sha256"].pop("labels.bin"), "differs"),
    ("recognise-placed-digits", lambda found: found["labels"].update({"08-08.bin": "7" * 797}), "differs"),
    ("recognise-placed-digits", lambda found: found["sha256"].update({"00-00.bin": "0" * 64}), "differs"),
)


@pytest.mark.parametrize(("name", "edit", "code"), EDITS)
def test_a_changed_result_fails(
    name: str, edit: Callable[[Any], None], code: str, jobs: dict[str, DemoJob], result_of: ResultOf
) -> None:
    failures = check(jobs[name], edited(result_of(name), edit))
    assert code in {failure.code for failure in failures}
    assert all(str(failure).startswith(f"{name}: ") for failure in failures)


@pytest.mark.parametrize("name", SAMPLE)
@pytest.mark.parametrize("content", [b"", b"no json", b"[]", b"null", b'{"price": 1}', b"\xff\xfe"])
def test_broken_output_is_a_failure_and_no_exception(
    name: str, content: bytes, jobs: dict[str, DemoJob], result_of: ResultOf
) -> None:
    last = (jobs[name].array_size or 1) - 1
    assert check(jobs[name], with_file(result_of(name), content, index=last))


@pytest.mark.parametrize("name", SAMPLE)
def test_a_missing_output_is_named(name: str, jobs: dict[str, DemoJob], result_of: ResultOf) -> None:
    whole = result_of(name)
    last = (jobs[name].array_size or 1) - 1
    (failure,) = check(jobs[name], replace(whole, outputs={**whole.outputs, last: {}}))
    assert failure.code == "missing-output"
    assert f"task {last}" in str(failure)
    assert RESULT in str(failure)


def test_one_count_moved_between_two_words_is_found(jobs: dict[str, DemoJob], result_of: ResultOf) -> None:
    def move(counts: dict[str, int]) -> None:
        rare = [word for word, count in counts.items() if count == 2][:2]
        counts[rare[0]], counts[rare[1]] = 1, 3

    name = "count-words-sklearn-shared"
    (failure,) = check(jobs[name], edited(result_of(name), move, "out/counts.json", 3))
    assert failure.code == "differs"
    assert "words counted otherwise" in str(failure)


def test_tiles_in_the_wrong_place_are_found(jobs: dict[str, DemoJob], result_of: ResultOf) -> None:
    whole = result_of("render-julia")
    swapped = {**whole.outputs, 0: whole.outputs[1], 1: whole.outputs[0]}
    failures = check(jobs["render-julia"], replace(whole, outputs=swapped))
    assert "crc32 is" in " ".join(map(str, failures))


def test_a_tile_of_another_size_is_a_failure(jobs: dict[str, DemoJob], result_of: ResultOf) -> None:
    small = BytesIO()
    Image.new("P", (10, 10)).save(small, "PNG")
    tampered = with_file(result_of("render-julia"), small.getvalue(), "out/tile.png", 2)
    assert [failure.code for failure in check(jobs["render-julia"], tampered)] == ["unreadable"]


def test_a_stream_of_random_numbers_used_twice_is_found(jobs: dict[str, DemoJob], result_of: ResultOf) -> None:
    whole = result_of("simulate-call-streams")
    twice = replace(whole, outputs={**whole.outputs, 1: whole.outputs[0]})
    assert "different streams" in " ".join(map(str, check(jobs["simulate-call-streams"], twice)))


def test_groups_hold_and_say_what_does_not(jobs: dict[str, DemoJob], result_of: ResultOf) -> None:
    names = ("primes-native", "primes-wasm", "quote-call-95", "quote-put-95")
    results = {name: result_of(name) for name in names}
    assert not check_groups([(jobs[name], result) for name, result in results.items()])
    # each price is within its own tolerance still, but not both together
    call = shifted(jobs["quote-call-95"], results["quote-call-95"], 3.9)
    put = shifted(jobs["quote-put-95"], results["quote-put-95"], -3.9)
    assert not check(jobs["quote-call-95"], call) + check(jobs["quote-put-95"], put)
    failures = check_groups([(jobs["quote-call-95"], call), (jobs["quote-put-95"], put)])
    assert [failure.code for failure in failures] == ["parity"]


def shifted(job: DemoJob, result: JobResult, standard_errors: float) -> JobResult:
    """Return the result with a price so many standard errors away from the closed form."""
    assert isinstance(job.check, OptionContract)
    price, deviation = closed_form(job.check)
    moved = price + standard_errors * deviation / math.sqrt(job.check.paths)
    return edited(result, lambda found: found.update(price=f"{moved:.9f}"))


def test_a_failure_is_told_in_chinese(jobs: dict[str, DemoJob]) -> None:
    (failure,) = check(jobs["primes-native"], JobResult("SYSTEM_ERROR"))
    assert "SYSTEM_ERROR" in str(failure)
    with use_language("zh"):
        assert any("\u4e00" <= character <= "\u9fff" for character in failure.message())
