"""What should have come out? A second, independent path of each computation, in plain Python, simple on purpose."""

import math
from collections import Counter
from collections.abc import Sequence
from string import ascii_lowercase

from suanlian.demo.work.job import OptionContract, View

PRIMES_LINE = '{"below":1000000,"checksum":"9122208724948757631","primes":78498}\n'
"""What both variants write. The count is the tabulated pi(10**6); tests/demo derives both by Miller-Rabin tests."""

FRACTION_BITS = 24


def normal_cdf(x: float) -> float:
    """Return the standard normal distribution function."""
    return math.erfc(-x / math.sqrt(2.0)) / 2.0


def closed_form(contract: OptionContract) -> tuple[float, float]:
    """Return price and standard deviation of the discounted payoff, in the contract's money.

    Source: Black and Scholes (1973); for the geometric mean, which is lognormal too, Kemna and Vorst (1990) with
    discrete dates. The second moment of the payoff follows by the same integral over the lognormal density.
    """
    n = contract.dates if contract.style == "geometric-asian" else 1
    drift = (contract.rate - contract.volatility**2 / 2.0) * contract.years
    mean = math.log(contract.spot) + drift * (n + 1) / (2 * n)
    variance = contract.volatility**2 * contract.years * (n + 1) * (2 * n + 1) / (6 * n**2)
    sign = 1.0 if contract.right == "call" else -1.0
    deviation = math.sqrt(variance)
    distance = (mean - math.log(contract.strike)) / deviation
    # the moments of the value where the option pays: E[value**power; it pays]
    zeroth, first, second = (
        math.exp(power * mean + power**2 * variance / 2.0) * normal_cdf(sign * (distance + power * deviation))
        for power in (0, 1, 2)
    )
    discount = math.exp(-contract.rate * contract.years)
    price = discount * sign * (first - contract.strike * zeroth)
    square = discount**2 * (second - 2.0 * contract.strike * first + contract.strike**2 * zeroth)
    return price, math.sqrt(max(square - price**2, 0.0))  # rounding may leave less than nothing


def escape_time(view: View, column: int, row: int) -> int:
    """Return the iteration at which one pixel passes |z| = 2, or 0; integers with 24 fraction bits, of any size."""
    real, imaginary = view.left + view.step * column, view.top - view.step * row
    c_real, c_imaginary = view.julia or (real, imaginary)
    for iteration in range(1, view.limit + 1):
        real_square, imaginary_square = real * real >> FRACTION_BITS, imaginary * imaginary >> FRACTION_BITS
        if real_square + imaginary_square > 4 << FRACTION_BITS:
            return iteration
        imaginary = (real * imaginary >> (FRACTION_BITS - 1)) + c_imaginary
        real = real_square - imaginary_square + c_real
    return 0


def pixel_row(view: View, row: int) -> bytes:
    """Return one row of the picture, a byte a pixel."""
    return bytes(escape_time(view, column, row) for column in range(view.width))


def word_counts(text: str) -> Counter[str]:
    """Count the runs of a to z after lower-casing, by blanking out every other character and splitting at blanks."""
    lowered = text.lower()
    blanks = dict.fromkeys(map(ord, set(lowered) - set(ascii_lowercase)), " ")
    return Counter(lowered.translate(blanks).split())


def nearest_centroids(
    pictures: Sequence[Sequence[int]], centroids: Sequence[Sequence[int]]
) -> tuple[list[int], list[int]]:
    """Return label and squared distance (in 1/256 of a squared grey level) of the nearest centroid of each picture.

    Uses |p|**2 - 2 p.c + |c|**2, where the program sums squared differences; all integers, so they agree exactly.
    """
    labels, distances = [], []
    for picture in pictures:
        scaled = [16 * value for value in picture]
        length = sum(value * value for value in scaled)
        apart = [length + sum(c * (c - 2 * p) for p, c in zip(scaled, centroid, strict=True)) for centroid in centroids]
        distances.append(min(apart))
        labels.append(apart.index(distances[-1]))
    return labels, distances


def three_standard_errors(share: float, rows: int) -> float:
    """Return three binomial standard errors of a share counted over `rows` rows.

    The tolerance of an accuracy: another version of numpy or scikit-learn may solve and shuffle a little differently,
    but the result of another random split would stay within this, and a broken training does not.
    """
    return 3.0 * math.sqrt(share * (1.0 - share) / rows)
