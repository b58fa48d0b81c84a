"""What is the SHA-256 of a file?  Read in chunks, so a data set needs no memory."""

import hashlib
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 1024 * 1024


def sha256_of_stream(stream: BinaryIO) -> str:
    """Return the hex SHA-256 of what is left in a binary stream; the stream stays open."""
    state = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        state.update(chunk)
    return state.hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the hex SHA-256 of a file; raises `OSError` where it cannot be read."""
    with path.open("rb") as stream:
        return sha256_of_stream(stream)
