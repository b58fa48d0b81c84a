"""Jobs: list them, show one, cancel one."""

from collections.abc import Sequence
from typing import Annotated

import typer

from suanlian.cli.arguments import JobName
from suanlian.cli.datajobs import job_data, why_so
from suanlian.cli.output import AsJson, Columns, listing, plain, print_json, record, remark
from suanlian.cli.session import job_named, only_job_named, open_hub
from suanlian.cli.shown import data_level, marked, resources, span, when
from suanlian.cli.waiting import hubs_words, shut_lines, waits
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.i18n.told import told
from suanlian.model.job import Attempt, Job, JobSpec, JobState, Task
from suanlian.sdk.client import Client

commands = nouns()


@commands.command("jobs", cls=Command, options_metavar=OPTIONS, help=N_("List jobs."))
def _jobs(
    state: Annotated[
        JobState | None, typer.Option("--state", metavar="STATE", help=N_("Only those in this state, such as QUEUED."))
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help=N_("Only those of this name."))] = None,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        listing(
            hub.jobs.list(state, name),
            [
                (_("Identifier"), lambda job: job.public_id or job.id),
                (_("Name"), lambda job: job.name),
                (_("State"), _state),
                (_("Tasks"), lambda job: job.tasks),
                (_("Submitted"), lambda job: when(job.created_at)),
                (_("Ended"), lambda job: when(job.ended_at)),
                (_("Waits because"), hubs_words),
            ],
            as_json=as_json,
        )


@commands.command("show", cls=Command, options_metavar=OPTIONS, help=N_("Show one job and its tasks."))
def _show(
    job: JobName,
    index: Annotated[
        int | None, typer.Option("--index", metavar="N", min=0, help=N_("Only this task of an array, from 0."))
    ] = None,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        seen = hub.jobs.get(job_named(hub, job))
        tasks = list(hub.jobs.tasks(seen.id, index))
        fields = [] if as_json else [*_with_waits(hub, seen), *job_data(hub, seen, tasks), *_shut(hub, seen, tasks)]
    if as_json:
        print_json({"job": plain(seen), "tasks": [plain(task) for task in tasks]})
        return
    record(seen, fields, as_json=False)
    _list_attempts(tasks)


def _with_waits(hub: Client, job: Job) -> list[tuple[str, object]]:
    wait = waits(hub, job)
    return [*job_fields(job, wait.why), *((_("Takes nothing"), line) for line in wait.shut)]


def _shut(hub: Client, job: Job, tasks: Sequence[Task]) -> list[tuple[str, object]]:
    """What is known of the place of a task that is lost, where the job does not wait for another besides."""
    held = next((task for task in tasks if task.attempts and task.attempts[-1].lost_since is not None), None)
    if held is None or job.waiting:
        return []
    return [(_("Takes nothing"), line) for line in shut_lines(hub.jobs.why(job.id, held.index))]


@commands.command("cancel", cls=Command, options_metavar=OPTIONS, help=N_("Cancel a job."))
def _cancel(job: JobName, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        canceled = hub.jobs.cancel(only_job_named(hub, job))
    record(canceled, job_fields(canceled, hubs_words(canceled)), as_json=as_json)
    if not as_json and canceled.canceling and canceled.ended_at is None:
        remark(_("What runs is being stopped."))


def submitted(jobs: Sequence[Job], *, as_json: bool) -> None:
    """Print jobs that were submitted together."""
    columns: Columns[Job] = [
        (_("Identifier"), lambda job: job.public_id or job.id),
        (_("Name"), lambda job: job.name),
        (_("State"), lambda job: job.state),
        (_("Waits because"), hubs_words),
    ]
    listing(jobs, columns, as_json=as_json)


def job_fields(job: Job, reason: str) -> list[tuple[str, object]]:
    """A job, field by field, for people."""
    return [
        (_("Identifier"), job.public_id),
        ("UUID", job.id),
        (_("Name"), job.name),
        (_("State"), _state(job)),
        (_("Tasks"), ", ".join(f"{count} {state}" for state, count in job.tally.items() if count) or job.tasks),
        (_("Submitted"), when(job.created_at)),
        (_("Ended"), when(job.ended_at)),
        (_("Took"), span(job.created_at, job.ended_at)),
        (_("Waits because"), reason),
        (_("Ended because"), told(job.reason)),
        (_("Webhook"), job.webhook),
        (_("Asked for"), _asked(job.spec) if job.spec else ""),
        (_("Comes after"), ", ".join(one.job for one in job.spec.after) if job.spec else ""),
        (_("Data level"), data_level(job.spec.wants.data_level) if job.spec else ""),
        (_("Stays within"), ", ".join(job.spec.wants.residency) if job.spec else ""),
        (_("Came by"), " -> ".join(job.path)),
    ]


def _asked(spec: JobSpec) -> str:
    """What each task gets, on each of its nodes."""
    asked = resources(spec.resources)
    return asked if spec.nodes == 1 else _("{n} nodes, each {what}").format(n=spec.nodes, what=asked)


def _state(job: Job) -> str:
    return JobState.CANCELING if job.canceling and job.ended_at is None else job.state


def _list_attempts(tasks: list[Task]) -> None:
    most = {task.index: task.tries for task in tasks}

    def which(attempt: Attempt) -> str:
        in_all = most.get(attempt.task_index)
        return str(attempt.number) if in_all is None else _("{n} of at most {m}").format(n=attempt.number, m=in_all)

    listing(
        [attempt for task in tasks for attempt in task.attempts],
        [
            (_("Task"), lambda attempt: attempt.task_index),
            (_("Attempt"), which),
            (_("State"), lambda attempt: attempt.state),
            (_("Place"), _place),
            (_("Flavor"), lambda attempt: f"{attempt.flavor} ({attempt.architecture})"),
            (_("Started"), lambda attempt: when(attempt.started_at)),
            (_("Ran"), lambda attempt: span(attempt.started_at, attempt.ended_at)),
            (_("Exit code"), lambda attempt: attempt.outcome.exit_code),
            (_("Limit hit"), lambda attempt: attempt.outcome.limit),
            (_("Reason"), why_so),
            (_("Condition"), condition),
            ("", lambda attempt: marked(attempt.simulated)),
        ],
        as_json=False,
    )


def condition(attempt: Attempt) -> str:
    """What besides its state is true of an attempt; empty for nothing."""
    if attempt.fenced:
        return _("counts no more: another took its place")
    if attempt.lost_since is None:
        return ""
    since = when(attempt.lost_since)
    if attempt.rerun_from is None:
        return _("Lost since {since}; it waits for its place").format(since=since)
    then = when(attempt.rerun_from)
    return _("Lost since {since}; may run elsewhere from {then}").format(since=since, then=then)


def _place(attempt: Attempt) -> str:
    return f"{attempt.platform}/{attempt.site}/{attempt.share}"
