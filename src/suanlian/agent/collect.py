"""What happens between the end of a job and its report? The rest of its logs and its outputs go to the hub first."""

import base64
from typing import Final

from suanlian.agent.desk import STALE, Desk, log
from suanlian.agent.keeping import keep_last
from suanlian.agent.logs import send_rest
from suanlian.agent.outputs import Found, OutputError, collect
from suanlian.agent.reconcile import plain
from suanlian.agent.row import Row
from suanlian.agent.secrecy import paths
from suanlian.drivers.contract import DriverError, NativeId, Stages
from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.model.job import EndCause, JobState, Outcome, OutputFile
from suanlian.model.protocol import Instruction, OutputCall

_WITH_OUTPUTS: Final = frozenset({JobState.COMPLETE, JobState.EXECUTOR_ERROR})


def gathered(desk: Desk, row: Row, said: Instruction | None) -> tuple[JobState, Outcome]:
    """Send logs and outputs; how the attempt is to be closed. A job that lacks a declared output did not complete.

    Raises UnavailableError (to be tried again), DriverError, and the error of a refusal.
    """
    _send_logs(desk, row)
    row = keep_last(desk, row)
    end = row.end or JobState.SYSTEM_ERROR
    declared = said.spec.outputs if said is not None and said.spec is not None and end in _WITH_OUTPUTS else ()
    files, faults = _send_outputs(desk, row, declared, paths(said))
    changes: dict[str, object] = {"outputs": files, "checkpoint": row.kept_files}
    if row.kept_fault:
        changes["reason"] = plain(f"{row.outcome.reason}; {row.kept_fault}")
    if faults and end is JobState.COMPLETE:
        end = JobState.EXECUTOR_ERROR
        changes["cause"] = EndCause.PROGRAM
        changes["reason"] = plain(desk.masked(row, f"{row.outcome.reason} {faults[0]}"))
    return end, row.outcome.model_copy(update=changes)


def _send_logs(desk: Desk, row: Row) -> None:
    try:
        send_rest(desk, row)
    except DriverError as error:
        if error.transient:
            raise
        log.warning("the log of attempt %s is gone: %s", row.attempt_id, error)
    except UnavailableError:
        raise
    except SuanlianError as error:
        # a log that the hub does not take (too long, say) makes no failure of a job that ran
        if error.code == STALE:
            raise
        log.warning("the log of attempt %s is refused: %s", row.attempt_id, error)


def _send_outputs(
    desk: Desk, row: Row, declared: tuple[str, ...], withheld: frozenset[str]
) -> tuple[tuple[OutputFile, ...], list[str]]:
    """Send every file that is there but those ``withheld``; returns them with what is wrong with the others."""
    files: dict[str, OutputFile] = {}
    faults: list[str] = []
    if not declared:
        return (), faults
    driver = desk.driver
    if row.native_id is None or not isinstance(driver, Stages):
        return (), ["the platform's engine keeps no outputs"]
    folder = driver.working_directory(NativeId(row.native_id))
    for path in declared:
        try:
            for found in collect(folder, [path]):
                if found.file.path in withheld:
                    continue
                _send(desk, row, found)
                files[found.file.path] = found.file
        except OutputError as error:
            faults.append(str(error))
    return tuple(files.values()), faults


def _send(desk: Desk, row: Row, found: Found) -> None:
    mark = f"{found.file.sha256} {found.file.path}"
    now = desk.ledger.row(row.attempt_id)
    if now is not None and mark in now.outputs_sent:
        return
    desk.hub.output(
        OutputCall(
            attempt_id=row.attempt_id,
            token=row.token,
            path=found.file.path,
            sha256=found.file.sha256,
            data=base64.b64encode(found.data).decode("ascii"),
        )
    )
    desk.change(row, lambda was: was.with_(outputs_sent=(*was.outputs_sent, mark)))
