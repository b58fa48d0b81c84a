"""How does a document become a value? With every fault named: field, what was wrong."""

from typing import TypeVar

from pydantic import ValidationError

from suanlian.model.base import Value
from suanlian.model.errors import FieldFault, InvalidError

V = TypeVar("V", bound=Value)


def read(kind: type[V], document: object) -> V:
    """The value that a parsed document states. Raises InvalidError ``field_invalid`` with all faults."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise InvalidError(
            "field_invalid",
            f"{error.error_count()} fault(s) in the {kind.__name__}.",
            todo="Mend the fields named.",
            faults=tuple(_fault(item["loc"], item["msg"]) for item in error.errors(include_url=False)),
        ) from error


def _fault(place: tuple[int | str, ...], message: str) -> FieldFault:
    return FieldFault(field=".".join(str(step) for step in place), wrong=message.removeprefix("Value error, "))
