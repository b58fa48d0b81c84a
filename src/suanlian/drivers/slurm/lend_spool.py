"""Where do ends lie until they are told, and how are files read that only a job's user may read?

An end is written beside its place and gets its manifest last, so what is there is whole or is none. It belongs to the
job's user, who alone may read it. Files that travel along are read by a process of that user's: with no more rights
than they have.
"""

import io
import os
import pwd
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from suanlian.drivers.contract import DriverError
from suanlian.drivers.lending import LentEnd
from suanlian.drivers.slurm.cli import identity
from suanlian.drivers.slurm.records import SlurmError

MAX_INPUT_BYTES: Final = 8 * 1024 * 1024
"""So much travels along with a job."""
_TAR_SLACK: Final = 1024 * 1024
_TIMEOUT_S: Final = 30.0
_MANIFEST: Final = "end"


def put(spool: Path, mark: str, end: LentEnd, user: str) -> Path:
    """Write an end, whole, for its user to read. Raises DriverError."""
    place = spool / mark
    if (place / _MANIFEST).exists():
        return place
    try:
        _write(place, end)
        _give(place, user)
        _seal(place, end)
    except (OSError, KeyError) as error:
        raise DriverError(f"the end of a lent job cannot be written to {place}: {error}", transient=True) from error
    return place


def drop(spool: Path, mark: str) -> None:
    """Remove an end."""
    shutil.rmtree(spool / mark, ignore_errors=True)


def _write(place: Path, end: LentEnd) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, mode=0o700)
    for name, source in (("stdout", end.stdout), ("stderr", end.stderr)):
        with (place / name).open("wb") as into:
            if source.exists():
                with source.open("rb") as out:
                    shutil.copyfileobj(out, into)
            into.flush()
            os.fsync(into.fileno())
    if end.outputs is not None:
        shutil.copytree(end.outputs, place / "outputs", symlinks=True)


def _give(place: Path, user: str) -> None:
    """To its user, where we may: readable by that user alone."""
    found = pwd.getpwnam(user)
    if os.geteuid() not in (0, found.pw_uid):
        raise PermissionError(f"only root can give {place} to {user}: run the agent as root")
    for folder, folders, names in os.walk(place, topdown=False):
        for name in (*folders, *names):
            _own(Path(folder) / name, found)
    _own(place, found)


def _own(path: Path, owner: pwd.struct_passwd) -> None:
    path.chmod(0o700 if path.is_dir() else 0o600)
    if os.geteuid() == 0:
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def _seal(place: Path, end: LentEnd) -> None:
    """The manifest last: what has none is no end."""
    sizes = " ".join(str((place / name).stat().st_size) for name in ("stdout", "stderr"))
    part = place / f".{_MANIFEST}"
    with part.open("w") as into:
        into.write(f"exit {end.exit_code}\nsizes {sizes}\nnote {end.note}\n")
        into.flush()
        os.fsync(into.fileno())
    part.chmod(0o644)
    part.replace(place / _MANIFEST)
    for folder in (place, place.parent):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_as(user: str, directory: str, names: Sequence[str]) -> dict[str, bytes]:
    """Files and whole directories below ``directory``, read by a process of the user's. Raises DriverError."""
    if not names:
        return {}
    command = ["tar", "--create", "--dereference", "--file=-", f"--directory={directory}", "--", *names]
    try:
        who = identity(user)
    except (SlurmError, KeyError) as error:
        raise DriverError(f"the inputs of {user} cannot be read: {error}") from error
    return _files(_bounded(command, who))


def _bounded(command: Sequence[str], who: dict[str, Any]) -> bytes:
    """What a command prints, up to what may travel."""
    most = MAX_INPUT_BYTES + _TAR_SLACK
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        **who,
    ) as process:
        if process.stdout is None or process.stderr is None:
            raise DriverError("the files of the job cannot be read")
        data: bytes = process.stdout.read(most + 1)
        if len(data) > most:
            process.kill()
            raise DriverError(f"its inputs are more than {MAX_INPUT_BYTES} bytes together")
        said = process.stderr.read(4096).decode(errors="replace")
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TIMEOUT_S)
        if process.returncode:
            process.kill()
            raise DriverError(f"its inputs cannot be read by its user: {said.strip()[:300]}")
    return data


def _files(data: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None:
                found[member.name.removeprefix("./")] = content.read()
            elif not member.isdir():
                raise DriverError(f"the input {member.name!r} is neither a file nor a directory")
    if sum(map(len, found.values())) > MAX_INPUT_BYTES:
        raise DriverError(f"its inputs are more than {MAX_INPUT_BYTES} bytes together")
    return found
