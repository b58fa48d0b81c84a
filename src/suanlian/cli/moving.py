"""What runs: move it, let it stand still, let it go on; and platforms that are emptied."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from suanlian.cli.arguments import JobName, PlatformName
from suanlian.cli.jobs import job_fields
from suanlian.cli.output import AsJson, record, remark
from suanlian.cli.session import only_job_named, open_hub
from suanlian.cli.shown import when
from suanlian.cli.waiting import hubs_words
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.job import Job
from suanlian.model.moving import DrainAsked, Move, Which
from suanlian.model.platform import Drain, Drained
from suanlian.model.reading import read

commands = nouns()
_Task = Annotated[int | None, typer.Option("--index", metavar="N", min=0, help=N_("Only this task of an array."))]


@commands.command(
    "move",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Let a job save, end and go on elsewhere; without a checkpoint from zero (--yes)."),
)
def _move(
    job: JobName,
    to: Annotated[str | None, typer.Option("--to", metavar="PLATFORM", help=N_("To this platform, by name."))] = None,
    index: _Task = None,
    from_zero: Annotated[bool, typer.Option("--yes", help=N_("Also where it has to start from zero."))] = False,
    as_json: AsJson = False,
) -> None:
    asked = read(Move, {"to": to, "index": index, "from_zero": from_zero})
    with open_hub() as hub:
        moved = hub.jobs.move(only_job_named(hub, job), asked)
    _tell(moved, as_json=as_json, told=_("It makes room and is placed anew; watch: suanlian show {job}"))


@commands.command(
    "pause",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Let what runs of a job stand still; it is charged as before."),
)
def _pause(job: JobName, index: _Task = None, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        paused = hub.jobs.pause(only_job_named(hub, job), Which(index=index))
    text = _("It stands still within seconds, is charged as before, and goes on by: suanlian resume {job}")
    _tell(paused, as_json=as_json, told=text)


@commands.command("resume", cls=Command, options_metavar=OPTIONS, help=N_("Let what is paused of a job go on."))
def _resume(job: JobName, index: _Task = None, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        resumed = hub.jobs.resume(only_job_named(hub, job), Which(index=index))
    _tell(resumed, as_json=as_json, told=_("It goes on within seconds; watch: suanlian show {job}"))


def _tell(job: Job, *, as_json: bool, told: str) -> None:
    record(job, job_fields(job, hubs_words(job)), as_json=as_json)
    if not as_json:
        remark(told.format(job=job.public_id))


def install(platform: typer.Typer) -> None:
    """Add the commands to those of one platform."""
    platform.command(
        "drain",
        cls=Command,
        options_metavar=OPTIONS,
        help=N_("Empty a platform: nothing new comes, what runs is moved; all is out by the time given (operator)."),
    )(_drain)
    platform.command(
        "undrain",
        cls=Command,
        options_metavar=OPTIONS,
        help=N_("Empty it no longer; what its owner said stands (operator)."),
    )(_undrain)


def _drain(
    platform: PlatformName,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="TIME", help=N_("With its zone, such as 2026-12-01T08:00+08:00; else now.")),
    ] = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help=N_("The reason, for its owner and buyers."))] = "",
    as_json: AsJson = False,
) -> None:
    asked = read(DrainAsked, {"by": by, "why": why})
    with open_hub() as hub:
        found = hub.platforms.drain(platform, asked)
    record(found, list(drain_fields(found)), as_json=as_json)


def _undrain(platform: PlatformName, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        found = hub.platforms.undrain(platform)
    fields = list(drain_fields(found)) or [(_("Emptied"), _("no longer: it takes new jobs again"))]
    record(found, fields, as_json=as_json)


def drain_fields(drained: Drained) -> Iterator[tuple[str, object]]:
    """Who empties the platform, until when and why, what still runs there, and its calendar."""
    said = [*drained.owners.items(), *([("", drained.operator)] if drained.operator else [])]
    for connector, drain in said:
        yield _("Emptied"), _drain_text(connector, drain)
    if said:
        left = _("{n} still there, {told} told to make room: {which}")
        which = ", ".join(drained.attempts) or "-"
        yield _("Left"), left.format(n=drained.running, told=drained.told, which=which)
    for connector, downtimes in drained.downtimes.items():
        for down in downtimes:
            text = f"{_time(down.start)} - {_time(down.end)} {connector}: {down.note}".rstrip(": ")
            yield _("Downtime"), text


def _drain_text(connector: str, drain: Drain) -> str:
    who = _("by its owner at {connector}").format(connector=connector) if connector else _("by the operator")
    until = _("all is out by {by}").format(by=_time(drain.by)) if drain.by else _("as soon as can be")
    text = _("{who} since {since}, {until}: {why}")
    return text.format(who=who, since=_time(drain.since), until=until, why=drain.why or "-")


def _time(moment: datetime | None) -> str:
    return when(moment)
