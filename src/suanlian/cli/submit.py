"""Submitting a job from a file, and asking beforehand what it would cost."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from suanlian.cli.datajobs import Reads, Saves
from suanlian.cli.dataref import saved, use
from suanlian.cli.following import returns_with
from suanlian.cli.jobs import job_fields, submitted
from suanlian.cli.output import AsJson, record, remark
from suanlian.cli.session import only_job_named, open_hub
from suanlian.cli.shown import allowance_text, data_level
from suanlian.cli.specfile import load
from suanlian.cli.waiting import Progress, waits_because, warn_of_never
from suanlian.cli.why import tell
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.demand import After, AfterWhen
from suanlian.model.job import Job, JobSpec, JobState
from suanlian.model.outlook import Verdict
from suanlian.model.placement import Explanation
from suanlian.sdk.client import Client

commands = nouns()

JOB_FAILED: Final = 3
"""The exit code when the job that was waited for did not end COMPLETE."""

_EXIT: Final = {Verdict.STARTS: 0, Verdict.WAITS: 3, Verdict.NEVER: 4}
"""What `plan` says by its exit code."""

SpecFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", help=N_("The job, in YAML or JSON; an input may name a local file as `file:`.")),
]
SpecFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...", help=N_("Jobs, in YAML or JSON, each in its own file; `after` may name one before it.")
    ),
]
AfterJobs = Annotated[
    list[str] | None,
    typer.Option(
        "--after",
        metavar="JOB[:end]",
        help=N_("Begin only when this job is COMPLETE, with :end when it has ended in any way; repeatable."),
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help=N_("Set a field over the file's, such as wants.platform=wuhu; repeatable.")
    ),
]


@commands.command(
    "submit", cls=Command, options_metavar=OPTIONS, help=N_("Submit the jobs that YAML or JSON files describe.")
)
def _submit(  # noqa: PLR0913, PLR0917 - Typer makes an option of each parameter
    files: SpecFiles,
    settings: Settings = None,
    after: AfterJobs = None,
    reads: Reads = None,
    saves: Saves = None,
    wait: Annotated[
        bool, typer.Option("--wait", help=N_("Wait until it ends; exit code 3 unless it ends COMPLETE."))
    ] = False,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", help=N_("Wait this long at most; the job runs on."))
    ] = None,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        jobs = _submit_all(hub, files, settings or [], _Besides(after or [], reads or [], saves or []))
        if wait:
            jobs = [_waited(hub, job, timeout_s) for job in jobs]
        if len(jobs) == 1:
            record(jobs[0], [] if as_json else job_fields(jobs[0], waits_because(hub, jobs[0])), as_json=as_json)
        else:
            submitted(jobs, as_json=as_json)
    if wait and (failed := [job for job in jobs if job.state is not JobState.COMPLETE]):
        for job in failed:
            ref = job.public_id or job.id
            remark(_("What went wrong: suanlian show {job}; suanlian logs {job} --stderr").format(job=ref))
        raise typer.Exit(JOB_FAILED)


class _Besides(NamedTuple):
    """What the command says besides the files."""

    after: list[str]
    reads: list[str]
    saves: list[str]


def _submit_all(hub: Client, files: list[Path], settings: list[str], besides: _Besides) -> list[Job]:
    """One after the other, so that each may name those before it; what was taken before one is refused stays taken."""
    made, jobs = dict[str, Job](), list[Job]()
    further = [_after(text) for text in besides.after]
    reads = tuple(use(text) for text in besides.reads)
    saves = tuple(saved(text) for text in besides.saves)
    # read whole before the first is submitted: a mistake in the last file leaves nothing behind
    for spec in [load(file, settings, hub.objects.upload) for file in files]:
        named = tuple(
            one.model_copy(update={"job": made[one.job].id if one.job in made else only_job_named(hub, one.job)})
            for one in (*spec.after, *further)
        )
        more = {"data": (*spec.data, *reads), "save": (*spec.save, *saves)}
        made[spec.name] = hub.jobs.submit(spec.model_copy(update={"after": named, **more}))
        jobs.append(made[spec.name])
        warn_of_never(hub, made[spec.name], spec)
    return jobs


def _after(text: str) -> After:
    job, colon, on = text.rpartition(":")
    if colon and on == AfterWhen.END:
        return After(job=job, on=AfterWhen.END)
    return After(job=text)


def _waited(hub: Client, job: Job, timeout_s: float | None) -> Job:
    remark(_("Submitted {job}; waiting for its end.").format(job=job.public_id or job.id))
    try:
        return hub.jobs.wait(job.id, timeout_s, on_answer=Progress(hub))
    except KeyboardInterrupt:
        returns_with(job.public_id or job.id)
        raise


@commands.command(
    "estimate",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Tell where a job would go now and what it would cost, without submitting it."),
)
def _estimate(file: SpecFile, settings: Settings = None, as_json: AsJson = False) -> None:
    _asked(file, settings or [], lambda hub, spec: hub.jobs.estimate(spec), as_json=as_json)


@commands.command(
    "plan",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_(
        "Tell where and when a job would start, at what cost, and what could be changed; reserves nothing."
        " Exit code 3: it would wait; 4: no place could ever run it."
    ),
)
def _plan(file: SpecFile, settings: Settings = None, as_json: AsJson = False) -> None:
    outlook = _asked(file, settings or [], lambda hub, spec: hub.jobs.plan(spec), as_json=as_json).outlook
    code = 0 if outlook is None else _EXIT.get(outlook.verdict, 0)
    if code:
        raise typer.Exit(code)


def _asked(
    file: Path, settings: list[str], ask: Callable[[Client, JobSpec], Explanation], *, as_json: bool
) -> Explanation:
    with open_hub() as hub:
        # nothing is uploaded: an estimate needs only the digests
        spec = load(file, settings, len)
        explanation = ask(hub, spec)
        allowance = None if as_json else hub.parties.me().allowance
    if not as_json:
        remark(_("Data level: {level}").format(level=data_level(spec.wants.data_level)))
        if allowance is not None:
            remark(_("Free, core-hours: {sum}").format(sum=allowance_text(allowance)))
        remark(_("An estimate for one task, as things stand now:"))
    tell(explanation, as_json=as_json)
    return explanation
