"""The program that runs the executors of a task one after another: POSIX sh, which every image but the emptiest has.

It writes nothing but what the executors write, with two exceptions. Where an executor's stream goes to a file, the end
of that file is shown on the stream of the job. And where there are several executors, a line with the task's own
nonce stands before and after each, so that the streams can be taken apart again (``view.py``).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from suanlian.model.tes import TesExecutor

SHOWN_BYTES: Final = 64 * 1024
"""So much of the end of a stream is shown."""
NO_START: Final = 125
"""The exit code where the directories of a task could not be made, or one cannot be entered."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


@dataclass(frozen=True, slots=True)
class Pattern:
    """An output that is a pattern, and the directory of the working directory in which its matches are gathered."""

    path: str
    into: str


@dataclass(frozen=True, slots=True)
class Runner:
    """What one task does: ``root`` is where its absolute paths lie in the working directory."""

    executors: Sequence[TesExecutor]
    directories: Sequence[str]
    patterns: Sequence[Pattern]
    root: str
    nonce: str

    def text(self) -> str:
        """The whole program."""
        return "\n".join([*self._beginning(), *self._steps(), *self._gathering(), 'exit "$S"', ""])

    def _beginning(self) -> Iterator[str]:
        yield "#!/bin/sh"
        yield "W=$(pwd)"
        yield "S=0"
        if self.directories:
            made = " ".join(map(quoted, self.directories))
            yield f"mkdir -p {made} || exit {NO_START}"

    def _steps(self) -> Iterator[str]:
        several = len(self.executors) > 1
        for number, executor in enumerate(self.executors, 1):
            yield 'if [ "$S" -eq 0 ]; then'
            if several:
                yield f"B=$(date -u +%Y-%m-%dT%H:%M:%SZ); echo {quoted(began(self.nonce, number))}"
                yield f"echo {quoted(began(self.nonce, number))} >&2"
            yield from _run(executor)
            if several:
                told = quoted(f"{_mark(self.nonce, number)} ended ")
                yield f'echo {told}"$C $B $(date -u +%Y-%m-%dT%H:%M:%SZ)" >&2'
            if not executor.ignore_error:
                yield "S=$C"
            yield "fi"

    def _gathering(self) -> Iterator[str]:
        for pattern in self.patterns:
            into = f'"$W"/{quoted(pattern.into)}'
            yield f"mkdir -p {into}"
            yield f"for F in {glob(pattern.path)}; do"
            yield '[ -e "$F" ] || continue'
            yield f'mkdir -p {into}"${{F%/*}}"'
            source = f'"$W"/{quoted(self.root)}"$F"'
            yield f'if [ -f "$F" ] && [ ! -L "$F" ]; then ln {source} {into}"$F" || cp {source} {into}"$F"'
            yield f'else cp -RL "$F" {into}"$F"; fi'
            yield "done 2>/dev/null"


def _run(executor: TesExecutor) -> Iterator[str]:
    yield "("
    if executor.workdir is not None:
        yield f"mkdir -p {quoted(executor.workdir)} 2>/dev/null"
        yield f"cd {quoted(executor.workdir)} || exit {NO_START}"
    for name, value in (executor.env or {}).items():
        yield f"export {name}={quoted(value)}"
    yield "exec " + " ".join(map(quoted, executor.command))
    yield f") {_redirections(executor)}"
    yield "C=$?"
    for path, stream in ((executor.stdout, ""), (executor.stderr, " >&2")):
        if path is not None and not (stream and path == executor.stdout):
            yield f"tail -c {SHOWN_BYTES} {quoted(path)}{stream} 2>/dev/null"


def _redirections(executor: TesExecutor) -> str:
    words = [f"< {quoted(executor.stdin or '/dev/null')}"]
    if executor.stdout is not None:
        words.append(f"> {quoted(executor.stdout)}")
    if executor.stderr is not None:
        words.append("2>&1" if executor.stderr == executor.stdout else f"2> {quoted(executor.stderr)}")
    return " ".join(words)


def quoted(text: str) -> str:
    """The text as one word of sh, whatever stands in it."""
    if _PLAIN.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"


def glob(pattern: str) -> str:
    """The pattern as sh expands it: everything but its wildcards is taken as it stands."""
    words, place = [], 0
    for found in re.finditer(r"[*?]|\[[^\]]+\]", pattern):
        if found.start() > place:
            words.append(quoted(pattern[place : found.start()]))
        words.append(found[0])
        place = found.end()
    return "".join([*words, quoted(pattern[place:]) if place < len(pattern) else ""])


def began(nonce: str, number: int) -> str:
    """The line before the output of an executor."""
    return f"{_mark(nonce, number)} begins"


def _mark(nonce: str, number: int) -> str:
    return f"== suanlian {nonce} executor {number}"
