"""What is shown of a task: its state, its tries with the log of each executor, and where its files are."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from suanlian.model.job import ENDED, Attempt, JobState, OutputFile
from suanlian.model.tes import (
    KEPT_SCHEME,
    STATES,
    Delivered,
    TesExecutorLog,
    TesKept,
    TesOutput,
    TesOutputFileLog,
    TesState,
    TesTask,
    TesTaskLog,
    View,
)
from suanlian.rules.tes.addresses import shown_address
from suanlian.rules.tes.paths import GATHERED, ROOT, inside
from suanlian.rules.tes.script import SHOWN_BYTES

NO_CODE: Final = -1
"""The exit code of an executor that left none: it was ended by force, or its place was lost."""
BRINGS: Final = frozenset({JobState.COMPLETE, JobState.EXECUTOR_ERROR})
"""Ends after which files are brought to their URLs."""
_ENDED_LINE: Final = re.compile(rb" ended (\d+) (\S*) (\S*)\n?")


Record = tuple[datetime | None, datetime | None, int]
"""Start, end and exit code of an executor."""


class Stage(StrEnum):
    """What is still to be done for a task besides running its job."""

    FETCH = "fetch"
    """Its inputs are to be read, before it gets a place."""
    BRING = "bring"
    """Its outputs are to be brought to their URLs, after it has ended."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Streams:
    """The ends of what an attempt has written."""

    stdout: bytes = b""
    stderr: bytes = b""


@dataclass(frozen=True, slots=True)
class Told:
    """All that is known of a task. ``home`` is the address below which its files lie at the hub."""

    id: str
    state: TesState
    created_at: datetime
    kept: TesKept
    home: str = ""
    waiting: str = ""
    problem: str = ""
    brought: bool = True
    attempts: Sequence[Attempt] = ()
    software: Mapping[str, str] = field(default_factory=dict)
    streams: Mapping[str, Streams] = field(default_factory=dict)


def state_of(job: JobState, stage: Stage, verdict: str) -> TesState:
    """The state of a task: that of its job, but it runs until its files are where they are to be."""
    if job in ENDED and verdict:
        return TesState(verdict)
    if job in BRINGS and stage is Stage.BRING:
        return TesState.RUNNING
    return STATES[job]


def shown(told: Told, view: View) -> TesTask:
    """The task in this view."""
    if view is View.MINIMAL:
        return TesTask(id=told.id, state=told.state)
    logs = tuple(_logs(told))
    task = told.kept.task.model_copy(
        update={"id": told.id, "state": told.state, "creation_time": told.created_at, "logs": logs}
    )
    return task if view is View.FULL else _without(task)


def _without(task: TesTask) -> TesTask:
    """Without what the basic view leaves out, and without what an address may give the right to."""
    plain = {"stdout": None, "stderr": None}
    logs = tuple(
        log.model_copy(
            update={
                "system_logs": None,
                "logs": tuple(each.model_copy(update=plain) for each in log.logs),
                "outputs": tuple(each.model_copy(update={"url": shown_address(each.url)}) for each in log.outputs),
            }
        )
        for log in task.logs or ()
    )
    inputs = task.inputs and tuple(
        each.model_copy(update={"content": None, "url": each.url and shown_address(each.url)}) for each in task.inputs
    )
    outputs = task.outputs and tuple(each.model_copy(update={"url": shown_address(each.url)}) for each in task.outputs)
    return task.model_copy(update={"logs": logs, "inputs": inputs, "outputs": outputs})


def _logs(told: Told) -> Iterator[TesTaskLog]:
    """One entry a try; before the first, and where a further one is waited for, one that says why it waits."""
    for number, attempt in enumerate(told.attempts):
        is_last = number == len(told.attempts) - 1
        yield _log(told, attempt, is_last=is_last)
    if not told.attempts or told.waiting:
        said = [word for word in (told.waiting, told.problem) if word]
        warnings = told.kept.warnings if not told.attempts else ()
        yield TesTaskLog(system_logs=(*warnings, *said))


def _log(told: Told, attempt: Attempt, *, is_last: bool) -> TesTaskLog:
    files = deliveries(told.kept.task, attempt.outcome.outputs, told.home) if is_last and told.brought else ()
    return TesTaskLog(
        logs=tuple(_executors(told, attempt)),
        metadata=_metadata(told, attempt),
        start_time=attempt.started_at,
        end_time=attempt.ended_at,
        outputs=tuple(TesOutputFileLog(url=file.url, path=file.path, size_bytes=str(file.size)) for file in files),
        system_logs=(
            *(told.kept.warnings if attempt.number == 1 else ()),
            f"attempt {attempt.number} at {attempt.platform}/{attempt.share}: {attempt.state.value}",
            *((attempt.outcome.reason,) if attempt.outcome.reason else ()),
            *((told.problem,) if is_last and told.problem else ()),
        ),
    )


def _metadata(told: Told, attempt: Attempt) -> dict[str, str]:
    software = told.software.get(attempt.id, "")
    image = told.kept.software.get(software, "")
    stands = {"software": f"image {image} is environment {software} at {attempt.site}" if image else software}
    return {
        "platform": attempt.platform,
        "site": attempt.site,
        "share": attempt.share,
        "flavor": attempt.flavor,
        "architecture": attempt.architecture.value,
        "attempt": str(attempt.number),
        "simulated": "yes" if attempt.simulated else "no",
        **(stands if software else {}),
    }


def _executors(told: Told, attempt: Attempt) -> Iterator[TesExecutorLog]:
    """Those that have ended; one that still runs has no exit code, which a log must have."""
    streams = told.streams.get(attempt.id, Streams())
    count = len(told.kept.task.executors or ())
    has_ended, code = attempt.state in ENDED, attempt.outcome.exit_code
    if attempt.started_at is None:
        return
    if count == 1:
        if has_ended:
            yield TesExecutorLog(
                start_time=attempt.started_at,
                end_time=attempt.ended_at,
                stdout=text_of(streams.stdout),
                stderr=text_of(streams.stderr),
                exit_code=NO_CODE if code is None else code,
            )
        return
    yield from _several(told.kept.nonce, count, streams, attempt if has_ended else None)


def _several(nonce: str, count: int, streams: Streams, ended: Attempt | None) -> Iterator[TesExecutorLog]:
    stdout, stderr = parts(streams.stdout, nonce), parts(streams.stderr, nonce)
    last = max([0, *stdout, *stderr])
    for number in range(1, min(count, last) + 1):
        said, record = record_of(stderr.get(number, b""), nonce, number)
        if record is None and (ended is None or number < last):
            continue
        start, end, code = record or _unrecorded(ended)
        out = text_of(stdout.get(number, b""))
        yield TesExecutorLog(start_time=start, end_time=end, stdout=out, stderr=text_of(said), exit_code=code)


def _unrecorded(attempt: Attempt | None) -> Record:
    """What is known of the executor that was ended with its attempt."""
    if attempt is None:
        return None, None, NO_CODE
    code = attempt.outcome.exit_code
    return None, attempt.ended_at, NO_CODE if code is None else code


def parts(stream: bytes, nonce: str) -> dict[int, bytes]:
    """What each executor wrote on a stream, by its number from 1."""
    pieces = re.split(rb"== suanlian %s executor (\d+) begins\n" % nonce.encode(), stream)
    return {int(number): text for number, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def record_of(stream: bytes, nonce: str, number: int) -> tuple[bytes, Record | None]:
    """An executor's stderr without the line that tells of its end, and what that says: start, end, exit code."""
    mark = f"== suanlian {nonce} executor {number}".encode()
    before, found, rest = stream.rpartition(mark)
    told = _ENDED_LINE.match(rest) if found else None
    if told is None:
        return stream, None
    return before, (_moment(told[2]), _moment(told[3]), int(told[1]))


def _moment(text: bytes) -> datetime | None:
    try:
        return datetime.fromisoformat(text.decode())
    except ValueError:
        return None


def text_of(stream: bytes) -> str:
    """The end of a stream as text; bytes that are none are replaced."""
    return stream[-SHOWN_BYTES:].decode("utf-8", "replace")


def deliveries(task: TesTask, files: Iterable[OutputFile], home: str) -> tuple[Delivered, ...]:
    """Where each file that was brought back is to go, or lies: one may belong to several outputs."""
    every = sorted(files, key=lambda file: file.path)
    return tuple(
        made
        for number, output in enumerate(task.outputs or ())
        for file in every
        if (made := _delivery(number, output, file, home)) is not None
    )


def _delivery(number: int, output: TesOutput, file: OutputFile, home: str) -> Delivered | None:
    source, size, digest = file.path, file.size, file.sha256
    if output.has_wildcards:
        folder = f"{GATHERED}/{number}/"
        if not source.startswith(folder):
            return None
        path = "/" + source.removeprefix(folder)
        url = joined(output.url, posixpath.relpath(path, output.path_prefix or "/"))
    elif source == inside(output.path):
        path, url = output.path, output.url
    elif source.startswith(f"{inside(output.path)}/"):
        path = source.removeprefix(ROOT)
        url = joined(output.url, posixpath.relpath(path, output.path))
    else:
        return None
    address = f"{home}{quote(source)}" if output.url.startswith(KEPT_SCHEME) else url
    return Delivered(url=address, path=path, source=source, size=size, sha256=digest)


def joined(url: str, path: str) -> str:
    """The address of a file below the directory that ``url`` names; a query stays at the end."""
    base, mark, query = url.partition("?")
    return f"{base.rstrip('/')}/{quote(path)}{mark}{query}"
