"""Talking with the dashboard of a Ray cluster: bounded, never redirected, and every failure a DriverError in words."""

import ssl
import weakref
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx2

from suanlian.drivers.contract import DriverError
from suanlian.drivers.ray.options import RayOptions

_MAX_BYTES: Final = 64 * 1024 * 1024
_SUBMIT_S: Final = 60.0
_MAX_WORDS: Final = 300


class RayClient:
    """One dashboard. It may be used by many threads."""

    def __init__(self, options: RayOptions) -> None:
        """Open nothing yet. Raises DriverError where the certificates cannot be read."""
        context = ssl.create_default_context()
        try:
            if options.ca_file is not None:
                context.load_verify_locations(options.ca_file)
        except OSError as error:
            raise DriverError(f"the certificates in {options.ca_file} cannot be used: {error}") from error
        self._options = options
        self._http = httpx2.Client(
            base_url=options.address, verify=context, trust_env=False, follow_redirects=False, timeout=options.timeout_s
        )
        # a driver is let go of without a word, and its connections must not outlive it
        weakref.finalize(self, self._http.close)

    def version(self) -> Mapping[str, Any]:
        """What the dashboard says of itself."""
        return dict(self._json("GET", "/api/version"))

    def submit(self, body: Mapping[str, Any]) -> bool:
        """Submit a job under its own id; False where it was there before. Raises DriverError."""
        answer = self._call("POST", "/api/jobs/", body=body, timeout=_SUBMIT_S)
        if answer.status_code == HTTPStatus.OK:
            return True
        # Ray answers 500 with a traceback where the id is taken: whether it is, the job itself tells
        if self.job(str(body["submission_id"])) is not None:
            return False
        raise _refused(answer)

    def job(self, submission_id: str) -> Mapping[str, Any] | None:
        """What Ray knows of a job; None where it knows none."""
        answer = self._call("GET", f"/api/jobs/{quote(submission_id, safe='')}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        return dict(_parsed(answer))

    def jobs(self) -> Sequence[Mapping[str, Any]]:
        """All jobs that Ray knows."""
        return list(self._json("GET", "/api/jobs/"))

    def stop(self, submission_id: str) -> None:
        """Ask Ray to end it: SIGTERM, a few seconds later SIGKILL. What still waits for resources it does not end."""
        answer = self._call("POST", f"/api/jobs/{quote(submission_id, safe='')}/stop")
        if answer.status_code not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
            raise _refused(answer)

    def delete(self, submission_id: str) -> bool:
        """Let Ray forget an ended job; False where it has not ended for Ray."""
        answer = self._call("DELETE", f"/api/jobs/{quote(submission_id, safe='')}")
        return answer.status_code in (HTTPStatus.OK, HTTPStatus.NOT_FOUND)

    def nodes(self) -> Sequence[Mapping[str, Any]]:
        """The nodes of the cluster with their resources."""
        return list(self._json("GET", "/api/v0/nodes?detail=1&limit=1000")["data"]["result"]["result"])

    def cluster(self) -> Mapping[str, Any]:
        """How full the cluster is, and what waits for resources."""
        return dict(self._json("GET", "/api/cluster_status")["data"]["clusterStatus"]["loadMetricsReport"])

    def _json(self, method: str, path: str) -> Any:  # noqa: ANN401 - whatever the dashboard answers
        return _parsed(self._call(method, path))

    def _call(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, timeout: float | None = None
    ) -> httpx2.Response:
        extra: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        try:
            with self._http.stream(method, path, json=body, headers=self._headers(), **extra) as answer:
                content = bytearray()
                for piece in answer.iter_bytes():
                    content += piece
                    if len(content) > _MAX_BYTES:
                        raise DriverError(f"Ray's answer to {method} {path} is longer than {_MAX_BYTES} bytes")
        except httpx2.HTTPError as error:
            what = f"Ray at {self._options.address} does not answer: {type(error).__name__} {error}".rstrip()
            raise DriverError(what[:_MAX_WORDS], transient=True) from error
        read = httpx2.Response(answer.status_code, content=bytes(content))
        if read.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            # a new token may be on its way, so the same call may succeed later
            todo = "put a valid one into token_file" if self._options.token_file else "set token_file"
            raise DriverError(f"Ray at {self._options.address} refuses the token: {todo}", transient=True)
        return read

    def _headers(self) -> dict[str, str]:
        file = self._options.token_file
        if file is None:
            return {}
        try:
            return {"Authorization": f"Bearer {file.read_text().strip()}"}
        except OSError as error:
            raise DriverError(f"the token in {file} cannot be read: {error.strerror}", transient=True) from error


def _parsed(answer: httpx2.Response) -> Any:  # noqa: ANN401 - whatever the dashboard answers
    if answer.status_code != HTTPStatus.OK:
        raise _refused(answer)
    try:
        return answer.json()
    except ValueError as error:
        raise DriverError("Ray answered something that is no JSON", transient=True) from error


def _refused(answer: httpx2.Response) -> DriverError:
    """The last line of what Ray said is what matters: the rest is a traceback."""
    lines = [line.strip() for line in answer.text.splitlines() if line.strip()]
    words = (lines[-1] if lines else "nothing")[:_MAX_WORDS]
    transient = answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status_code in (
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.REQUEST_TIMEOUT,
    )
    return DriverError(f"Ray answered {answer.status_code}: {words}", transient=transient)
