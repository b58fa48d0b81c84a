"""How do the streams of an attempt reach the hub? In pieces, each from where the hub stands."""

import base64
from typing import Final

from suanlian.agent.desk import Desk
from suanlian.agent.row import Row
from suanlian.agent.secrecy import redactor_of
from suanlian.drivers.contract import NativeId, Streams
from suanlian.model.protocol import MAX_LOG_BYTES, LogCall

STREAMS: Final = ("stdout", "stderr")
_MAX_PIECES: Final = 1000
"""More than any bounded stream has: a hub that never takes a piece cannot hold an attempt for ever."""


def send_piece(desk: Desk, row: Row, stream: str, *, final: bool = False) -> bool:
    """Send the next piece of one stream; False where there was none, or the hub took nothing of it.

    ``final``: the job has ended, nothing more comes. Raises DriverError, UnavailableError, and the error of a refusal;
    ConflictError ``secret_unreadable`` where it cannot be said what is to be masked.
    """
    offset = _offset(row, stream)
    data = _masked(desk, row, (stream, offset), final=final)
    if not data:
        return False
    call = LogCall(
        attempt_id=row.attempt_id,
        token=row.token,
        stream=stream,
        offset=offset,
        data=base64.b64encode(data).decode("ascii"),
    )
    length = desk.hub.log(call).length
    desk.change(row, lambda was: was.with_(**{f"{stream}_sent": length}))
    return length != offset


def send_rest(desk: Desk, row: Row) -> None:
    """Send all that is left of both streams; errors as `send_piece`."""
    for stream in STREAMS:
        for _piece in range(_MAX_PIECES):
            now = desk.ledger.row(row.attempt_id)
            if now is None or not send_piece(desk, now, stream, final=True):
                break


def _masked(desk: Desk, row: Row, where: tuple[str, int], *, final: bool) -> bytes:
    """What may be told of a stream from an offset on: as it was written, but for the job's secrets."""
    driver, (stream, offset) = desk.driver, where
    if row.native_id is None or not isinstance(driver, Streams):
        return b""
    redactor = redactor_of(desk, row)
    start = max(0, offset - redactor.around)
    limit = offset - start + MAX_LOG_BYTES + redactor.around
    read = driver.read_log(NativeId(row.native_id), stream, start, limit)
    before, data = read[: offset - start], read[offset - start :]
    return redactor.piece(before, data, final=final and len(read) < limit)[:MAX_LOG_BYTES] if data else b""


def _offset(row: Row, stream: str) -> int:
    return row.stdout_sent if stream == "stdout" else row.stderr_sent
