"""How are the demo's processes started, watched and ended? Each has a log and a group of its own; none outlives it."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from suanlian.demo import descendants
from suanlian.demo.trouble import Trouble
from suanlian.i18n import _

_GRACE_S: Final = 2.0
_COMMAND_S: Final = 60
_SHOWN_LINES: Final = 15
_PASSED_ON: Final = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_MESSAGES", "PYTHONPATH", "VIRTUAL_ENV")


def program(name: str) -> list[str]:
    """The command line of one of our commands, run by this very interpreter wherever it is installed."""
    for found in entry_points(group="console_scripts", name=name):
        module, _colon, function = found.value.partition(":")
        return [sys.executable, "-c", f"from {module} import {function}; {function}()"]
    raise Trouble(
        _("The command {name} is not installed.").format(name=name), _('Install it: pip install "suanlian[demo]"')
    )


def free_port() -> int:
    """A port of the loopback address that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Running:
    """A process that was started: its name in messages, its handle, its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Fleet:
    """The demo's processes. Their environment is small on purpose: no setting of this shell reaches them by chance."""

    def __init__(self, logs: Path, language: str) -> None:
        """``logs``: a directory for one log a process."""
        logs.mkdir(parents=True, exist_ok=True)
        self.logs = logs
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._env = {**kept, "SUANLIAN_LANG": language, "PYTHONUNBUFFERED": "1"}
        self._before = descendants.descendants()
        self._running: list[Running] = []
        descendants.adopt_orphans()

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> Running:
        """Start a process that is to stay. A log that is there is continued."""
        log = self.logs / f"{name}.log"
        with log.open("ab") as target:
            process = subprocess.Popen(
                command,
                env={**self._env, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=target,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=descendants.die_with_parent,  # noqa: PLW1509 - no thread runs yet that could hold a lock
            )
        running = Running(name, process, log)
        self._running.append(running)
        return running

    def begin(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> Running:
        """Start a command that ends by itself; `finish` waits for it. Two may run side by side."""
        output, log = self.logs / f"{name}.out", self.logs / f"{name}.log"
        with output.open("wb") as target, log.open("ab") as errors:
            process = subprocess.Popen(
                command,
                env={**self._env, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=target,
                stderr=errors,
                start_new_session=True,
                preexec_fn=descendants.die_with_parent,  # noqa: PLW1509 - as above
            )
        return Running(name, process, log)

    def finish(self, command: Running) -> str:
        """Wait for a command and return its output. Raises Trouble when it fails or takes longer than a minute."""
        code, output = self.outcome(command)
        if code != 0:
            shown = "\n".join(filter(None, (_last(output), tail(command.log))))
            wrong = _("{name} ended with exit code {code}.").format(name=command.name, code=code)
            raise Trouble(wrong, _see(command.log), shown)
        return output

    def outcome(self, command: Running) -> tuple[int, str]:
        """Wait for a command; its exit code and its output. Raises Trouble when it takes longer than a minute."""
        try:
            code = command.process.wait(_COMMAND_S)
        except subprocess.TimeoutExpired:
            command.process.kill()
            wrong = _("{name} did not end within {seconds} s.").format(name=command.name, seconds=_COMMAND_S)
            raise Trouble(wrong, _see(command.log), tail(command.log)) from None
        return code, command.log.with_suffix(".out").read_text(errors="replace")

    def check(self) -> None:
        """Raises Trouble when a process that is to stay has ended."""
        for running in self._running:
            code = running.process.poll()
            if code is not None:
                wrong = _("The process {name} has ended, exit code {code}.").format(name=running.name, code=code)
                raise Trouble(wrong, _see(running.log), tail(running.log))

    def stop(self, *names: str) -> None:
        """End these processes: SIGTERM, and SIGKILL after the grace."""
        chosen = [running for running in self._running if running.name in names]
        for running in chosen:
            with contextlib.suppress(ProcessLookupError):
                running.process.terminate()
        deadline = time.monotonic() + _GRACE_S
        for running in chosen:
            try:
                running.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
            self._running.remove(running)

    def end(self) -> int:
        """End everything, the last started first, with all that came from it; how many had to be killed."""
        self.stop(*(running.name for running in reversed(self._running)))
        return descendants.end_all_but(self._before)


def tail(log: Path, lines: int = _SHOWN_LINES) -> str:
    """The last lines of a log; empty when there is none."""
    try:
        return _last(log.read_text(errors="replace"), lines)
    except OSError:
        return ""


def _last(text: str, lines: int = _SHOWN_LINES) -> str:
    return "\n".join(text.rstrip().splitlines()[-lines:])


def _see(log: Path) -> str:
    return _("Its log is {log}; run again with --keep to look at everything it left.").format(log=log.name)
