"""What does the connector do with its storage? It asks the hub, does each task, and tells how far it is.

Each task may be begun again after a crash at any line: what it does comes to the same. Tasks of one replica are done
one after another, a few of each kind at once. Threads are elsewhere.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Lock
from typing import Final

from suanlian.agent.data.allowed import Ground, refusal
from suanlian.agent.data.endings import forget, give_up, remove
from suanlian.agent.data.faults import HaltedError, TaskFailedError
from suanlian.agent.data.granting import grant
from suanlian.agent.data.keeping import keep
from suanlian.agent.data.kit import Fields, Kit, Run
from suanlian.agent.data.moving import MOVES_AT_ONCE, carry, take
from suanlian.agent.data.probing import probe
from suanlian.agent.data.reading import compare, register
from suanlian.agent.data.row import STOPPED, Step, TaskRow, report_of
from suanlian.agent.desk import STALE, coded, log
from suanlian.agent.reconcile import plain
from suanlian.model.data_protocol import (
    MAX_TASKS,
    DataPollCall,
    DataReportCall,
    StorageTask,
    TaskKind,
    TaskReport,
    TaskState,
    TaskWish,
)
from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.storage.contract import Code, StorageError

Apart = Callable[[Callable[[], None]], bool]
"""Takes a slow piece of work, to be done apart or at once; False when there is no room for it now."""

AT_ONCE: Final[Mapping[TaskKind, int]] = {
    TaskKind.GRANT: 4,
    TaskKind.MOVE: MOVES_AT_ONCE,
    TaskKind.TAKE: 2,
    TaskKind.SCAN: 1,
    TaskKind.VERIFY: 1,
    TaskKind.KEEP: 2,
    TaskKind.DELETE: 2,
    TaskKind.PROBE: 1,
}
"""So many tasks of a kind are under way at once; a probe beside another would measure that one."""
PROGRESS_S: Final = 2.0
HEARTBEAT_S: Final = 20.0
"""What is under way is told at least so often: the hub gives up on a mover that it does not hear of."""
MAX_FAULTS: Final = 5
_LONGEST_WAIT_S: Final = 30.0
_DO: Final[Mapping[TaskKind, Callable[[Kit, Run], Fields]]] = {
    TaskKind.GRANT: grant,
    TaskKind.MOVE: carry,
    TaskKind.TAKE: take,
    TaskKind.SCAN: register,
    TaskKind.VERIFY: compare,
    TaskKind.KEEP: keep,
    TaskKind.DELETE: remove,
    TaskKind.PROBE: probe,
}


@dataclass(slots=True)
class _Under:
    """A task under way, and what was told of it last."""

    run: Run
    said: TaskReport | None = None
    told: TaskReport | None = None
    told_at: float = 0.0


@dataclass(slots=True)
class _Later:
    """When a task that failed in passing is tried again, by a monotonic clock; how often it failed so."""

    tries: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class _State:
    """What is lost with the process and need not be kept."""

    mark: str = ""
    under: dict[str, _Under] = field(default_factory=dict)
    lanes: set[str] = field(default_factory=set)
    later: dict[str, _Later] = field(default_factory=lambda: defaultdict(_Later))
    lock: Lock = field(default_factory=Lock)
    ending: Event = field(default_factory=Event)


class Storekeeper:
    """The storage's side of the agent, over its kit."""

    def __init__(self, kit: Kit) -> None:
        """Begin; nothing is called yet."""
        self.kit = kit
        self._state = _State()

    # ------------------------------------------------------------------ asking

    def poll(self, wait_s: int) -> bool:
        """Ask what should be done, and journal it; whether anything changed."""
        kit, state = self.kit, self._state
        answer = kit.desk.hub.data_poll(DataPollCall(wait_s=wait_s, seen=state.mark))
        changed = kit.book.take(answer.tasks)
        state.mark = answer.mark
        if changed:
            self._steer()
        return bool(changed)

    def _steer(self) -> None:
        """Tell what is under way that it is to end, or to begin anew because its plan is another."""
        rows = {row.task.id: row for row in self.kit.book.rows()}
        cleared = {row.lane for row in rows.values() if row.step is Step.OPEN and row.task.kind is TaskKind.DELETE}
        with self._state.lock:
            for task_id, under in self._state.under.items():
                row, task = rows.get(task_id), under.run.task
                if (
                    row is None
                    or _is_other(row.task, task)
                    or (row.lane in cleared and task.kind is not TaskKind.DELETE)
                ):
                    under.run.stop.set()

    # ------------------------------------------------------------------ doing

    def stop(self) -> None:
        """End what is under way where it is; it is gone on with at the next start."""
        self._state.ending.set()
        with self._state.lock:
            for under in self._state.under.values():
                under.run.stop.set()

    def tick(self, apart: Apart) -> bool:
        """Begin what is to be done; False when nothing was."""
        begun, rows = False, self.kit.book.rows()
        cleared = {row.lane for row in rows if row.step is Step.OPEN and row.task.kind is TaskKind.DELETE}
        waiting: set[str] = set()
        for row in rows:
            if not row.to_do or self._state.ending.is_set():
                continue
            lane, is_first = row.lane, row.lane not in waiting
            waiting.add(lane)  # what comes later in its lane waits for it, also while it is not begun
            if is_first and self._claim(row):
                halted = lane in cleared and row.task.kind is not TaskKind.DELETE
                if apart(partial(self._work, row, halted=halted)):
                    begun = True
                else:
                    self._release(row)
        return begun

    def _claim(self, row: TaskRow) -> bool:
        state, kind = self._state, row.task.kind
        with state.lock:
            alike = sum(under.run.task.kind is kind for under in state.under.values())
            early = state.later[row.task.id].not_before > time.monotonic()
            if row.lane in state.lanes or alike >= AT_ONCE[kind] or (early and row.task.wish is TaskWish.DO):
                return False
            state.lanes.add(row.lane)
            run = Run(row.task, row.begun + 1, partial(self._told, row.task), partial(self._say, row.task.id))
            state.under[row.task.id] = _Under(run)
            return True

    def _release(self, row: TaskRow) -> None:
        with self._state.lock:
            self._state.lanes.discard(row.lane)
            self._state.under.pop(row.task.id, None)
            self.kit.shelf.came.pop(row.task.replica_id, None)

    def _told(self, task: StorageTask) -> StorageTask:
        row = self.kit.book.row(task.id)
        return task if row is None or row.task.token != task.token else row.task

    def _say(self, task_id: str, report: TaskReport) -> None:
        with self._state.lock:
            under = self._state.under.get(task_id)
            if under is not None:
                under.said = report
                self.kit.shelf.came[under.run.task.replica_id] = report.bytes_done

    def _work(self, row: TaskRow, *, halted: bool) -> None:
        try:
            self._done(row, halted=halted)
        finally:
            self._release(row)

    def _done(self, row: TaskRow, *, halted: bool) -> None:
        kit, task = self.kit, row.task
        if kit.book.row(task.id) != row:
            return  # the hub said something else between the look and the beginning
        try:
            self._step(row, halted=halted)
        except UnavailableError as error:
            self._later(row, str(error))
        except HaltedError:
            return  # it is to end, to begin anew, or the agent ends: the next look at the row tells which
        except TaskFailedError as error:
            self._fail(row, error)
        except StorageError as error:
            self._fail(row, TaskFailedError.of(error))
        except SuanlianError as error:
            if error.code == STALE:
                log.warning("storage task %s, %s, is no longer current at the hub", task.id, task.kind)
                kit.book.change(task.id, lambda was: was.with_(step=Step.FORGOTTEN) if _same(was, task) else was)
                return
            self._fail(row, TaskFailedError(Code.REFUSED, coded(error)))
        except Exception as error:  # noqa: BLE001 - a fault of ours with one task must not stop all the others
            log.exception("storage task %s: %s failed", task.id, task.kind)
            if self._later(row, str(error)) >= MAX_FAULTS:
                self._fail(row, TaskFailedError("engine_failed", f"it cannot be done here: {error}", again=True))

    def _step(self, row: TaskRow, *, halted: bool) -> None:
        kit, task = self.kit, row.task
        if task.wish is TaskWish.FORGET:
            with suppress(StorageError):  # what cannot be tidied now is swept later
                forget(kit, row)
            kit.book.change(task.id, lambda was: was.with_(step=Step.FORGOTTEN))
            return
        if task.wish is TaskWish.STOP or halted:
            give_up(kit, task)
            self._fail(row, TaskFailedError(STOPPED, "it was to be stopped"))
            return
        if refused := refusal(task, self._ground(task.storage)):
            log.info("storage task %s, %s, is refused by the owner's policy: %s", task.id, task.kind, refused)
            raise TaskFailedError(Code.REFUSED, refused)
        run = self._state.under[task.id].run
        kit.book.change(task.id, lambda was: was.with_(begun=max(was.begun, run.begun)))
        fields = _DO[task.kind](kit, run)
        self._end(row, report_of(task, TaskState.DONE, **fields))

    def _ground(self, storage: str) -> Ground:
        stores, desk = self.kit.stores, self.kit.desk
        share, here, site = stores.share(storage), stores.here(storage), stores.site(storage)
        return Ground(share, here, site, desk.word.policy, desk.level)

    def _later(self, row: TaskRow, why: str) -> int:
        with self._state.lock:
            later = self._state.later[row.task.id]
            later.tries += 1
            later.not_before = time.monotonic() + min(2.0 ** min(later.tries - 1, 10), _LONGEST_WAIT_S)
            tries = later.tries
        log.warning("storage task %s, %s: tried again later: %s", row.task.id, row.task.kind, plain(why))
        return tries

    def _fail(self, row: TaskRow, error: TaskFailedError) -> None:
        task = row.task
        log.info("storage task %s, %s, failed: %s: %s", task.id, task.kind, error.code, plain(str(error)))
        with self._state.lock:
            under = self._state.under.get(task.id)
            said = under.said if under is not None else None
        how_far = {} if said is None else {"bytes_done": said.bytes_done, "files_done": said.files_done}
        report = report_of(
            task,
            TaskState.FAILED,
            code=str(error.code)[:63],
            reason=plain(str(error)),
            again=error.again,
            path=plain(error.path)[:200],
            **how_far,
        )
        self._end(row, report)

    def _end(self, row: TaskRow, report: TaskReport) -> None:
        self._state.later.pop(row.task.id, None)
        self.kit.book.change(row.task.id, lambda was: was.ended(report))

    # ------------------------------------------------------------------ telling

    def tell(self) -> bool:
        """Tell what has ended, and how far the rest is; False when nothing was due. Raises hub's errors."""
        ends = [row for row in self.kit.book.rows() if row.to_tell][:MAX_TASKS]
        going = self._going(MAX_TASKS - len(ends))
        reports = [row.end for row in ends if row.end is not None] + [under.said for under in going if under.said]
        if not reports:
            return False
        stale = self._reported(reports)
        for row in ends:
            self.kit.book.change(row.task.id, partial(_heard, said=row.end))
        now = time.monotonic()
        for under in going:
            under.told, under.told_at = under.said, now
        for task_id in stale:
            self._stale(task_id, {report.task_id: report.token for report in reports})
        return bool(ends)

    def _reported(self, reports: Sequence[TaskReport]) -> set[str]:
        """Tell these together; where the hub refuses, one by one, so that one never holds up the others."""
        hub = self.kit.desk.hub
        try:
            return set(hub.data_report(DataReportCall(reports=tuple(reports))).stale)
        except UnavailableError:
            raise
        except SuanlianError as error:
            if len(reports) == 1:
                self._refused(reports[0], error)
                return set()
        return {task_id for report in reports for task_id in self._reported((report,))}

    def _refused(self, report: TaskReport, error: SuanlianError) -> None:
        """What was said of a task is not what the hub has of it, such as its manifest: it is done anew."""
        log.warning("storage task %s is done anew, its report is refused: %s", report.task_id, coded(error))
        row = self.kit.book.row(report.task_id)
        if row is not None and row.end == report:
            self._later(row, str(error))
            self.kit.book.change(report.task_id, lambda was: was.with_(step=Step.OPEN, end=None))

    def _going(self, most: int) -> list[_Under]:
        now = time.monotonic()
        with self._state.lock:
            for under in self._state.under.values():
                under.said = under.said or report_of(under.run.task, TaskState.GOING)
            return [
                under
                for under in self._state.under.values()
                if under.run.task.wish is TaskWish.DO
                and now - under.told_at >= (PROGRESS_S if under.said != under.told else HEARTBEAT_S)
            ][:most]

    def _stale(self, task_id: str, tokens: Mapping[str, int]) -> None:
        """It is over at the hub, or was given anew: it ends here without a word. A higher token opens it again."""
        with self._state.lock:
            under = self._state.under.get(task_id)
        token = tokens.get(task_id)
        if self.kit.book.row(task_id) is None:
            return
        self.kit.book.change(
            task_id,
            lambda was: was.with_(step=Step.FORGOTTEN) if was.task.token == token and was.step is Step.OPEN else was,
        )
        if under is not None and under.run.task.token == token:
            under.run.stop.set()


def _is_other(now: StorageTask, under: StorageTask) -> bool:
    """Whether what is under way has to end, or to begin anew. A grant that was renewed is looked for by itself."""
    return now.token != under.token or now.wish is not under.wish or now.windows != under.windows


def _heard(row: TaskRow, said: TaskReport | None) -> TaskRow:
    return row.with_(heard=True) if row.end == said else row


def _same(row: TaskRow, task: StorageTask) -> bool:
    return row.task.token == task.token
