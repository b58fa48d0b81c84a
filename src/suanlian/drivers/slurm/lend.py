"""Slurm's side of lending: held as administrator, marked in AdminComment, told by the job itself (decision 0021).

By Slurm's own commands, on a machine that has them, as root or as an operator of Slurm's. What is true of a job is read
from ``squeue --json``, in which no user's text can pretend to be anything else.
"""

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from suanlian.drivers.contract import DriverError
from suanlian.drivers.lending import AtHome, Contents, Hook, LendTerms, LentEnd, LocalJob, Phase
from suanlian.drivers.slurm import lend_hook, lend_spool
from suanlian.drivers.slurm.cli import CommandClient
from suanlian.drivers.slurm.lend_parse import Queued, asking, local_job, queue
from suanlian.drivers.slurm.options import SlurmOptions
from suanlian.drivers.slurm.records import SlurmError
from suanlian.model.lending import LendKey

Run = Callable[..., str]
"""Runs one of Slurm's commands and returns what it prints. Raises DriverError."""
_HELD: Final = "JobHeldAdmin"
_PENDING: Final = "PENDING"
_BEGUN: Final = frozenset({"RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "STOPPED", "SIGNALING", "STAGE_OUT"})
_MAX_NOTE: Final = 300
_SMALL: Final = (
    "numcpus=1-1",
    "numtasks=1",
    "numnodes=1",
    "cpuspertask=1",
    "mincpusnode=1",
    "minmemorynode=64",
    "timelimit=5",
)
"""What a job that only tells its end takes at home."""
NO_GUARD: Final = "its script has no guard: it was queued before the hook, has arguments, or is not for sh or bash"


NOT_TEXT: Final = "its script is no UTF-8 text"


@dataclass
class SlurmLender:
    """`Lender` of one cluster."""

    terms: LendTerms
    run: Run
    scontrol: str
    _scripts: dict[LendKey, str] = field(default_factory=dict)
    """Why the script of a job cannot be lent, by key: it never changes."""
    _cluster: str = ""

    def hook(self, directory: Path) -> Hook:
        """The guard, and the script of the controller that puts it before bodies."""
        return lend_hook.hook(self.terms, self.scontrol, str(directory))

    def fault(self) -> str:
        """Whether the controller has the hook; with ``end = "cancel"`` it needs none."""
        if os.geteuid() != 0:
            return "the agent has to be root: it holds jobs as administrator, and gives ends to their users"
        if self.terms.cancels:
            return ""
        try:
            said = self.run("scontrol", "show", "config")
        except DriverError as error:
            return f"Slurm does not tell its configuration: {error}"
        plugins = next((line for line in said.splitlines() if line.startswith("JobSubmitPlugins")), "")
        if "lua" not in plugins.partition("=")[2].replace(" ", "").split(","):
            return "slurm.conf has no JobSubmitPlugins=lua: suanlian-agent lending install-hook says what to do"
        if not self.terms.spool.is_dir():
            return f"the spool {self.terms.spool} is not there: make it, where every node sees it"
        return ""

    def lendable(self, limit: int) -> tuple[LocalJob, ...]:
        """Jobs that wait and ask for it, the longest waiting first."""
        found = [
            local_job(job, self.cluster, options)
            for job in self._queue().values()
            if job.state == _PENDING and job.mark is None and (options := asking(job, self.terms)) is not None
        ]
        found.sort(key=lambda job: (job.since, int(job.key.native_id)))
        return tuple(self._with_script(job) for job in found[:limit])

    def contents(self, key: LendKey) -> Contents:
        """The script without its guard, its inputs as its user reads them."""
        job = self._job(key)
        if job is None:
            raise DriverError(f"job {key.native_id} is not there any more")
        parted = lend_hook.parted(self._script(key), lend_hook.guard(self.terms, self.scontrol))
        if parted is None and not self.terms.cancels:
            raise DriverError(NO_GUARD)
        script, variables = parted if parted is not None else (self._script(key), {})
        options = asking(job, self.terms) or {}
        allowed = {name: value for name, value in variables.items() if name in self.terms.variables}
        directory = str(job.raw.get("current_working_directory") or "/")
        return Contents(script, lend_spool.read_as(job.user, directory, options.get("in", ())), allowed)

    def hold(self, key: LendKey) -> bool:
        """Hold and mark in one call, then read both back."""
        job = self._job(key)
        if job is None or job.state != _PENDING:
            return False
        if _is_held_by_us(job, key):
            return True
        if job.comment or job.reason.startswith("JobHeld"):
            return False
        self._update(key, "priority=0", f"admincomment={_mark(key, Phase.HELD, 'to be lent')}")
        after = self._job(key)
        if after is not None and _is_held_by_us(after, key):
            return True
        self._clean(key, after)
        return False

    def at_home(self, keys: Collection[LendKey]) -> Mapping[LendKey, AtHome]:
        """By one list of all."""
        jobs = self._queue() if keys else {}
        return {key: _at(jobs.get(int(key.native_id)), key) for key in keys}

    def mark(self, key: LendKey, phase: Phase, note: str) -> None:
        """Rewrite the comment of a job that is ours."""
        job = self._job(key)
        if job is not None and job.state == _PENDING and _is_ours(job, key):
            self._update(key, f"admincomment={_mark(key, phase, note)}")

    def release(self, key: LendKey, note: str) -> None:
        """The phase first: a job that begins in between still does not run its body."""
        job = self._job(key)
        if job is None or job.state != _PENDING or not _is_ours(job, key):
            return
        self._update(key, f"admincomment={_mark(key, Phase.HOME, note)}")
        self._tolerant("scontrol", "release", key.native_id)

    def bring_back(self, key: LendKey, end: LentEnd) -> None:
        """Spool, phase, small, release: in this order, each again where it was done."""
        job = self._job(key)
        if job is None or job.state != _PENDING or not _is_ours(job, key):
            return
        lend_spool.put(self.terms.spool, key.mark, end, job.user)
        self._update(key, f"admincomment={_mark(key, Phase.BACK, end.note)}")
        if self.terms.cancels:
            self._tolerant("scancel", key.native_id)
            return
        self._shrink(key)
        self._tolerant("scontrol", "release", key.native_id)

    def marked(self) -> Iterator[tuple[LendKey, Phase]]:
        """Those of our marks that are of the very submission that they stand on."""
        for job in self._queue().values():
            key = job.key(self.cluster)
            if job.state == _PENDING and job.mark is not None and job.mark[0] == key.mark:
                yield key, job.mark[1]

    def forget(self, key: LendKey) -> None:
        """Remove its end."""
        lend_spool.drop(self.terms.spool, key.mark)

    # ------------------------------------------------------------------ within

    @property
    def cluster(self) -> str:
        """The name of the cluster, as its configuration says it."""
        if not self._cluster:
            said = self.run("scontrol", "show", "config")
            line = next((line for line in said.splitlines() if line.startswith("ClusterName")), "")
            self._cluster = line.partition("=")[2].strip().lower() or "slurm"
        return self._cluster

    def _queue(self) -> dict[int, Queued]:
        return queue(self.run("squeue", "--json"))

    def _job(self, key: LendKey) -> Queued | None:
        """The job of this very submission: a number that was given away anew is another's."""
        job = self._queue().get(int(key.native_id))
        return job if job is not None and job.submitted_at == key.submitted_at else None

    def _script(self, key: LendKey) -> bytes:
        text = self.run("scontrol", "write", "batch_script", key.native_id, "-")
        if "\ufffd" in text:
            raise DriverError(NOT_TEXT)
        return text.encode()

    def _with_script(self, job: LocalJob) -> LocalJob:
        """With what its script tells: read once, for it never changes."""
        if job.why_not or self.terms.cancels:
            return job
        if job.key not in self._scripts:
            self._scripts[job.key] = self._judged(job.key)
        why = self._scripts[job.key]
        return LocalJob(**{name: getattr(job, name) for name in LocalJob.__slots__} | {"why_not": why})

    def _judged(self, key: LendKey) -> str:
        try:
            script = self._script(key)
        except DriverError as error:
            if error.transient:
                raise
            return str(error)
        return NO_GUARD if lend_hook.parted(script, lend_hook.guard(self.terms, self.scontrol)) is None else ""

    def _update(self, key: LendKey, *what: str) -> None:
        self.run("scontrol", "update", f"jobid={key.native_id}", *what)

    def _shrink(self, key: LendKey) -> None:
        """As small as Slurm lets it be: what it refuses stays as it was, and then waits for its room."""
        where = () if self.terms.replay_queue is None else (f"partition={self.terms.replay_queue}",)
        for part in ((*where, *_SMALL), (*where, "timelimit=5")):
            try:
                self._update(key, *part)
            except DriverError as error:
                if error.transient:
                    raise
                continue
            return

    def _clean(self, key: LendKey, job: Queued | None) -> None:
        """Nothing of ours stays on a job that was not held after all."""
        if job is not None and _is_ours(job, key):
            self._update(key, "admincomment=")
            self._tolerant("scontrol", "release", key.native_id)

    def _tolerant(self, *command: str) -> None:
        """What may be too late: the job has begun or ended meanwhile."""
        try:
            self.run(*command)
        except DriverError as error:
            if error.transient:
                raise


def lender(terms: LendTerms, options: SlurmOptions) -> SlurmLender:
    """The lending side. Raises DriverError where Slurm's commands are not on this machine."""
    before = "" if options.commands is None else f"{options.commands}:"
    scontrol = shutil.which("scontrol", path=f"{before}/usr/local/bin:/usr/bin:/bin")
    if scontrol is None:
        raise DriverError("lending needs Slurm's commands on this machine: scontrol is not there")
    client = CommandClient(options.conf, options.commands, timeout_s=options.timeout_s)

    def run(*command: str) -> str:
        try:
            return client.run(*command)
        except SlurmError as error:
            raise DriverError(str(error), transient=error.transient) from error

    return SlurmLender(terms, run, scontrol)


def _mark(key: LendKey, phase: Phase, note: str) -> str:
    plain = "".join(char if char.isprintable() else " " for char in note)[:_MAX_NOTE]
    return f"suanlian/1 {key.mark} {phase.value} {plain}".rstrip()


def _is_ours(job: Queued, key: LendKey) -> bool:
    return job.mark is not None and job.mark[0] == key.mark and job.submitted_at == key.submitted_at


def _is_held_by_us(job: Queued, key: LendKey) -> bool:
    return (
        job.state == _PENDING
        and job.reason == _HELD
        and _is_ours(job, key)
        and job.mark is not None
        and job.mark[1] in (Phase.HELD, Phase.LENT)
    )


def _at(job: Queued | None, key: LendKey) -> AtHome:
    if job is None or job.submitted_at != key.submitted_at:
        return AtHome.GONE
    if job.state == _PENDING:
        return AtHome.HELD if _is_held_by_us(job, key) else AtHome.FREE
    return AtHome.BEGUN if job.state in _BEGUN else AtHome.GONE
