"""Speaks to Slurm by its own commands, where there is no slurmrestd: sbatch, squeue, scontrol, scancel, sacct.

The commands run in a clean environment: a job's variables never reach them, since Slurm reads SBATCH_* and SLURM_* as
options. To act for another user the agent must be root; it then takes that user's identity for the one command.
"""

import os
import pwd
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

from suanlian.drivers.slurm import parse_cli
from suanlian.drivers.slurm.records import JobRecord, NodeRecord, Queue, Request, SlurmError

_SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
_MANY: Final = 200
"""So many job numbers stand in one command line."""


class CommandClient:
    """Slurm's commands on this machine."""

    def __init__(self, conf: Path | None, commands: Path | None, *, timeout_s: float = 15.0) -> None:
        """Nothing is called yet."""
        path = _SYSTEM_PATH if commands is None else f"{commands}:{_SYSTEM_PATH}"
        self._env = {"PATH": path, "LANG": "C.UTF-8"} | ({"SLURM_CONF": str(conf)} if conf else {})
        self._timeout_s = timeout_s

    # ------------------------------------------------------------------ the engine

    def ping(self) -> str:
        """Ask the controller."""
        said = self._run("scontrol", "ping")
        if "UP" not in said:
            raise SlurmError(f"no controller of the cluster answers: {said.strip()[:200]}", transient=True)
        return f"{self._run('scontrol', '--version').strip()}, by its commands".capitalize()

    def submit(self, request: Request, user: str) -> int:
        """The script goes in by standard input."""
        said = self._run("sbatch", *parse_cli.sbatch(request), user=user, stdin=request.script)
        return parse_cli.submitted(said)

    def jobs(self, ids: Collection[int]) -> Sequence[JobRecord]:
        """By their numbers, many in one call; squeue fails for an unknown one only where it stands alone."""
        records: list[JobRecord] = []
        wanted = sorted(ids)
        for start in range(0, len(wanted), _MANY):
            numbers = ",".join(map(str, wanted[start : start + _MANY]))
            records += self._listed(f"--jobs={numbers}")
        return records

    def named(self, name: str) -> Sequence[JobRecord]:
        """By the name."""
        return self._listed(f"--name={name}")

    def accounted(self, ids: Collection[int], since: int) -> Sequence[JobRecord]:
        """By sacct."""
        numbers = ",".join(map(str, sorted(ids)))
        said = self._run("sacct", *parse_cli.SACCT, f"--jobs={numbers}")
        return [found for found in parse_cli.accounted(said) if found.submitted >= since]

    def cancel(self, job: str, user: str) -> None:
        """Slurm sends SIGTERM, and SIGKILL after its own KillWait."""
        self._end(job, user)

    def signal(self, job: str, name: str, user: str) -> None:
        """To every process of the job."""
        self._end(job, user, f"--signal={name}", "--full")

    def nodes(self) -> Sequence[NodeRecord]:
        """Every node."""
        return parse_cli.nodes(self._run("scontrol", "--oneliner", "--details", "show", "nodes"))

    def queue(self, partition: str | None) -> Queue:
        """By squeue."""
        chosen = () if partition is None else (f"--partition={partition}",)
        return parse_cli.queue(self._run("squeue", *parse_cli.QUEUE, *chosen))

    # ------------------------------------------------------------------ commands

    def _listed(self, chosen: str) -> list[JobRecord]:
        try:
            return parse_cli.jobs(self._run("squeue", *parse_cli.SQUEUE, chosen))
        except SlurmError as error:
            if "Invalid job id" in str(error):
                return []
            raise

    def _end(self, job: str, user: str, *options: str) -> None:
        try:
            self._run("scancel", *options, job, user=user)
        except SlurmError as error:
            if not parse_cli.is_over(str(error)):
                raise

    def run(self, command: str, *arguments: str) -> str:
        """What one of Slurm's commands prints, called as who we are. Raises SlurmError."""
        return self._run(command, *arguments)

    def _run(self, command: str, *arguments: str, user: str | None = None, stdin: str = "") -> str:
        # times are told in UTC; what sbatch gives on to the job keeps the zone of its node
        zone = {} if command == "sbatch" else {"TZ": "UTC"}
        try:
            done: subprocess.CompletedProcess[str] = subprocess.run(
                [command, *arguments],
                input=stdin,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=self._timeout_s,
                env=self._env | zone,
                cwd="/",
                **identity(user),
            )
        except subprocess.TimeoutExpired as error:
            text = f"{command} did not answer within {self._timeout_s:g} s"
            raise SlurmError(text, transient=True, unsure=True) from error
        except OSError as error:
            raise SlurmError(f"{command} cannot be called: {error}") from error
        if done.returncode:
            raise parse_cli.refusal(command, done.stderr)
        return done.stdout


def identity(user: str | None) -> dict[str, Any]:
    """What makes a command run as this user. Raises SlurmError where this process may not."""
    if user is None:
        return {}
    found = pwd.getpwnam(user)
    if found.pw_uid == os.geteuid():
        return {}
    if os.geteuid() != 0:
        raise SlurmError(f"only root can call Slurm's commands for {user}: run the agent as root or as that user")
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": os.getgrouplist(user, found.pw_gid)}
