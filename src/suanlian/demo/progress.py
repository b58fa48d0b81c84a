"""What happens just now? A table that is redrawn on a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from suanlian.i18n import _

_LINE_EVERY_S: Final = 3.0


@dataclass(frozen=True)
class Counts:
    """Tasks of one platform: being started, running, ended."""

    starting: int = 0
    running: int = 0
    ended: int = 0


@dataclass(frozen=True)
class Snapshot:
    """The whole at one moment. ``waiting``: tasks that have no place yet."""

    finished: int
    total: int
    waiting: int
    platforms: Mapping[str, Counts] = field(default_factory=dict)


class Progress:
    """Use in a ``with``; `show` as often as there is something new."""

    def __init__(self, console: Console) -> None:
        """Redraws only where the console is a terminal."""
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._last: tuple[float, Snapshot | None] = (0.0, None)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Show what is new; a line at most every few seconds where lines stay."""
        if self._live:
            self._live.update(_table(snapshot), refresh=True)
            return
        shown_at, shown = self._last
        is_done = snapshot.finished == snapshot.total
        if snapshot == shown or (time.monotonic() - shown_at < _LINE_EVERY_S and not is_done):
            return
        self._last = (time.monotonic(), snapshot)
        self._console.print(line(snapshot), soft_wrap=True, highlight=False)


def line(snapshot: Snapshot) -> str:
    """The whole in one line, without platforms that do nothing."""
    busy = ", ".join(
        f"{name} {counts.running + counts.starting}"
        for name, counts in snapshot.platforms.items()
        if counts.running or counts.starting
    )
    return _("{finished} of {total} jobs ended; running: {busy}; {waiting} tasks wait for a place").format(
        finished=snapshot.finished, total=snapshot.total, busy=busy or "-", waiting=snapshot.waiting
    )


def _table(snapshot: Snapshot) -> Table:
    title = _("{finished} of {total} jobs ended, {waiting} tasks wait for a place").format(
        finished=snapshot.finished, total=snapshot.total, waiting=snapshot.waiting
    )
    table = Table(title=title, title_justify="left")
    table.add_column(_("Platform"))
    for heading in (_("starting"), _("running"), _("ended")):
        table.add_column(heading, justify="right")
    for name, counts in snapshot.platforms.items():
        bar = "■" * counts.running
        table.add_row(name, str(counts.starting or "-"), f"{bar} {counts.running}", str(counts.ended))
    return table
