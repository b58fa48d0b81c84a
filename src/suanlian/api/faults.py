"""Pydantic's findings as our own error, field by field, in words that say what to do."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from suanlian.model.errors import FieldFault, InvalidError

_CODES: Final = (
    ("control character", "control_character"),
    ("leads out of its directory", "path_escapes"),
    ("not an http or https address", "input_origin_refused"),
)
"""Findings that have a code of their own, by a phrase of our validators."""
_MOST: Final = 20
_BODY: Final = ("body", "query", "path", "header")


def invalid(error: ValidationError) -> InvalidError:
    """The error for a body that could not be read as the value it should be."""
    return from_findings(error.errors(include_url=False, include_context=False, include_input=False))


def from_findings(findings: Iterable[Mapping[str, Any]]) -> InvalidError:
    """The error for some findings; at most twenty are told."""
    listed = list(findings)
    if any(finding["type"] == "json_invalid" for finding in listed):
        wrong = f"The body is not JSON: {listed[0]['msg']}."
        return InvalidError("body_not_json", wrong, todo="Send JSON in UTF-8.", field="body")
    faults = tuple(_fault(finding) for finding in listed[:_MOST])
    wrong = "; ".join(f"{fault.field}: {fault.wrong}" for fault in faults[:3]) or "The call cannot be meant."
    code = next((code for phrase, code in _CODES if phrase in wrong), "field_invalid")
    return InvalidError(code, wrong, todo="Mend the fields that are named and send it again.", faults=faults)


def _fault(finding: Mapping[str, Any]) -> FieldFault:
    place = [str(part) for part in finding["loc"]]
    field = ".".join(place[1:] if place and place[0] in _BODY and len(place) > 1 else place)
    wrong = str(finding["msg"]).removeprefix("Value error, ")
    return FieldFault(field=field or "body", wrong=wrong[:400])
