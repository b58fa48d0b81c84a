"""A real Ray head for tests and demonstrations: own ports, own directory, a token, and nothing left afterwards."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

START_S: Final = 90.0
_STOP_S: Final = 10.0
_PORTS: Final = 7


@dataclass(slots=True)
class RayHead:
    """One head node; ``restart`` forgets all jobs, as a head without an outside store does."""

    binaries: Path
    """Where ``ray`` and its ``python`` lie."""
    root: Path
    """Below it lie the head's files; a short path, as Ray makes sockets there."""
    cpus: int = 4
    gpus: int = 0
    prefix: tuple[str, ...] = ()
    """What stands before the command, such as ``ip netns exec X``; it is asked from there, too."""
    token: str = field(default_factory=lambda: secrets.token_hex(32))
    _process: subprocess.Popen[bytes] | None = None
    _ports: tuple[int, ...] = ()

    @property
    def address(self) -> str:
        """Where its dashboard answers; empty before the first start."""
        return f"http://127.0.0.1:{self._ports[0]}" if self._ports else ""

    @property
    def token_file(self) -> Path:
        """The token as a connector reads it."""
        return self.root / "token"

    def start(self) -> None:
        """Start it and wait until it answers. Raises TimeoutError with the end of its log."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.token_file.write_text(self.token)
        self.token_file.chmod(0o600)
        self._ports = self._ports or tuple(_free_ports(_PORTS))
        log = self.root / "head.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment(),
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                tail = log.read_text(errors="replace")[-2000:]
                self.stop()
                raise TimeoutError(f"the Ray head did not start: {tail}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the head and all that it started; files stay."""
        process = self._process
        if process is None:
            return
        members = _session(process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
        # Ray's processes put themselves into groups of their own: whoever was in its session or names its ports goes
        for pid in {process.pid, *members, *_session(process.pid), *self._marked()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        self._process = None

    def restart(self) -> None:
        """Kill it and start it anew on the same ports: it knows no job any more."""
        self.stop()
        shutil.rmtree(self.root / "t", ignore_errors=True)
        self.start()

    def pause(self) -> None:
        """Let it answer nothing, as when it hangs."""
        for pid in self._marked():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        for pid in self._marked():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _answers(self) -> bool:
        """Asked by a process of its own: the head may live in another network namespace."""
        asked = [f"{self.address}/api/version", f"{self.address}/api/jobs/"]
        command = [*self.prefix, sys.executable, "-c", _ASK, *asked]
        try:
            done = subprocess.run(
                command, env={"TOKEN": self.token}, timeout=15, check=False, stderr=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def _command(self) -> list[str]:
        dashboard, gcs, client, agent_grpc, agent_http, metrics, low = self._ports
        return [
            *self.prefix,
            str(self.binaries / "ray"),
            "start",
            "--head",
            "--block",
            "--disable-usage-stats",
            "--node-ip-address=127.0.0.1",
            "--dashboard-host=127.0.0.1",
            f"--port={gcs}",
            f"--dashboard-port={dashboard}",
            f"--ray-client-server-port={client}",
            f"--dashboard-agent-grpc-port={agent_grpc}",
            f"--dashboard-agent-listen-port={agent_http}",
            f"--metrics-export-port={metrics}",
            f"--runtime-env-agent-port={low}",
            f"--temp-dir={self.root / 't'}",
            f"--num-cpus={self.cpus}",
            f"--num-gpus={self.gpus}",
            "--object-store-memory=100000000",
        ]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.binaries}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
            _MARK: str(self.root),
        }

    def _marked(self) -> set[int]:
        """Every process of Ray's own: it hands our mark down. What holds a job is left to find out that Ray is gone."""
        wanted = f"{_MARK}={self.root}".encode()
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if wanted in (entry / "environ").read_bytes().split(b"\0") and _RUNNER not in _command(entry):
                        found.add(int(entry.name))
        return found


_MARK: Final = "SUANLIAN_TEST_RAY"
_RUNNER: Final = b"runner.py"
_ASK: Final = """
import os, sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for url in sys.argv[1:]:
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + os.environ["TOKEN"]})
    opener.open(request, timeout=5).read()
"""


def _command(process: Path) -> bytes:
    return (process / "cmdline").read_bytes()


def _session(leader: int) -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, ProcessLookupError):
                if os.getsid(int(entry.name)) == leader:
                    found.add(int(entry.name))
    return found


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def ray_head(binaries: Path, *, cpus: int = 4, gpus: int = 0) -> Iterator[RayHead]:
    """A head that runs within the block; its files are removed with it."""
    root = Path(tempfile.mkdtemp(prefix="sray-"))
    head = RayHead(binaries, root, cpus=cpus, gpus=gpus)
    try:
        head.start()
        yield head
    finally:
        head.stop()
        shutil.rmtree(root, ignore_errors=True)
