"""The OpenAPI document: every refusal is a problem document, said once for all routes.

What a refusal looks like is decided in ``errors.py``, for all routes alike; a route that had to name each of its
statuses would leave some out. So each has 4XX and 5XX, and what the framework believes of 422 is taken out.
"""

from typing import Any, Final

from fastapi import FastAPI

from suanlian.api.errors import MEDIA_TYPE
from suanlian.model.errors import Problem

_TEMPLATE: Final = "#/components/schemas/{model}"
_OF_THE_FRAMEWORK: Final = ("HTTPValidationError", "ValidationError")
_REFUSED: Final = {"4XX": "Refused: what was wrong, and what to do.", "5XX": "Failed; where transient, try again."}


class Described(FastAPI):
    """An application whose document says what it really answers."""

    def openapi(self) -> dict[str, Any]:
        """The document; made once."""
        if self.openapi_schema is None:
            _mend(super().openapi())
        return self.openapi_schema or {}


def _mend(document: dict[str, Any]) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _OF_THE_FRAMEWORK:
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template=_TEMPLATE, mode="serialization")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    content = {MEDIA_TYPE: {"schema": {"$ref": _TEMPLATE.format(model="Problem")}}}
    for operations in document["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("422", None)
            for status, description in _REFUSED.items():
                responses[status] = {"description": description, "content": content}
