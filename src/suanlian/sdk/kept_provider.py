"""What a hub keeps of its OpenID provider: description and keys, asked seldom whatever strangers send.

Keys are good for ``KEYS_AGE``; a token under an unknown key has them asked anew, at most once in ``ANEW_AFTER``. While
the provider does not answer, what was kept goes on being used, and it is not asked again for ``PATIENCE``.
"""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from suanlian.crypto.oidc import Keys
from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.sdk.oidc import Metadata, OidcProvider, unavailable
from suanlian.sdk.transport import Clock

KEYS_AGE: Final = timedelta(hours=1)
ANEW_AFTER: Final = timedelta(seconds=60)
PATIENCE: Final = timedelta(seconds=10)
_SCOPE: Final = "openid profile"


@dataclass(frozen=True, slots=True)
class WebClient:
    """As whom a hub asks: its name there, the file of its secret if it has one, where browsers come back to."""

    client_id: str
    redirect_uri: str
    secret_file: Path | None = None

    def secret(self) -> str:
        """The secret, read each time so that it can be changed; empty for a public client."""
        return "" if self.secret_file is None else self.secret_file.read_text("utf-8").strip()


@dataclass(frozen=True, slots=True)
class _Kept:
    at: datetime
    metadata: Metadata
    keys: Keys


class KeptProvider:
    """See the module; may be used by many threads. All raise UnavailableError ``provider_unavailable``."""

    def __init__(self, provider: OidcProvider, client: WebClient, clock: Clock) -> None:
        """Asks nothing yet."""
        self._provider = provider
        self._client = client
        self._clock = clock
        self._asking = threading.Lock()
        self._kept: _Kept | None = None
        self._not_before: datetime | None = None

    def keys(self, *, anew: bool = False) -> Keys:
        """The provider's keys. Raises UnavailableError when none were ever read."""
        return self._look(ANEW_AFTER if anew else KEYS_AGE).keys

    def authorization_url(self, state: str, nonce: str, challenge: str) -> str:
        """Where a browser begins. Raises UnavailableError."""
        endpoint = self._look(KEYS_AGE).metadata.authorization_endpoint
        asked = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_uri,
            "scope": _SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def redeem(self, code: str, verifier: str) -> str:
        """The ID token for a code. Raises UnauthenticatedError ``sign_in_refused``, UnavailableError."""
        fields = {
            "grant_type": "authorization_code",
            "client_id": self._client.client_id,
            "code": code,
            "redirect_uri": self._client.redirect_uri,
            "code_verifier": verifier,
        }
        metadata = self._look(KEYS_AGE).metadata
        return self._provider.token(metadata, fields, self._client.secret()).id_token

    def _look(self, oldest: timedelta) -> _Kept:
        kept = self._kept
        if kept is not None and self._clock() - kept.at < oldest:
            return kept
        with self._asking:
            if self._kept is not kept and self._kept is not None:
                return self._kept  # another thread has just asked
            return self._ask()

    def _ask(self) -> _Kept:
        now = self._clock()
        if self._not_before is not None and now < self._not_before:
            return self._as_before(unavailable("it did not answer a moment ago"))
        self._not_before = now + PATIENCE
        try:
            metadata = self._provider.metadata()
            found = _Kept(now, metadata, self._provider.keys(metadata))
        except SuanlianError as error:
            return self._as_before(error)
        self._not_before = None
        self._kept = found
        return found

    def _as_before(self, error: SuanlianError) -> _Kept:
        if self._kept is None:
            raise error if isinstance(error, UnavailableError) else unavailable(error.wrong)
        return self._kept
