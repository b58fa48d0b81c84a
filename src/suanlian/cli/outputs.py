"""A job's output files: list them, or fetch them, checked, into a directory that they cannot leave."""

from pathlib import Path
from typing import Annotated

import typer

from suanlian.cli.arguments import JobName
from suanlian.cli.output import AsJson, listing
from suanlian.cli.session import job_named, open_hub
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.sdk.answers import TaskOutput
from suanlian.sdk.client import Client

commands = nouns()


@commands.command(
    "outputs",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("List a job's output files, or fetch them into a directory."),
)
def _outputs(
    job: JobName,
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help=N_("Fetch them to here; those of an array into a directory for each task.")),
    ] = None,
    index: Annotated[
        int | None, typer.Option("--index", metavar="N", min=0, help=N_("Only this task of an array, from 0."))
    ] = None,
    force: Annotated[bool, typer.Option("--force", help=N_("Overwrite files that are there."))] = False,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        address = job_named(hub, job)
        files = list(hub.jobs.outputs(address, index))
        if directory is not None:
            _fetch(hub, address, files, directory, force=force)
    listing(
        files,
        [
            (_("Task"), lambda file: file.task_index),
            (_("File"), lambda file: file.path),
            (_("Bytes"), lambda file: file.size),
            ("SHA-256", lambda file: file.sha256),
        ],
        as_json=as_json,
    )


def _fetch(hub: Client, job: str, files: list[TaskOutput], directory: Path, *, force: bool) -> None:
    is_array = (hub.jobs.get(job).tasks) > 1
    for file in files:
        below = directory / str(file.task_index) if is_array else directory
        below.mkdir(parents=True, exist_ok=True)
        hub.jobs.download(job, file, below, overwrite=force)
