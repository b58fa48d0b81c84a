"""Whoever multiplied is believed; whoever did not, or did it in a lower precision, is not."""

import hashlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.probe.matmul import multiplied
from suanlian.probe.workload import BASES, BITS, LEFT, PRODUCTS, RIGHT, Chains, base, diagonals, octets, segments_for
from suanlian.rules.freivalds import SECRET_BYTES, SECRETS, check, decoded, expected, secret, tolerance_of

Any2 = npt.NDArray[Any]
LOWER = {"FP64": 24, "FP32": 11, "TF32": 8, "FP16": 8, "BF16": 4}
"""Bits of the next lower precision; below BF16 it is FP8 (E4M3)."""


def drawn(n: int) -> list[bytes]:
    return [os.urandom(n * SECRET_BYTES) for _ in range(SECRETS)]


def cut(numbers: Any2, bits: int, *, off: bool = False) -> Any2:
    """Numbers rounded to so many bits of significand, to even; ``off``: cut off instead."""
    mantissa, exponent = np.frexp(numbers)
    whole = (np.trunc if off else np.round)(mantissa * 2.0**bits)
    return np.asarray(np.ldexp(whole / 2.0**bits, exponent))


def emulated(work: Chains, bits: int, *, off: bool = False) -> Any2:
    """The product as a unit makes it that rounds what it multiplies to ``bits`` and adds up in FP64."""
    bases = [cut(base(work, index), bits, off=off) for index in range(BASES)]
    total = np.zeros((work.n, work.n))
    for segment in range(work.segments):
        at = diagonals(work, segment)
        moved = at[LEFT][:, None] * bases[segment % BASES]
        for place in range(1, PRODUCTS + 1):
            moved = cut(moved * at[place], bits, off=off) @ bases[(segment + place) % BASES]
        total += moved * at[RIGHT]
    return total


def encoded(product: Any2, precision: str) -> bytes:
    if precision == "BF16":
        return (cut(product, 8).astype(np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    return product.astype({"FP64": "<f8", "FP16": "<f2"}.get(precision, "<f4")).tobytes()


@pytest.mark.parametrize("precision", ["FP64", "FP32"])
@settings(max_examples=15, deadline=None)
@given(seed=st.text(max_size=20), n=st.sampled_from([8, 33, 64, 160]), segments=st.integers(1, 40))
def test_what_blas_multiplied_is_the_product(precision: str, seed: str, n: int, segments: int) -> None:
    work = Chains(seed, precision, n, segments)
    assert check(work, multiplied(work).tobytes(), drawn(n)).fits


@pytest.mark.parametrize("precision", ["TF32", "FP16", "BF16"])
@pytest.mark.parametrize("off", [False, True])
@pytest.mark.parametrize("segments", [1, 12])
def test_what_an_accelerator_multiplies_is_the_product_whether_it_rounds_or_cuts_off(
    precision: str, segments: int, *, off: bool
) -> None:
    work = Chains("s", precision, 128, segments)
    assert check(work, encoded(emulated(work, BITS[precision], off=off), precision), drawn(128)).fits


@pytest.mark.parametrize("precision", list(BITS))
@pytest.mark.parametrize(("n", "segments"), [(32, 1), (128, 1), (128, 12), (256, 3)])
def test_the_next_lower_precision_is_not_believed(precision: str, n: int, segments: int) -> None:
    work = Chains("s", precision, n, segments)
    finding = check(work, encoded(emulated(work, LOWER[precision]), precision), drawn(n))
    assert not finding.fits
    assert finding.residual > 1.4 * tolerance_of(precision)


@pytest.mark.parametrize("precision", ["FP64", "FP32"])
def test_an_honest_product_keeps_a_third_of_its_bound_to_spare(precision: str) -> None:
    work = Chains("s", precision, 512, 2)
    assert check(work, multiplied(work).tobytes(), drawn(512)).residual < tolerance_of(precision) / 3


@settings(max_examples=40, deadline=None)
@given(data=st.data(), precision=st.sampled_from(["FP64", "FP32"]))
def test_one_wrong_entry_is_found(data: st.DataObject, precision: str) -> None:
    work = Chains("s", precision, 64, 2)
    product = multiplied(work)
    row, column = (data.draw(st.integers(0, 63)) for _ in range(2))
    product[row, column] += data.draw(st.sampled_from([-1, 1])) * product.std() / 10
    assert not check(work, product.tobytes(), drawn(64)).fits


def test_two_entries_that_would_cancel_for_a_vector_of_ones_are_found() -> None:
    work = Chains("s", "FP64", 64, 1)
    product = multiplied(work)
    product[3, 5] += 1
    product[3, 9] -= 1
    assert not check(work, product.tobytes(), drawn(64)).fits


def test_work_left_out_is_found() -> None:
    work = Chains("s", "FP32", 64, 40)
    less = Chains("s", "FP32", 64, 39)
    assert not check(work, multiplied(less).tobytes(), drawn(64)).fits


def test_a_product_of_another_seed_is_not_the_product() -> None:
    work, other = Chains("s", "FP32", 64, 2), Chains("t", "FP32", 64, 2)
    assert not check(work, multiplied(other).tobytes(), drawn(64)).fits


def test_a_matrix_that_fits_known_vectors_does_not_fit_secret_ones() -> None:
    work = Chains("s", "FP64", 64, 1)
    known = np.stack([secret(octet, 64) for octet in drawn(64)], axis=1)
    # of rank four, and right for every vector that the cheat knew beforehand
    fitted = expected(work, known) @ np.linalg.pinv(known)
    assert np.allclose(fitted @ known, expected(work, known))
    assert not check(work, fitted.tobytes(), drawn(64)).fits


@pytest.mark.parametrize("spoil", [np.nan, np.inf, -np.inf, 1e308])
def test_numbers_that_are_none_are_refused(spoil: float) -> None:
    work = Chains("s", "FP64", 32, 1)
    product = multiplied(work)
    product[0, 0] = spoil
    assert not check(work, product.tobytes(), drawn(32)).fits


@pytest.mark.parametrize("data", [b"", b"\0" * 8, b"\0" * (32 * 32 * 8), b"\0" * (32 * 32 * 8 + 1)])
def test_bytes_that_are_no_product_are_refused(data: bytes) -> None:
    assert not check(Chains("s", "FP64", 32, 1), data, drawn(32)).fits


def test_secrets_that_are_too_short_are_an_error_and_no_pass() -> None:
    work = Chains("s", "FP64", 32, 1)
    with pytest.raises(ValueError, match="buffer"):
        check(work, multiplied(work).tobytes(), [b"short"])


@given(st.binary(min_size=80, max_size=80))
def test_secret_entries_lie_within_one(octets_: bytes) -> None:
    vector = secret(octets_, 10)
    assert ((vector >= -1) & (vector < 1)).all()


@given(precision=st.sampled_from(sorted(BITS)), seed=st.text(max_size=10))
@settings(max_examples=30, deadline=None)
def test_entries_and_diagonals_are_exact_in_their_precision(precision: str, seed: str) -> None:
    work = Chains(seed, precision, 16, 1)
    for exact in (base(work, 0), diagonals(work, 0)):
        assert (cut(exact, BITS[precision]) == exact).all()
        again = decoded(precision, encoded(base(work, 1), precision), 16)
        assert again is not None
        assert (again == base(work, 1)).all()


@given(operations=st.floats(1, 1e15), n=st.sampled_from([256, 1024]))
def test_segments_are_the_fewest_that_count_enough(operations: float, n: int) -> None:
    count = segments_for(operations, n)
    assert Chains("", "FP64", n, count).operations >= operations
    assert count == 1 or Chains("", "FP64", n, count - 1).operations < operations


def test_sizes_stay_near_one() -> None:
    for n in (32, 256, 512):
        size = float(multiplied(Chains("s", "FP64", n, 1)).std())
        assert 0.1 < size < 2


def test_the_stream_is_the_one_that_was_published() -> None:
    """The bytes that a seed stands for must never change: hubs and platforms of several versions meet."""

    def digests(parts: Sequence[Any2]) -> str:
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()

    work = Chains("seed", "FP32", 24, 2)
    assert (
        digests([base(work, 0), base(work, 1), octets(work, 0), octets(work, 1)])
        == "7a11be146ddd353ee6ada5b3a42d202d7353f53a47a4954e56c98ea51430ed7b"
    )
