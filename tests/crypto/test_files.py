import hashlib
import io
from pathlib import Path

import pytest

from suanlian.crypto.files import CHUNK_BYTES, sha256_of_file, sha256_of_stream


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 7])
def test_chunks_make_no_difference(tmp_path: Path, size: int) -> None:
    content = (bytes(range(251)) * (size // 251 + 1))[:size]
    path = tmp_path / "data"
    path.write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    assert sha256_of_file(path) == expected
    assert sha256_of_stream(io.BytesIO(content)) == expected


def test_a_stream_is_read_from_where_it_stands() -> None:
    stream = io.BytesIO(b"headbody")
    stream.seek(4)
    assert sha256_of_stream(stream) == hashlib.sha256(b"body").hexdigest()
