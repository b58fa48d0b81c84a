"""A function, or many commands, over the platforms: one array, a task an item, results in the order of the items.

A function travels as its source text: it is defined at the top of a file, imports what it needs inside, takes one
argument that JSON can carry and returns what JSON can carry. Nothing is pickled.
"""

import inspect
import json
import shlex
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FunctionType
from typing import Final, Generic, TypeVar

from suanlian.model.errors import InvalidError, SuanlianError
from suanlian.model.job import ENDED, MAX_ARRAY, Job, JobState, Task
from suanlian.sdk.jobs import Jobs

R = TypeVar("R")

RESULT: Final = "result.json"
_TAIL_BYTES: Final = 2000
_FIRST_S: Final = 0.2
_LONGEST_S: Final = 2.0
_RUNNER: Final = """\
import json, os
_call = {name}
with open("items.json", encoding="utf-8") as _file:
    _item = json.load(_file)[int(os.environ["SUANLIAN_TASK_INDEX"])]
_result = _call(_item)
with open("{result}", "w", encoding="utf-8") as _file:
    json.dump(_result, _file)
"""


class TaskFailedError(SuanlianError):
    """A task of a map did not end well; ``index`` is its item's, ``task`` what became of it."""

    def __init__(self, job: Job, task: Task, wrote: str) -> None:
        """``wrote``: the end of what it wrote to standard error."""
        last = task.attempts[-1].outcome if task.attempts else None
        code = "" if last is None or last.exit_code is None else f" (exit code {last.exit_code})"
        why = f": {last.reason}" if last and last.reason else f": {job.reason}" if job.reason else ""
        told = f"\n{wrote}" if wrote else ""
        super().__init__("job_ended", f"Item {task.index} ended {task.state}{code}{why}{told}")
        self.index, self.task = task.index, task


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command of a map came to."""

    index: int
    exit_code: int
    stdout: bytes


def files_of(function: Callable[[object], object], items: Sequence[object]) -> dict[str, str]:
    """The files that a task needs to call the function with its item. Raises InvalidError where it cannot travel."""
    return {
        "call.py": f"{_source(function)}\n\n{_RUNNER.format(name=function.__name__, result=RESULT)}",
        "items.json": _json(items),
    }


def script_of(commands: Sequence[Sequence[str]]) -> str:
    """A script of a POSIX shell that becomes the command of its task."""
    cases = "\n".join(f"{index}) exec {shlex.join(command)} ;;" for index, command in enumerate(commands))
    return f'case "$SUANLIAN_TASK_INDEX" in\n{cases}\nesac\n'


def check_count(count: int) -> None:
    """Raises InvalidError for no item, or more than an array has tasks."""
    if not 1 <= count <= MAX_ARRAY:
        raise InvalidError("field_invalid", f"A map takes 1 to {MAX_ARRAY} items, not {count}.", field="items")


def _source(function: Callable[[object], object]) -> str:
    if not isinstance(function, FunctionType) or function.__name__ == "<lambda>" or function.__closure__:
        raise _cannot_travel("it is no function that is defined by `def` at the top of a file")
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise _cannot_travel(f"its source cannot be read: {error}") from error


def _cannot_travel(why: str) -> InvalidError:
    todo = "Define it at the top of a file, with its imports inside."
    return InvalidError("field_invalid", f"The function cannot travel: {why}.", todo=todo, field="function")


def _json(items: Sequence[object]) -> str:
    try:
        return json.dumps(list(items), ensure_ascii=False)
    except (TypeError, ValueError) as error:
        todo = "Give numbers, texts, lists and dictionaries."
        raise InvalidError(
            "field_invalid", f"JSON cannot carry the items: {error}", todo=todo, field="items"
        ) from error


class Mapped(Generic[R]):
    """Results in the order of the items, each as soon as it and those before it are there. ``job`` is the array."""

    def __init__(self, jobs: Jobs, job: Job, result_of: Callable[[Task], R]) -> None:
        """The array was submitted."""
        self.job = job
        self._jobs = jobs
        self._result_of = result_of

    def __len__(self) -> int:
        """How many items there are."""
        return self.job.tasks

    def __iter__(self) -> Iterator[R]:
        """Raises TaskFailedError at the first item that did not end well; the others go on, see ``cancel``."""
        for task in self.ended():
            if task.state is not JobState.COMPLETE:
                raise TaskFailedError(self._jobs.get(self.job.id), task, self._wrote(task.index))
            yield self._result_of(task)

    def ended(self) -> Iterator[Task]:
        """Each task in the order of its index, once it has ended, however it ended."""
        following, pause = 0, _FIRST_S
        while following < self.job.tasks:
            moved = False
            for task in self._jobs.tasks_from(self.job.id, following):
                if task.state not in ENDED:
                    break
                following, moved = task.index + 1, True
                yield task
            if moved:
                pause = _FIRST_S
            else:
                time.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_S)

    def cancel(self) -> None:
        """End what has not ended."""
        self.job = self._jobs.cancel(self.job.id)

    def _wrote(self, index: int) -> str:
        try:
            return b"".join(self._jobs.log(self.job.id, index=index, stream="stderr"))[-_TAIL_BYTES:].decode(
                "utf-8", "replace"
            )
        except SuanlianError:
            return ""


def returned(jobs: Jobs, job: Job) -> Callable[[Task], object]:
    """What the function returned for the item of a task."""

    def read(task: Task) -> object:
        found = next((one for one in jobs.outputs(job.id, task.index) if one.path == RESULT), None)
        if found is None:
            raise TaskFailedError(job, task, "it brought no result")
        with TemporaryDirectory() as folder:
            return json.loads(jobs.download(job.id, found, Path(folder)).read_bytes())

    return read


def ran(jobs: Jobs, job: Job) -> Callable[[Task], Ran]:
    """What the command of a task wrote."""

    def read(task: Task) -> Ran:
        code = task.attempts[-1].outcome.exit_code if task.attempts else None
        return Ran(task.index, code or 0, b"".join(jobs.log(job.id, index=task.index)))

    return read
