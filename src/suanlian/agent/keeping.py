"""What is done with a job that lives: it is told to save and end, stands still, goes on, or its checkpoint is taken."""

from suanlian.agent.checkpoints import NotKeptError, take
from suanlian.agent.desk import STALE, Desk, log
from suanlian.agent.reconcile import plain
from suanlian.agent.row import Row
from suanlian.drivers.contract import DriverError, NativeId, Signals, Suspends
from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.model.job import JobState


def signal(desk: Desk, row: Row) -> None:
    """Tell the program to write its checkpoint and end. Grace counts from the first time that this was to be done."""
    if row.checkpoint is None or row.native_id is None:
        return
    now = desk.clock()
    told = desk.change(row, lambda was: was.with_(signalled_at=was.signalled_at or now))
    if isinstance(desk.driver, Signals):
        desk.driver.signal(NativeId(row.native_id), row.checkpoint.signal)
        log.info("attempt %s was sent %s to save and end", row.attempt_id, row.checkpoint.signal)
    desk.change(told, lambda was: was.with_(signal_sent=True))


def suspend(desk: Desk, row: Row) -> None:
    """Let it stand still; that it does is seen later."""
    if row.native_id is not None and isinstance(desk.driver, Suspends):
        desk.driver.suspend(NativeId(row.native_id))
    desk.change(row, lambda was: was.with_(suspended=True))


def resume(desk: Desk, row: Row) -> None:
    """Let it go on."""
    if row.native_id is not None and isinstance(desk.driver, Suspends):
        desk.driver.resume(NativeId(row.native_id))
    desk.change(row, lambda was: was.with_(suspended=False))


def keep(desk: Desk, row: Row) -> None:
    """Take a checkpoint while it runs; one that cannot be taken is told at the end, and tried again when it is due."""
    try:
        taken = take(desk, row)
    except NotKeptError as error:
        if error.passes:
            raise UnavailableError("state_conflict", f"The checkpoint waits: {error}.") from error
        _noted(desk, row, str(error))
        return
    except (UnavailableError, DriverError):
        raise
    except SuanlianError as error:
        if error.code == STALE:
            desk.abandon(row)
            return
        _noted(desk, row, str(error))
        return
    now = desk.clock()
    changes: dict[str, object] = {"kept_at": now, "tries": 0, "not_before": None}
    if taken is not None:
        changes |= {"kept_mark": taken.mark, "kept_files": taken.files, "kept_fault": ""}
    desk.change(row, lambda was: was.with_(**changes))


def _noted(desk: Desk, row: Row, fault: str) -> None:
    now, text = desk.clock(), plain(desk.masked(row, f"checkpoint not kept: {fault}"))
    log.warning("attempt %s: %s", row.attempt_id, text)
    desk.change(row, lambda was: was.with_(kept_at=now, kept_fault=text))


def keep_last(desk: Desk, row: Row) -> Row:
    """Take the checkpoint of a program that was told to write it and ended by itself; what was killed may be torn.

    Raises UnavailableError and DriverError (to be tried again), and the error of a refusal that is ``report_stale``.
    """
    if row.end is not JobState.PREEMPTED or row.signalled_at is None or row.checkpoint is None:
        return row
    if row.stop_asked_at is not None:
        fault = f"checkpoint not kept: it did not end within {row.checkpoint.grace_s} s"
        return desk.change(row, lambda was: was.with_(kept_fault=fault))
    try:
        taken = take(desk, row)
    except NotKeptError as error:
        text = plain(desk.masked(row, f"checkpoint not kept: {error}"))
        return desk.change(row, lambda was: was.with_(kept_fault=text))
    except UnavailableError:
        raise
    except SuanlianError as error:
        if error.code == STALE:
            raise
        text = plain(f"checkpoint not kept: {error}")
        return desk.change(row, lambda was: was.with_(kept_fault=text))
    if taken is None:
        return row
    return desk.change(
        row, lambda was: was.with_(kept_mark=taken.mark, kept_files=taken.files, kept_fault="", kept_at=desk.clock())
    )
