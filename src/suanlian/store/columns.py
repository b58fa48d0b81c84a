"""Column types that mean the same on SQLite and PostgreSQL: moments, exact decimals, documents."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import BigInteger, Dialect, String, Text
from sqlalchemy.types import TypeDecorator

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)
_MICROS_PER_UNIT: Final = Decimal(1_000_000)

Id = String(36)
"""A UUIDv7 as text."""
Label = String(128)
Line = String(400)
Document = Text
"""JSON text of a frozen value, written and read by that value's own type."""


class Moment(TypeDecorator[datetime]):
    """UTC as whole microseconds since 1970: sorts, compares and survives both databases exactly."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To microseconds."""
        del dialect
        return None if value is None else (value - _EPOCH) // _MICRO

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """From microseconds."""
        del dialect
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Exact(TypeDecorator[Decimal]):
    """A decimal as text, to the last digit."""

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """To text."""
        del dialect
        return None if value is None else format(value, "f")

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """From text."""
        del dialect
        return None if value is None else Decimal(value)


class Micros(TypeDecorator[Decimal]):
    """An amount of money in whole millionths, so that the database itself sums it exactly."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """To millionths. Raises ValueError for more digits than a charge has."""
        del dialect
        if value is None:
            return None
        micros = value * _MICROS_PER_UNIT
        if micros != micros.to_integral_value():
            msg = f"{value} has more than six decimals: round it as a charge first"
            raise ValueError(msg)
        return int(micros)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        """From millionths."""
        del dialect
        return None if value is None else Decimal(value) / _MICROS_PER_UNIT
