"""Are the results right? Each job against its expectation, then what only several jobs together can show."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import singledispatch
from typing import Any

from suanlian.demo.work import datasets, pictures, placed, reference
from suanlian.demo.work.corpus import corpus
from suanlian.demo.work.failure import CheckFailure, CheckFailureError, differs, outside, shorten
from suanlian.demo.work.job import (
    Accuracy,
    DemoJob,
    DigitLabels,
    FoldAccuracy,
    JobResult,
    OptionContract,
    PlacedLabels,
    PlacedSums,
    Primes,
    Says,
    View,
    WordCount,
)

STANDARD_ERRORS = 4.0  # one honest price in 16,000 lies further out; seeds are fixed, so a run that passed passes again
ERROR_TOLERANCE = (
    0.05  # of a reported standard error, relative to the exact one: over 50,000 paths it settles within 3 %
)
TOP_WORDS = 20
CHECKED_ROWS_APART = (
    20  # the slow path takes a millisecond a row: ten rows show a wrong view, the checksum shows the rest
)


def check(job: DemoJob, result: JobResult) -> list[CheckFailure]:
    """Return what is wrong with the result of one job; empty when all is well.

    Broken output (a missing file, no JSON, another shape) is a failure too, never an exception.
    """
    if result.state != job.expected_state:
        return list(_wrong_end(job, result))
    try:
        if job.expected_state == "COMPLETE":
            _require_outputs(job, result)
        return list(_verify(job.check, job, result))
    except CheckFailureError as error:
        return [error.failure]
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        return [CheckFailure(job.name, "unreadable", {"why": shorten(f"{type(error).__name__}: {error}")})]


def check_groups(results: Sequence[tuple[DemoJob, JobResult]]) -> list[CheckFailure]:
    """Return what is wrong between jobs: architectures that disagree, and call and put prices that break their parity.

    Jobs whose own check fails take no part: `check` has reported them.
    """
    sound = [(job, result) for job, result in results if not check(job, result)]
    return [*_architectures_agree(sound), *_put_call_parity(sound)]


def _wrong_end(job: DemoJob, result: JobResult) -> Iterator[CheckFailure]:
    yield CheckFailure(job.name, "state", {"had": result.state, "wanted": job.expected_state})


def _require_outputs(job: DemoJob, result: JobResult) -> None:
    for index in range(_tasks(job)):
        missing = sorted(set(job.outputs) - set(result.outputs.get(index, {})))
        if missing:
            values = {"index": str(index), "paths": ", ".join(missing)}
            raise CheckFailureError(CheckFailure(job.name, "missing-output", values))


def _tasks(job: DemoJob) -> int:
    return job.array_size or 1


def _read(result: JobResult, index: int, path: str = "out/result.json") -> Any:  # noqa: ANN401 - JSON is anything
    return json.loads(result.outputs[index][path])


def _share_correct(predictions: Sequence[int], labels: Sequence[int]) -> float:
    return sum(had == label for had, label in zip(predictions, labels, strict=True)) / len(labels)


@singledispatch
def _verify(expectation: object, job: DemoJob, result: JobResult) -> Iterator[CheckFailure]:
    """Yield what is wrong with a job that ended as expected; one implementation an expectation."""
    message = f"no check for {type(expectation).__name__} of {job.name} ({result.state})"
    raise NotImplementedError(message)


@_verify.register
def _accuracy(wanted: Accuracy, job: DemoJob, result: JobResult) -> Iterator[CheckFailure]:
    """Check a search: recount its predictions against the labels; the best of all tasks reaches the figure."""
    labels = datasets.labels(wanted.dataset)[: wanted.rows]
    shares = []
    for index in range(_tasks(job)):
        found = _read(result, index)
        shares.append(_share_correct(found["predictions"], labels))
        yield from differs(job.name, f"accuracy[{index}]", found["accuracy"], f"{shares[-1]:.6f}")
        best_tried = max(float(tried["accuracy"]) for tried in found["tried"])
        yield from differs(job.name, f"best of the grid[{index}]", found["accuracy"], f"{best_tried:.6f}")
    tolerance = reference.three_standard_errors(wanted.figure, wanted.rows)
    yield from outside(job.name, "accuracy", max(shares), wanted.figure, tolerance)


@_verify.register
def _fold_accuracy(wanted: FoldAccuracy, job: DemoJob, result: JobResult) -> Iterator[CheckFailure]:
    """Check a training: every fold predicts its own rows, recounted; then the average over all rows."""
    folds, labels = _tasks(job), datasets.labels(wanted.dataset)
    correct = 0
    for fold in range(folds):
        found, fold_labels = _read(result, fold), labels[fold::folds]
        share = _share_correct(found["predictions"], fold_labels)
        yield from differs(job.name, f"accuracy[{fold}]", found["accuracy"], f"{share:.6f}")
        correct += round(share * len(fold_labels))
    yield from differs(job.name, "rows", len(labels), wanted.rows)
    tolerance = reference.three_standard_errors(wanted.figure, wanted.rows)
    yield from outside(job.name, "accuracy", correct / len(labels), wanted.figure, tolerance)


@_verify.register
def _option_price(wanted: OptionContract, job: DemoJob, result: JobResult) -> Iterator[CheckFailure]:
    """Check every task's price and standard error against the closed form, then the mean over the tasks."""
    price, deviation = reference.closed_form(wanted)
    error = deviation / math.sqrt(wanted.paths)
    prices = []
    for index in range(_tasks(job)):
        found = _read(result, index)
        prices.append(float(found["price"]))
        yield from differs(job.name, f"paths[{index}]", found["paths"], wanted.paths)
        yield from outside(job.name, f"price[{index}]", prices[-1], price, STANDARD_ERRORS * error)
        reported = float(found["standard_error"])
        yield from outside(job.name, f"standard error[{index}]", reported, error, ERROR_TOLERANCE * error)
    yield from differs(job.name, "number of different streams", len(set(prices)), len(prices))
    tolerance = STANDARD_ERRORS * error / math.sqrt(len(prices))
    yield from outside(job.name, "mean price", math.fsum(prices) / len(prices), price, tolerance)


@_verify.register
def _picture(wanted: View, job: DemoJob, result: JobResult) -> Iterator[CheckFailure]:
    """Check the merged pixels: their checksum as a whole, every twentieth row by the slow path."""
    tiles = [result.outputs[index]["out/tile.png"] for index in range(_tasks(job))]
    pixels = pictures.merged_pixels(wanted, tiles)
    for index, tile in enumerate(tiles):
        checksum = pictures.crc32(pictures.tile_pixels(wanted, tile))
        yield from differs(job.name, f"crc32[{index}]", _read(result, index)["crc32"], checksum)
    yield from differs(job.name, "crc32", pictures.crc32(pixels), wanted.crc32)
    for row in range(0, wanted.height, CHECKED_ROWS_APART):
        had = pixels[row * wanted.width : (row + 1) * wanted.width]
        yield from differs(job.name, f"pixel row {row}", list(had), list(reference.pixel_row(wanted, row)))


@_verify.register
def _word_count(wanted: WordCount, job: DemoJob, result: JobResult) -> Iterator[CheckFailure]:
    """Check each task's totals against its own counts, and the merged counts against another way of counting."""
    expected = reference.word_counts(corpus(wanted.key).decode("utf-8"))
    merged: Counter[str] = Counter()
    for index in range(_tasks(job)):
        found, counts = _read(result, index), Counter(_read(result, index, "out/counts.json"))
        merged.update(counts)
        yield from differs(job.name, f"words[{index}]", found["words"], counts.total())
        yield from differs(job.name, f"distinct words[{index}]", found["distinct"], len(counts))
        top = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:TOP_WORDS]
        yield from differs(job.name, f"top words[{index}]", found["top"], [list(entry) for entry in top])
    yield from differs(job.name, "words", merged.total(), expected.total())
    changed = sorted(word for word in merged.keys() | expected.keys() if merged[word] != expected[word])
    yield from differs(job.name, "words counted otherwise", changed, [])


@_verify.register
def _digit_labels(wanted: DigitLabels, job: DemoJob, result: JobResult) -> Iterator[CheckFailure]:
    """Check the labels and distances of a batch: integers, so exactly."""
    found = _read(result, 0)
    batch = datasets.digit_pictures(wanted.first, wanted.count)
    labels, distances = reference.nearest_centroids(batch, datasets.digit_centroids(wanted.centroid_rows))
    yield from differs(job.name, "labels", found["labels"], labels)
    yield from differs(job.name, "distances", found["distances"], [str(value) for value in distances])


@_verify.register
def _placed_sums(_wanted: PlacedSums, job: DemoJob, result: JobResult) -> Iterator[CheckFailure]:
    """Check that what the job read is the dataset, file by file, and the sums; integers, so exactly."""
    found = _read(result, 0)
    yield from differs(job.name, "SHA-256 of the files read", found["sha256"], placed.placed_digests())
    yield from differs(job.name, "pictures", found["pictures"], len(datasets.labels("digits")) * len(placed.PLACES))
    yield from differs(job.name, "sums", found["sums"], placed.sums())


@_verify.register
def _placed_labels(_wanted: PlacedLabels, job: DemoJob, result: JobResult) -> Iterator[CheckFailure]:
    """Check the labels against those of the small pictures, moved into the corner, by another formula."""
    found, rows = _read(result, 0), placed.TRAINED_ROWS
    yield from differs(job.name, "SHA-256 of the files read", found["sha256"], placed.placed_digests())
    small = [placed.cornered(picture) for picture in datasets.digit_pictures(0, len(datasets.labels("digits")))]
    model = datasets.centroids(small[:rows], datasets.labels("digits")[:rows])
    labels = "".join(map(str, reference.nearest_centroids(small[rows:], model)[0]))
    wanted = {placed.file_name(place): labels for place in placed.PLACES}
    yield from differs(job.name, "labels", found["labels"], wanted)


@_verify.register
def _primes(_wanted: Primes, job: DemoJob, result: JobResult) -> Iterator[CheckFailure]:
    """Check the line that both variants write, in the file and on standard output."""
    yield from differs(
        job.name, "out/result.json", result.outputs[0]["out/result.json"].decode(), reference.PRIMES_LINE
    )
    yield from differs(job.name, "stdout", result.stdout.get(0, ""), reference.PRIMES_LINE)


@_verify.register
def _says(wanted: Says, job: DemoJob, result: JobResult) -> Iterator[CheckFailure]:
    """Check that a job that ended badly shows why; letters of either case."""
    streams = (("stdout", wanted.stdout, result.stdout), ("stderr", wanted.stderr, result.stderr))
    for stream, text, had in streams:
        shown = had.get(0, "")
        if text.lower() not in shown.lower():
            yield CheckFailure(job.name, "not-said", {"stream": stream, "wanted": text, "had": shown[-80:]})


def _architectures_agree(sound: Sequence[tuple[DemoJob, JobResult]]) -> Iterator[CheckFailure]:
    """Check that the same computation has one result, byte by byte, whatever ran it."""
    found = {job.name: result.outputs[0]["out/result.json"] for job, result in sound if isinstance(job.check, Primes)}
    if len(set(found.values())) > 1:
        shown = ", ".join(f"{name}: {content.decode(errors='replace').strip()}" for name, content in found.items())
        yield CheckFailure(min(found), "architectures", {"results": shown})


def _put_call_parity(sound: Sequence[tuple[DemoJob, JobResult]]) -> Iterator[CheckFailure]:
    """Check call - put = spot - strike * exp(-rate * years) for European options that differ in nothing else.

    Call and put come from different random numbers, so the errors of both add up, in squares.
    """
    pairs: dict[OptionContract, dict[str, tuple[str, float, float]]] = {}
    for job, result in sound:
        if isinstance(job.check, OptionContract) and job.check.style == "european":
            error = reference.closed_form(job.check)[1] / math.sqrt(job.check.paths)
            terms = replace(job.check, right="call", seed=0)
            pairs.setdefault(terms, {})[job.check.right] = (job.name, float(_read(result, 0)["price"]), error)
    for terms, pair in pairs.items():
        if len(pair) == 2:  # noqa: PLR2004 - a pair
            (name, call, call_error), (_, put, put_error) = pair["call"], pair["put"]
            middle = terms.spot - terms.strike * math.exp(-terms.rate * terms.years)
            tolerance = STANDARD_ERRORS * math.hypot(call_error, put_error)
            for failure in outside(name, "call minus put", call - put, middle, tolerance):
                yield replace(failure, code="parity")
