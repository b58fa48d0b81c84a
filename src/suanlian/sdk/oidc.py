"""How is an OpenID provider spoken to? Discovery, keys, codes, the device flow, renewal. Bounded, never redirected.

OpenID Connect Discovery 1.0, RFC 6749 (with PKCE, RFC 7636), RFC 8628.
"""

import base64
import json
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

from pydantic import Field, ValidationError

from suanlian.crypto.oidc import Keys
from suanlian.model.base import Wire
from suanlian.model.errors import SuanlianError, UnauthenticatedError, UnavailableError
from suanlian.sdk.address import is_loopback
from suanlian.sdk.transport import CONNECT_TIMEOUT_S, HttpClient, Reply, exchange, open_client

MAX_BYTES: Final = 1024 * 1024
_MAX_KEYS: Final = 100
_OK: Final = 200
_FIRST_SERVER_ERROR: Final = 500
_WELL_KNOWN: Final = "/.well-known/openid-configuration"
_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE: Final = "openid profile offline_access"
_PENDING: Final = ("authorization_pending", "slow_down")

Opens = Callable[[], HttpClient]
"""Opens a client that is closed after its use."""
Check = Callable[[str], None]
"""Raises when an address that the provider names is not spoken to."""


class Metadata(Wire):
    """What a provider says of itself."""

    issuer: str
    jwks_uri: str
    token_endpoint: str
    authorization_endpoint: str
    device_authorization_endpoint: str = ""


class Tokens(Wire):
    """What a token endpoint gives; ``refresh_token`` may be a fresh one each time."""

    id_token: str = Field(default="", repr=False)
    refresh_token: str = Field(default="", repr=False)


class Grant(Wire):
    """A device flow that began: what the person types where, and how often one may ask whether they did."""

    device_code: str = Field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str = ""
    expires_in: float = Field(default=600, gt=0, le=3600)
    interval: float = Field(default=5, ge=0, le=60)


class Pending(SuanlianError):  # noqa: N818 - no fault: the person has not answered yet
    """The person has not answered yet; ``slower`` when we asked too often."""

    def __init__(self, *, slower: bool) -> None:
        super().__init__("sign_in_refused", "The person has not answered yet.")
        self.slower = slower


def open_person_client(issuer: str) -> HttpClient:
    """As a person's other calls: a proxy of the environment is for the world outside, never for this machine."""
    is_outside = not is_loopback(urlsplit(issuer).hostname)
    verify = is_outside or ssl.create_default_context()
    headers = {"Accept-Encoding": "identity"}
    return HttpClient(trust_env=is_outside, verify=verify, follow_redirects=False, headers=headers)


def secure_address(url: str) -> None:
    """TLS anywhere, plain http on loopback only. Raises UnavailableError ``provider_unavailable``."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise unavailable(f"it names {url[:200]!r}, which is not https")


class OidcProvider:
    """One provider, asked as ``client_id``. May be used by many threads."""

    def __init__(self, issuer: str, *, check: Check = secure_address, opens: Opens = open_client) -> None:
        """Asks nothing yet; ``opens`` a client for each question, as they are few."""
        self.issuer = issuer
        self._opens = opens
        self._check = check

    def metadata(self) -> Metadata:
        """What the provider says of itself; it must name itself as we do. Raises UnavailableError."""
        url = self.issuer.rstrip("/") + _WELL_KNOWN
        try:
            found = Metadata.model_validate(self._read(url))
        except ValidationError as error:
            raise unavailable("its description lacks what OpenID Connect asks for") from error
        if found.issuer != self.issuer:
            raise unavailable(f"it calls itself {found.issuer[:200]!r}, not {self.issuer}")
        for address in (found.jwks_uri, found.token_endpoint, found.authorization_endpoint):
            self._check(address)
        return found

    def keys(self, metadata: Metadata) -> Keys:
        """Its public keys (RFC 7517). Raises UnavailableError."""
        found = self._read(metadata.jwks_uri).get("keys")
        if not isinstance(found, list) or len(found) > _MAX_KEYS:
            raise unavailable("its key set cannot be read")
        return [key for key in found if isinstance(key, dict)]

    def token(self, metadata: Metadata, fields: Mapping[str, str], secret: str = "") -> Tokens:
        """Ask the token endpoint. Raises UnauthenticatedError ``sign_in_refused``, Pending, UnavailableError."""
        auth = (fields["client_id"], secret) if secret else None
        reply = self._post(metadata.token_endpoint, fields, auth)
        document = _document(reply)
        if reply.status != _OK:
            error = str(document.get("error", reply.status))[:80]
            if error in _PENDING:
                raise Pending(slower=error == "slow_down")
            raise _refused(error)
        return Tokens.model_validate(document)

    def begin_device(self, metadata: Metadata, client_id: str) -> Grant:
        """Begin a device flow (RFC 8628, 3.1). Raises UnavailableError where the provider has none."""
        if not metadata.device_authorization_endpoint:
            raise unavailable("it offers no device flow")
        self._check(metadata.device_authorization_endpoint)
        fields = {"client_id": client_id, "scope": SCOPE}
        reply = self._post(metadata.device_authorization_endpoint, fields, None)
        if reply.status != _OK:
            raise _refused(str(_document(reply).get("error", reply.status))[:80])
        return Grant.model_validate(_document(reply))

    def ask_device(self, metadata: Metadata, client_id: str, grant: Grant) -> Tokens:
        """Whether the person has answered (RFC 8628, 3.4). Raises Pending until then."""
        fields = {"grant_type": _DEVICE_GRANT, "client_id": client_id, "device_code": grant.device_code}
        return self.token(metadata, fields)

    def renew(self, metadata: Metadata, client_id: str, refresh_token: str) -> Tokens:
        """Fresh tokens for a refresh token (RFC 6749, 6). Raises UnauthenticatedError when it is no longer good."""
        fields = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": refresh_token}
        return self.token(metadata, fields)

    def _read(self, url: str) -> Mapping[str, Any]:
        self._check(url)
        reply = self._send("GET", url, {})
        if reply.status != _OK:
            raise unavailable(f"{url} answered {reply.status}")
        return _document(reply)

    def _post(self, url: str, fields: Mapping[str, str], auth: tuple[str, str] | None) -> Reply:
        return self._send("POST", url, {"data": dict(fields)}, auth)

    def _send(self, method: str, url: str, more: Mapping[str, Any], auth: tuple[str, str] | None = None) -> Reply:
        try:
            with self._opens() as http:
                request = http.build_request(method, url, timeout=CONNECT_TIMEOUT_S, **more)
                if auth is not None:
                    request.headers["Authorization"] = _basic(*auth)
                reply = exchange(http, request, max_bytes=MAX_BYTES)
        except SuanlianError as error:
            raise unavailable(error.wrong) from error
        if reply.status >= _FIRST_SERVER_ERROR:
            raise unavailable(f"it answered {reply.status}")
        return reply


def _basic(name: str, secret: str) -> str:
    """RFC 6749, 2.3.1: both parts form-encoded first."""
    pair = f"{quote_plus(name)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _document(reply: Reply) -> Mapping[str, Any]:
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise unavailable(f"its answer {reply.status} is no JSON") from error
    if not isinstance(found, dict):
        raise unavailable(f"its answer {reply.status} is no JSON object")
    return found


def _refused(error: str) -> UnauthenticatedError:
    wrong = f"The identity provider refused: {error}."
    return UnauthenticatedError("sign_in_refused", wrong, todo="Begin the sign-in again.")


def unavailable(why: str) -> UnavailableError:
    """The provider cannot be used for this reason."""
    wrong = f"The identity provider cannot be used: {why}."
    return UnavailableError("provider_unavailable", wrong, todo="Try again; if it stays so, tell the hub's operator.")
