"""Where does an end lie between the hub and home? Streams and files of a lent job, fetched piece by piece."""

import base64
import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from suanlian.drivers.lending import LentEnd
from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.model.job import JobState
from suanlian.model.lending import LendKey, LentAttempt, LentLogCall, LentOutputCall, LentState
from suanlian.sdk.connector import ConnectorClient

STREAMS = ("stdout", "stderr")
_FAILED = 1
_MOST = 255
_UNNAMEABLE = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EILSEQ})
"""Names that this file system cannot hold, or not beside one another: waiting mends nothing."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A directory of the agent's own, with one for each end."""

    root: Path

    def fetch(self, hub: ConnectorClient, state: LentState) -> LentEnd:
        """Fetch what is not here yet. Raises UnavailableError; what the hub refuses is told in the end's own words."""
        folder = self._folder(state.key)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        attempt = state.attempt
        if attempt is None:
            raise SuanlianError("not_found", "The job has ended without an attempt.")
        lacking = [*_streams(hub, state.key, attempt, folder), *_outputs(hub, state.key, attempt, folder)]
        note = told_end(attempt)
        _explain(folder / "stderr", attempt, lacking)
        outputs = folder / "outputs"
        return LentEnd(
            exit_code=exit_code_of(attempt),
            stdout=folder / "stdout",
            stderr=folder / "stderr.told",
            outputs=outputs if outputs.is_dir() else None,
            note=note,
        )

    def drop(self, key: LendKey) -> None:
        """Remove what was fetched of one."""
        shutil.rmtree(self._folder(key), ignore_errors=True)

    def _folder(self, key: LendKey) -> Path:
        return self.root / key.mark


def exit_code_of(attempt: LentAttempt) -> int:
    """What the job at home ends with: the program's own code; of one that a limit ended, 1."""
    if attempt.state is JobState.COMPLETE:
        return 0
    code = attempt.outcome.exit_code
    return code if code is not None and 0 < code <= _MOST else _FAILED


def told_end(attempt: LentAttempt) -> str:
    """Where it ran and how it ended, in words that the engine's books keep."""
    begun, over = (
        None if at is None else at.isoformat(timespec="seconds") for at in (attempt.started_at, attempt.ended_at)
    )
    limit = f", limit {attempt.outcome.limit}" if attempt.outcome.limit else ""
    return f"ran at {attempt.platform} from {begun} to {over}, exit {exit_code_of(attempt)}{limit}"


def _explain(stream: Path, attempt: LentAttempt, lacking: list[str]) -> None:
    """The errors as they came, with what is to be said besides; made anew each time."""
    said = [f"it could not be brought back: {what}" for what in lacking]
    if attempt.outcome.limit:
        said.append(f"ended at {attempt.platform} by the limit {attempt.outcome.limit}: {attempt.outcome.reason}")
    with stream.with_suffix(".told").open("wb") as whole:
        whole.write(stream.read_bytes() if stream.exists() else b"")
        whole.write("".join(f"suanlian: {text}\n" for text in said).encode())


def _streams(hub: ConnectorClient, key: LendKey, attempt: LentAttempt, folder: Path) -> list[str]:
    lacking = []
    for name in STREAMS:
        try:
            _stream(hub, LentLogCall(key=key, attempt_id=attempt.id, stream=name, offset=0), folder / name)
        except UnavailableError:
            raise
        except SuanlianError as error:
            lacking.append(f"{name}: {error.wrong}")
    return lacking


def _stream(hub: ConnectorClient, call: LentLogCall, into: Path) -> None:
    """From where it stopped, so that a crash costs a piece; what is on the disk is what the hub has up to there."""
    with into.open("ab") as file:
        while True:
            answer = hub.lent_log(call.model_copy(update={"offset": file.tell()}))
            data = base64.b64decode(answer.data)
            file.write(data)
            file.flush()
            if not data:
                os.fsync(file.fileno())
                return


def _outputs(hub: ConnectorClient, key: LendKey, attempt: LentAttempt, folder: Path) -> list[str]:
    lacking = []
    for said in attempt.outcome.outputs:
        into = folder / "outputs" / said.path
        if _is_here(into, said.size):
            continue
        try:
            answer = hub.lent_output(LentOutputCall(key=key, attempt_id=attempt.id, path=said.path))
        except UnavailableError:
            raise
        except SuanlianError as error:
            lacking.append(f"{said.path}: {error.wrong}")
            continue
        part = folder / "part"  # not beside it: its name may be as long as a name can be
        part.write_bytes(base64.b64decode(answer.data))
        try:
            into.parent.mkdir(parents=True, exist_ok=True)
            part.replace(into)
        except OSError as error:
            if error.errno not in _UNNAMEABLE:
                raise
            lacking.append(f"{said.path}: {os.strerror(error.errno or 0)}")
    return lacking


def _is_here(file: Path, size: int) -> bool:
    """Whether it was fetched before; a name that cannot be is not here."""
    try:
        return file.stat().st_size == size
    except OSError:
        return False
