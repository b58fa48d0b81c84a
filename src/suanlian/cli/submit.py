"""Submitting a job from a file, and asking beforehand what it would cost."""

from pathlib import Path
from typing import Annotated, Final

import typer

from suanlian.cli.jobs import job_fields
from suanlian.cli.output import AsJson, record, remark
from suanlian.cli.session import open_hub
from suanlian.cli.shown import allowance_text, data_level
from suanlian.cli.specfile import load
from suanlian.cli.waiting import Progress, waits_because
from suanlian.cli.why import tell
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.job import JobState

commands = nouns()

JOB_FAILED: Final = 3
"""The exit code when the job that was waited for did not end COMPLETE."""

SpecFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", help=N_("The job, in YAML or JSON; an input may name a local file as `file:`.")),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help=N_("Set a field over the file's, such as wants.platform=wuhu; repeatable.")
    ),
]


@commands.command(
    "submit", cls=Command, options_metavar=OPTIONS, help=N_("Submit the job that a YAML or JSON file describes.")
)
def _submit(
    file: SpecFile,
    settings: Settings = None,
    wait: Annotated[
        bool, typer.Option("--wait", help=N_("Wait until it ends; exit code 3 unless it ends COMPLETE."))
    ] = False,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", help=N_("Wait this long at most; the job runs on."))
    ] = None,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        spec = load(file, settings or [], hub.objects.upload)
        job = hub.jobs.submit(spec)
        if wait:
            remark(_("Submitted {job}; waiting for its end.").format(job=job.public_id or job.id))
            job = hub.jobs.wait(job.id, timeout_s, on_answer=Progress(hub))
        fields = [] if as_json else job_fields(job, waits_because(hub, job))
    record(job, fields, as_json=as_json)
    if wait and job.state is not JobState.COMPLETE:
        ref = job.public_id or job.id
        remark(_("What went wrong: suanlian show {job}; suanlian logs {job} --stderr").format(job=ref))
        raise typer.Exit(JOB_FAILED)


@commands.command(
    "estimate",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Tell where a job would go now and what it would cost, without submitting it."),
)
def _estimate(file: SpecFile, settings: Settings = None, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        # nothing is uploaded: an estimate needs only the digests
        spec = load(file, settings or [], len)
        explanation = hub.jobs.estimate(spec)
        allowance = None if as_json else hub.parties.me().allowance
    if not as_json:
        remark(_("Data level: {level}").format(level=data_level(spec.wants.data_level)))
        if allowance is not None:
            remark(_("Free, core-hours: {sum}").format(sum=allowance_text(allowance)))
        remark(_("An estimate for one task, as things stand now:"))
    tell(explanation, as_json=as_json)
