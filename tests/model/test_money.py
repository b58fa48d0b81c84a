"""Money: exact, bounded, never a float; rounded once, half-even, to six decimals."""

import json
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from suanlian.model.money import CHARGE_STEP, Amount, Currency, Money, Price, Rate, round_charge
from suanlian.model.quantity import ResourceKind
from suanlian.testing.strategies import decimals

AMOUNT: TypeAdapter[Decimal] = TypeAdapter(Amount)
PRICE: TypeAdapter[Decimal] = TypeAdapter(Price)
amounts = decimals("-1000000000000000", "1000000000000000")
thousands = decimals("-1000000", "1000000")


def refusal(given_: object) -> str:
    with pytest.raises(ValidationError) as refused:
        AMOUNT.validate_python(given_)
    (fault,) = refused.value.errors()
    return str(fault["msg"])


@given(amounts)
def test_an_amount_comes_back_from_the_wire_to_the_last_digit(amount: Decimal) -> None:
    text = AMOUNT.dump_json(amount)
    back = AMOUNT.validate_json(text)
    assert isinstance(json.loads(text), str)
    assert "E" not in text.decode()
    assert back == amount
    assert back.as_tuple() == amount.as_tuple()


@pytest.mark.parametrize("given_", [0.0, 1.5, -0.1, float("nan"), float("inf"), True, False])
def test_floats_are_refused_with_what_to_write(given_: object) -> None:
    assert '"1.80"' in refusal(given_)


@pytest.mark.parametrize("text", ['{"amount": 1.5}', '{"amount": 1e2}', '{"amount": true}', '{"amount": 0.0}'])
def test_a_number_with_a_point_is_refused_on_the_wire(text: str) -> None:
    with pytest.raises(ValidationError, match="float would lose digits"):
        Money.model_validate_json(text)


@pytest.mark.parametrize(
    "given_",
    [
        "",
        " 1",
        "1\n",
        "+1",
        "1e2",
        "1E+400",
        "0E+9",
        "NaN",
        "sNaN",
        "-Infinity",
        "1_0",
        "１",
        "٣",
        "1,5",
        ".5",
        "5.",
        "0x1",
        "0.0000000000001",
        "9" * 17,
        "1" * 100000,
    ],
    ids=lambda value: value[:20],
)
def test_texts_that_are_no_plain_decimals_are_refused_with_what_to_write(given_: str) -> None:
    message = refusal(given_)
    assert '"1.80"' in message
    assert len(message) < 250


@pytest.mark.parametrize(
    "given_", ["1000000000000000.000001", "-1000000000000001", 10**15 + 1, Decimal("1E+400"), Decimal("1E-13")]
)
def test_amounts_beyond_all_bounds_are_refused(given_: object) -> None:
    assert refusal(given_)


@pytest.mark.parametrize("given_", [None, [], {}, b"1", Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_amount_at_all_is_refused(given_: Any) -> None:  # noqa: ANN401 - anything
    assert refusal(given_)


@given(st.sampled_from(["1000000000000000", "-1000000000000000", "0", "-0", "0.000000000001"]))
def test_the_bounds_themselves_are_taken(text: str) -> None:
    assert AMOUNT.validate_python(text) == Decimal(text)


@given(amounts)
def test_a_price_is_never_negative(amount: Decimal) -> None:
    if amount < 0:
        with pytest.raises(ValidationError):
            PRICE.validate_python(amount)
        with pytest.raises(ValidationError):
            Rate(kind=ResourceKind.CPU, per_unit_hour=amount)
    else:
        assert PRICE.validate_python(amount) == amount


@given(amounts)
def test_rounding_again_changes_nothing(amount: Decimal) -> None:
    once = round_charge(amount)
    assert round_charge(once) == once
    assert abs(once - amount) <= CHARGE_STEP / 2
    assert -once == round_charge(-amount)


@given(st.integers(-(10**9), 10**9))
def test_halves_are_rounded_to_even(steps: int) -> None:
    half = (Decimal(steps) + Decimal("0.5")) * CHARGE_STEP
    assert round_charge(half) / CHARGE_STEP % 2 == 0


@given(st.lists(thousands.map(round_charge), max_size=20))
def test_a_sum_of_charges_is_the_charge_of_the_sum(charges: list[Decimal]) -> None:
    assert round_charge(sum(charges, start=Decimal(0))) == sum(charges, start=Decimal(0))


@given(thousands, thousands, thousands)
def test_money_adds(one: Decimal, two: Decimal, three: Decimal) -> None:
    a, b, c = Money(amount=one), Money(amount=two), Money(amount=three)
    assert a.plus(b) == b.plus(a) == Money(amount=one + two)
    assert a.plus(b).plus(c) == a.plus(b.plus(c))
    assert a.plus(Money(amount=Decimal(0))).amount == one


def test_a_sum_beyond_the_bounds_is_an_error_not_a_lie() -> None:
    most = Money(amount=Decimal(10) ** 15)
    with pytest.raises(ValueError, match="beyond"):
        most.plus(Money(amount=Decimal("0.01")))


def test_another_currency_is_not_taken() -> None:
    assert list(Currency) == [Currency.CNY]  # a second one needs a test that two never add
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": "1", "currency": "USD"})


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("1.8", "1.80 CNY"),
        ("0", "0.00 CNY"),
        ("0.004", "0.004000 CNY"),
        ("-0.004", "-0.004000 CNY"),
        ("0.005", "0.005000 CNY"),
        ("1.005", "1.00 CNY"),
        ("1.015", "1.02 CNY"),
        ("1000000000000000", "1000000000000000.00 CNY"),
    ],
)
def test_what_people_read(amount: str, text: str) -> None:
    assert Money(amount=Decimal(amount)).shown() == text


@given(thousands)
def test_what_people_read_is_near(amount: Decimal) -> None:
    read = Decimal(Money(amount=amount).shown().removesuffix(" CNY"))
    step = Decimal("0.01") if abs(amount) >= Decimal("0.01") else CHARGE_STEP
    assert read == amount.quantize(step, ROUND_HALF_EVEN)
