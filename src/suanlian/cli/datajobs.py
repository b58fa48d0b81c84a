"""What a job reads of datasets and leaves as datasets: what is being brought, what became of what it saved."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Final

import typer

from suanlian.cli.dataref import saved, use
from suanlian.cli.datashown import size, where
from suanlian.i18n import _
from suanlian.i18n.help import N_
from suanlian.i18n.told import told
from suanlian.model.data import DatasetVersion, DataUse, Saved
from suanlian.model.errors import NotFoundError
from suanlian.model.job import Attempt, Job, JobState, Task
from suanlian.sdk.client import Client

Reads = Annotated[
    list[str] | None,
    typer.Option(
        "--data", metavar="NAME[:PATH]", help=N_("A dataset, as reads@2:in, that it finds at PATH there; repeatable.")
    ),
]
Saves = Annotated[
    list[str] | None,
    typer.Option(
        "--save",
        metavar="PATH:NAME",
        help=N_("What it leaves at PATH becomes a version of this dataset; with :STORAGE brought there; repeatable."),
    ),
]
_BRINGING: Final = re.compile(r"^bringing data: ([0-9]+) of ([0-9]+) bytes of (.+)$")
"""As a connector says it of an attempt that waits for its data."""
_LOOKED_AT: Final = 50


def data_fields(reads: Sequence[str] | None, saves: Sequence[str] | None) -> dict[str, object]:
    """The fields ``data`` and ``save`` of a job. Raises InvalidError."""
    named: dict[str, object] = {}
    if reads:
        named["data"] = [use(text).model_dump() for text in reads]
    if saves:
        named["save"] = [saved(text).model_dump(exclude_none=True) for text in saves]
    return named


def why_so(attempt: Attempt) -> str:
    """Why an attempt is as it is: what is brought to it comes with units."""
    found = _BRINGING.match(attempt.outcome.reason or "")
    if found is None or attempt.state is not JobState.INITIALIZING:
        return told(attempt.outcome.reason)
    done, total, what = int(found[1]), int(found[2]), found[3]
    return _("bringing {what}: {done} of {all}").format(what=what, done=size(done), all=size(total))


def job_data(hub: Client, job: Job, tasks: Sequence[Task]) -> Iterator[tuple[str, object]]:
    """Fields of a job: what it reads, what is being brought, what it saves and what became of it."""
    if job.spec is None:
        return
    for one in job.spec.data:
        yield _("Reads"), _reads(one)
    waiting = [task.attempts[-1] for task in tasks if task.attempts]
    for text in sorted({why_so(one) for one in waiting if _BRINGING.match(one.outcome.reason or "")}):
        yield _("Waits for data"), text
    for one_saved in job.spec.save:
        yield _("Saves"), _saves(hub, job, one_saved)


def _reads(one: DataUse) -> str:
    text = _("{what} at {path}").format(what=one.dataset, path=one.path)
    return text if not one.only else _("{text}, of it {only}").format(text=text, only=", ".join(one.only))


def _saves(hub: Client, job: Job, one: Saved) -> str:
    text = _("{path} as {what}").format(path=one.path, what=one.dataset)
    if one.to is not None:
        text = _("{text}, at {where}").format(text=text, where=one.to)
    version = _version_of(hub, job, one.dataset)
    if version is None:
        return text
    there = _("{text}: {ref}, {state}, {size}, {where}").format(
        text=text,
        ref=f"{version.dataset}@{version.number}",
        state=version.state,
        size=size(version.bytes),
        where=where(version) or "-",
    )
    return f"{there}: {told(version.reason)}" if version.reason else there


def _version_of(hub: Client, job: Job, name: str) -> DatasetVersion | None:
    """The version that came of what the job left."""
    try:
        found = list(islice(hub.data.versions(name), _LOOKED_AT))
    except NotFoundError:
        return None
    marks = [mark for mark in (job.public_id, str(job.id)) if mark]
    return next((one for one in found if any(mark in one.origin for mark in marks)), None)
