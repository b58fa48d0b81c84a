"""slurmdbd with a MariaDB of its own for a cluster of tests: both private to one directory, and on loopback alone."""

import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suanlian.testing.processes import free_port, until

PROGRAMS: Final = ("mariadbd", "mariadb-install-db", "slurmdbd")
_READY_S: Final = 60.0
_FIRST: Final = """CREATE DATABASE IF NOT EXISTS slurm;
CREATE USER IF NOT EXISTS slurm@localhost IDENTIFIED BY 'slurm';
GRANT ALL ON slurm.* TO slurm@localhost;
"""
"""A database that nobody else reaches, and that goes with its directory, needs no secret."""


@dataclass(frozen=True)
class Accounts:
    """Where both live and listen."""

    directory: Path
    address: str
    database_port: int
    port: int

    @classmethod
    def below(cls, directory: Path, address: str) -> "Accounts":
        """With ports of its own."""
        return cls(directory, address, free_port(), free_port())

    @property
    def lines(self) -> tuple[str, ...]:
        """What slurm.conf says of it."""
        return (
            "AccountingStorageType=accounting_storage/slurmdbd",
            f"AccountingStorageHost={self.address}",
            f"AccountingStoragePort={self.port}",
            f"AccountingStoragePass={self.directory}/munge/socket",
            "AccountingStorageTRES=gres/gpu",
        )

    def lay_out(self) -> None:
        """Write slurmdbd.conf and make the database; takes some seconds."""
        conf = self.directory / "slurmdbd.conf"
        conf.touch(mode=0o600)
        conf.write_text(_CONF.format(host=socket.gethostname(), **vars(self)))
        (self.directory / "first.sql").write_text(_FIRST)
        data = self.directory / "sql"
        data.mkdir()
        make = [str(shutil.which("mariadb-install-db")), "--no-defaults", "--user=root", f"--datadir={data}"]
        subprocess.run([*make, "--skip-test-db"], check=True, capture_output=True)

    def start(self, daemon: Callable[..., None]) -> None:
        """Start both by ``daemon(name, *command)``; returns when slurmdbd listens."""
        daemon(
            "database",
            "mariadbd",
            "--no-defaults",
            "--user=root",
            f"--datadir={self.directory}/sql",
            f"--socket={self.directory}/sql.socket",
            f"--pid-file={self.directory}/sql.pid",
            f"--init-file={self.directory}/first.sql",
            f"--bind-address={self.address}",
            f"--port={self.database_port}",
            "--innodb-flush-log-at-trx-commit=0",  # it need not survive a power cut
            "--innodb-lock-wait-timeout=900",
            "--innodb-buffer-pool-size=64M",
        )
        until("the database listens", lambda: _listens(self.address, self.database_port), within_s=_READY_S)
        daemon("accounts", "slurmdbd", "-D")
        until("slurmdbd listens", lambda: _listens(self.address, self.port), within_s=_READY_S)


_CONF: Final = """AuthType=auth/munge
AuthInfo=socket={directory}/munge/socket
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={directory}/jwt.key
DbdHost={host}
DbdAddr={address}
DbdPort={port}
SlurmUser=root
LogFile={directory}/log/slurmdbd.log
PidFile={directory}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost={address}
StoragePort={database_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""


def _listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
