"""Pydantic's findings as our own error, field by field, in words that say what to do."""

from collections.abc import Iterable
from typing import Final

from pydantic import BaseModel, ValidationError

from suanlian.model.errors import FieldFault, InvalidError
from suanlian.model.findings import Finding, field_faults

_CODES: Final = (
    ("control character", "control_character"),
    ("leads out of its directory", "path_escapes"),
    ("not an http or https address", "input_origin_refused"),
)
"""Findings that have a code of their own, by a phrase of our validators."""
_MOST: Final = 20
_BODY: Final = ("body", "query", "path", "header")


def invalid(error: ValidationError, kind: type[BaseModel] | None = None) -> InvalidError:
    """The error for a body that could not be read as the value, a ``kind``, that it should be."""
    return from_findings(error.errors(include_url=False, include_context=False, include_input=False), kind)


def from_findings(findings: Iterable[Finding], kind: type[BaseModel] | None = None) -> InvalidError:
    """The error for some findings; at most twenty are told."""
    listed = list(findings)
    if any(finding["type"] == "json_invalid" for finding in listed):
        wrong = f"The body is not JSON: {listed[0]['msg']}."
        return InvalidError("body_not_json", wrong, todo="Send JSON in UTF-8.", field="body")
    faults = field_faults([_inside(finding) for finding in listed], kind)[:_MOST]
    wrong = "; ".join(_line(fault) for fault in faults[:3]) or "The call cannot be meant."
    code = next((code for phrase, code in _CODES if phrase in wrong), "field_invalid")
    return InvalidError(code, wrong, todo="Mend the fields that are named and send it again.", faults=faults)


def _inside(finding: Finding) -> Finding:
    """The finding with its place inside the body or query, as the caller wrote it."""
    place = tuple(finding["loc"])
    inside = place[1:] if len(place) > 1 and place[0] in _BODY else place
    return {**finding, "loc": inside or ("body",)}


def _line(fault: FieldFault) -> str:
    return f"{fault.field}: {fault.wrong}" + (f" ({fault.todo})" if fault.todo else "")
