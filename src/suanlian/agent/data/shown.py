"""What does the owner see of the work on storage? A line a task, over the ledger alone."""

from collections.abc import Iterator
from typing import Final

from suanlian.agent.config import AgentConfig
from suanlian.agent.data.book import DataBook
from suanlian.agent.data.row import Step, TaskRow
from suanlian.agent.reconcile import plain
from suanlian.i18n import _
from suanlian.model.data_protocol import TaskState

_MOST: Final = 20


def storage_lines(config: AgentConfig, book: DataBook) -> Iterator[str]:
    """Nothing where no storage is published; of many tasks the first."""
    if not config.inventory.storage:
        return
    rows = [row for row in book.rows() if row.step is Step.OPEN or _failed(row)]
    yield _("{n} pieces of storage are published; {tasks} tasks on them are open or failed.").format(
        n=len(config.inventory.storage), tasks=len(rows)
    )
    for row in rows[:_MOST]:
        task = row.task
        how = "" if row.end is None else f"  {row.end.code}: {plain(row.end.reason)}"
        yield f"  {task.id}  {task.kind.value:<7}  {task.storage}  {task.entity}  {task.bytes} B{how}"


def _failed(row: TaskRow) -> bool:
    return row.end is not None and row.end.state is TaskState.FAILED
