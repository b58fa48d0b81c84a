"""A bar that tells how far bytes are, on standard error: drawn where somebody looks, a line at each step elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn

from suanlian.cli.output import remark
from suanlian.cli.visible import visible

_NONE: Final = TaskID(0)


class Bar:
    """Several threads may tell it of bytes."""

    def __init__(self, progress: Progress | None) -> None:
        """Drawn by ``progress``, where there is one."""
        self._progress, self._task, self._lock = progress, _NONE, Lock()
        self._text, self._done = "", 0

    def begin(self, text: str, total: int) -> None:
        """From now on so many bytes are counted, for what ``text`` says."""
        if self._progress is None:
            if text != self._text:
                remark(text)
        else:
            if self._text:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(visible(text), total=max(1, total))
        self._text, self._done = text, 0

    def add(self, count: int) -> None:
        """So many more are done."""
        with self._lock:
            self._done += count
        if self._progress is not None:
            self._progress.update(self._task, completed=self._done)

    def at(self, done: int) -> None:
        """So many are done in all."""
        self.add(done - self._done)


@contextmanager
def bar(*, quiet: bool = False) -> Iterator[Bar]:
    """A bar that is gone afterwards. ``quiet``: not even lines."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Bar(None) if not quiet else _Silent(None)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, SpeedColumn(), TimeRemainingColumn(), console=console, transient=True) as progress:
        yield Bar(progress)


class _Silent(Bar):
    def begin(self, text: str, total: int) -> None:
        """Say nothing."""
