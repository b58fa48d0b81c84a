"""How do a job's local files reach the hub? As objects, named by their SHA-256."""

import hashlib
from pathlib import Path

from suanlian.model.errors import TooLargeError
from suanlian.model.job import MAX_INLINE_BYTES
from suanlian.sdk.answers import StoredObject
from suanlian.sdk.people import Call, Transport
from suanlian.sdk.problems import read_answer


class Objects:
    """Bytes that jobs name as inputs. The same bytes twice are one object."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def upload(self, data: bytes) -> StoredObject:
        """Upload bytes. Raises TooLargeError ``body_too_large`` above ``MAX_INLINE_BYTES``, before anything is sent."""
        check_size(len(data), "the object")
        digest = hashlib.sha256(data).hexdigest()
        call = Call(
            "POST",
            "/v1/objects",
            {"sha256": digest},
            content=data,
            content_type="application/octet-stream",
            creates=True,
        )
        return read_answer(StoredObject, self._transport.send(call).content)

    def upload_file(self, path: Path) -> StoredObject:
        """Upload a file. Raises as ``upload``, and OSError when it cannot be read."""
        check_size(path.stat().st_size, str(path))
        return self.upload(path.read_bytes())


def check_size(size: int, what: str) -> None:
    """Raises TooLargeError when ``size`` bytes are more than the hub carries."""
    if size > MAX_INLINE_BYTES:
        raise TooLargeError(
            "body_too_large",
            f"{what} has {size} bytes, the hub carries {MAX_INLINE_BYTES} (16 MiB) at most.",
            todo="Put it where the job can read it by URL, and give its sha256.",
            field="inputs",
        )
