"""A small OpenID provider on loopback, of our own: real signatures, discovery, codes with PKCE, device flow, renewal.

It stands in where no engine is installed; ``tests/engines`` holds the same laws against a provider that others wrote.
Nobody is asked for a password: whoever comes is ``subject``; with ``lets_in`` a device gets in at its second question.
"""

import hashlib
import json
import secrets
import warnings
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

Form = Mapping[str, str]
Answer = tuple[int, Mapping[str, Any]]

_MAKE: Final[Mapping[str, Callable[[], RSAKey | ECKey | OKPKey]]] = {
    "RS256": lambda: RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)}),
    "ES256": lambda: ECKey.generate_key("P-256", {"kid": secrets.token_hex(4)}),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519", {"kid": secrets.token_hex(4)}),
}


class TestProvider:
    """Use in a ``with``; ``issuer`` is its address. ``asked`` counts the calls of each path."""

    __test__ = False

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC), algorithm: str = "ES256") -> None:
        """``secret``: what the client must show at the token endpoint; empty: it is public."""
        self.clock = clock
        self.algorithm = algorithm
        self.key = _MAKE[algorithm]()
        self.subject, self.name, self.secret = "u1", "Ling Wei", ""
        self.claims: dict[str, Any] = {}
        self.down = False
        self.lets_in = False
        self.asked: dict[str, int] = {}
        self._codes: dict[str, dict[str, str]] = {}
        self._devices: dict[str, dict[str, str]] = {}
        self._renewals: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _door(self))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def rotate(self) -> None:
        """Sign by a fresh key from now on; the old one is published no longer."""
        self.key = _MAKE[self.algorithm]()

    def id_token(self, audience: str = "hub", **changes: Any) -> str:  # noqa: ANN401 - any claim
        """A token of ``subject``; a claim that is None is left out."""
        now = int(self.clock().timestamp())
        claims = {"iss": self.issuer, "sub": self.subject, "aud": audience, "name": self.name, "iat": now}
        claims |= {"exp": now + 300, "jti": secrets.token_hex(8), **self.claims, **changes}
        said = {name: value for name, value in claims.items() if value is not None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            header = {"alg": self.algorithm, "kid": self.key.kid}
            return jwt.encode(header, said, self.key, algorithms=[self.algorithm])

    def forget_renewals(self) -> None:
        """No refresh token is good any more."""
        self._renewals.clear()

    def answer(self, method: str, path: str, form: Form, authorization: str) -> Answer:
        """What the provider answers."""
        self.asked[path] = self.asked.get(path, 0) + 1
        if self.down:
            return 503, {}
        if path == "/token":
            return self._token({**form, **_basic(authorization)})
        doors: Mapping[str, Callable[[Form], Answer]] = {
            "/.well-known/openid-configuration": lambda _form: (200, self._about()),
            "/keys": lambda _form: (200, {"keys": [self.key.as_dict(private=False)]}),
            "/authorize": self._authorize,
            "/device": self._device,
        }
        return doors[path](form) if path in doors else (404, {"error": method})

    def _about(self) -> Mapping[str, Any]:
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint": f"{self.issuer}/token",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "device_authorization_endpoint": f"{self.issuer}/device",
        }

    def _authorize(self, form: Form) -> Answer:
        if form.get("code_challenge_method") != "S256" or not form.get("code_challenge"):
            return 400, {"error": "invalid_request"}
        code = secrets.token_urlsafe(16)
        self._codes[code] = dict(form)
        back = urlencode({"code": code, "state": form.get("state", ""), "iss": self.issuer})
        return 303, {"location": f"{form['redirect_uri']}?{back}"}

    def _device(self, form: Form) -> Answer:
        code = secrets.token_urlsafe(16)
        self._devices[code] = {"client_id": form["client_id"]}
        about = {"device_code": code, "user_code": "WDJB-MJHT", "verification_uri": f"{self.issuer}/activate"}
        return 200, {**about, "expires_in": 300, "interval": 0}

    def _token(self, form: Form) -> Answer:
        if self.secret and form.get("client_secret") != self.secret:
            return 401, {"error": "invalid_client"}
        kinds: Mapping[str, Callable[[Form], Answer]] = {
            "authorization_code": self._by_code,
            "refresh_token": self._by_renewal,
            "urn:ietf:params:oauth:grant-type:device_code": self._by_device,
        }
        kind = kinds.get(form.get("grant_type", ""))
        return (400, {"error": "unsupported_grant_type"}) if kind is None else kind(form)

    def _by_code(self, form: Form) -> Answer:
        begun = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        fits = begun is not None and begun["code_challenge"] == challenge
        if begun is None or not fits or begun["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        return self._given(begun["client_id"], nonce=begun.get("nonce"))

    def _by_device(self, form: Form) -> Answer:
        device = self._devices.get(form.get("device_code", ""))
        if device is None or device["client_id"] != form.get("client_id"):
            return 400, {"error": "invalid_grant"}
        if "subject" not in device:
            if self.lets_in:
                device["subject"] = self.subject
            return 400, {"error": "authorization_pending"}
        del self._devices[form["device_code"]]
        return self._given(device["client_id"])

    def _by_renewal(self, form: Form) -> Answer:
        client = self._renewals.pop(form.get("refresh_token", ""), None)
        return (400, {"error": "invalid_grant"}) if client is None else self._given(client)

    def _given(self, client: str, **claims: Any) -> Answer:  # noqa: ANN401 - any claim
        renewal = secrets.token_urlsafe(16)
        self._renewals[renewal] = client
        token = self.id_token(client, **claims)
        return 200, {"id_token": token, "refresh_token": renewal, "token_type": "Bearer", "access_token": "a"}


def _basic(authorization: str) -> Form:
    if not authorization.startswith("Basic "):
        return {}
    name, _colon, secret = b64decode(authorization[6:]).decode().partition(":")
    return {"client_id": unquote_plus(name), "client_secret": unquote_plus(secret)}


def _door(provider: TestProvider) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply(dict(parse_qsl(urlsplit(self.path).query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            self._reply(dict(parse_qsl(body.decode())))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
            """Stay silent."""

        def _reply(self, form: Form) -> None:
            path = urlsplit(self.path).path
            status, document = provider.answer(self.command, path, form, self.headers.get("authorization", ""))
            body = json.dumps(document).encode()
            self.send_response(status)
            if "location" in document:
                self.send_header("Location", document["location"])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Door
