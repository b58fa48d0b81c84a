"""Is this a unified social credit code, and which change of an entity needs a check? Pure: the day is an argument.

The code is that of GB 32100-2015: 18 of the 31 characters 0-9 and A-Z without I, O, S, V, Z; the registering authority,
the kind, six digits of the region, nine characters of the organisation, and a check character. With 3 as a generator
modulo the prime 31 every one of the first 17 places has a weight of its own, so every wrong character is found, and
every two that changed places but the first and the last, which both weigh 1.
"""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from suanlian.model.errors import InvalidError
from suanlian.model.party import EntityDetails, Qualification

ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The characters of a credit code, in the order of their values."""
LENGTH: Final = 18

EXPIRES_SOON_DAYS: Final = 30
"""So many days before its end a qualification is told to run out."""

_MODULUS: Final = 31
_GENERATOR: Final = 3
_WEIGHTS: Final = tuple(pow(_GENERATOR, place, _MODULUS) for place in range(LENGTH - 1))
_VALUE: Final = {char: value for value, char in enumerate(ALPHABET)}
_LAYOUT: Final = re.compile(rf"[{ALPHABET}]{{2}}[0-9]{{6}}[{ALPHABET}]{{10}}")

CHECKED_FIELDS: Final = ("title", "title_zh", "kind", "credit_code", "region", "qualifications")
"""What an operator checks; a change of any of these waits for a check."""


def check_character(first: str) -> str:
    """The check character of the first 17 characters of a code. Raises KeyError for a character that none has."""
    total = sum(_VALUE[char] * weight for char, weight in zip(first, _WEIGHTS, strict=True))
    return ALPHABET[-total % _MODULUS]


def read_credit_code(text: str) -> str:
    """The code in capital letters without blanks. Raises InvalidError ``credit_code_invalid``."""
    code = "".join(text.split()).upper()
    if not code.isascii() or _LAYOUT.fullmatch(code) is None:
        wrong = f"{text[:40]!r} is not a unified social credit code."
        todo = "Write its 18 digits and capital letters (never I, O, S, V, Z), as on the business licence."
        raise InvalidError("credit_code_invalid", wrong, todo=todo, field="credit_code")
    wanted = check_character(code[:-1])
    if code[-1] != wanted:
        wrong = f"{code!r} ends with {code[-1]}, computed {wanted}."
        raise InvalidError("credit_code_invalid", wrong, todo="Compare it with the licence.", field="credit_code")
    return code


def expiring(qualifications: Iterable[Qualification], day: date, within_days: int) -> list[Qualification]:
    """Those that hold on this day and run out within so many days."""
    until = day + timedelta(days=within_days)
    return [one for one in qualifications if one.valid_until is not None and day <= one.valid_until <= until]


def changed_fields(before: EntityDetails, after: EntityDetails) -> list[str]:
    """The names of the fields that differ."""
    return [name for name in EntityDetails.model_fields if getattr(before, name) != getattr(after, name)]


def needs_check(changed: Iterable[str]) -> bool:
    """Whether an operator must look at a change of these fields."""
    return not set(CHECKED_FIELDS).isdisjoint(changed)
