"""What a job wrote, with nothing in it that could command a terminal."""

import codecs
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from suanlian.cli.arguments import Index, JobName
from suanlian.cli.session import job_named, open_hub
from suanlian.cli.visible import visible
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns

commands = nouns()


@commands.command("logs", cls=Command, options_metavar=OPTIONS, help=N_("Print what a job wrote."))
def _logs(  # noqa: PLR0913, PLR0917 - Typer makes an option of each parameter
    job: JobName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help=N_("Go on until the task ends."))] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help=N_("Its standard error instead of its output."))] = False,
    index: Index = 0,
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
        stream = "stderr" if stderr else "stdout"
        pieces = hub.jobs.log(job_named(hub, job), index=index, stream=stream, follow=follow, attempt=attempt)
        _print(pieces, raw=raw, as_json=as_json)


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
