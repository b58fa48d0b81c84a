"""Speaks to slurmrestd: one call a question, bounded in time, in the name of the user whose token it shows."""

import base64
import binascii
import json
import subprocess
import time
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import httpx2

from suanlian.drivers.slurm import parse
from suanlian.drivers.slurm.records import JobRecord, NodeRecord, Queue, Request, SlurmError

KNOWN: Final = ("v0.0.38", "v0.0.40", "v0.0.41", "v0.0.42")
_MANY: Final = 8
"""From so many jobs on, all jobs of the cluster are asked for at once."""
_CONNECTIONS: Final = 16
_SOON_S: Final = 20.0
"""A token that ends within this time is fetched anew before it is shown."""
_UNAUTHORIZED: Final = 401
_SERVER_ERROR: Final = 500
_BAD_ANSWERS: Final = "slurmrestd answers something that is no JSON"


def expiry(token: str) -> float | None:
    """When a JSON Web Token says that it ends; None where it says nothing that can be read. It is not verified."""
    try:
        middle = token.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return float(said["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None


@dataclass
class Tokens:
    """Where each user's token comes from. What was read is kept until it changes or is about to end."""

    file: str | None
    command: tuple[str, ...]
    clock: Callable[[], float] = time.time
    timeout_s: float = 15.0
    _kept: dict[str, tuple[float, str]] = field(default_factory=dict)

    def of(self, user: str, *, refused: str | None = None) -> str:
        """The user's token. Raises SlurmError when there is none.

        ``refused``: one that slurmrestd did not take, which is given again only where there is no other.
        """
        mark, kept = self._kept.get(user, (0.0, ""))
        ends = expiry(kept) if kept else 0.0
        fresh = kept and kept != refused and (ends is None or self.clock() < ends - _SOON_S)
        if self.file is not None:
            path = Path(self.file.format(user=user))
            return kept if fresh and mark == _changed(path) else self._keep(user, _changed(path), _read(path))
        return kept if fresh else self._keep(user, 0.0, self._asked(user))

    def ended(self, user: str) -> bool:
        """Whether the token that was shown last has ended by its own word."""
        ends = expiry(self._kept.get(user, (0.0, ""))[1])
        return ends is not None and self.clock() >= ends

    def _keep(self, user: str, mark: float, token: str) -> str:
        self._kept[user] = (mark, token)
        return token

    def _asked(self, user: str) -> str:
        if not self.command:
            raise SlurmError("no token can be had: set token_file or token_command")
        command = [part.format(user=user) for part in self.command]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=self.timeout_s)
        except (OSError, subprocess.SubprocessError) as error:
            raise SlurmError(f"the token command fails: {command[0]}: {error}", transient=True) from error
        # scontrol prints SLURM_JWT=...
        return done.stdout.strip().rpartition("SLURM_JWT=")[2]


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError as error:
        raise SlurmError(f"the token file {path} cannot be read: {error.strerror}", transient=True) from error


def _read(path: Path) -> str:
    try:
        return path.read_text().strip().rpartition("SLURM_JWT=")[2]
    except (OSError, ValueError) as error:
        raise SlurmError(f"the token file {path} cannot be read: {error}", transient=True) from error


class RestClient:
    """One slurmrestd. Threads may share it."""

    def __init__(self, url: str, tokens: Tokens, reader: str, *, api: str = "auto", timeout_s: float = 15.0) -> None:
        """Nothing is called yet. ``reader``: in whose name the cluster is asked."""
        self._tokens, self._reader = tokens, reader
        self._api = None if api == "auto" else api
        self._http = httpx2.Client(
            base_url=url.rstrip("/"),
            timeout=timeout_s,
            trust_env=False,
            limits=httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
        )
        weakref.finalize(self, self._http.close)  # a driver is never closed, it is let go

    # ------------------------------------------------------------------ the engine

    def ping(self) -> str:
        """Ask the controller through slurmrestd; returns Slurm's version."""
        answer = self._asked("GET", "ping")
        pings = answer.get("pings") or ()
        if not any(entry.get("ping") == "UP" or entry.get("pinged") == "UP" for entry in pings):
            raise SlurmError("no controller of the cluster answers slurmrestd", transient=True)
        return f"Slurm {parse.version(answer)}, slurmrestd {self._version()}"

    def submit(self, request: Request, user: str) -> int:
        """Submit. A job that Slurm takes with a doubt (a node is down) is taken: it says why it waits."""
        body = parse.submission(request, self._version())
        answer = self._call("POST", "slurm", "job/submit", user=user, body=body)
        job_id = parse.submitted(answer)
        if job_id is None:
            raise self._refusal(parse.faults(answer), "Slurm does not take the job", user)
        return job_id

    def jobs(self, ids: Collection[int]) -> Sequence[JobRecord]:
        """Few by their numbers, many by the list of all."""
        if len(ids) > _MANY:
            wanted = set(ids)
            return [
                found for found in parse.jobs(self._asked("GET", "jobs")) if wanted & {found.job_id, found.array_id}
            ]
        records: list[JobRecord] = []
        for job_id in ids:
            answer = self._call("GET", "slurm", f"job/{job_id}", user=self._reader)
            found = parse.faults(answer)
            if found and {code for code, _text in found} != {parse.NO_SUCH_JOB}:
                raise self._refusal(found, f"Slurm does not tell of job {job_id}", self._reader)
            records += parse.jobs(answer)
        return records

    def named(self, name: str) -> Sequence[JobRecord]:
        """Out of the list of all."""
        return [found for found in parse.jobs(self._asked("GET", "jobs")) if found.name == name]

    def accounted(self, ids: Collection[int], since: int) -> Sequence[JobRecord]:
        """By slurmrestd's door to slurmdbd, one by one."""
        records: list[JobRecord] = []
        for job_id in ids:
            answer = self._call("GET", "slurmdb", f"job/{job_id}", user=self._reader)
            records += [found for found in parse.accounted(answer) if found.submitted >= since]
        return records

    def cancel(self, job: str, user: str) -> None:
        """Slurm sends SIGTERM, and SIGKILL after its own KillWait."""
        self._end(job, user, None)

    def signal(self, job: str, name: str, user: str) -> None:
        """To every process of the job."""
        self._end(job, user, name)

    def nodes(self) -> Sequence[NodeRecord]:
        """Every node."""
        return parse.nodes(self._asked("GET", "nodes"))

    def queue(self, partition: str | None) -> Queue:
        """Out of the list of all."""
        return parse.queue(self._asked("GET", "jobs"), partition)

    # ------------------------------------------------------------------ calls

    def _end(self, job: str, user: str, signal: str | None) -> None:
        query = "" if signal is None else f"?signal={signal}"
        found = parse.faults(self._call("DELETE", "slurm", f"job/{job}{query}", user=user))
        if {code for code, _text in found} - {parse.NO_SUCH_JOB, parse.ALREADY_DONE}:
            raise self._refusal(found, f"Slurm does not end job {job}", user)

    def _asked(self, method: str, path: str) -> Mapping[str, Any]:
        answer = self._call(method, "slurm", path, user=self._reader)
        if found := parse.faults(answer):
            raise self._refusal(found, f"Slurm does not tell its {path}", self._reader)
        return answer

    def _version(self) -> str:
        if self._api is None:
            paths = self._sent("GET", "/openapi/v3", self._reader, None).json().get("paths") or {}
            self._api = parse.newest(tuple(paths), KNOWN)
        if self._api is None:
            raise SlurmError(f"this slurmrestd offers no version of its API that is known here: {', '.join(KNOWN)}")
        return self._api

    def _call(self, method: str, door: str, path: str, *, user: str, body: object = None) -> Mapping[str, Any]:
        """One call; a second one with a fresh token where the first was refused and there is another token."""
        where = f"/{door}/{self._version()}/{path}"
        response = self._sent(method, where, user, body)
        try:
            answer = response.json()
        except ValueError as error:
            text = f"{_BAD_ANSWERS}: status {response.status_code}, {response.text[:200]!r}"
            raise SlurmError(text, transient=response.status_code >= _SERVER_ERROR, unsure=method == "POST") from error
        if not isinstance(answer, dict):
            text = f"{_BAD_ANSWERS} object: {response.text[:200]!r}"
            raise SlurmError(text, transient=response.status_code >= _SERVER_ERROR, unsure=method == "POST")
        if response.status_code >= _SERVER_ERROR and not parse.faults(answer):
            raise SlurmError(f"slurmrestd answers {response.status_code}", transient=True, unsure=method == "POST")
        return cast("Mapping[str, Any]", answer)

    def _sent(self, method: str, where: str, user: str, body: object) -> httpx2.Response:
        token = self._tokens.of(user)
        response = self._once(method, where, (user, token), body)
        if _refused(response):
            other = self._tokens.of(user, refused=token)
            if other != token:
                response = self._once(method, where, (user, other), body)
        if response.status_code == _UNAUTHORIZED:
            raise SlurmError(f"slurmrestd refuses the token of {user}{self._about_token(user)}", transient=True)
        return response

    def _once(self, method: str, where: str, who: tuple[str, str], body: object) -> httpx2.Response:
        headers = {"X-SLURM-USER-NAME": who[0], "X-SLURM-USER-TOKEN": who[1]}
        try:
            return self._http.request(method, where, headers=headers, json=body)
        except httpx2.HTTPError as error:
            text = f"slurmrestd at {self._http.base_url} is not there: {type(error).__name__}: {error}"
            raise SlurmError(text, transient=True, unsure=method == "POST") from error

    def _refusal(self, found: Sequence[tuple[int, str]], what: str, user: str) -> SlurmError:
        return parse.refusal(found, what + self._about_token(user))

    def _about_token(self, user: str) -> str:
        return " (the token has expired: write a new one)" if self._tokens.ended(user) else ""


def _refused(response: httpx2.Response) -> bool:
    """Whether it may be the token: v0.0.38 tells a bad one as error -1 with status 500, as it tells all else."""
    if response.status_code == _UNAUTHORIZED:
        return True
    return response.status_code >= _SERVER_ERROR and b"-1" in response.content
