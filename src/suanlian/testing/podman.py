"""A real container engine for tests and demonstrations: podman with runc, all of its state below one directory.

Needs root, and Debian's packages podman, runc and busybox-static (for images that are made here: there is no registry).
What was started here is ended here, and nothing else.
"""

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from suanlian.testing.processes import until

# an engine without the right to raise limits fails on the defaults; crun and systemd are not everywhere; the monitor of
# a command that was run inside a container would stay for five minutes
_CONFIGURATION: Final = """\
[containers]
default_ulimits = []
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
exit_command_delay = 1
"""
_PROGRAMS: Final = ("podman", "runc", "conmon", "busybox")
_START_S, _COMMAND_S = 90.0, 120.0


def missing() -> str:
    """What this machine lacks for an engine, in words; empty when it has all."""
    if os.geteuid() != 0:
        return "podman is started as root here"
    lacking = [name for name in _PROGRAMS if shutil.which(name) is None]
    return f"there is no {', '.join(lacking)}: make test-engines installs it" if lacking else ""


class Podman:
    """An engine with a private socket. A context manager: at its end all containers and files are gone."""

    def __init__(self, home: Path | None = None, registry: str = "") -> None:
        """Its state lies in ``home``, a directory with a short path (a socket has 107 characters); else a new one.

        ``registry``: host and port of one that is asked without TLS.
        """
        self._registry = registry
        self.home = Path(tempfile.mkdtemp(prefix="suanlian-podman-")) if home is None else home
        self.socket = self.home / "api.sock"
        self.url = f"unix://{self.socket}"
        self._service: subprocess.Popen[bytes] | None = None
        self._images: dict[tuple[str, str, bool], str] = {}

    def __enter__(self) -> Self:
        """Start the engine. Raises AssertionError when it does not answer."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it with all of its containers."""
        self.close()

    def start(self) -> None:
        """Start the service, again after `stop`; containers that run go on."""
        self.home.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.home.chmod(0o711)
        (self.home / "containers.conf").write_text(_CONFIGURATION, encoding="utf-8")
        known = f'[[registry]]\nlocation = "{self._registry}"\ninsecure = true\n' if self._registry else ""
        (self.home / "registries.conf").write_text(known, encoding="utf-8")
        self.socket.unlink(missing_ok=True)
        with (self.home / "service.log").open("ab") as log:
            self._service = subprocess.Popen(
                [*self._command(), "system", "service", "--time=0", self.url],
                env=self._environment(),
                cwd=self.home,  # the monitors of containers leave files where they were started
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        service = self._service
        until("podman listens", lambda: self.socket.exists() or service.poll() is not None, within_s=_START_S)
        assert service.poll() is None, (self.home / "service.log").read_text(encoding="utf-8")

    def stop(self) -> None:
        """End the service as if its machine's owner did; containers go on."""
        if self._service is not None:
            self._service.kill()
            self._service.wait()
            self._service = None

    def close(self) -> None:
        """End all containers, the service, and remove every file."""
        with contextlib.suppress(subprocess.SubprocessError):
            self.run("rm", "--force", "--all", "--time", "0")
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def run(self, *words: str, given: bytes = b"") -> str:
        """A command of podman over this engine's state; what it prints. Raises CalledProcessError."""
        command = [*self._command(), *words]
        done = subprocess.run(
            command,
            env=self._environment(),
            cwd=self.home,
            input=given,
            capture_output=True,
            check=True,
            timeout=_COMMAND_S,
        )
        return done.stdout.decode().strip()

    def image(self, name: str, layer: bytes, architecture: str = "amd64") -> str:
        """Import a tar file as an image of this architecture (Docker's word); its reference by digest."""
        self.run("import", "--arch", architecture, "-", f"localhost/{name}:latest", given=layer)
        digest = self.run("image", "inspect", "--format", "{{.Digest}}", f"localhost/{name}:latest")
        return f"localhost/{name}@{digest}"

    def busybox(self, name: str = "busybox", architecture: str = "amd64", *, shell: bool = True) -> str:
        """An image of a static busybox under all of its names, made once; its reference by digest."""
        key = (name, architecture, shell)
        if key not in self._images:
            self._images[key] = self.image(name, busybox_layer(shell=shell), architecture)
        return self._images[key]

    def _command(self) -> list[str]:
        private = [f"--root={self.home}/root", f"--runroot={self.home}/run", f"--tmpdir={self.home / 'tmp'}"]
        return ["podman", *private, "--storage-driver=vfs"]

    def _environment(self) -> dict[str, str]:
        own = {
            "CONTAINERS_CONF": self.home / "containers.conf",
            "CONTAINERS_REGISTRIES_CONF": self.home / "registries.conf",
            "REGISTRY_AUTH_FILE": self.home / "auth.json",
            "TMPDIR": self.home,
        }
        return {**os.environ, **{name: str(path) for name, path in own.items()}}


def busybox_layer(*, shell: bool = True) -> bytes:
    """A root file system as a tar file: busybox, links to it, and empty directories; without ``shell`` sleep alone."""
    program = Path(shutil.which("busybox") or "/bin/busybox")
    listed = subprocess.run([str(program), "--list"], capture_output=True, text=True, check=True, timeout=_COMMAND_S)
    names = listed.stdout.split() if shell else ["sleep", "true"]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as layer:
        for directory in ("bin", "etc", "tmp", "job", "run", "usr", "usr/local"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            layer.addfile(entry)
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = program.stat().st_size, 0o755
        with program.open("rb") as content:
            layer.addfile(entry, content)
        for name in sorted(set(names) - {"busybox"}):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            layer.addfile(link)
    return stream.getvalue()
