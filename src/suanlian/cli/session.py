"""Which hub, with which key? From the environment, else from the login that was kept."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final
from uuid import UUID

from suanlian.cli.output import remark
from suanlian.cli.shown import when
from suanlian.i18n import _, ngettext
from suanlian.model.base import Utc, Value
from suanlian.model.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, UnauthenticatedError
from suanlian.model.ids import SCHEME
from suanlian.model.job import Job
from suanlian.model.sign_in import NewSession
from suanlian.sdk.client import Client
from suanlian.sdk.oidc import OidcProvider, open_person_client
from suanlian.settings import PersonSettings

_SEARCHED: Final = 5000
_NAMED: Final = 5
_BEFORE_ITS_END: Final = timedelta(seconds=60)


class Login(Value):
    """A hub's address and the key for it."""

    hub: str
    key: str = ""
    # of a sign-in: when the key ends, and by what a next one is had
    expires_at: Utc | None = None
    issuer: str = ""
    client_id: str = ""
    refresh_token: str = ""


def open_hub() -> Client:
    """The hub that is spoken to. Raises UnauthenticatedError ``unauthenticated`` when none is known."""
    settings = PersonSettings()
    login = current(settings)
    if login.refresh_token:
        return Client(login.hub, Renewed(login, settings.login_file).key)
    return Client(login.hub, login.key or None)


class Renewed:
    """The key of a sign-in, renewed when it is about to end: before a call, also in the middle of a long command."""

    def __init__(self, login: Login, path: Path) -> None:
        """Asks nobody yet."""
        self._login = login
        self._path = path

    def key(self) -> str:
        """A key that holds. Raises UnauthenticatedError ``session_expired`` when the provider gives no other."""
        if _ends(self._login):
            with _alone(self._path):
                # another command may have renewed it meanwhile: a refresh token is good once
                kept = read_login(self._path)
                fresh = kept if kept is not None and kept.hub == self._login.hub else self._login
                self._login = self._renew(fresh) if _ends(fresh) else fresh
        return self._login.key

    def _renew(self, login: Login) -> Login:
        try:
            provider = OidcProvider(login.issuer, opens=lambda: open_person_client(login.issuer))
            tokens = provider.renew(provider.metadata(), login.client_id, login.refresh_token)
            login = login.model_copy(update={"refresh_token": tokens.refresh_token or login.refresh_token})
            keep(login, self._path)
            with Client(login.hub) as hub:
                minted = hub.sign_in.open(NewSession(id_token=tokens.id_token))
        except (UnauthenticatedError, ForbiddenError, InvalidError, ValueError) as error:
            raise UnauthenticatedError(
                "session_expired",
                _("Your session is over: {why}").format(why=error),
                todo=_("Sign in again: suanlian login {hub} --oidc").format(hub=login.hub),
            ) from error
        login = login.model_copy(update={"key": minted.key, "expires_at": minted.expires_at})
        keep(login, self._path)
        return login


def _ends(login: Login) -> bool:
    return login.expires_at is None or login.expires_at - datetime.now(UTC) < _BEFORE_ITS_END


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the login's lock, so that one command at a time renews it."""
    with path.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def current(settings: PersonSettings) -> Login:
    """The hub and key in force. A kept key never goes to another hub than the one that it was kept for."""
    kept = read_login(settings.login_file)
    hub = (settings.hub or (kept.hub if kept else "")).rstrip("/")
    if not hub:
        raise UnauthenticatedError(
            "unauthenticated",
            _("No hub is known."),
            todo=_("Log in with `suanlian login URL`, or set SUANLIAN_HUB and SUANLIAN_KEY."),
        )
    if settings.key:
        return Login(hub=hub, key=settings.key.get_secret_value())
    return kept if kept and kept.hub == hub else Login(hub=hub)


def keep(login: Login, path: Path) -> None:
    """Keep the login for the next command; only its owner can read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as fresh:  # made with mode 0600
        json.dump(login.model_dump(mode="json", exclude_defaults=True), fresh)
    os.replace(fresh.name, path)  # noqa: PTH105 - the name of the open file


def read_login(path: Path) -> Login | None:
    """The login that was kept, if any. Raises UnauthenticatedError when it cannot be read."""
    try:
        return Login.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UnauthenticatedError(
            "unauthenticated",
            _("The kept login {path} cannot be read.").format(path=path),
            todo=_("Log in again with `suanlian login URL`."),
        ) from error


def job_named(hub: Client, text: str) -> str:
    """The job that a person wants to read of: as `only_job_named`, but of several of exactly that name the newest.

    Which one that is, and that there are others, is told on standard error.
    """
    if _is_id(text):
        return text
    same_name = _of_name(hub, text)
    if len(same_name) <= 1:
        return _only(same_name or _beginning(hub, text), text)
    newest = max(same_name, key=lambda job: (job.created_at, job.id))
    others = len(same_name) - 1
    remark(
        ngettext(
            "{job}: {id} of {when} is meant, the newest; {n} other has this name.",
            "{job}: {id} of {when} is meant, the newest; {n} others have this name.",
            others,
        ).format(job=text, id=newest.public_id or newest.id, when=when(newest.created_at), n=others)
    )
    return newest.id


def only_job_named(hub: Client, text: str) -> str:
    """The job that a person means: a UUID, a public identifier, a name or the beginning of any, if it is the only one.

    Raises NotFoundError ``not_found`` for none, ConflictError ``duplicate_name`` for several.
    """
    return text if _is_id(text) else _only(_of_name(hub, text) or _beginning(hub, text), text)


def _of_name(hub: Client, text: str) -> list[Job]:
    if text != text.lower():  # no job can have such a name
        return []
    return [job for job in islice(hub.jobs.list(name=text), _SEARCHED) if job.name == text]


def _beginning(hub: Client, text: str) -> list[Job]:
    return [job for job in islice(hub.jobs.list(), _SEARCHED) if _begins(job, text)]


def _only(found: list[Job], text: str) -> str:
    if not found:
        raise NotFoundError(
            "not_found", _("There is no job {job!r}.").format(job=text), todo=_("See yours with `suanlian jobs`.")
        )
    if len(found) > 1:
        ids = ", ".join(f"{job.public_id or job.id} ({job.name}, {when(job.created_at)})" for job in found[:_NAMED])
        raise ConflictError(
            "duplicate_name",
            _("{job!r} may be several jobs: {ids}.").format(job=text, ids=ids),
            todo=_("Name one by its identifier; the newest stands first."),
        )
    return found[0].id


def _begins(job: Job, text: str) -> bool:
    return job.id.startswith(text.lower()) or job.public_id.startswith(text.upper()) or job.name.startswith(text)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        try:
            SCHEME.parse(text)
        except InvalidError:
            return False
    return True
