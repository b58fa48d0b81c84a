"""Error -> HTTP status, once, as RFC 9457 problem+json."""

import logging
from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from suanlian.api.faults import from_findings
from suanlian.model.errors import (
    CODES,
    BadTaskError,
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
from suanlian.services.refusals import Refusal

_TES: Final = "/ga4gh/tes/"
_LOG: Final = logging.getLogger(__name__)
MEDIA_TYPE: Final = "application/problem+json"
STATUS: Final[Mapping[type[SuanlianError], int]] = {
    TooLargeError: 413,
    BadTaskError: 400,
    InvalidError: 422,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    UnavailableError: 503,
    SuanlianError: 500,
}
"""The first class that fits decides."""
_BY_CODE: Final[Mapping[str, int]] = {"body_not_json": 400, "content_type_unsupported": 415, "internal_error": 500}
_ROUTE_UNKNOWN: Final = 404
_WRONG_METHOD: Final = 405
_BAD_REQUEST: Final = 400


def problem_of(error: SuanlianError, instance: str) -> Problem:
    """The problem document of an error."""
    status = _BY_CODE.get(error.code) or next(status for kind, status in STATUS.items() if isinstance(error, kind))
    return Problem(
        type=f"urn:suanlian:error:{error.code}",
        title=CODES.get(error.code, error.code),
        status=status,
        code=error.code,
        detail=error.wrong,
        todo=error.todo,
        instance=instance,
        faults=error.faults,
    )


def answer(error: SuanlianError, instance: str) -> Response:
    """The response that tells of an error."""
    problem = problem_of(error, instance)
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == STATUS[UnauthenticatedError] else {}
    if isinstance(error, UnavailableError):
        headers["Retry-After"] = "1"
    body = problem.model_dump_json(exclude_defaults=False)
    return Response(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def install(app: FastAPI) -> None:
    """Let every error of this application be answered so."""
    app.add_exception_handler(SuanlianError, _ours)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unforeseen)


def _ours(request: Request, error: Exception) -> Response:
    told = error if isinstance(error, SuanlianError) else _internal()
    refused(request, told)
    return answer(told, request.url.path)


def refused(request: Request, error: SuanlianError, *, source: str | None = None) -> None:
    """Let the refusals that matter be written down; ``source`` where the call's signature told who it is."""
    route = request.scope.get("route")
    pattern = f"{request.method} {getattr(route, 'path', 'unknown')}"
    came_from = source or ("api" if request.client is None else f"api {request.client.host}")
    caller = getattr(request.state, "caller", None)
    status = problem_of(error, "").status
    request.app.state.hub.refusals.note(Refusal(pattern, error.code, status, caller, came_from))


def _not_valid(request: Request, error: Exception) -> Response:
    findings = error.errors() if isinstance(error, RequestValidationError) else []
    told = from_findings(findings)
    if request.url.path.startswith(_TES):  # its clients know 400, for what stands in an address as in a body
        told = BadTaskError(told.code, told.wrong, todo=told.todo, field=told.field, faults=told.faults)
    return answer(told, request.url.path)


def _of_framework(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status in (_ROUTE_UNKNOWN, _WRONG_METHOD):
        wrong = f"There is no {request.method} {request.url.path[:200]} here."
        return answer(NotFoundError("route_unknown", wrong, todo="See /openapi.json."), request.url.path)
    wrong = str(error.detail) if isinstance(error, HTTPException) else "The call cannot be meant."
    return answer(InvalidError("body_not_json", wrong, todo="Send JSON in UTF-8."), request.url.path)


def _gone(_request: Request, _error: Exception) -> Response:
    """Who asked went away, or was killed, before all was sent: nobody reads this, and it is no fault of the hub's."""
    return Response(status_code=_BAD_REQUEST)


def _unforeseen(request: Request, error: Exception) -> Response:
    return answer(unforeseen(request, error), request.url.path)


def unforeseen(request: Request, error: Exception) -> SuanlianError:
    """What the caller is told of an error that nobody foresaw; the log has the rest."""
    _LOG.error("unforeseen error in %s %r", request.method, request.url.path, exc_info=error)
    return _internal()


def _internal() -> SuanlianError:
    return SuanlianError("internal_error", "The hub failed.", todo="Tell its operator the time and the path.")
