"""Talk to an engine over the Docker-compatible API: what was asked, and whether it was done. No meaning here.

Everything that may be tried again is a transient DriverError; what the engine refuses is a ``RefusedError``. Here it is
asked again only where a process left while the engine looked at it, and asking twice is asking once.
"""

import json
import ssl
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx2
import stamina

from suanlian.drivers.container.options import ContainerOptions
from suanlian.drivers.contract import DriverError

API: Final = "/v1.40"
"""Of 2019: Docker from 19.03 on, podman from 3.0 on."""
_TLS_PORT: Final = 2376
_CONNECT_S: Final = 5.0
_MAX_WORDS: Final = 500
_IMPROPER: Final = "container state improper"
# podman reads below /proc of a process that it believes to live: `inspect` of a container that just ended fails so
_VANISHED: Final = ("no such process", "/proc/")
_LOOKS: Final = 4
"""So often a call is made whose process vanishes; podman knows of the end a moment later."""
_LOOK_S: Final = 0.05
_UNCHANGED, _NOT_FOUND, _CONFLICT, _SERVER = 304, 404, 409, 500


class RefusedError(DriverError):
    """The engine understood, and does not do it. ``status`` is HTTP's; an engine that failed answers 500, too."""

    def __init__(self, status: int, words: str) -> None:
        """Keep the engine's words."""
        super().__init__(f"the container engine answers {status}: {words}", transient=status >= _SERVER)
        self.status, self.words = status, words

    @property
    def absent(self) -> bool:
        """There is no such thing."""
        return self.status == _NOT_FOUND

    @property
    def improper(self) -> bool:
        """The container is not in the state for it; podman says that with 500."""
        return self.status in (_UNCHANGED, _CONFLICT) or _IMPROPER in self.words

    @property
    def vanished(self) -> bool:
        """A process left while the engine looked at it: in a moment the engine knows."""
        return self.status >= _SERVER and any(word in self.words for word in _VANISHED)


class EngineClient:
    """One engine. May be used from several threads."""

    def __init__(self, options: ContainerOptions) -> None:
        """Nothing is sent yet. Raises DriverError: an address or certificate that cannot be meant."""
        self._pull_s = options.pull_timeout_s
        timeout = httpx2.Timeout(options.timeout_s, connect=_CONNECT_S)
        where = urlsplit(options.url)
        if where.scheme == "unix" and where.path:
            transport = httpx2.HTTPTransport(uds=where.path)
            self._http = httpx2.Client(transport=transport, base_url="http://engine", timeout=timeout, trust_env=False)
        elif where.scheme == "tcp" and where.hostname and (options.tls_ca or options.insecure):
            verify = _tls(options) if options.tls_ca else False
            base = f"{'https' if options.tls_ca else 'http'}://{where.hostname}:{where.port or _TLS_PORT}"
            self._http = httpx2.Client(verify=verify, base_url=base, timeout=timeout, trust_env=False)
        else:
            raise DriverError(
                f"{options.url!r} is no address of an engine: write unix:///PATH, or tcp://HOST:PORT with tls_ca"
            )
        weakref.finalize(self, self._http.close)

    # ------------------------------------------------------------------ the engine

    def version(self) -> Mapping[str, Any]:
        """What it is."""
        return self._object("/version")

    def info(self) -> Mapping[str, Any]:
        """Its machine and what it can do."""
        return self._object("/info")

    def image(self, reference: str) -> Mapping[str, Any] | None:
        """An image that lies there, or None."""
        return self._found(f"/images/{_part(reference)}/json")

    def pull(self, reference: str) -> None:
        """Fetch an image. Raises RefusedError with the registry's words; an answer of 200 may hold one, too."""
        timeout = httpx2.Timeout(self._pull_s, connect=_CONNECT_S)
        answer = self._send("POST", "/images/create", params={"fromImage": reference}, timeout=timeout)
        for line in answer.text.splitlines():
            said = _json(line)
            if isinstance(said, dict) and said.get("error"):
                raise RefusedError(_NOT_FOUND, str(said["error"])[:_MAX_WORDS])

    # ------------------------------------------------------------------ containers

    def create(self, name: str, body: Mapping[str, Any]) -> None:
        """Create a container under a name. Raises RefusedError; absent: there is no such image."""
        self._send("POST", "/containers/create", params={"name": name}, body=body)

    def start(self, name: str) -> None:
        """Start it; started already is no error. Raises RefusedError with what its runtime said."""
        with _let(improper=True):
            self._send("POST", f"/containers/{_part(name)}/start")

    def container(self, name: str) -> Mapping[str, Any] | None:
        """All that is known of a container, or None."""
        return self._found(f"/containers/{_part(name)}/json")

    def containers(self, label: str | None = None, *, every: bool = True) -> list[Mapping[str, Any]]:
        """Containers with a label, or all; ``every``: those that do not run, too."""
        params = {"all": "true" if every else "false"}
        if label is not None:
            params["filters"] = json.dumps({"label": [label]})
        found: Any = _json(self._ask("/containers/json", params).text)
        return [entry for entry in found or [] if isinstance(entry, dict)]

    def kill(self, name: str, signal: str = "KILL") -> None:
        """Send a signal to its first process; gone or ended is no error."""
        with _let(improper=True, absent=True):
            self._tell(f"/containers/{_part(name)}/kill", {"signal": f"SIG{signal}"})

    def pause(self, name: str) -> None:
        """Freeze it; gone, ended or frozen is no error."""
        with _let(improper=True, absent=True):
            self._tell(f"/containers/{_part(name)}/pause")

    def unpause(self, name: str) -> None:
        """Let it go on; gone, ended or not frozen is no error."""
        with _let(improper=True, absent=True):
            self._tell(f"/containers/{_part(name)}/unpause")

    def remove(self, name: str) -> None:
        """Remove it with its volumes; gone is no error."""
        with _let(absent=True):
            _again(lambda: self._send("DELETE", f"/containers/{_part(name)}", params={"force": "true", "v": "true"}))

    def usage(self, name: str) -> Mapping[str, Any]:
        """What it uses now; empty when it does not run: engines say that in many ways."""
        params, found = {"stream": "false", "one-shot": "true"}, None
        with suppress(RefusedError):
            found = _json(self._ask(f"/containers/{_part(name)}/stats", params).text)
        return found if isinstance(found, dict) else {}

    def run_inside(self, name: str, command: list[str]) -> int | None:
        """Run a short command in it, and its exit code; None where that cannot be done."""
        try:
            asked = {"Cmd": command, "AttachStdout": True, "AttachStderr": True}
            made: Any = _json(self._send("POST", f"/containers/{_part(name)}/exec", body=asked).text)
            number = _part(str(made["Id"]))
            self._send("POST", f"/exec/{number}/start", body={"Detach": False})
            code = self._object(f"/exec/{number}/json").get("ExitCode")
        except RefusedError:
            return None
        return code if isinstance(code, int) else None

    def log(self, name: str, stream: str) -> Iterator[bytes]:
        """The whole log of one stream so far, as frames in pieces. Raises DriverError."""
        params = {"stdout": str(stream == "stdout").lower(), "stderr": str(stream == "stderr").lower()}
        path = f"{API}/containers/{_part(name)}/logs"
        with _talking(), self._http.stream("GET", path, params=params) as answer:
            if answer.is_error:
                answer.read()
                raise _refused(answer)
            yield from answer.iter_bytes()

    # ------------------------------------------------------------------ HTTP

    def _found(self, path: str) -> Mapping[str, Any] | None:
        with _let(absent=True):
            return self._object(path)
        return None

    def _object(self, path: str) -> Mapping[str, Any]:
        found = _json(self._ask(path).text)
        if not isinstance(found, dict):
            raise DriverError(f"the container engine answers {path} with something else than an object", transient=True)
        return found

    def _ask(self, path: str, params: Mapping[str, str] | None = None) -> httpx2.Response:
        return _again(lambda: self._send("GET", path, params=params))

    def _tell(self, path: str, params: Mapping[str, str] | None = None) -> None:
        """What changes nothing the second time."""
        _again(lambda: self._send("POST", path, params=params))

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        timeout: httpx2.Timeout | None = None,
    ) -> httpx2.Response:
        with _talking():
            asked = self._http.build_request(
                method, API + path, params=params, json=body, timeout=timeout or self._http.timeout
            )
            answer = self._http.send(asked)
        if answer.is_error or answer.status_code == _UNCHANGED:
            raise _refused(answer)
        return answer


def _again(call: Callable[[], httpx2.Response]) -> httpx2.Response:
    """The answer, asked for some times where a process vanished under it. Raises as the call."""
    caller = stamina.RetryingCaller(attempts=_LOOKS, wait_initial=_LOOK_S, wait_jitter=_LOOK_S)
    return caller(lambda error: isinstance(error, RefusedError) and error.vanished, call)


@contextmanager
def _talking() -> Iterator[None]:
    try:
        yield
    except httpx2.TimeoutException as error:
        raise DriverError(f"the container engine does not answer in time: {error}", transient=True) from error
    except httpx2.HTTPError as error:
        raise DriverError(f"the container engine cannot be reached: {error}", transient=True) from error


@contextmanager
def _let(*, improper: bool = False, absent: bool = False) -> Iterator[None]:
    """Take these refusals as done."""
    try:
        yield
    except RefusedError as error:
        if not ((improper and error.improper) or (absent and error.absent)):
            raise


def _tls(options: ContainerOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.tls_ca)
        if options.tls_cert:
            context.load_cert_chain(options.tls_cert, options.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise DriverError(f"the certificates for {options.url} cannot be read: {error}") from error
    return context


def _part(text: str) -> str:
    return quote(text, safe="/@:.")


def _json(text: str) -> Any:  # noqa: ANN401 - whatever an engine says
    try:
        return json.loads(text) if text.strip() else None
    except ValueError as error:
        raise DriverError(f"the container engine answers no JSON: {text[:100]!r}", transient=True) from error


def _refused(answer: httpx2.Response) -> RefusedError:
    try:
        said = json.loads(answer.text)
        words = str(said["message"]) if isinstance(said, dict) else ""
    except (ValueError, KeyError):
        words = answer.text
    return RefusedError(answer.status_code, " ".join(words.split())[:_MAX_WORDS] or "nothing more")
