"""How do the inputs of an attempt come into its directory? Inline, uploaded before, or by address; each checked."""

import base64
import binascii
import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from suanlian.agent.fetch import mismatch
from suanlian.model.demand import PassedObject
from suanlian.model.errors import InvalidError
from suanlian.model.job import Input, safe_path
from suanlian.model.protocol import MAX_PIECE_BYTES, Instruction


@dataclass(frozen=True, slots=True)
class Sources:
    """Where bytes come from: ``objects`` by SHA-256 in base64, ``fetch`` by address, SHA-256 and target."""

    objects: Callable[[str], str]
    fetch: Callable[[str, str, Path], None]
    pieces: Callable[[str, int, int], str]
    """Of what is handed on, by SHA-256, from a byte on, so many at most, in base64."""


def stage(said: Instruction, folder: Path, sources: Sources) -> None:
    """Lay all inputs out in ``folder``, which is made afresh: what a crash left there is thrown away.

    Raises InvalidError (``checksum_mismatch``, ``path_escapes``, ``input_origin_refused`` ...), UnavailableError when a
    source is not there, OSError when the disk refuses.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    for item in said.spec.inputs if said.spec else ():
        _lay(item, _place(folder, item.path), sources)
    for handed in said.passed:
        target = _place(folder, handed.path)
        if said.restored and said.spec and said.spec.checkpoint and _is_below(handed.path, said.spec.checkpoint.path):
            target.unlink(missing_ok=True)  # what the job saved stands before what it began with
        _hand(handed, target, sources)


def _is_below(path: str, directory: str) -> bool:
    return path.startswith(f"{directory}/")


def _hand(handed: PassedObject, target: Path, sources: Sources) -> None:
    """Lay out what the hub hands on, piece by piece."""
    if target.exists():
        raise InvalidError("path_escapes", f"The path {handed.path!r} of what is handed on is an input's too.")
    digest = hashlib.sha256()
    with target.open("xb") as stream:
        for start in range(0, handed.size, MAX_PIECE_BYTES):
            piece = _decoded(sources.pieces(handed.sha256, start, MAX_PIECE_BYTES))
            digest.update(piece)
            stream.write(piece)
    if digest.hexdigest() != handed.sha256:
        raise mismatch(f"What is handed on as {handed.path!r}", handed.sha256, digest.hexdigest())


def lay_secrets(said: Instruction, folder: Path, values: Mapping[str, bytes]) -> None:
    """Write the secrets that the job wants as files, for its user alone. Raises as `stage`."""
    for use in said.spec.secrets if said.spec else ():
        if use.path is not None:
            target = _place(folder, use.path)
            if target.exists():
                raise InvalidError("path_escapes", f"The path {use.path!r} of a secret is an input's too.")
            target.touch(mode=0o600)
            target.write_bytes(values[use.name])


def _place(folder: Path, path: str) -> Path:
    try:
        target = folder / safe_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
    except (ValueError, FileExistsError, NotADirectoryError) as error:
        raise InvalidError("path_escapes", f"The input path {path[:200]!r} cannot be laid out: {error}.") from error
    return target


def _lay(item: Input, target: Path, sources: Sources) -> None:
    if target.exists():
        raise InvalidError("path_escapes", f"The input path {item.path!r} is a directory of another input.")
    if item.url is not None:
        sources.fetch(item.url, item.sha256 or "", target)
        return
    content = item.inline()
    if content is None:
        content = _decoded(sources.objects(item.sha256 or ""))
    found = hashlib.sha256(content).hexdigest()
    if item.sha256 is not None and item.sha256 != found:
        raise mismatch(f"The input {item.path!r}", item.sha256, found)
    target.write_bytes(content)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise InvalidError("checksum_mismatch", "An uploaded input came as something else than base64.") from error
