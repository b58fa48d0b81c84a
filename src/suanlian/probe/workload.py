"""Which matrices does a verification multiply? Sums of chains that follow from a seed alone, bit for bit, anywhere.

    C = Σ L(s) · B(s) · D(s,1) · B(s+1) · D(s,2) · B(s+2) ··· D(s,8) · B(s+8) · R(s)        s = 0 .. segments - 1

``B`` are dense and few (the index counts modulo ``BASES``): drawing them costs n² and not segments · n². ``L``, ``D``
and ``R`` are fresh diagonals: no product can be kept and used again, nor one taken out of the sum. Entries of ``B``
fill the significand of their precision, and diagonals are signed powers of two: both are exact in it, and sizes stay
near one. So an honest result loses by its products alone, and one in a lower precision loses more, which is seen
(``rules/freivalds.py``). Chains are short because the singular values of long ones fall apart: a product of thirty
random matrices can be had from a few of their directions, one of eight cannot.

The words come raw from Philox (Salmon et al., SC 2011), a stream that numpy promises to keep; how they become numbers
stands here, because numpy does not promise that of its distributions.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

BASES: Final = 3
"""So many dense matrices are drawn."""
PRODUCTS: Final = 8
"""So many products a segment has."""
LEFT: Final = 0
RIGHT: Final = PRODUCTS + 1
"""Places of the diagonals around a segment; those within it are 1 .. PRODUCTS."""
BITS: Final[Mapping[str, int]] = {"FP64": 53, "FP32": 24, "TF32": 11, "FP16": 11, "BF16": 8}
"""Bits of the significand of each precision that can be verified, the leading one included."""
_WORD_BYTES: Final = 8
# mean squares: 1/3 of an entry, (1 + 1/4) / 2 of a diagonal before its scale
_MEAN_SQUARE: Final = 0.625 / 3

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Chains:
    """One piece of work: whose seed, in which precision (of ``BITS``), how large the matrices, how many segments."""

    seed: str
    precision: str
    n: int
    segments: int

    @property
    def operations(self) -> int:
        """What the products count: 2 n³ each, a multiplication and an addition a term. Drawing is not counted."""
        return 2 * self.n**3 * PRODUCTS * self.segments


def segments_for(operations: float, n: int) -> int:
    """The fewest segments that count at least so many operations."""
    return max(1, math.ceil(operations / (2 * n**3 * PRODUCTS)))


def base(work: Chains, index: int) -> Matrix:
    """The dense matrix ``B(index)``, n x n, entries odd multiples of 2^-bits in (-1, 1)."""
    bits = BITS[work.precision]
    # at most 53 bits and a sign: neither the integer nor the division is rounded
    odd = whole(work, index) * 2 + 1 - 2**bits
    made: Matrix = odd / 2.0**bits
    return made


def whole(work: Chains, index: int) -> npt.NDArray[np.int64]:
    """What ``B(index)`` is made of: n x n whole numbers from 0 to 2^bits - 1."""
    words = _words(f"{work.seed}/base/{index % BASES}", work.n * work.n)
    words >>= np.uint64(64 - BITS[work.precision])
    return words.view(np.int64).reshape(work.n, work.n)


def octets(work: Chains, segment: int) -> npt.NDArray[np.uint8]:
    """What the diagonals of a segment are made of: PRODUCTS + 2 rows of n octets, LEFT first, RIGHT last."""
    count = (PRODUCTS + 2) * work.n
    words = _words(f"{work.seed}/diagonals/{segment}", -(-count // _WORD_BYTES))
    return words.view(np.uint8)[:count].reshape(PRODUCTS + 2, work.n)


def diagonals(work: Chains, segment: int) -> Matrix:
    """The diagonals of a segment, a row each: signs, and within it sizes too, with the scale of each product.

    The lowest bit of an octet is the sign (1: minus), the next one halves.
    """
    drawn = octets(work, segment)
    signs, halves = np.where(drawn & 1, -1.0, 1.0), np.where(drawn & 2, 0.5, 1.0)
    halves[[LEFT, RIGHT]] = 1.0
    made: Matrix = signs * halves * scales(work.n)
    return made


def scales(n: int) -> Matrix:
    """By what each place of a segment is made smaller, a column: powers of two that keep sizes near one."""
    growth = math.log2(n * _MEAN_SQUARE) / 2
    exponents = [round(growth * place) - round(growth * (place - 1)) for place in range(1, PRODUCTS + 1)]
    made: Matrix = 2.0 ** -np.array([0.0, *exponents, 0.0])[:, None]
    return made


def _words(label: str, count: int) -> npt.NDArray[np.uint64]:
    key = int.from_bytes(hashlib.sha256(label.encode()).digest()[:16], "little")
    return np.asarray(np.random.Philox(key=key).random_raw(count), dtype="<u8")
