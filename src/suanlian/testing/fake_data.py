"""The storage's side of a fake hub: it hands out tasks, keeps manifests and grants, and believes no old token."""

import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from suanlian.model.base import Wire
from suanlian.model.data import MAX_FILES_PAGE, DataFile
from suanlian.model.data_protocol import (
    DataFilesAnswer,
    DataFilesCall,
    DataGrantsAnswer,
    DataGrantsCall,
    DataPollAnswer,
    DataPollCall,
    DataReportAnswer,
    DataReportCall,
    StorageTask,
    TaskReport,
    TaskState,
    TaskWish,
)
from suanlian.model.protocol import Envelope

_ENDED: Final = frozenset({TaskState.DONE, TaskState.FAILED})


class FakeData:
    """What was told stands in public attributes; ``wish`` says what comes next."""

    def __init__(self, news: threading.Condition, faults: list[str]) -> None:
        """Nothing is wished."""
        self._news, self._faults, self._mark = news, faults, 0
        self.tasks: dict[str, StorageTask] = {}
        self.owners: dict[str, str] = {}
        self.manifests: dict[str, Sequence[DataFile]] = {}
        """By task: the files of its version."""
        self.reports: dict[str, list[TaskReport]] = defaultdict(list)
        self.told: dict[str, dict[int, dict[int, Sequence[DataFile]]]] = defaultdict(lambda: defaultdict(dict))
        """By task, reading and first file: pages of a manifest."""
        self.grants: dict[tuple[str, int, int], str] = {}
        """By task, token and page."""

    def wish(self, connector_id: str, task: StorageTask, files: Sequence[DataFile] = ()) -> StorageTask:
        """Want this of a connector from now on, instead of what was wanted of the same task before."""
        size = sum(file.size for file in files)
        said = task.model_copy(update={"files": len(files), "bytes": size}) if files else task
        with self._news:
            self.tasks[said.id], self.owners[said.id] = said, connector_id
            if files:
                self.manifests[said.id] = sorted(files, key=lambda file: file.path)
            self._mark += 1
            self._news.notify_all()
        return said

    def again(self, task_id: str, **changes: object) -> StorageTask:
        """Say a task anew with a higher version, and what changed."""
        before = self.tasks[task_id]
        after = before.model_copy(update={"version": before.version + 1, **changes})
        return self.wish(self.owners[task_id], after)

    def end(self, task_id: str) -> TaskReport | None:
        """How the task ended, by its current token; None while it has not."""
        token = self.tasks[task_id].token
        ends = [said for said in self.reports[task_id] if said.state in _ENDED and said.token == token]
        if any(said != ends[0] for said in ends):
            self._faults.append(f"task {task_id} ended twice, otherwise")
        return ends[-1] if ends else None

    def manifest(self, task_id: str) -> list[DataFile]:
        """What the last reading told."""
        pages = self.told[task_id][max(self.told[task_id])]
        return [file for start in sorted(pages) for file in pages[start]]

    def take(self, name: str, body: bytes, envelope: dict[str, Any]) -> Envelope:
        """Answer one of the four calls."""
        with self._news:
            if name == "data/poll":
                return self._poll(DataPollCall.model_validate_json(body), envelope)
            if name == "data/report":
                return self._report(DataReportCall.model_validate_json(body), envelope)
            if name == "data/files":
                return self._files(DataFilesCall.model_validate_json(body), envelope)
            return self._grants(DataGrantsCall.model_validate_json(body), envelope)

    def _poll(self, call: DataPollCall, envelope: dict[str, Any]) -> Envelope:
        self._news.wait_for(lambda: str(self._mark) != call.seen, timeout=call.wait_s)
        mine = tuple(task for task in self.tasks.values() if self.owners[task.id] == envelope["connector_id"])
        return DataPollAnswer(**envelope, tasks=mine, mark=str(self._mark))

    def _report(self, call: DataReportCall, envelope: dict[str, Any]) -> Envelope:
        stale = list[str]()
        for said in call.reports:
            task = self.tasks.get(said.task_id)
            if task is None or said.token != task.token or task.wish is TaskWish.FORGET:
                stale.append(said.task_id)
            else:
                self.reports[said.task_id].append(said)
        return DataReportAnswer(**envelope, stale=tuple(stale))

    def _files(self, call: DataFilesCall, envelope: dict[str, Any]) -> Envelope:
        self._current(call.task_id, call.token, call)
        if call.files is None:
            page = self.manifests.get(call.task_id, ())[call.start : call.start + MAX_FILES_PAGE]
            return DataFilesAnswer(**envelope, files=tuple(page))
        self.told[call.task_id][call.reading][call.start] = call.files
        return DataFilesAnswer(**envelope)

    def _grants(self, call: DataGrantsCall, envelope: dict[str, Any]) -> Envelope:
        if call.sealed is not None:
            self._current(call.task_id, call.token, call)
            self.grants[call.task_id, call.token, call.page] = call.sealed
            return DataGrantsAnswer(**envelope)
        token = self.tasks[call.task_id].token
        return DataGrantsAnswer(**envelope, sealed=self.grants.get((call.task_id, token, call.page)), token=token)

    def _current(self, task_id: str, token: int, call: Wire) -> None:
        if self.tasks[task_id].token != token:
            message = f"{type(call).__name__} of an old token"
            raise KeyError(message)
