"""How does a document become a value? With every fault named: field, what was wrong."""

from typing import TypeVar

from pydantic import ValidationError

from suanlian.model.base import Value
from suanlian.model.errors import InvalidError
from suanlian.model.findings import field_faults

V = TypeVar("V", bound=Value)


def read(kind: type[V], document: object) -> V:
    """The value that a parsed document states. Raises InvalidError ``field_invalid`` with all faults."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        faults = field_faults(error.errors(include_url=False), kind)
        raise InvalidError(
            "field_invalid",
            f"Fields that cannot be taken: {len(faults)}.",
            todo="Mend the fields named.",
            faults=faults,
        ) from error
