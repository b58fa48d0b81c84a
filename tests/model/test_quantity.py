"""Amounts of compute: what people write is taken exactly or refused with what to write instead."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from suanlian.model.quantity import BASE_PER_UNIT, MAX_BASE, ResourceKind, Resources, shown, total
from suanlian.testing.strategies import resources

small = st.builds(
    lambda *amounts: Resources.of(dict(zip(["cpu", "memory", "disk", "accelerator"], amounts, strict=True))),
    *[st.integers(0, 5)] * 4,
)
ABSURD: tuple[Any, ...] = (
    "",
    " 1",
    "1 ",
    "1\n",
    "+1",
    "-1",
    "-0",
    "1e3",
    "1E3",
    "1e400",
    "1e-999999999",
    "1e999999999",
    "0x10",
    "1_000",
    "1,5",
    "NaN",
    "sNaN",
    "inf",
    "-Infinity",
    "１２",
    "٣",
    "²",
    "½",
    "一",
    "9" * 5000,
    -1,
    10**400,
    1.0,
    0.5,
    float("nan"),
    float("inf"),
    True,
    None,
    b"1",
    [],
    {},
)


def base(text: object, kind: str = "cpu") -> int:
    return Resources.model_validate({kind: text}).base()[ResourceKind(kind)]


def refusal(kind: str, given_: object) -> str:
    with pytest.raises(ValidationError) as refused:
        Resources.model_validate({kind: given_})
    (fault,) = refused.value.errors()
    assert fault["loc"] == (kind,)
    return str(fault["msg"])


@given(resources())
def test_amounts_come_back_from_the_wire_as_they_were(amount: Resources) -> None:
    assert Resources.model_validate_json(amount.model_dump_json()) == amount
    assert Resources.model_validate(amount.model_dump()) == amount
    assert all(isinstance(text, str) for text in json.loads(amount.model_dump_json()).values())


@given(st.integers(0, 10**9))
def test_cores_are_exact_to_the_millicore(millis: int) -> None:
    assert base(f"{millis // 1000}.{millis % 1000:03}") == millis
    assert Decimal(Resources.of({"cpu": millis}).model_dump()["cpu"]) * 1000 == millis


@given(st.integers(0, 2**53), st.sampled_from([("MiB", 1), ("GiB", 1024), ("TiB", 1024**2)]))
def test_sizes_are_whole_mebibytes(number: int, unit: tuple[str, int]) -> None:
    name, factor = unit
    if number * factor <= MAX_BASE:
        assert base(f"{number}{name}", "memory") == number * factor
    else:
        assert "MiB, GiB or TiB" in refusal("memory", f"{number}{name}")


@pytest.mark.parametrize("given_", ABSURD, ids=lambda value: repr(value)[:20])
def test_cores_that_nobody_means_are_refused_with_what_to_write(given_: object) -> None:
    assert '"0.5"' in refusal("cpu", given_)


@pytest.mark.parametrize("given_", [*ABSURD, 1, "1"], ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("unit", ["", "MiB"])
def test_sizes_that_nobody_means_are_refused_with_what_to_write(given_: object, unit: str) -> None:
    if unit and given_ in ("1", 1, True):
        return
    assert '"256MiB"' in refusal("memory", given_ + unit if isinstance(given_, str) else given_)


@pytest.mark.parametrize("given_", [*ABSURD, "1.0", "1000001", 1000001], ids=lambda value: repr(value)[:20])
def test_cards_that_nobody_means_are_refused_with_what_to_write(given_: object) -> None:
    assert '"1"' in refusal("accelerator", given_)


@pytest.mark.parametrize(
    ("kind", "given_"),
    [
        ("cpu", "0.0005"),
        ("cpu", "1.0000000000000000000000000000000001"),
        ("cpu", "5."),
        ("cpu", ".5"),
        ("cpu", "1000000.001"),
        ("cpu", 1000001),
        ("memory", "1.5GiB"),
        ("memory", "1 GiB"),
        ("memory", "1gib"),
        ("memory", "1GB"),
        ("memory", "1KiB"),
        ("memory", "9007199254740993MiB"),
        ("memory", "1MiB\n"),
        ("memory", "٣MiB"),
    ],
)
def test_nearly_right_is_refused_too(kind: str, given_: object) -> None:
    assert "such as" in refusal(kind, given_)


def test_a_refusal_does_not_repeat_a_whole_book() -> None:
    assert len(refusal("cpu", "9" * 100_000)) < 250
    assert len(refusal("memory", "x" * 100_000)) < 250
    assert len(refusal("accelerator", "x" * 100_000)) < 250


@given(resources(), resources(), resources())
def test_sums_are_exact_and_their_order_does_not_matter(one: Resources, two: Resources, three: Resources) -> None:
    assert one.plus(two) == two.plus(one)
    assert one.plus(two).plus(three) == one.plus(two.plus(three)) == total([three, one, two])
    assert one.plus(two).base() == {kind: one.base()[kind] + two.base()[kind] for kind in ResourceKind}
    assert one.plus(Resources()) == one


@given(small, small)
def test_what_was_added_can_be_taken_away(one: Resources, two: Resources) -> None:
    assert one.plus(two).minus(two) == one
    assert one.minus(two).base() == {kind: max(0, one.base()[kind] - two.base()[kind]) for kind in ResourceKind}


@given(small, small)
def test_what_fits_is_what_nothing_is_short_of(one: Resources, two: Resources) -> None:
    assert one.short_of(two) == tuple(kind for kind in ResourceKind if one.base()[kind] > two.base()[kind])
    assert one.fits(two) == (not one.short_of(two)) == (one.minus(two) == Resources())
    assert one.fits(one.plus(two))
    assert (one.fits(two) and two.fits(one)) == (one == two)


@given(small, small, small)
def test_two_that_fit_together_leave_room_for_each(one: Resources, two: Resources, room: Resources) -> None:
    if one.plus(two).fits(room):
        assert one.fits(room.minus(two))
        assert two.fits(room.minus(one))


def test_below_zero_there_is_nothing() -> None:
    with pytest.raises(ValueError, match="below zero"):
        Resources.of({"cpu": -1})


@pytest.mark.parametrize(
    ("kind", "amount", "text"),
    [
        (ResourceKind.CPU, 0, "0 core"),
        (ResourceKind.CPU, 500, "0.5 core"),
        (ResourceKind.CPU, 100_000, "100 core"),
        (ResourceKind.MEMORY, 0, "0 MiB"),
        (ResourceKind.MEMORY, 256, "256 MiB"),
        (ResourceKind.DISK, 2048, "2 GiB"),
        (ResourceKind.DISK, 3 * 1024**2, "3 TiB"),
        (ResourceKind.ACCELERATOR, 8, "8 card"),
    ],
)
def test_what_people_read(kind: ResourceKind, amount: int, text: str) -> None:
    assert shown(kind, amount) == text


@given(st.sampled_from(ResourceKind), st.integers(0, 10**9))
def test_what_people_read_is_the_very_amount(kind: ResourceKind, amount: int) -> None:
    number, unit = shown(kind, amount).split(" ")
    per = {"core": 1000, "MiB": 1, "GiB": 1024, "TiB": 1024**2, "card": 1}[unit]
    assert Decimal(number) * per == amount
    assert BASE_PER_UNIT[kind] in (1000, 1024, 1)
