"""What a job wrote, with nothing in it that could command a terminal."""

import codecs
import json
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Annotated, Final

import typer

from suanlian.cli.arguments import Index, JobName
from suanlian.cli.following import Follower, Stream, returns_with, streams
from suanlian.cli.session import job_named, open_hub
from suanlian.cli.visible import visible
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.errors import InvalidError
from suanlian.model.job import ENDED, JobState, Task
from suanlian.sdk.client import Client

commands = nouns()

JOB_FAILED: Final = 3
_INTERRUPTED: Final = 130
_ALL: Final = 256
"""So many tasks of an array are followed together at most."""
_ROUND_S: Final = 0.5


@commands.command("logs", cls=Command, options_metavar=OPTIONS, help=N_("Print what a job wrote."))
def _logs(  # noqa: PLR0913, PLR0917 - Typer makes an option of each parameter
    job: JobName,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help=N_("Go on until the task ends; exit code 3 unless it is COMPLETE.")),
    ] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help=N_("Its standard error instead of its output."))] = False,
    both: Annotated[bool, typer.Option("--both", help=N_("Both, each to its own stream here."))] = False,
    index: Index = 0,
    every: Annotated[
        bool, typer.Option("--all", help=N_("Of all tasks of an array, each line with the task's index."))
    ] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", metavar="N", min=0, help=N_("Begin with the last N lines of what is there."))
    ] = None,
    attempt: Annotated[
        str | None, typer.Option("--attempt", metavar="ID", help=N_("An older attempt, by its id."))
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help=N_("The bytes as they are, terminal escapes included; not to a terminal."))
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=N_("Print each piece as a JSON text, a line each."))] = False,
) -> None:
    if raw and sys.stdout.isatty():
        raise typer.BadParameter(_("standard output is a terminal, which the job could command; send it to a file."))
    with open_hub() as hub:
        ref = job_named(hub, job)
        if every:
            code = _print_all(hub, ref, follow=follow, stderr=stderr)
        elif follow and attempt is None and not as_json:
            shown = streams(both=both, stderr=stderr, raw=raw)
            code = _follow(Follower(ref, index, shown, tail, quiet_start=True))
        else:
            stream = "stderr" if stderr else "stdout"
            pieces = hub.jobs.log(ref, index=index, stream=stream, follow=follow, attempt=attempt, tail=tail)
            _print(pieces, raw=raw, as_json=as_json)
            if both:
                sys.stderr.write(visible("".join(texts(hub.jobs.log(ref, index=index, stream="stderr", tail=tail)))))
            code = _code(next(iter(hub.jobs.tasks(ref, index)), None)) if follow and attempt is None else 0
    if code:
        raise typer.Exit(code)


def _follow(follower: Follower) -> int:
    """Until the task ends; interrupted, the job goes on, and that is said."""
    try:
        last = follower.follow()
    except KeyboardInterrupt:
        returns_with(follower.job)
        return _INTERRUPTED
    return _code(None if last is None else last.task)


def _code(task: Task | None) -> int:
    return 0 if task is None or task.state is JobState.COMPLETE or task.state not in ENDED else JOB_FAILED


def _print_all(hub: Client, job: str, *, follow: bool, stderr: bool) -> int:
    """All tasks of an array by turns, each line behind the index of its task."""
    seen = hub.jobs.get(job)
    if seen.tasks > _ALL:
        wrong = _("{n} tasks are too many to follow together; at most {most} are.").format(n=seen.tasks, most=_ALL)
        raise InvalidError("limit_exceeded", wrong, todo=_("Follow one: suanlian logs JOB --index N"), field="job")
    stream, offsets = "stderr" if stderr else "stdout", dict[int, tuple[str, int]]()
    shown = {index: Stream(sys.stdout, prefix=f"{index}: ") for index in range(seen.tasks)}
    try:
        while True:
            tasks = [task for task in hub.jobs.tasks(job) if task.attempts]
            for task in tasks:
                offsets[task.index] = _catch_up(
                    hub, job, task, stream, (offsets.get(task.index, ("", 0)), shown[task.index])
                )
            seen = hub.jobs.get(job)
            if not follow or (seen.state in ENDED and all(task.state in ENDED for task in tasks)):
                return JOB_FAILED if follow and seen.state is not JobState.COMPLETE else 0
            time.sleep(_ROUND_S)
    except KeyboardInterrupt:
        returns_with(job)
        return _INTERRUPTED


def _catch_up(hub: Client, job: str, task: Task, stream: str, where: tuple[tuple[str, int], Stream]) -> tuple[str, int]:
    (attempt, offset), out = where
    newest = task.attempts[-1].id
    offset = offset if attempt == newest else 0
    for data in hub.jobs.log(job, index=task.index, stream=stream, attempt=newest, offset=offset):
        out.write(data)
        offset += len(data)
    return newest, offset


def _print(pieces: Iterable[bytes], *, raw: bool, as_json: bool) -> None:
    if raw:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        return
    for text in texts(pieces):
        typer.echo(json.dumps(text) if as_json else visible(text), nl=as_json)


def texts(pieces: Iterable[bytes]) -> Iterator[str]:
    """The pieces as text, wherever they were cut: bytes that are no UTF-8 become U+FFFD, a CR LF never falls apart."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    held = ""
    for piece in pieces:
        text = held + decoder.decode(piece)
        held = "\r" if text.endswith("\r") else ""
        yield text.removesuffix("\r")
    yield held + decoder.decode(b"", final=True)
