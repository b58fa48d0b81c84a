"""Talking to the API server: paths, bodies, answers, and what each refusal means. By the official Python client.

Objects come and go as JSON: a server older or newer than the client library says what it says, and ``parse`` reads it.
"""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import urllib3
import websocket
from kubernetes import client as official
from kubernetes import config as official_config
from kubernetes.stream import ws_client

from suanlian.drivers.contract import DriverError

Json = dict[str, Any]
_CONNECT_S: Final = 5.0
_READ_S: Final = 30.0
_EXEC_S: Final = 15.0
_PAGE: Final = 500
_OK, _MULTIPLE = 200, 300
_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT = 400, 401, 403, 404, 409
_TOO_MANY, _SERVER_ERROR = 429, 500
_MERGE: Final = "application/merge-patch+json"


class Answer(NamedTuple):
    """What the server answered."""

    status: int
    body: bytes

    def json(self) -> Json:
        """The object in it. Raises DriverError when there is none."""
        try:
            found = json.loads(self.body)
        except ValueError as error:
            raise DriverError(f"the API server answers {self.status} without JSON", transient=True) from error
        if not isinstance(found, dict):
            raise DriverError(f"the API server answers {self.status} with no object", transient=True)
        return found


class Request(NamedTuple):
    """One call of the API: ``path`` with its query, ``body`` as JSON."""

    method: str
    path: str
    body: Json | None = None
    content_type: str = "application/json"


class Wire(Protocol):
    """What carries calls. Recordings are made, and played, in its place."""

    def call(self, request: Request) -> Answer:
        """Ask once. Raises DriverError where no answer came."""
        ...

    def execute(self, path: str) -> str:
        """Run a command in a container by the exec door at ``path``; what it wrote. Raises DriverError."""
        ...


class OfficialWire:
    """The official client: it reads kubeconfig or the pod's account, and carries the calls. No retries of its own."""

    def __init__(self, kubeconfig: Path | None, context: str | None) -> None:
        """Nothing is read before the first call."""
        self._kubeconfig, self._context = kubeconfig, context
        self._api: Any = None

    def call(self, request: Request) -> Answer:
        """Ask once."""
        api = self._connected()
        headers = {"Accept": "application/json, text/plain, */*"}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        try:
            method, url, sent, _, _ = api.param_serialize(
                request.method, request.path, header_params=headers, auth_settings=["BearerToken"]
            )
            got = api.call_api(
                method, url, header_params=sent, body=request.body, _request_timeout=(_CONNECT_S, _READ_S)
            )
            answer = Answer(got.status, got.read())
        except (urllib3.exceptions.HTTPError, official.ApiException, OSError) as error:
            raise DriverError(f"the API server does not answer: {_short(error)}", transient=True) from error
        if answer.status == _UNAUTHORIZED:
            self._api = None  # a token that has run out is read again at the next call
        return answer

    def execute(self, path: str) -> str:
        """Run a command in a container over a websocket."""
        api = self._connected()
        try:
            _, url, sent, _, _ = api.param_serialize("GET", path, auth_settings=["BearerToken"])
            door = ws_client.websocket_call(api.configuration, "GET", url, headers=sent, _preload_content=False)
            try:
                door.run_forever(timeout=_EXEC_S)
                code = None if door.is_open() else door.returncode  # before reading: that forgets it
                said = str(door.read_all())
                if code != 0:
                    raise DriverError(f"a command in the pod did not end well: {said[:300]}", transient=True)
                return said
            finally:
                door.sock.shutdown()  # its close() leaves the socket where the server has said goodbye
        except (official.ApiException, websocket.WebSocketException, OSError) as error:
            raise DriverError(f"no command can be run in the pod: {_short(error)}", transient=True) from error

    def close(self) -> None:
        """Let the connections go; the next call makes new ones."""
        if self._api is not None:
            self._api.close()
            self._api = None

    def _connected(self) -> Any:  # noqa: ANN401 - the library has no types
        if self._api is None:
            configuration = official.Configuration()
            try:
                if self._kubeconfig is None and self._context is None and _in_cluster():
                    official_config.load_incluster_config(client_configuration=configuration)
                else:
                    official_config.load_kube_config(
                        config_file=None if self._kubeconfig is None else str(self._kubeconfig),
                        context=self._context,
                        client_configuration=configuration,
                        persist_config=False,
                    )
            except (official_config.ConfigException, OSError, ValueError) as error:
                raise DriverError(f"the cluster's address and account cannot be read: {_short(error)}") from error
            configuration.retries = False
            self._api = official.ApiClient(configuration)
        return self._api


def _in_cluster() -> bool:
    return Path("/var/run/secrets/kubernetes.io/serviceaccount/token").is_file()


def _short(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


class Cluster:
    """The calls that the driver makes. Each raises DriverError; what is not there is None."""

    def __init__(self, wire: Wire) -> None:
        """Over a wire."""
        self._wire = wire

    def version(self) -> Json:
        """What the server says of itself."""
        return _good(self._wire.call(Request("GET", "/version")), "tell its version").json()

    def get(self, path: str) -> Json | None:
        """One object."""
        answer = self._wire.call(Request("GET", path))
        return None if answer.status == _NOT_FOUND else _good(answer, f"read {path}").json()

    def listed(self, path: str, query: str = "") -> list[Json]:
        """All objects of a kind, page by page."""
        found: list[Json] = []
        more = ""
        while True:
            asked = "&".join(part for part in (query, f"limit={_PAGE}", more and f"continue={more}") if part)
            page = _good(self._wire.call(Request("GET", f"{path}?{asked}")), f"list {path}").json()
            found += page.get("items") or []
            more = (page.get("metadata") or {}).get("continue") or ""
            if not more:
                return found

    def create(self, path: str, body: Json) -> Json | None:
        """Make it; None when one of that name is there."""
        answer = self._wire.call(Request("POST", path, body))
        return None if answer.status == _CONFLICT else _good(answer, f"create in {path}").json()

    def patch(self, path: str, body: Json) -> Json | None:
        """Change what ``body`` says (a JSON merge patch); None when it is not there."""
        answer = self._wire.call(Request("PATCH", path, body, _MERGE))
        return None if answer.status == _NOT_FOUND else _good(answer, f"change {path}").json()

    def delete(self, path: str, policy: str = "Foreground") -> None:
        """Remove it with what belongs to it; gone is no error."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy}
        answer = self._wire.call(Request("DELETE", path, body))
        if answer.status != _NOT_FOUND:
            _good(answer, f"remove {path}")

    def log(self, path: str) -> bytes:
        """A container's output; nothing while it has none."""
        answer = self._wire.call(Request("GET", path))
        if answer.status in {_BAD_REQUEST, _NOT_FOUND}:  # it has not begun, or is gone
            return b""
        return _good(answer, "read a log").body

    def execute(self, path: str) -> str:
        """Run a command in a container; what it wrote."""
        return self._wire.execute(path)


def _good(answer: Answer, what: str) -> Answer:
    """The answer where it is one. Raises DriverError with the server's words, and whether it may be other later."""
    if _OK <= answer.status < _MULTIPLE:
        return answer
    try:
        said = json.loads(answer.body).get("message") or ""
    except (ValueError, AttributeError):
        said = answer.body[:200].decode(errors="replace")
    text = f"the API server would not {what}: {answer.status} {said[:500]}".strip()
    if answer.status == _FORBIDDEN and "exceeded quota" not in said:
        text += " (the agent's account lacks this right: see the role in the how-to)"
    passing = answer.status in {_UNAUTHORIZED, _CONFLICT, _TOO_MANY} or answer.status >= _SERVER_ERROR
    raise DriverError(text, transient=passing)
