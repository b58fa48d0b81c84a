"""Is this really the product? Freivalds' check of a sum of chains of matrices, without multiplying two of them.

A secret vector r goes through each chain from the right, which costs n² where a product costs n³, and is compared with
what the handed-in matrix C makes of it (Freivalds, IFIP 1977). r is drawn only after C was committed to, its entries
are continuous and there are several: whoever does not have the product cannot choose a matrix that fits.

Numbers are floating, so C fits only up to rounding: each product adds an error near half a unit of its precision, which
the later ones neither grow nor shrink. The bounds below lie between what a precision loses and what the next lower one
loses, a factor of 8 and more; tests hold both sides. TF32 and FP16 have the same 11 bits: they are not told apart.

What it shows: somebody multiplied, in at least this precision. When and where is shown by who timed it. That there is
no quicker way is not proved; the ways known to the author save less than a fifth (end products of chains that share
signs), which no honest figure rests on.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from suanlian.probe.workload import BASES, BITS, LEFT, PRODUCTS, RIGHT, Chains, Matrix, base, diagonals

SECRETS: Final = 4
"""So many vectors are tried; two would do against chance, the others cost little."""
SECRET_BYTES: Final = 8
"""Bytes of each entry of a secret vector."""
FACTORS: Final[Mapping[str, float]] = {"FP64": 200.0, "FP32": 200.0, "TF32": 3.5, "FP16": 3.5, "BF16": 5.0}
"""How many half units in the last place may be lost. FP64 and FP32 add up in their own precision: hence far more."""

ROW_FACTOR: Final = 12.0
"""How far one row may stray beyond the mean of all rows: one wrong entry spoils one row."""
_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, and ``why`` it is not the product. ``residual`` and ``worst_row`` are relative to its size."""

    residual: float
    worst_row: float
    tolerance: float
    why: str = ""

    @property
    def fits(self) -> bool:
        """Whether it is the product."""
        return not self.why


def secret(octets: bytes, n: int) -> Matrix:
    """A secret vector of n entries in [-1, 1) out of ``n * SECRET_BYTES`` random bytes. Raises ValueError for fewer."""
    words = np.frombuffer(octets, dtype="<u8", count=n)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def decoded(precision: str, data: bytes, n: int) -> Matrix | None:
    """The product as it was handed in, row by row, little-endian; None where it has not the right length.

    FP64, FP32 (TF32 too) and FP16 as IEEE 754 numbers; BF16 as the upper halves of FP32 numbers.
    """
    kind = {"FP64": "<f8", "FP16": "<f2", "BF16": "<u2"}.get(precision, "<f4")
    if len(data) != n * n * np.dtype(kind).itemsize:
        return None
    numbers = np.frombuffer(data, dtype=kind).reshape(n, n)
    if precision == "BF16":
        return (numbers.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return numbers.astype(np.float64)


def expected(work: Chains, vectors: Matrix) -> Matrix:
    """What the true product makes of the columns of ``vectors``; costs 2 n² a vector and product."""
    bases = [base(work, index) for index in range(BASES)]
    total = np.zeros_like(vectors)
    for first in range(BASES):
        # segments that begin with the same matrix go through the chain side by side
        alike = range(first, work.segments, BASES)
        for start in range(0, len(alike), _AT_ONCE):
            total += _through(work, bases, alike[start : start + _AT_ONCE], vectors)
    return total


def _through(work: Chains, bases: Sequence[Matrix], segments: Sequence[int], vectors: Matrix) -> Matrix:
    count = vectors.shape[1]
    # place x n x columns: the diagonals of every segment stand beside its own copy of the vectors
    drawn = np.repeat(np.stack([diagonals(work, segment) for segment in segments], axis=2), count, axis=2)
    moved = drawn[RIGHT] * np.tile(vectors, len(segments))
    for place in range(PRODUCTS, 0, -1):
        moved = drawn[place] * (bases[(segments[0] + place) % BASES] @ moved)
    moved = drawn[LEFT] * (bases[segments[0] % BASES] @ moved)
    total: Matrix = moved.reshape(work.n, len(segments), count).sum(axis=1)
    return total


def tolerance_of(precision: str) -> float:
    """The largest relative residual that passes."""
    return FACTORS[precision] * 2.0 ** -BITS[precision]


def check(work: Chains, data: bytes, octets: Sequence[bytes]) -> Finding:
    """Whether ``data`` is the work's product in at least its precision; ``octets``: a secret vector each.

    Raises KeyError for a precision that cannot be verified, ValueError for secrets that are too short.
    """
    tolerance = tolerance_of(work.precision)
    product = decoded(work.precision, data, work.n)
    if product is None:
        return Finding(math.inf, math.inf, tolerance, "the product has not the right length")
    if not np.isfinite(product).all():
        return Finding(math.inf, math.inf, tolerance, "the product holds numbers that are not finite")
    vectors = np.stack([secret(drawn, work.n) for drawn in octets], axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        return _compared(product @ vectors, expected(work, vectors), tolerance)


def _compared(shown: Matrix, true: Matrix, tolerance: float) -> Finding:
    size = float(np.linalg.norm(true))
    norm = float(np.linalg.norm(shown))
    if not norm or not math.isfinite(norm):
        return Finding(1.0, 1.0, tolerance, "the product is nothing but zeros, or out of all bounds")
    # units that cut off instead of rounding shrink every product a little, and all of them alike: that is taken out
    drift = float((shown * true).sum()) / norm**2
    drift = min(max(drift, 1 - PRODUCTS * tolerance), 1 + PRODUCTS * tolerance)
    wrong = drift * shown - true
    residual = float(np.linalg.norm(wrong)) / size
    rows: npt.NDArray[np.float64] = np.linalg.norm(wrong, axis=1) * math.sqrt(len(true)) / size
    worst = float(rows.max())
    if residual > tolerance:
        return Finding(residual, worst, tolerance, "it is not the product, or one in a lower precision")
    if worst > ROW_FACTOR * tolerance:
        return Finding(residual, worst, tolerance, "a row of it is not that of the product")
    return Finding(residual, worst, tolerance)
