"""Is a hub's own certificate believed where the owner named it, and is everybody else told where to name it?"""

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from suanlian.agent.main import run as run_command
from suanlian.model.errors import NotFoundError, UnavailableError
from suanlian.sdk.connector import about
from suanlian.sdk.people import Call, Transport
from suanlian.sdk.transport import Route, UncertifiedError, open_client
from suanlian.settings import AgentSettings
from tests.agent.bench import CONFIG


@dataclass(frozen=True)
class Secured:
    """A server that speaks TLS and knows nothing: each answer is 404."""

    url: str
    certificate: Path


class Nothing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        del format, args


def own_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that is its own authority, for 127.0.0.1, and its key, as PEM files."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "hub.crt", folder / "hub.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    kept = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, *kept))
    return certificate, secret


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    certificate, secret = own_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield Secured(f"https://127.0.0.1:{httpd.server_port}", certificate)
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_the_agent_believes_the_certificate_in_ca_file_and_names_it_where_it_is_missing(secured: Secured) -> None:
    with open_client() as http, pytest.raises(UncertifiedError, match="let ca_file in"):
        about(http, secured.url)
    with open_client(Route(ca_file=secured.certificate)) as http, pytest.raises(NotFoundError):
        about(http, secured.url)


@pytest.mark.parametrize("key", [(), ("--hub-key", "ed25519:" + "A" * 43)])
def test_enrol_does_not_say_that_it_tries_again(
    secured: Secured, tmp_path: Path, capsys: pytest.CaptureFixture[str], key: tuple[str, ...]
) -> None:
    for url, told in ((secured.url, "ca_file"), ("http://127.0.0.1:1", "then enrol again with the same token")):
        file, home = tmp_path / "a.toml", tmp_path / "home"
        file.write_text(CONFIG.format(hub=url, policy="", top=""))
        words = ("enrol", url, "--token", "jt_good", "--config", str(file), "--home", str(home), *key)
        assert run_command(words, AgentSettings(lang="en")) == 1
        said = capsys.readouterr().err
        assert told in said
        assert "tried again" not in said


def test_the_peoples_client_names_ssl_cert_file_and_believes_it(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with closing(Transport(secured.url, None)) as person, pytest.raises(UnavailableError, match="SSL_CERT_FILE"):
        person.send(Call("GET", "/v1/node"))
    monkeypatch.setenv("SSL_CERT_FILE", str(secured.certificate))
    with closing(Transport(secured.url, None)) as person, pytest.raises(NotFoundError):
        person.send(Call("GET", "/v1/node"))
