"""One door to a hub for people: `with Client("https://hub.example", key) as hub: hub.jobs.submit(spec)`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

from suanlian.model.errors import ConflictError
from suanlian.model.job import Job, JobSpec
from suanlian.sdk.audit import Audit
from suanlian.sdk.catalogue import Catalogue
from suanlian.sdk.data import Data
from suanlian.sdk.futures import JobFuture, Watch
from suanlian.sdk.identifiers import Identifiers
from suanlian.sdk.jobs import Jobs
from suanlian.sdk.links import Links
from suanlian.sdk.mapping import RESULT, Mapped, Ran, check_count, files_of, ran, returned, script_of
from suanlian.sdk.objects import Objects
from suanlian.sdk.parties import Parties
from suanlian.sdk.people import Key, Transport
from suanlian.sdk.platforms import Platforms
from suanlian.sdk.quick import ANY, Software, quick_spec
from suanlian.sdk.secrets import AccountSecrets
from suanlian.sdk.sign_in import SignIn
from suanlian.sdk.supervision import Supervision
from suanlian.sdk.supply import Supply

INLINE_BYTES: Final = 64 * 1024
"""A file up to this long goes inside the spec, a longer one as an object."""


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
        self._anew: Callable[[], Client] = lambda: Client(url, key, timeout_s, retry_wait_s=retry_wait_s)
        self._watch = Watch(self._own_jobs)
        self.url = self._transport.url
        self.jobs = Jobs(self._transport)
        self.objects = Objects(self._transport)
        self.platforms = Platforms(self._transport)
        self.catalogue = Catalogue(self._transport)
        self.data = Data(self._transport)
        self.secrets = AccountSecrets(self._transport)
        self.parties = Parties(self._transport)
        self.sign_in = SignIn(self._transport)
        self.identifiers = Identifiers(self._transport)
        self.supervision = Supervision(self._transport)
        self.supply = Supply(self._transport)
        self.links = Links(self._transport)
        self.audit = Audit(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; a second time is no error. Futures that are not done never will be."""
        self._watch.close()
        self._transport.close()

    def submit(self, spec: JobSpec) -> JobFuture:
        """Submit a job and go on: the future's result is the job once it is COMPLETE."""
        future = JobFuture(self.jobs.submit(spec), self._cancel)
        self._watch.add(future)
        return future

    def map(
        self, function: Callable[[Any], Any], items: Sequence[object], software: Software = ANY, **fields: object
    ) -> Mapped[Any]:
        """Call a function with each of the items, each call a task of one array; the results in the items' order.

        The function is defined by ``def`` at the top of a file, imports what it needs inside, and takes and returns
        what JSON can carry: its source text travels. ``software``: in which environment, with a `python3` in it.
        ``fields`` of the job: resources, wall_time_s, wants ... Raises InvalidError where something cannot travel.
        """
        check_count(len(items))
        command = ("python3", "call.py")
        job = self._submit_array(files_of(function, items), command, software, len(items), fields)
        return Mapped(self.jobs, job, returned(self.jobs, job))

    def map_commands(
        self, commands: Sequence[Sequence[str]], software: Software = ANY, **fields: object
    ) -> Mapped[Ran]:
        """Run each of the commands, each a task of one array; what each came to, in their order.

        ``software``: in which environment, with a POSIX shell in it.
        """
        check_count(len(commands))
        files = {"commands.sh": script_of(commands)}
        job = self._submit_array(files, ("/bin/sh", "commands.sh"), software, len(commands), fields)
        return Mapped(self.jobs, job, ran(self.jobs, job))

    def _submit_array(
        self,
        files: Mapping[str, str],
        command: Sequence[str],
        software: Software,
        count: int,
        fields: Mapping[str, object],
    ) -> Job:
        inputs = [self._input(path, text.encode()) for path, text in files.items()]
        made: dict[str, object] = {"name": "map", "array_size": count, "inputs": inputs}
        made |= {"outputs": [RESULT]} if "call.py" in files else {}
        return self.jobs.submit(quick_spec(self.catalogue, command, software, **{**made, **fields}))

    def _input(self, path: str, data: bytes) -> dict[str, object]:
        if len(data) <= INLINE_BYTES:
            return {"path": path, "content": data.decode()}
        return {"path": path, "object": True, "sha256": self.objects.upload(data).sha256}

    def _cancel(self, job: str) -> bool:
        """From whatever thread it is asked."""
        with self._own_jobs() as jobs:
            try:
                jobs.cancel(job)
            except ConflictError:  # it has ended
                return False
        return True

    @contextmanager
    def _own_jobs(self) -> Iterator[Jobs]:
        with self._anew() as client:
            yield client.jobs
