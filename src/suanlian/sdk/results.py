"""What a job brought: its log as it grows, and its output files, checked by their digests."""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Final
from urllib.parse import quote

from suanlian.model.errors import ConflictError, InvalidError, SuanlianError
from suanlian.model.job import safe_path
from suanlian.sdk.answers import LogPiece, TaskOutput
from suanlian.sdk.paging import items, part
from suanlian.sdk.people import Call, Transport
from suanlian.sdk.problems import not_understood

LOG_WAIT_S: Final = 20
"""A followed log's call waits this long for more."""
_LEAST_ROUND_S: Final = 0.2


class Results:
    """Logs and outputs: open to the job's owner only."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def log(  # noqa: PLR0913 - which log, from where: each has a default, all by keyword
        self,
        job: str,
        *,
        index: int = 0,
        stream: str = "stdout",
        follow: bool = False,
        attempt: str | None = None,
        offset: int = 0,
        tail: int | None = None,
    ) -> Iterator[bytes]:
        """The bytes of a task's ``stdout`` or ``stderr`` as they are, terminal escapes included.

        Ends with what is there now; with ``follow`` when the task has ended. ``attempt``: an older one, by its id. When
        the task is tried again in between, the new attempt's log follows from its beginning. ``tail``: begin with so
        many lines of what is there.
        """
        which: dict[str, str | int | None] = {"index": index, "stream": stream, "attempt": attempt}
        return (piece.data for piece in self.pieces(job, which, follow=follow, offset=offset, tail=tail))

    def pieces(
        self,
        job: str,
        which: Mapping[str, str | int | None],
        *,
        follow: bool = True,
        offset: int = 0,
        tail: int | None = None,
    ) -> Iterator[LogPiece]:
        """As ``log``, each piece with the attempt that wrote it. ``which``: index, stream, attempt."""
        query = dict(which)
        read_from = ""
        if tail is not None:
            last = self._last(job, query, tail)
            read_from, offset = last.attempt, last.next_offset
            if last.data:
                yield last
        while True:
            began = time.monotonic()
            piece = self._piece(job, {**query, "offset": offset, "wait_s": LOG_WAIT_S if follow else 0})
            if read_from and piece.attempt != read_from:
                # the task was tried again: the new attempt's log is read from its beginning
                read_from, offset = piece.attempt, 0
                continue
            read_from = piece.attempt
            if piece.data:
                yield piece
            elif piece.ended or not follow:
                return
            else:
                # a hub that does not wait must not be asked in a tight loop
                time.sleep(max(0.0, _LEAST_ROUND_S - (time.monotonic() - began)))
            offset = piece.next_offset

    def _last(self, job: str, query: dict[str, str | int | None], lines: int) -> LogPiece:
        """The last lines of what is there now."""
        held, offset = bytearray(), 0
        while (piece := self._piece(job, {**query, "offset": offset, "wait_s": 0})).data:
            held += piece.data
            offset = piece.next_offset
        kept = held.splitlines(keepends=True)[-lines:] if lines else []
        return piece.model_copy(update={"data": b"".join(kept), "next_offset": offset})

    def outputs(self, job: str, index: int | None = None) -> Iterator[TaskOutput]:
        """The files that the job's tasks brought back, or those of the task at ``index``."""
        return items(self._transport, TaskOutput, f"/v1/jobs/{part(job)}/outputs", {"index": index})

    def download(self, job: str, output: TaskOutput, directory: Path, *, overwrite: bool = False) -> Path:
        """Fetch one output to its path below ``directory``; it appears there whole and checked, or not at all.

        Raises InvalidError ``path_escapes`` when its name leads out of the directory (by a link that lies there, say),
        ConflictError ``duplicate_name`` when a file is there and ``overwrite`` is not set, SuanlianError
        ``checksum_mismatch`` when other bytes came than the hub stated.
        """
        target = place_below(directory, output.path)
        if not overwrite and os.path.lexists(target):
            raise _in_the_way(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        address = f"/v1/jobs/{part(job)}/outputs/{output.task_index}/{quote(output.path)}"
        with NamedTemporaryFile(dir=target.parent, prefix=".suanlian-", delete=False) as partial:
            try:
                self._fetch(address, output, partial)
                _move(Path(partial.name), target, overwrite=overwrite)
            finally:
                Path(partial.name).unlink(missing_ok=True)
        return target

    def _piece(self, job: str, query: dict[str, str | int | None]) -> LogPiece:
        call = Call("GET", f"/v1/jobs/{part(job)}/log", query, wait_s=int(query["wait_s"] or 0))
        answer = self._transport.send(call)
        try:
            following = int(answer.headers["Suanlian-Next-Offset"])
        except (KeyError, ValueError) as error:
            raise not_understood(error) from error
        return LogPiece(
            data=answer.content,
            next_offset=following,
            ended=answer.headers.get("Suanlian-Ended") == "true",
            attempt=answer.headers.get("Suanlian-Attempt", ""),
        )

    def _fetch(self, address: str, output: TaskOutput, into: IO[bytes]) -> None:
        digest, size = hashlib.sha256(), 0
        with self._transport.stream(address) as response:
            for piece in response.iter_bytes():
                size += len(piece)
                if size > output.size:
                    break
                digest.update(piece)
                into.write(piece)
        into.flush()
        if size != output.size or digest.hexdigest() != output.sha256:
            raise SuanlianError(
                "checksum_mismatch",
                f"Output {output.path!r} of task {output.task_index} came with other bytes than the hub stated.",
                todo="Fetch it again; if it stays so, tell the hub's operator.",
                field=output.path,
            )


def place_below(directory: Path, path: str) -> Path:
    """Where a file of this name lies below the directory, links resolved. Raises InvalidError ``path_escapes``."""
    with suppress(ValueError):
        root = directory.resolve()
        target = root / safe_path(path)
        if target.parent.resolve().is_relative_to(root):
            return target
    raise InvalidError(
        "path_escapes",
        f"The output's name {path[:200]!r} leads out of {directory}.",
        todo="Choose an empty directory.",
        field=path[:200],
    )


def _move(partial: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        partial.replace(target)
        return
    try:
        os.link(partial, target)  # unlike a rename, never replaces what has come in the meantime
    except FileExistsError as error:
        raise _in_the_way(target) from error


def _in_the_way(target: Path) -> ConflictError:
    return ConflictError(
        "duplicate_name",
        f"{target} is there already.",
        todo="Choose another directory, or overwrite on purpose (--force).",
        field=str(target),
    )
