"""What happens between the end of a job and its report? The rest of its logs and its outputs go to the hub first."""

import base64
from dataclasses import dataclass, field
from typing import Final

from suanlian.agent.data.saving import set_aside
from suanlian.agent.desk import STALE, Desk, coded, log
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

_WITH_OUTPUTS: Final = frozenset({JobState.COMPLETE, JobState.EXECUTOR_ERROR, JobState.CANCELED})
MOST_OF_CANCELED: Final = 64 * 1024 * 1024
"""So many bytes of what a cancelled job had made are sent: its end waits for them."""
_MIB: Final = 1024 * 1024
_TOLD: Final = 3
"""So many of the outputs that were not brought are named with why."""


def gathered(desk: Desk, row: Row, said: Instruction | None) -> tuple[JobState, Outcome]:
    """Send logs and outputs; how the attempt is to be closed. A job that lacks a declared output did not complete.

    Of a cancelled job what it had made by then is sent, as far as it is there, not too much, and taken by the hub.
    Raises UnavailableError (to be tried again), DriverError, and the error of a refusal.
    """
    _send_logs(desk, row)
    row = keep_last(desk, row)
    end = row.end or JobState.SYSTEM_ERROR
    declared = said.spec.outputs if said is not None and said.spec is not None and end in _WITH_OUTPUTS else ()
    sending = _Sending(desk, row, paths(said))
    faults = _of_canceled(sending, declared) if end is JobState.CANCELED else sending.send(declared)
    changes: dict[str, object] = {"outputs": tuple(sending.files.values()), "checkpoint": row.kept_files}
    if row.kept_fault:
        changes["reason"] = plain(f"{row.outcome.reason}; {row.kept_fault}")
    if faults and end is JobState.CANCELED:
        changes["reason"] = plain(desk.masked(row, f"{row.outcome.reason}; not brought: {'; '.join(faults[:_TOLD])}"))
    if faults and end is JobState.COMPLETE:
        end = JobState.EXECUTOR_ERROR
        changes["cause"] = EndCause.PROGRAM
        changes["reason"] = plain(desk.masked(row, f"{row.outcome.reason} {faults[0]}"))
    return end, row.outcome.model_copy(update=changes)


def saves(said: Instruction | None) -> bool:
    """Whether something of it is to become a dataset."""
    return said is not None and said.spec is not None and bool(said.spec.save)


def saved(desk: Desk, row: Row, said: Instruction | None) -> tuple[JobState, Outcome]:
    """As `gathered`, and then set aside what is to become a dataset; a job that lacks it did not complete.

    What was gathered is journalled between the two: outputs may lie in what is set aside. Raises as `gathered`.
    """
    if not row.gathered:
        end, outcome = gathered(desk, row, said)
        row = desk.change(row, lambda was: was.with_(gathered=True, end=end, outcome=outcome))
    if row.end is not JobState.COMPLETE:
        return row.end or JobState.SYSTEM_ERROR, row.outcome
    try:
        _set_aside(desk, row, said)
    except OutputError as error:
        reason = plain(desk.masked(row, f"{row.outcome.reason} {error}"))
        changes = {"cause": EndCause.PROGRAM, "reason": reason}
        return JobState.EXECUTOR_ERROR, row.outcome.model_copy(update=changes)
    except OSError as error:
        raise DriverError(f"what it saved cannot be set aside: {error}", transient=True) from error
    return JobState.COMPLETE, row.outcome


def _set_aside(desk: Desk, row: Row, said: Instruction | None) -> None:
    driver = desk.driver
    if row.native_id is None or not isinstance(driver, Stages):
        raise OutputError("the platform's engine keeps no files of its jobs")
    if said is not None and said.spec is not None:
        working = driver.working_directory(NativeId(row.native_id))
        set_aside(working, desk.home.kept, row.attempt_id, said.spec.save, paths(said))


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


def _of_canceled(sending: "_Sending", declared: tuple[str, ...]) -> list[str]:
    """What of it was not brought; what the hub or the engine refuses makes no failure of a job that was cancelled.

    Raises UnavailableError, DriverError where trying again may help, and the error of a stale attempt.
    """
    if sending.row.native_id is None:  # it never began
        return []
    try:
        return sending.send(declared, MOST_OF_CANCELED)
    except DriverError as error:
        if error.transient:
            raise
        return [str(error)]
    except UnavailableError:
        raise
    except SuanlianError as error:
        if error.code == STALE:
            raise
        return [coded(error)]


@dataclass(slots=True)
class _Sending:
    """The outputs of one attempt on their way to the hub; ``files``: those that it has."""

    desk: Desk
    row: Row
    withheld: frozenset[str]
    files: dict[str, OutputFile] = field(default_factory=dict)

    def send(self, declared: tuple[str, ...], most: int | None = None) -> list[str]:
        """Send every file that is there, but those withheld, up to ``most`` bytes; what is wrong with the others."""
        driver, native = self.desk.driver, self.row.native_id
        if not declared:
            return []
        if native is None or not isinstance(driver, Stages):
            return ["the platform's engine keeps no outputs"]
        folder, faults = driver.working_directory(NativeId(native)), list[str]()
        for path in declared:
            try:
                for found in collect(folder, [path]):
                    if most is not None and self._sent() + found.file.size > most:
                        return [*faults, f"more than {most // _MIB} MiB of outputs"]
                    if found.file.path not in self.withheld:
                        _send(self.desk, self.row, found)
                        self.files[found.file.path] = found.file
            except OutputError as error:
                faults.append(str(error))
        return faults

    def _sent(self) -> int:
        return sum(file.size for file in self.files.values())


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
