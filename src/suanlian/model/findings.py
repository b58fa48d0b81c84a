"""What do pydantic's findings mean to a person? Each as a fault: the field, what was wrong, what to write instead."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from suanlian.model.base import NAME_PATTERN
from suanlian.model.errors import FieldFault

_LONGEST: Final = 400
_TOO_SHORT: Final = "too_short"
_UNKNOWN: Final = "extra_forbidden"
MOMENT_RULE: Final = "write a moment with its zone, such as 2026-12-01T18:00:00+08:00"
_BY_TYPE: Final[Mapping[str, str]] = {
    _UNKNOWN: "is no field here",
    "missing": "is missing",
    "tuple_type": "write a list",
    "list_type": "write a list",
    "dict_type": "write fields with their values",
    "model_type": "write fields with their values",
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "write a whole number"),
    **dict.fromkeys(("float_parsing", "float_type", "decimal_parsing", "decimal_type"), "write a number"),
    **dict.fromkeys(("timezone_aware", "datetime_parsing", "datetime_from_date_parsing", "datetime_type"), MOMENT_RULE),
}
"""Pydantic's type of a finding -> our words; other findings keep pydantic's."""
NAME_RULE: Final = "write 1-63 of a-z, 0-9, dot, dash, underscore, beginning and ending with a letter or digit"
IMAGE_RULE: Final = "write an image by its digest, such as registry.example.org/python@sha256:..."
_IMAGE_PATTERN: Final = "@sha256:"
_BOUND: Final = r"(?:Decimal\(')?([^\s']+)(?:'\))?"
"""A number as pydantic writes it, of which the number alone is told."""
_BOUNDS: Final[Mapping[re.Pattern[str], str]] = {
    re.compile(rf"^Input should be greater than or equal to {_BOUND}$"): "write at least {bound}",
    re.compile(rf"^Input should be less than or equal to {_BOUND}$"): "write at most {bound}",
    re.compile(rf"^Input should be greater than {_BOUND}$"): "write more than {bound}",
    re.compile(rf"^Input should be less than {_BOUND}$"): "write less than {bound}",
    re.compile(r"^\w+ should have at least (\d+) items?\b.*$"): "write at least {bound}",
    re.compile(r"^\w+ should have at least (\d+) characters?\b.*$"): "write at least {bound} characters",
    re.compile(r"^\w+ should have at most (\d+) items?\b.*$"): "write at most {bound}",
    re.compile(r"^\w+ should have at most (\d+) characters?\b.*$"): "write at most {bound} characters",
    re.compile(r"^Input should be ('.+')$"): "write one of {bound}",
}
"""Pydantic's words that carry a bound -> ours."""
BOUNDS: Final = frozenset(_BOUNDS.values())
WORDS: Final = frozenset({*_BY_TYPE.values(), NAME_RULE, IMAGE_RULE})
"""All the fixed words, for those who translate them."""

Place = Sequence[int | str]
Finding = Mapping[str, Any]


def field_faults(findings: Iterable[Finding], kind: type[BaseModel] | None = None) -> tuple[FieldFault, ...]:
    """The findings as faults, without those that only follow from another one.

    ``kind``: what was read, so that a mistyped field can be told from its neighbours.
    """
    listed = list(findings)
    places = [tuple(finding["loc"]) for finding in listed]
    return tuple(_fault(finding, kind) for finding in listed if not _follows(finding, places))


def _follows(finding: Finding, places: Iterable[Place]) -> bool:
    """A list from which a faulty item was left out is not at fault for being short."""
    here = tuple(finding["loc"])
    return finding["type"] == _TOO_SHORT and any(
        len(place) > len(here) and tuple(place[: len(here)]) == here for place in places
    )


def _fault(finding: Finding, kind: type[BaseModel] | None) -> FieldFault:
    place = tuple(finding["loc"])
    meant = _meant(kind, place) if kind and finding["type"] == _UNKNOWN else ""
    todo = f"Did you mean {meant}?" if meant else ""
    return FieldFault(field=".".join(str(step) for step in place), wrong=_wrong(finding), todo=todo)


def _wrong(finding: Finding) -> str:
    message = str(finding["msg"])
    if NAME_PATTERN in message:
        return NAME_RULE
    if finding["type"] == "string_pattern_mismatch" and _IMAGE_PATTERN in message:
        return IMAGE_RULE
    for pattern, words in _BOUNDS.items():
        if match := pattern.match(message):
            return words.format(bound=match[1].replace(" or ", ", "))
    return _BY_TYPE.get(finding["type"]) or message.removeprefix("Value error, ")[:_LONGEST]


def _meant(kind: type[BaseModel], place: Place) -> str:
    """The field whose name is closest to the last step, among those that stand beside it; empty for none."""
    *steps, last = place
    beside: list[type[BaseModel]] = [kind]
    for step in steps:
        inside = [one.model_fields[step].annotation for one in beside if step in one.model_fields]
        # an index, a key or the tag of a union leads to what the field's annotation names already
        beside = [model for annotation in inside for model in _models(annotation)] or beside
    names = [name for model in beside for name in model.model_fields]
    return next(iter(get_close_matches(str(last), names, n=1)), "")


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for part in get_args(annotation):
        yield from _models(part)


def first_finding(error: ValueError) -> tuple[str, str]:
    """The innermost field of the place and the words of the first thing that pydantic found wrong with a value."""
    if not isinstance(error, ValidationError):
        return "", str(error)
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    named = [part for part in found["loc"] if isinstance(part, str)]
    return named[-1] if named else "", found["msg"].removeprefix("Value error, ")
