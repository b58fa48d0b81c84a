"""A registry of images, as small as an engine lets it be: what was put in is read by digest."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG, _LAYER = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar"


class Registry(ThreadingHTTPServer):
    """On loopback, without TLS."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Reader)
        self.content: dict[str, tuple[str, bytes]] = {}
        self.closed = "secret"
        """A repository that nobody may read."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def put(self, name: str, layer: bytes, architecture: str = "amd64") -> str:
        """Keep an image of one layer; its reference by digest."""
        rootfs = {"type": "layers", "diff_ids": [self._keep(_LAYER, layer)]}
        config = json.dumps({"architecture": architecture, "os": "linux", "config": {}, "rootfs": rootfs}).encode()
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": self._keep(_CONFIG, config), "size": len(config)},
            "layers": [{"mediaType": _LAYER, "digest": rootfs["diff_ids"][0], "size": len(layer)}],
        }
        return f"{self.address}/{name}@{self._keep(_MANIFEST, json.dumps(manifest).encode())}"

    def _keep(self, kind: str, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.content[digest] = (kind, content)
        return digest


class _Reader(BaseHTTPRequestHandler):
    server: Registry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        kind, content = self.server.content.get(self.path.rpartition("/")[2], ("application/json", b"{}"))
        status = 200 if self.path == "/v2/" or content != b"{}" else 404
        if f"/{self.server.closed}/" in self.path:
            status, content = (
                403,
                b'{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}',
            )
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Nothing."""


@contextlib.contextmanager
def registry() -> Iterator[Registry]:
    server = Registry()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
