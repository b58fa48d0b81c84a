"""Money: a decimal with its currency, text on the wire, never a float.

Rounding is stated once, here: a charge is rounded half-even to six decimals when it is written; sums show two.
"""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from suanlian.model.base import Value
from suanlian.model.quantity import ResourceKind

CHARGE_STEP: Final = Decimal("0.000001")
"""The smallest part of a currency unit that a charge is written in."""
SHOWN_STEP: Final = Decimal("0.01")
MAX_CHARGE: Final = Decimal(10) ** 9
"""No line of a charge exceeds this: larger is absurd, and sums of such lines stay within 64 bits of millionths."""
_MAX_RATE: Final = Decimal(10) ** 6
_MOST_DECIMALS: Final = 12
_MAX_AMOUNT: Final = Decimal(10) ** 15
_WRITTEN: Final = re.compile(r"-?[0-9]{1,16}(?:\.[0-9]{1,12})?")


def _exactly_written(given: object) -> object:
    if isinstance(given, float | bool):
        msg = 'a decimal is written as text, such as "1.80": a float would lose digits'
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns only ValueError into a field's fault
    if isinstance(given, str) and _WRITTEN.fullmatch(given) is None:
        msg = f'{given!r:.60} is not a decimal with at most twelve decimals: write digits and a point, such as "1.80"'
        raise ValueError(msg)
    return given


def _bounded(amount: Decimal) -> Decimal:
    if not amount.is_finite() or abs(amount) > _MAX_AMOUNT:
        msg = "the amount is not finite or beyond 10^15"
        raise ValueError(msg)
    if amount.as_tuple().exponent < -_MOST_DECIMALS:  # type: ignore[operator]  # finite: the exponent is an int
        msg = "at most twelve decimals"
        raise ValueError(msg)
    return amount


def _plain(amount: Decimal) -> str:
    return format(amount, "f")


Amount = Annotated[
    Decimal,
    BeforeValidator(_exactly_written, str),
    AfterValidator(_bounded),
    PlainSerializer(_plain, str, when_used="json"),
]
"""A finite decimal of at most twelve decimals; text on the wire."""

Price = Annotated[Amount, Field(ge=0)]
"""An amount that is not negative."""


class Currency(StrEnum):
    """ISO 4217 codes that are dealt in."""

    CNY = "CNY"


class Money(Value):
    """An amount of one currency; amounts of two currencies never add."""

    amount: Amount
    currency: Currency = Currency.CNY

    def plus(self, other: "Money") -> "Money":
        """The sum. Raises ValueError when the currencies differ."""
        if self.currency is not other.currency:
            msg = f"{self.currency} and {other.currency} do not add"
            raise ValueError(msg)
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def shown(self) -> str:
        """What people read: ``1.80 CNY``; below one hundredth all six decimals."""
        step = SHOWN_STEP if abs(self.amount) >= SHOWN_STEP or not self.amount else CHARGE_STEP
        return f"{self.amount.quantize(step, ROUND_HALF_EVEN)} {self.currency}"


class Rate(Value):
    """The price of one unit of a resource for one hour: core-hour, GiB-hour, card-hour."""

    kind: ResourceKind
    per_unit_hour: Annotated[Price, Field(le=_MAX_RATE)]


def round_charge(amount: Decimal) -> Decimal:
    """Round half-even to ``CHARGE_STEP``; rounding again changes nothing."""
    return amount.quantize(CHARGE_STEP, ROUND_HALF_EVEN)
