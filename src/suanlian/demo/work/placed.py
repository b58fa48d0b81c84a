"""What is in the dataset of the demo? Every picture of the digits set, at 25 places of one twice as wide and high.

Plain bytes, a grey level (0 to 16) each, 256 a picture, row after row; one file for each place, ``RR-CC.bin`` with the
picture's first row and column there; ``labels.bin`` holds the digits shown, a byte each. Made of the data set inside
the scikit-learn wheel, the same bytes for the same wheel.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Final

from suanlian.demo.work.datasets import digit_pictures, labels

DATASET: Final = "placed-digits"
SMALL: Final = 8
SIDE: Final = 16
LABELS: Final = "labels.bin"
TRAINED_ROWS: Final = 1000
"""The recogniser learns from these rows of the place 00-00 and is asked for those after them, at every place."""
_STEP: Final = 2
PLACES: Final = tuple((r, c) for r in range(0, SIDE - SMALL + 1, _STEP) for c in range(0, SIDE - SMALL + 1, _STEP))


def file_name(place: tuple[int, int]) -> str:
    """Where the pictures at this place are."""
    return f"{place[0]:02}-{place[1]:02}.bin"


@cache
def placed_files() -> dict[str, bytes]:
    """Every file of the dataset by its path: 11.5 MB. Raises LookupError where scikit-learn is not installed."""
    pictures = [bytes(level for level in picture) for picture in digit_pictures(0, len(labels("digits")))]
    found = {file_name(place): b"".join(_put(picture, place) for picture in pictures) for place in PLACES}
    return {**found, LABELS: bytes(labels("digits"))}


def _put(picture: bytes, place: tuple[int, int]) -> bytes:
    row, column = place
    left, right = bytes(column), bytes(SIDE - SMALL - column)
    rows = [left + picture[at : at + SMALL] + right for at in range(0, SMALL * SMALL, SMALL)]
    return bytes(row * SIDE) + b"".join(rows) + bytes((SIDE - SMALL - row) * SIDE)


@cache
def placed_digests() -> dict[str, str]:
    """SHA-256 of every file, by its path."""
    return {path: hashlib.sha256(content).hexdigest() for path, content in placed_files().items()}


def sums() -> list[list[int]]:
    """For each digit the sum of all its pictures at all places, 256 numbers; from the small pictures alone."""
    small = [[0] * (SMALL * SMALL) for _ in range(10)]
    for picture, label in zip(digit_pictures(0, len(labels("digits"))), labels("digits"), strict=True):
        small[label] = [total + level for total, level in zip(small[label], picture, strict=True)]
    found = [[0] * (SIDE * SIDE) for _ in range(10)]
    for digit, totals in enumerate(small):
        for row, column in PLACES:
            for at, total in enumerate(totals):
                found[digit][(row + at // SMALL) * SIDE + column + at % SMALL] += total
    return found


def cornered(picture: Sequence[int]) -> list[int]:
    """A small picture moved up and to the left until its first row and its first column show something."""
    rows = [list(picture[at : at + SMALL]) for at in range(0, SMALL * SMALL, SMALL)]
    top = next(at for at, row in enumerate(rows) if any(row))
    left = min(at for row in rows for at, level in enumerate(row) if level)
    moved = [row[left:] + [0] * left for row in rows[top:]] + [[0] * SMALL for _ in range(top)]
    return [level for row in moved for level in row]
