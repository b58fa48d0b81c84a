import json
import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from suanlian.demo.work import reference
from suanlian.demo.work.job import DemoJob, OptionContract, View
from suanlian.demo.work.pictures import crc32


def is_prime(number: int) -> bool:
    """Miller and Rabin's test; the bases 2 and 3 decide below 1,373,653 (Pomerance, Selfridge and Wagstaff, 1980)."""
    if number < 4 or number % 2 == 0:
        return number in {2, 3}
    twos = ((number - 1) & -(number - 1)).bit_length() - 1
    odd = (number - 1) >> twos
    for base in (2, 3):
        power = pow(base, odd, number)
        if power in {1, number - 1}:
            continue
        if all((power := power * power % number) != number - 1 for _ in range(twos - 1)):
            return False
    return True


def test_the_primes_are_those_of_another_test() -> None:
    count = checksum = 0
    for number in range(1_000_000):
        if is_prime(number):
            count += 1
            checksum = (checksum * 6364136223846793005 + number) % 2**64
    assert json.loads(reference.PRIMES_LINE) == {"below": 1_000_000, "checksum": str(checksum), "primes": count}


@pytest.mark.parametrize("name", ["render-mandelbrot", "render-seahorses", "render-julia"])
def test_the_kept_checksum_is_that_of_the_slow_path(name: str, jobs: dict[str, DemoJob]) -> None:
    view = jobs[name].check
    assert isinstance(view, View)
    assert crc32(b"".join(reference.pixel_row(view, row) for row in range(view.height))) == view.crc32


@pytest.mark.parametrize("style", ["european", "geometric-asian"])
@pytest.mark.parametrize("right", ["call", "put"])
@pytest.mark.parametrize("strike", [80.0, 100.0, 125.0])
def test_the_closed_form_is_the_integral_over_the_density(style: str, right: str, strike: float) -> None:
    contract = OptionContract(style, right, strike, seed=0, paths=1)  # type: ignore[arg-type]  # from the lists above
    dates = contract.dates if style == "geometric-asian" else 1
    times = np.arange(1, dates + 1) * contract.years / dates
    mean = math.log(contract.spot) + (contract.rate - contract.volatility**2 / 2) * times.mean()
    deviation = contract.volatility * math.sqrt(np.minimum.outer(times, times).mean())
    z, step = np.linspace(-10.0, 10.0, 400_001, retstep=True)
    weights = np.exp(-(z**2) / 2.0) / math.sqrt(2.0 * math.pi) * step
    gain = np.exp(mean + deviation * z) - strike
    payoff = math.exp(-contract.rate * contract.years) * np.maximum(gain if right == "call" else -gain, 0.0)
    price = float(weights @ payoff)
    spread = math.sqrt(float(weights @ payoff**2) - price**2)
    assert reference.closed_form(contract) == pytest.approx((price, spread), rel=1e-6)


@example(strike=339.0, volatility=0.099609375, years=0.1, rate=0.09375)
@given(
    strike=st.floats(20.0, 400.0),
    volatility=st.floats(0.05, 0.9),
    years=st.floats(0.1, 5.0),
    rate=st.floats(-0.02, 0.1),
)
def test_put_call_parity(strike: float, volatility: float, years: float, rate: float) -> None:
    call, put = (
        reference.closed_form(OptionContract("european", right, strike, 0, 1, 100.0, rate, volatility, years))[0]
        for right in ("call", "put")
    )
    assert call - put == pytest.approx(100.0 - strike * math.exp(-rate * years), abs=1e-9)


@given(st.text())
def test_both_ways_of_counting_agree_on_any_text(text: str) -> None:
    assert reference.word_counts(text) == Counter(re.findall("[a-z]+", text.lower()))


@given(st.lists(st.lists(st.integers(0, 16), min_size=4, max_size=4), max_size=5))
def test_the_nearest_centroid_is_the_one_with_the_smallest_sum_of_squares(pictures: list[list[int]]) -> None:
    centroids = [[0, 0, 0, 0], [256, 256, 0, 0], [40, 80, 120, 160]]
    labels, distances = reference.nearest_centroids(pictures, centroids)
    for picture, label, distance in zip(pictures, labels, distances, strict=True):
        apart = [sum((16 * p - c) ** 2 for p, c in zip(picture, centroid, strict=True)) for centroid in centroids]
        assert (apart[label], min(apart)) == (distance, distance)
