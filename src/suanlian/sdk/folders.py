"""What is in a folder that becomes a version of a dataset? Looked at quickly, refused by name, then read and hashed."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from suanlian.model.data import MAX_FILES, MAX_VERSION_BYTES, DataFile, FilePath
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError, TooLargeError
from suanlian.sdk.side_by_side import each

NAMED: Final = 10
"""So many files are named in a refusal."""
_PIECE: Final = 1024 * 1024
_READERS: Final = 4
_PATH: Final = TypeAdapter(FilePath)


@dataclass(frozen=True, slots=True)
class Found:
    """A file: its path in the version, where it is here, its size in bytes, and when it was written to (ns)."""

    path: str
    here: Path
    size: int
    written_ns: int


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of a folder in the order of their paths."""

    files: Sequence[Found]

    @property
    def bytes(self) -> int:
        """All of them together."""
        return sum(file.size for file in self.files)

    @property
    def largest(self) -> Found:
        """The longest file."""
        return max(self.files, key=lambda file: file.size)


def look(source: Path, *, follow: bool = False) -> Folder:
    """All files below a folder, or the one file; nothing is read yet. ``follow``: links to files count as the files.

    Raises NotFoundError, TooLargeError ``limit_exceeded`` above ``MAX_FILES``, InvalidError ``manifest_invalid`` that
    names what is no plain file or has a name that not every storage keeps.
    """
    if source.is_file():
        alone = source.stat()
        return _checked([Found(source.name, source, alone.st_size, alone.st_mtime_ns)], [])
    if not source.is_dir():
        wrong = f"There is no folder and no file {str(source)!r}."
        raise NotFoundError("not_found", wrong, todo="Name a folder of this machine.", field=str(source))
    found, odd = list[Found](), list[str]()
    for path, entry in _entries(source, ""):
        is_link = entry.is_symlink()
        kind = os.stat(entry.path).st_mode if is_link and follow and os.path.exists(entry.path) else 0  # noqa: PTH110, PTH116
        if is_link and not stat.S_ISREG(kind):
            odd.append(f"{path} -> {os.readlink(entry.path)}")  # noqa: PTH115
        elif not is_link and not entry.is_file(follow_symlinks=False):
            odd.append(path)
        else:
            about = entry.stat()
            found.append(Found(path, Path(entry.path), about.st_size, about.st_mtime_ns))
        if len(found) > MAX_FILES:
            raise TooLargeError(
                "limit_exceeded",
                f"There are more than {MAX_FILES} files in {source}: each of them would cost more than its bytes.",
                todo="Pack small files together, such as: tar -cf files.tar FOLDER",
                field=str(source),
            )
    return _checked(sorted(found, key=lambda file: file.path), odd)


def _entries(folder: Path | str, within: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    below = list[tuple[str, str]]()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below.append((entry.path, f"{within}{entry.name}/"))
            else:
                yield f"{within}{entry.name}", entry
    for path, inside in below:
        yield from _entries(path, inside)


def _checked(found: list[Found], odd: list[str]) -> Folder:
    if odd:
        raise InvalidError(
            "manifest_invalid",
            f"{len(odd)} of what is there are links, or no files: {_names(odd)}.",
            todo="Take them away, or let links to files count as the files they lead to: --follow-links",
            field=odd[0][:200],
        )
    wrong = list[str]()
    for file in found:
        try:
            _PATH.validate_python(file.path)
        except (ValidationError, UnicodeError) as error:
            why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            wrong.append(f"{file.path!r} ({why.removeprefix('Value error, ')})")
    if wrong:
        text = f"{len(wrong)} names are not taken: {_names(wrong)}."
        raise InvalidError("manifest_invalid", text, todo="Rename these files.", field=wrong[0][:200])
    if not found:
        raise InvalidError("manifest_invalid", "There is no file in the folder.", todo="Name a folder with files.")
    made = Folder(found)
    if made.bytes > MAX_VERSION_BYTES:
        wrong_size = f"All files together have {made.bytes} bytes, a version has {MAX_VERSION_BYTES} at most."
        raise TooLargeError("limit_exceeded", wrong_size, todo="Make several datasets of them.")
    return made


def _names(all_: Sequence[str]) -> str:
    return "; ".join(all_[:NAMED]) + ("; ..." if len(all_) > NAMED else "")


def hashed(folder: Folder, on_bytes: Callable[[int], None] = lambda _n: None) -> list[DataFile]:
    """Read every file once, a few at a time, a mebibyte of each in memory. Raises ConflictError where one changes."""
    return list(each(lambda file: _read(file, on_bytes), folder.files, _READERS))


def _read(file: Found, on_bytes: Callable[[int], None]) -> DataFile:
    seen = hashlib.sha256()
    with file.here.open("rb") as stream:
        while piece := stream.read(_PIECE):
            seen.update(piece)
            on_bytes(len(piece))
        check_same(file, stream.fileno())
    return DataFile(path=file.path, size=file.size, sha256=seen.hexdigest())


def check_same(file: Found, descriptor: int) -> None:
    """A file is as it was when it was looked at. Raises ConflictError ``state_conflict``."""
    now = os.fstat(descriptor)
    if (now.st_size, now.st_mtime_ns) != (file.size, file.written_ns):
        raise ConflictError(
            "state_conflict",
            f"{str(file.here)!r} was written to while it was read.",
            todo="Let whoever writes it end, then give the command again.",
            field=file.path[:200],
        )
