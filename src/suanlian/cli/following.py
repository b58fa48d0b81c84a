"""How a followed task is shown: what it writes where it belongs, what becomes of it on standard error."""

import codecs
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from suanlian.cli.output import remark
from suanlian.cli.session import open_hub
from suanlian.cli.visible import visible
from suanlian.cli.waiting import because, waits_because
from suanlian.i18n import _
from suanlian.i18n.told import told
from suanlian.model.job import ENDED, Attempt, JobState
from suanlian.sdk.live import Live, News, Written


class Stream:
    """One stream of the task on one of ours: bytes as they are, but to a terminal nothing that it would obey."""

    def __init__(self, out: IO[str], *, raw: bool = False, prefix: str = "") -> None:
        """``raw``: the bytes as they are in any case."""
        self._out = out
        self._raw = raw or not (out.isatty() or prefix)
        self._prefix = prefix
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._at_start = True

    def write(self, data: bytes) -> None:
        """Show it at once."""
        if self._raw and hasattr(self._out, "buffer"):
            self._out.flush()
            self._out.buffer.write(data)
            self._out.buffer.flush()
            return
        text = self._held + self._decoder.decode(data)
        self._held = "\r" if text.endswith("\r") else ""  # a CR LF never falls apart
        self._show(text.removesuffix("\r"))

    def _show(self, text: str) -> None:
        for line in re.findall(r"[^\n]*\n|[^\n]+", text):
            self._out.write((self._prefix if self._at_start else "") + visible(line))
            self._at_start = line.endswith("\n")
        self._out.flush()


@dataclass(slots=True)
class Follower:
    """Shows one task until it has ended; the last news of it are kept. ``tells``: news go to standard error."""

    job: str
    index: int
    streams: dict[str, Stream]
    tail: int | None = None
    tells: bool = True
    quiet_start: bool = False
    last: News | None = None
    _told: str = ""
    _ran: set[str] = field(default_factory=set)

    def follow(self, on_turn: Callable[[], None] = lambda: None) -> News | None:
        """Until the task has ended, with ``on_turn`` in between. What came of it; None where that is unknown."""
        live = Live(open_hub, self.job, self.index, tuple(self.streams), self.tail)
        try:
            for happened in live.with_turns():
                if isinstance(happened, Written):
                    self.streams[happened.stream].write(happened.data)
                elif happened is not None:
                    self.hear(happened)
                on_turn()
        finally:
            live.stop()
        return self.last

    def hear(self, news: News) -> None:
        """Keep it, and tell what is new."""
        self.last = news
        quiet = not self.tells or (self.quiet_start and not self._told and _is_usual(news))
        for line in (self._missed(news), _line(news)):
            if line and line != self._told and not quiet:
                remark(f"-- {line}")
            self._told = line or self._told

    def _missed(self, news: News) -> str:
        """Where it ran, of an attempt that began and ended between two looks."""
        attempt = news.attempt
        if attempt is None or attempt.started_at is None or attempt.id in self._ran:
            return ""
        self._ran.add(attempt.id)
        return "" if news.task.state in (JobState.RUNNING, JobState.PAUSED) else _at(news, attempt, JobState.RUNNING)


def streams(*, both: bool, stderr: bool, raw: bool, prefix: str = "") -> dict[str, Stream]:
    """The streams that are asked for, and where each is shown."""
    if both:
        shown = {"stdout": Stream(sys.stdout, raw=raw, prefix=prefix), "stderr": Stream(sys.stderr, raw=raw)}
        return shown if not prefix else {**shown, "stderr": Stream(sys.stderr, raw=raw, prefix=prefix)}
    return {"stderr" if stderr else "stdout": Stream(sys.stdout, raw=raw, prefix=prefix)}


def _is_usual(news: News) -> bool:
    return len(news.task.attempts) <= 1 and news.task.state in (JobState.RUNNING, *ENDED)


def _line(news: News) -> str:
    """What is to be told of the task as it is now."""
    task, attempt = news.task, news.attempt
    if task.state is JobState.QUEUED and (attempt is None or attempt.ended_at is not None):
        why = _waits(news)
        if attempt is not None:
            text = _("try {n} at {place} ended {state}{why}; waits for another place")
            if task.due is not None:
                text = _("try {n} at {place} ended {state}{why}; the next one not before {time}")
            if task.due is not None and task.tries is not None:
                text = _("try {n} of at most {m} at {place} ended {state}{why}; the next one not before {time}")
            time = "" if task.due is None else f"{task.due.astimezone():%H:%M:%S}"
            told = {"n": attempt.number, "m": task.tries, "place": _place(attempt), "state": attempt.state}
            return text.format(**told, why=because(attempt), time=time)
        return _("{state}: {reason}").format(state=task.state, reason=why) if why else task.state.value
    if task.state in ENDED:
        return _ended(news)
    if attempt is None or task.state is JobState.CANCELING:
        return task.state.value
    return _at(news, attempt, task.state)


def _at(news: News, attempt: Attempt, state: JobState) -> str:
    nodes = news.job.spec.nodes if news.job.spec else 1
    place = _place(attempt) if nodes == 1 else _("{place} on {n} nodes").format(place=_place(attempt), n=nodes)
    if attempt.number == 1:
        return _("{state} at {place}").format(state=state, place=place)
    return _("try {n}: {state} at {place}").format(n=attempt.number, state=state, place=place)


def _ended(news: News) -> str:
    attempt = news.attempt
    code = None if attempt is None else attempt.outcome.exit_code
    parts = [news.task.state.value]
    if code is not None:
        parts.append(_("exit code {code}").format(code=code))
    why = (attempt.outcome.reason if attempt is not None else "") or news.job.reason
    if why == f"exit code {code}":  # said already
        why = ""
    return ", ".join(parts) + (f": {told(why)}" if why and news.task.state is not JobState.COMPLETE else "")


def _place(attempt: Attempt) -> str:
    return f"{attempt.platform}/{attempt.share}"


def _waits(news: News) -> str:
    if not news.job.waiting:
        return ""
    with open_hub() as hub:
        return waits_because(hub, news.job)


def returns_with(job: str) -> None:
    """The job goes on although nobody looks: how to come back."""
    remark(_("The job goes on. Look at it again: suanlian logs -f {job}").format(job=job))
