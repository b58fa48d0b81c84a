"""What is in the data sets inside the scikit-learn wheel? Read with the standard library alone, for the checks."""

import gzip
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

FILES = {"digits": "digits.csv.gz", "breast-cancer": "breast_cancer.csv"}


def package_folder(package: str) -> Path:
    """Return where an installed package lies, without importing it.

    Raises:
        LookupError: the package is not installed.

    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        message = f"the package {package} is not installed: pip install 'suanlian[demo]'"
        raise LookupError(message)
    return Path(spec.submodule_search_locations[0])


@cache
def lines(dataset: str) -> tuple[str, ...]:
    """Return the rows of `digits` or `breast-cancer` as text, without the header."""
    content = (package_folder("sklearn") / "datasets" / "data" / FILES[dataset]).read_bytes()
    if dataset == "digits":
        content = gzip.decompress(content)
    rows = content.decode("utf-8").splitlines()
    return tuple(rows[1:] if dataset == "breast-cancer" else rows)


def labels(dataset: str) -> list[int]:
    """Return the label of every row."""
    return [int(float(line.rpartition(",")[2])) for line in lines(dataset)]


def digit_pictures(first: int, count: int) -> list[list[int]]:
    """Return pictures of the digits set: 64 grey levels from 0 to 16 each."""
    return [[int(float(value)) for value in line.split(",")[:-1]] for line in lines("digits")[first : first + count]]


@cache
def digit_centroids(rows: int) -> tuple[tuple[int, ...], ...]:
    """Return each digit's mean picture over the first `rows` rows, rounded to sixteenths of a grey level."""
    return centroids(digit_pictures(0, rows), labels("digits")[:rows])


def centroids(pictures: Sequence[Sequence[int]], shown: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return each digit's mean picture, rounded to sixteenths of a grey level, halves up; `shown`: their labels."""
    sums = [[0] * 64 for _ in range(10)]
    counts = [0] * 10
    for picture, label in zip(pictures, shown, strict=True):
        counts[label] += 1
        sums[label] = [total + value for total, value in zip(sums[label], picture, strict=True)]
    return tuple(
        tuple((2 * 16 * total + count) // (2 * count) for total in totals)
        for totals, count in zip(sums, counts, strict=True)
    )
