"""Which error is this answer? Turns `application/problem+json` into the error tree of `suanlian.model.errors`."""

from collections.abc import Mapping
from typing import Final, TypeVar

from suanlian.model.base import Value
from suanlian.model.errors import (
    CODES,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    Problem,
    SuanlianError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
)

V = TypeVar("V", bound=Value)

BY_STATUS: Final[Mapping[int, type[SuanlianError]]] = {
    400: InvalidError,
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    405: NotFoundError,
    409: ConflictError,
    413: TooLargeError,
    415: InvalidError,
    422: InvalidError,
    429: UnavailableError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}
"""The class for a status; any other status is the root, SuanlianError, which is not transient."""

_CODE_WITHOUT_PROBLEM: Final[Mapping[int, str]] = {
    401: "unauthenticated",
    403: "forbidden",
    404: "route_unknown",
    405: "route_unknown",
    409: "state_conflict",
    413: "body_too_large",
    415: "content_type_unsupported",
    422: "field_invalid",
}


def error_of(status: int, body: bytes) -> SuanlianError:
    """The error that a refusing answer tells; a body that is no problem (a proxy's page) gets the status's code."""
    kind = BY_STATUS.get(status, SuanlianError)
    try:
        problem = Problem.model_validate_json(body)
    except ValueError:
        code = _CODE_WITHOUT_PROBLEM.get(status, "hub_unavailable")
        return kind(code, f"The hub answered {status}. {CODES[code]}", todo="Check the hub's address; then try again.")
    field = problem.faults[0].field if problem.faults else None
    wrong = problem.detail or problem.title
    return kind(problem.code, wrong, todo=problem.todo, field=field, faults=problem.faults)


def read_answer(kind: type[V], body: bytes) -> V:
    """The answer as a value. Raises SuanlianError ``protocol_unsupported`` when it does not read as one."""
    try:
        return kind.model_validate_json(body)
    except ValueError as error:
        raise not_understood(error) from error


def not_understood(error: Exception) -> SuanlianError:
    """The answer is not of a form that this version knows."""
    return SuanlianError(
        "protocol_unsupported",
        f"The hub's answer is not understood here: {str(error)[:300]}",
        todo="Check that the address is a hub's; bring suanlian to the hub's version.",
    )
