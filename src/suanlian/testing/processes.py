"""Real processes for a test: started, killed, started again, and none of them left at the end. Linux only.

Everything lies below one private directory, whose name stands in the command line of whatever was started there:
that is how keepers, which outlive their agent on purpose, are found and ended.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from suanlian.drivers.local.keeper import leftover

T = TypeVar("T")

_LOOK_S: Final = 0.02
_COMMAND_S: Final = 120.0
_END_S: Final = 60.0
_TAIL: Final = 30
_PASSED_ON: Final = ("PATH", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
_LOWEST_PORT: Final = 10_000
_PROC: Final = Path("/proc")
_EPHEMERAL: Final = _PROC / "sys/net/ipv4/ip_local_port_range"


def until(what: str, look: Callable[[], T | None], *, within_s: float = 120.0, every_s: float = _LOOK_S) -> T:
    """Look until the answer is true, and return it. Raises AssertionError saying ``what`` was awaited in vain."""
    deadline = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(every_s)
    return found


def free_port() -> int:
    """A port of loopback that nobody listens at, and that the kernel gives to no outgoing connection meanwhile.

    A process that is killed and started again must find its port free: one from the range for outgoing connections may
    be taken in between, even by the very call that looks whether somebody listens.
    """
    lowest = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else 32_768
    for _try in range(1000):
        port = random.SystemRandom().randrange(_LOWEST_PORT, lowest)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"no free port from {_LOWEST_PORT} to {lowest}")


def program(name: str) -> list[str]:
    """The command line of one of our commands, run by this very interpreter. Raises LookupError if not installed."""
    for found in entry_points(group="console_scripts", name=name):
        return [sys.executable, "-c", f"from {found.module} import {found.attr}; {found.attr}()"]
    raise LookupError(f"{name} is not installed: pip install -e .")


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


class Daemon:
    """A process that stays until it is ended, with one log over all its lives."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        """Nothing runs yet."""
        self.name, self.log = name, log
        self._command, self._env = list(command), dict(env)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it (again)."""
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command, env=self._env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    @property
    def runs(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone. What it started lives on."""
        self._send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, and wait for nothing."""
        assert self._process is not None, f"{self.name} was never started"
        self._process.send_signal(number)

    def terminate(self) -> int:
        """SIGTERM, and wait for its end; returns its exit code. Raises AssertionError when it does not end."""
        code = self._send(signal.SIGTERM)
        assert code is not None, f"{self.name} did not end within {_END_S:g} s of SIGTERM\n{self.tail()}"
        return code

    def _send(self, number: signal.Signals) -> int | None:
        if self._process is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        try:
            return self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None

    def until(self, what: str, look: Callable[[], T | None], *, within_s: float = 120.0) -> T:
        """As the function of this name, but over at once when the process has ended by itself."""

        def seen() -> T | None:
            assert self.runs, f"{self.name} has ended before: {what}{self.tail()}"
            return look()

        return until(what, seen, within_s=within_s)

    def said(self) -> str:
        """The whole log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self) -> str:
        """The end of the log, for messages."""
        return "\n".join(["", f"--- {self.name}", *self.said().splitlines()[-_TAIL:]])


class Processes:
    """A private directory with all that is started there; use in a ``with``."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="suanlian-e2e-"))
        # searchable, not listable: where there is no sandbox a job walks through to its own directory
        self.root.chmod(0o711)
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        mine = {"HOME": str(self.root), "XDG_CONFIG_HOME": str(self.root / "config"), "LANG": "C.UTF-8"}
        self.env = {**kept, **mine, "SUANLIAN_LANG": "en", "PYTHONUNBUFFERED": "1"}
        self._daemons: list[Daemon] = []

    def __enter__(self) -> Self:
        """Nothing is started by this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything and remove the directory; the ends of all logs go to the output, for whom they concern."""
        for daemon in self._daemons:
            sys.stdout.write(daemon.tail())
        self.end()

    def daemon(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> Daemon:
        """A process that is ended with the others; it does not run yet."""
        made = Daemon(name, command, {**self.env, **(env or {})}, self.root / f"{name}.log")
        self._daemons.append(made)
        return made

    def run(
        self, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, given: str | None = None
    ) -> Done:
        """Run a command to its end; ``given`` is what it reads."""
        done = subprocess.run(
            list(map(str, command)),
            env={**self.env, **(env or {})},
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def open(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command of which the output is read while it runs; the caller waits for its end."""
        return subprocess.Popen(
            command,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )

    def left(self) -> list[int]:
        """Processes that belong to this directory, the daemons apart."""
        ours = {daemon._process.pid for daemon in self._daemons if daemon._process}  # noqa: SLF001 - of this module
        return [pid for pid in _naming(self.root) if pid not in ours]

    def end(self) -> None:
        """Kill everything, keepers and what they kept too, and remove the directory."""
        for daemon in self._daemons:
            daemon.kill()
        until("the end of every keeper", lambda: not self._killed(), within_s=_END_S)
        for spec in self.root.glob("*/driver/jobs/*/spec.json"):
            leftover.clear(spec.parent)
        shutil.rmtree(self.root)

    def _killed(self) -> list[int]:
        found = _naming(self.root)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return found


def _naming(directory: Path) -> list[int]:
    """Processes in whose command line the directory stands; a dead one that nobody has waited for has none."""
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if os.fsencode(directory) in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found
