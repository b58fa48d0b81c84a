"""A real Slurm cluster for a test: several nodes on this machine, its own munge, slurmrestd by JWT; nothing is left.

Everything lies in one private directory, and nothing listens beyond loopback. Several clusters run side by side. It
needs root (a node starts the jobs of other users) and Debian's packages: ``missing`` says in words what is not here.
Here nodes are daemons of one machine, and cards are device files that stand for none: what is scheduled is real.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from suanlian.testing.processes import Daemon, free_port, until
from suanlian.testing.slurm_accounts import PROGRAMS as ACCOUNTING
from suanlian.testing.slurm_accounts import Accounts
from suanlian.testing.slurm_conf import CGROUP_CONF, GRES, Ground, Node, Shape, controller_conf, gres_conf

__all__ = ["Node", "Shape", "SlurmCluster", "missing", "unix_users"]

PROGRAMS: Final = ("munged", "slurmctld", "slurmd", "slurmrestd", "sbatch", "scontrol", "squeue", "scancel", "setpriv")
_SYSTEM: Final = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")
_GROUPS: Final = Path("/sys/fs/cgroup")
_CONTROLLERS: Final = ("freezer", "memory", "cpuacct")
_NODE_MARK: Final = "SUANLIAN_TEST_NODE"
_PATH: Final = ":".join(_SYSTEM)
_READY_S: Final = 90.0
_COMMAND_S: Final = 60.0
_CHARACTER_DEVICE: Final = stat.S_IFCHR | 0o666
_NULL: Final = os.makedev(1, 3)
_API: Final = "v0.0.38"


def missing(*, accounts: bool = False) -> str:
    """Why no cluster can be started here; empty where one can. ``accounts``: with a slurmdbd."""
    if os.geteuid() != 0:
        return "a Slurm cluster of tests needs root: its nodes start the jobs of other users"
    wanted = (*PROGRAMS, *(ACCOUNTING if accounts else ()))
    lacking = [name for name in wanted if shutil.which(name, path=_PATH) is None]
    return f"make test-engines installs {', '.join(lacking)}" if lacking else ""


@contextlib.contextmanager
def unix_users(*names: str) -> Iterator[Mapping[str, str]]:
    """System users of this test alone, by name ``suanlian-NAME-xxxx``; removed at the end. Needs root."""
    made: dict[str, str] = {}
    try:
        for name in names:
            user = f"suanlian-{name}-{secrets.token_hex(2)}"
            _quiet("useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", user)
            made[name] = user
        yield made
    finally:
        for user in made.values():
            _quiet("userdel", "--force", user)


@dataclass
class SlurmCluster:
    """Use in a ``with``; ready when that is entered. ``prefix``: what stands before each daemon (`ip netns exec X`)."""

    shape: Shape = field(default_factory=Shape)
    rest: bool = True
    prefix: tuple[str, ...] = ()
    directory: Path = field(init=False)
    rest_port: int = field(init=False)

    def __post_init__(self) -> None:
        """Lay out the directory; nothing runs yet."""
        self.directory = Path(tempfile.mkdtemp(prefix="slslurm"))
        self.directory.chmod(0o755)  # the users of jobs walk through
        self.rest_port = free_port()
        self._daemons: dict[str, Daemon] = {}
        self._tag = f"-{secrets.token_hex(2)}"
        self._accounts = Accounts.below(self.directory, self.shape.address) if self.shape.accounts else None
        try:
            self._lay_out()
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    # ------------------------------------------------------------------ what a driver is told

    @property
    def conf(self) -> Path:
        """The cluster's slurm.conf."""
        return self.directory / "slurm.conf"

    @property
    def env(self) -> dict[str, str]:
        """The environment in which Slurm's commands speak to this cluster."""
        return {"PATH": _PATH, "LANG": "C.UTF-8", "SLURM_CONF": str(self.conf)}

    @property
    def rest_url(self) -> str:
        """Where slurmrestd listens."""
        return f"http://{self.shape.address}:{self.rest_port}"

    @property
    def jobcomp(self) -> Path:
        """What Slurm wrote of jobs that ended (jobcomp/filetxt)."""
        return self.directory / "jobcomp.txt"

    def token(self, user: str, lifespan_s: int = 3600) -> str:
        """A JSON Web Token by which slurmrestd takes a call for this user's."""
        said = self.command("scontrol", "token", f"username={user}", f"lifespan={lifespan_s}")
        return said.strip().partition("=")[2]

    def token_file(self, user: str, lifespan_s: int = 3600) -> Path:
        """The token in a file of its own, written anew at each call."""
        path = self.directory / "tokens" / user
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(self.token(user, lifespan_s))
        path.chmod(0o600)
        return path

    def command(self, *arguments: str, user: str | None = None, stdin: str = "") -> str:
        """What one of Slurm's commands prints. Raises AssertionError with what it complained of."""
        before = () if user is None else ("setpriv", f"--reuid={user}", f"--regid={_group(user)}", "--clear-groups")
        done = subprocess.run(
            [*self.prefix, *before, *arguments],
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_S,
            cwd="/",
        )
        assert done.returncode == 0, f"{' '.join(arguments)}: code {done.returncode}: {done.stderr}"
        return done.stdout

    # ------------------------------------------------------------------ life

    def __enter__(self) -> Self:
        """Start munge, the controller, the nodes and slurmrestd; returns when all nodes are idle."""
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every daemon, every job and every file of this cluster."""
        for daemon in self._daemons.values():
            daemon.kill()
        until("nothing of the cluster runs", lambda: not self._end_left_over(), within_s=_READY_S)
        for node in self.shape.nodes:
            _remove_groups(f"slurm_{self.node(node.name)}")
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, name: str) -> None:
        """Start a daemon again: ``controller``, ``rest``, or a node by its name."""
        self._daemons[name].start()

    def kill(self, name: str) -> None:
        """End a daemon by SIGKILL. The jobs of a node go on without it."""
        self._daemons[name].kill()

    def node(self, name: str) -> str:
        """The name by which Slurm knows a node of the shape."""
        return f"{name}{self._tag}"

    def lose_node(self, name: str) -> None:
        """A node that dies: its daemon and all its jobs, at once; the controller is told that it is down."""
        self.kill(name)
        until(f"the jobs of {name} are gone", lambda: not self._end_left_over(name), within_s=_READY_S)
        self.command("scontrol", "update", f"nodename={self.node(name)}", "state=down", "reason=lost")

    def freeze(self, name: str) -> None:
        """Let a daemon hang: it takes calls, and answers none until `thaw`."""
        self._daemons[name].send(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen daemon go on."""
        self._daemons[name].send(signal.SIGCONT)

    def reset(self) -> None:
        """Let the controller forget every job, and count them from 1 again."""
        self.kill("controller")
        shutil.rmtree(self.directory / "state")
        (self.directory / "state").mkdir()
        self.start("controller")
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until the controller answers and every node is idle."""
        whole = f"{len(self.shape.nodes)} idle"
        look = [*self.prefix, "sinfo", "--noheader", "--Node", "--format=%N %T"]

        def ready() -> bool:
            done = subprocess.run(look, env=self.env, capture_output=True, text=True, check=False, timeout=_COMMAND_S)
            return len({line for line in done.stdout.splitlines() if line.endswith(" idle")}) == len(self.shape.nodes)

        until(f"the cluster has {whole}\n{self._tails()}", ready, within_s=_READY_S)

    # ------------------------------------------------------------------ within

    def _lay_out(self) -> None:
        for name in ("munge", "state", "spool", "log"):
            (self.directory / name).mkdir()
        for name in ("munge.key", "jwt.key"):
            (self.directory / name).write_bytes(secrets.token_bytes(1024 if name == "munge.key" else 32))
            (self.directory / name).chmod(0o400)
        for card in range(max((node.gpus for node in self.shape.nodes), default=0)):
            os.mknod(self.directory / f"gpu{card}", _CHARACTER_DEVICE, _NULL)
        host = socket.gethostname()
        ports = [free_port() for _ in range(len(self.shape.nodes) + 1)]
        groups = all(os.access(_GROUPS / name, os.W_OK) for name in _CONTROLLERS)
        accounting = self._accounts.lines if self._accounts else ("AccountingStorageType=accounting_storage/none",)
        ground = Ground(self.directory, host, ports, self._tag, accounting, groups)
        self.conf.write_text(controller_conf(self.shape, ground))
        (self.directory / GRES).write_text(gres_conf(self.shape, ground))
        if self._accounts:
            self._accounts.lay_out()
        (self.directory / "cgroup.conf").write_text(CGROUP_CONF if groups else "CgroupAutomount=no\n")

    def _start(self) -> None:
        munge, conf = self.directory / "munge", str(self.conf)
        self._daemon(
            "munge",
            "munged",
            "--foreground",
            "--force",
            f"--socket={munge}/socket",
            f"--key-file={self.directory}/munge.key",
            f"--pid-file={munge}/pid",
            f"--log-file={munge}/log",
            f"--seed-file={munge}/seed",
        )
        until("munge listens", (munge / "socket").exists, within_s=_READY_S, every_s=0.005)
        if self._accounts:
            self._accounts.start(self._daemon)
        self._daemon("controller", "slurmctld", "-D", "-f", conf)
        until("the controller listens", self._pings, within_s=_READY_S, every_s=0.01)
        for node in self.shape.nodes:
            self._daemon(node.name, "slurmd", "-D", "-N", self.node(node.name), "-f", conf, env={_NODE_MARK: node.name})
        if self.rest:
            self._start_rest(conf)
        self.wait_ready()

    def _start_rest(self, conf: str) -> None:
        """As ``nobody``: slurmrestd refuses to run as root, and as Slurm's own user."""
        nobody = ("setpriv", "--reuid=nobody", f"--regid={_group('nobody')}", "--clear-groups")
        doors = f"openapi/{_API}" + (f",openapi/db{_API}" if self._accounts else "")
        command = ("slurmrestd", "-f", conf, "-a", "rest_auth/jwt", "-s", doors)
        self._daemon("rest", *nobody, *command, f"{self.shape.address}:{self.rest_port}", env={"SLURM_JWT": "daemon"})

    def _daemon(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> None:
        log = self.directory / "log" / f"{name}.out"
        daemon = Daemon(name, [*self.prefix, *command], {**self.env, **(env or {})}, log)
        self._daemons[name] = daemon
        daemon.start()

    def _pings(self) -> bool:
        done = subprocess.run(
            [*self.prefix, "scontrol", "ping"], env=self.env, capture_output=True, check=False, timeout=_COMMAND_S
        )
        return done.returncode == 0

    def _end_left_over(self, node: str = "") -> bool:
        """Kill whatever carries the cluster's name in its environment, of one node or all; whether there was any."""
        for one in [node] if node else [node.name for node in self.shape.nodes]:
            _thaw(f"slurm_{self.node(one)}")
        found = [pid for pid in _processes() if self._is_ours(pid, node)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(found)

    def _is_ours(self, pid: int, node: str) -> bool:
        """A daemon, the keeper of a job's step or a process of a job. A node's keepers have their daemon's mark."""
        environment = _environment(pid)
        if f"SLURM_CONF={self.conf}" not in environment:
            return False
        return not node or f"SLURMD_NODENAME={self.node(node)}" in environment or f"{_NODE_MARK}={node}" in environment

    def _tails(self) -> str:
        return "\n".join(daemon.tail() for daemon in self._daemons.values())


def _processes() -> list[int]:
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and int(entry.name) != os.getpid()
    ]


def _thaw(name: str) -> None:
    """Let go on what a node has suspended: what is frozen takes no SIGKILL."""
    for state in (_GROUPS / "freezer" / name).rglob("freezer.state"):
        with contextlib.suppress(OSError):
            state.write_text("THAWED")


def _remove_groups(name: str) -> None:
    """Remove the control groups of a node; the kernel takes a moment to let go of what ran there."""
    for top in (_GROUPS / controller / name for controller in _CONTROLLERS):
        if top.is_dir():
            until(f"{top} is gone", lambda top=top: _removed(top), within_s=_READY_S)  # type: ignore[misc]


def _removed(top: Path) -> bool:
    for group in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
        with contextlib.suppress(OSError):
            group.rmdir()
    with contextlib.suppress(OSError):
        top.rmdir()
    return not top.exists()


def _environment(pid: int) -> list[str]:
    """Of a process that has not ended; one that has ended has none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return []


def _group(user: str) -> str:
    return str(pwd.getpwnam(user).pw_gid)


def _quiet(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=True, env={"PATH": _PATH})
