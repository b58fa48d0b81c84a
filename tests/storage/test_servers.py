"""Servers that vanish and come back, and servers behind certificates of their own."""

import datetime as dt
import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from suanlian.model.data_protocol import Direction
from suanlian.storage.contract import Code, PosixAt, S3At, StorageError
from suanlian.storage.ends import StoredTarget
from suanlian.storage.granted import GrantedSource
from suanlian.storage.mover import Move, move
from suanlian.storage.posix import PosixStorage
from suanlian.storage.reading import Reading, scan
from suanlian.storage.s3 import S3Storage
from suanlian.storage.web import Web
from suanlian.testing.moving import grants
from suanlian.testing.processes import until
from suanlian.testing.seaweed import Seaweed
from suanlian.testing.storage import ODD, data_file, read, refused

FILES = [data_file(path, data) for path, data in sorted(ODD.items())]


def _own_certificate(folder: Path) -> tuple[Path, Path]:
    """For ``localhost``, trusted by whoever has it: its file and its key's."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("storage.example")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    (folder / "cert.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return folder / "cert.pem", folder / "key.pem"


def test_a_server_with_its_own_certificate_is_spoken_to_by_those_who_trust_it(tmp_path: Path) -> None:
    with Seaweed(tls=_own_certificate(tmp_path)) as server:
        at = server.at(server.bucket("secured"))
        storage = S3Storage(at)
        for path, data in ODD.items():
            storage.put(f"v/{path}", data)
        upload = storage.begin("large", 3)
        storage.complete("large", upload, [storage.part("large", upload, 1, (0, 3), iter((b"abc",)))])
        assert read(storage, "large") == b"abc"
        (tmp_path / "root").mkdir()
        target = StoredTarget(PosixStorage(PosixAt(tmp_path / "root")), "v1", "t1")

        def asked(web: Web) -> Move:
            return Move(
                FILES, GrantedSource(grants(storage, "v", FILES, Direction.READ), web), target, tmp_path / "j", "1"
            )

        with refused(Code.UNREACHABLE):
            move(asked(Web()))
        judged = []

        def locate(host: str, port: int) -> str:
            judged.append(f"https://{host}:{port}")
            return str(ipaddress.ip_address("127.0.0.1"))

        assert move(asked(Web(locate, at.ca)))
        assert judged == [server.endpoint], "judged once, and kept"
        assert scan(Reading(target.storage, "v1")) == FILES


def _answers(storage: S3Storage) -> bool:
    try:
        return read(storage, "v/block.bin") == ODD["block.bin"]
    except StorageError:
        return False


@pytest.mark.slow
def test_a_server_that_vanishes_is_told_and_the_move_goes_on_when_it_is_back(
    tmp_path: Path, prefix: Callable[[], S3At]
) -> None:
    with Seaweed() as server:
        source = S3Storage(server.at(server.bucket("leaving")))
        for path, data in ODD.items():
            source.put(f"v/{path}", data)
        page = grants(source, "v", FILES, Direction.READ)
        target = S3Storage(prefix())
        asked = Move(
            FILES, GrantedSource(page, Web()), StoredTarget(target, "v1", "t1"), tmp_path / "j", "1", threads=1
        )
        assert list(GrantedSource(page, Web()).read(0, FILES[0], 0, FILES[0].size))
        server.kill()
        with refused(Code.UNREACHABLE):
            move(asked)
        server.start()
        until("its objects after its restart", lambda: _answers(source))
        assert move(asked)
        assert scan(Reading(target, "v1")) == FILES
