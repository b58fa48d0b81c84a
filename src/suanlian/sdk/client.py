"""One door to a hub for people: `with Client("https://hub.example", key) as hub: hub.jobs.submit(spec)`."""

from types import TracebackType
from typing import Self

from suanlian.sdk.audit import Audit
from suanlian.sdk.catalogue import Catalogue
from suanlian.sdk.identifiers import Identifiers
from suanlian.sdk.jobs import Jobs
from suanlian.sdk.objects import Objects
from suanlian.sdk.parties import Parties
from suanlian.sdk.people import Key, Transport
from suanlian.sdk.platforms import Platforms
from suanlian.sdk.secrets import AccountSecrets
from suanlian.sdk.sign_in import SignIn
from suanlian.sdk.supervision import Supervision
from suanlian.sdk.supply import Supply


class Client:
    """A hub as one person sees it; one attribute a subject. All errors are those of `suanlian.model.errors`.

    Not for several threads at once: give each its own. Close it, or use it in a ``with``.
    """

    def __init__(self, url: str, key: Key = None, timeout_s: float = 30, *, retry_wait_s: float = 0.2) -> None:
        """``url``: https, or http on loopback. ``key``: the API key, or what gives it; none for what is open.

        ``timeout_s``: for one answer. ``retry_wait_s``: before the first repeat of a call that failed for a while.
        Raises InvalidError ``field_invalid`` or ``not_over_loopback``. Opens no connection yet.
        """
        self._transport = Transport(url, key, timeout_s=timeout_s, retry_wait_s=retry_wait_s)
        self.url = self._transport.url
        self.jobs = Jobs(self._transport)
        self.objects = Objects(self._transport)
        self.platforms = Platforms(self._transport)
        self.catalogue = Catalogue(self._transport)
        self.secrets = AccountSecrets(self._transport)
        self.parties = Parties(self._transport)
        self.sign_in = SignIn(self._transport)
        self.identifiers = Identifiers(self._transport)
        self.supervision = Supervision(self._transport)
        self.supply = Supply(self._transport)
        self.audit = Audit(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; a second time is no error."""
        self._transport.close()
