"""What does the agent know of one task on its storage, and how does what the hub says change it? Pure."""

from enum import StrEnum
from typing import Final

from suanlian.model.base import Value
from suanlian.model.data_protocol import StorageTask, TaskKind, TaskReport, TaskState, TaskWish

STOPPED: Final = "stopped"
"""The code of a task that ended because it was to be stopped."""


class Step(StrEnum):
    """How far a task has come here; it goes down this list, and up again only with a higher token."""

    OPEN = "open"
    """It may have been begun: whatever was, doing it again comes to the same."""
    ENDED = "ended"
    """It is done, or failed; the hub is told until it says that it may be forgotten."""
    FORGOTTEN = "forgotten"
    """A tombstone, so that an old answer of the hub begins nothing."""


_RANK: Final = {TaskWish.DO: 0, TaskWish.STOP: 1, TaskWish.FORGET: 2}


class TaskRow(Value):
    """One task. ``end``: what is reported of its end; ``heard``: the hub has answered to that."""

    task: StorageTask
    step: Step = Step.OPEN
    end: TaskReport | None = None
    heard: bool = False
    begun: int = 0
    """So often it was begun, over all restarts."""

    def with_(self, **changes: object) -> "TaskRow":
        """The row with other values in some fields."""
        return self.model_copy(update=changes)

    @property
    def lane(self) -> str:
        """What has the same lane is done one after another: all that changes or judges one replica."""
        task = self.task
        # minting changes nothing of a replica, and whoever waits for it may be the mover of another connector
        if task.kind in (TaskKind.GRANT, TaskKind.PROBE) or not task.replica_id:
            return f"task {task.id}"
        return f"replica {task.replica_id}"

    @property
    def to_tell(self) -> bool:
        """Whether the hub has not yet answered to its end."""
        return self.step is Step.ENDED and not self.heard

    @property
    def to_do(self) -> bool:
        """Whether anything is to be done: begun or gone on with, or its traces removed."""
        return self.step is Step.OPEN or (self.step is Step.ENDED and self.task.wish is TaskWish.FORGET)

    def ended(self, report: TaskReport) -> "TaskRow":
        """The row at its end. A higher token that came meanwhile makes that end nobody's: it is open again."""
        if self.step is not Step.OPEN or report.token != self.task.token:
            return self
        return self.with_(step=Step.ENDED, end=report, heard=False)


def told(row: TaskRow | None, said: StorageTask) -> TaskRow:
    """The row after what the hub says of its task now. Said again it changes nothing, but that an end is told again."""
    if row is None:
        return TaskRow(task=said)
    before = row.task
    if said.token != before.token:
        return row if said.token < before.token else row.with_(task=said, step=Step.OPEN, end=None, heard=False)
    if row.step is Step.FORGOTTEN:
        return row
    if said.version <= before.version:
        # the hub still wants what has ended here: our word of it was lost, or its store was put back
        again = row.step is Step.ENDED and row.heard and said.wish is not TaskWish.FORGET and not _stays(row)
        return row.with_(heard=False) if again and said.version == before.version else row
    wish = max(said.wish, before.wish, key=_RANK.__getitem__)
    return row.with_(task=said.model_copy(update={"wish": wish}))


def _stays(row: TaskRow) -> bool:
    """A grant that is minted stays open at the hub as long as it is used."""
    return row.task.kind is TaskKind.GRANT and row.end is not None and row.end.state is TaskState.DONE


def report_of(task: StorageTask, state: TaskState, **more: object) -> TaskReport:
    """What is said of a task."""
    return TaskReport.model_validate({"task_id": task.id, "token": task.token, "state": state, **more})
