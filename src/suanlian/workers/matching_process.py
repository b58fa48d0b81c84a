"""Asks the process that matches: started when it is first needed, ended when it hangs, started anew when it died."""

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from suanlian.workers import matching_wire as wire
from suanlian.workers.matching_wire import Problem, RefusedProblemError, Solution, WireError

MEMORY_BYTES: Final = 4 * 2**30
_SLICE_S: Final = 1.0
_PIECE: Final = 1 << 20
_COMMAND: Final = (sys.executable, "-m", "suanlian.workers.matching_child")
_KEPT_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")


class MatcherFailedError(Exception):
    """No answer came. ``state``: timeout, died or refused."""

    def __init__(self, state: str, why: str) -> None:
        super().__init__(why)
        self.state = state


class MatchingProcess:
    """One process, asked by one thread at a time."""

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES, command: Sequence[str] = ()) -> None:
        """Nothing is started yet. ``command``: another program that speaks the same."""
        self._command = [*command] or [*_COMMAND, str(memory_bytes)]
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._child is None or self._child.poll() is not None else self._child.pid

    def solve(self, problem: Problem, *, deadline_s: float, alive: Callable[[], None]) -> Solution:
        """Its answer. ``alive`` is called about once a second; what it raises breaks off. Raises MatcherFailedError.

        After any failure the process is gone: the next problem starts another.
        """
        try:
            body = self._ask(wire.framed(wire.problem_bytes(problem)), deadline_s, alive)
            return wire.read_solution(body)
        except RefusedProblemError as error:
            raise MatcherFailedError("refused", f"{error.code}: {error}") from error
        except (WireError, OSError) as error:
            self.close()
            raise MatcherFailedError("died", str(error)) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()

    def _ask(self, frame: bytes, deadline_s: float, alive: Callable[[], None]) -> bytes:
        talk = _Talk(self._started(), time.monotonic() + deadline_s, alive)
        talk.send(frame)
        return talk.receive(wire.length(talk.receive(wire.LENGTH)))

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self.close()
            kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
            # a session of its own: what ends the hub from a terminal lets it end this one by itself
            self._child = subprocess.Popen(  # noqa: S603 - our own program, with arguments of ours
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                env={**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
            )
            for pipe in _pipes(self._child):
                os.set_blocking(pipe, False)
        return self._child


def _pipes(child: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Its input and its output, by number."""
    if child.stdin is None or child.stdout is None:
        raise MatcherFailedError("died", "the matcher was started without pipes")
    return child.stdin.fileno(), child.stdout.fileno()


class _Talk:
    """One question to one process, within its time."""

    def __init__(self, child: subprocess.Popen[bytes], until: float, alive: Callable[[], None]) -> None:
        self._child, self._until, self._alive = child, until, alive
        self._in, self._out = _pipes(child)

    def send(self, frame: bytes) -> None:
        left = memoryview(frame)
        while left:
            self._wait(self._in, selectors.EVENT_WRITE)
            left = left[os.write(self._in, left[:_PIECE]) :]

    def receive(self, size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            self._wait(self._out, selectors.EVENT_READ)
            piece = os.read(self._out, min(_PIECE, size - len(got)))
            if not piece:
                raise MatcherFailedError("died", f"the matcher ended by itself (exit {self._child.wait()})")
            got += piece
        return bytes(got)

    def _wait(self, pipe: int, event: int) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, event)
            while not selector.select(_SLICE_S):
                self._alive()
                if self._child.poll() is not None:  # its pipes may be closed by now, which wakes nobody
                    raise MatcherFailedError("died", "the matcher was ended")
                if time.monotonic() > self._until:
                    raise MatcherFailedError("timeout", "the matcher did not answer within its time")
