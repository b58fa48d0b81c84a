"""What does a job wait for, and what becomes of it meanwhile? In the language of the person who waits."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from suanlian.cli.output import remark
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import N_
from suanlian.i18n.reasons import filter_text, place_text, remedy_text
from suanlian.i18n.told import told
from suanlian.model.errors import SuanlianError
from suanlian.model.job import ENDED, Attempt, Job, JobSpec, Task
from suanlian.model.outlook import Verdict
from suanlian.model.placement import Explanation, Shut, ShutBy
from suanlian.sdk.client import Client

_PREFIX: Final = "waits: "
_NOT_SEEN: Final = N_("it has not been looked at yet")
"""What a hub says of a job whose turn has not come."""


class Wait(NamedTuple):
    """Why a job waits, in words, and what keeps the platforms that were looked at from taking anything now."""

    why: str
    shut: tuple[str, ...] = ()


def warn_of_never(hub: Client, job: Job, spec: JobSpec) -> None:
    """Say so at once where no place could ever run what was submitted: it would wait for one that may never come."""
    try:
        outlook = hub.jobs.plan(spec).outlook
    except SuanlianError:  # it was taken, whatever becomes of this question
        return
    if outlook is not None and outlook.verdict is Verdict.NEVER:
        text = _("As things are no place can run {job}: it waits until one comes that can. Why: suanlian why {job}")
        remark(text.format(job=job.public_id or job.id))


def waits_because(hub: Client, job: Job) -> str:
    """Why the job waits; empty where it does not."""
    return waits(hub, job).why


def waits(hub: Client, job: Job) -> Wait:
    """Why the job waits, from the hub's explanation; the hub's own words where it has none, empty if it does not wait.

    In an array the first task may have a place while the last waits, so both are asked for.
    """
    if not job.waiting or job.state in ENDED or job.waiting == _NOT_SEEN:
        return Wait(hubs_words(job))
    for index in sorted({0, job.tasks - 1}):
        try:
            explanation = hub.jobs.why(job.id, index)
        except SuanlianError:  # it rests before another try, has moved on since, or the hub is older than explanations
            task = next(iter(hub.jobs.tasks(job.id, index)), None)
            if task is None or task.due is None:
                break
            return Wait(resting(task))
        if explanation.winner is None:
            return Wait(_because(explanation), tuple(shut_lines(explanation)))
    return Wait(hubs_words(job))


def resting(task: Task) -> str:
    """Until when a task waits before its next try, which that is of how many, and why the last one ended."""
    last = task.attempts[-1] if task.attempts else None
    if task.due is None or last is None:
        return ""
    until = f"{task.due.astimezone():%H:%M:%S}"
    text = _("until {time}, for try {n}: the last one ended {state}{why}")
    if task.tries is not None:
        text = _("until {time}, for try {n} of at most {m}: the last one ended {state}{why}")
    return text.format(time=until, n=last.number + 1, m=task.tries, state=last.state, why=because(last))


def because(attempt: Attempt) -> str:
    """Why an attempt ended, in brackets; empty where nothing is known."""
    return _(" ({why})").format(why=told(attempt.outcome.reason)) if attempt.outcome.reason else ""


def shut_lines(explanation: Explanation) -> Iterator[str]:
    """Which of the platforms that a task may wait for take nothing now: who says so, since when, until when, why."""
    for one in explanation.shut:
        yield _shut_line(one)
    if explanation.in_doubt:
        yield _("The hub hears few of its platforms, so its own line is in doubt: for now it gives up none for lost.")


def _shut_line(one: Shut) -> str:
    since, until = when(one.since), when(one.until)
    reason = _(": {why}").format(why=one.why) if one.why and one.by is not ShutBy.STATE else ""
    if one.by in (ShutBy.OPERATOR, ShutBy.OWNER):
        return _drained_line(one, since, until) + reason
    texts = {
        ShutBy.UNHEARD: _("{platform}: not heard of since {since}") if since else _("{platform}: never heard of yet"),
        ShutBy.CLEARING: _("{platform}: has yet to end what runs elsewhere by now"),
        ShutBy.DOWNTIME: _("{platform}: off by its owner's calendar from {since} to {until}"),
        ShutBy.PAUSED: _("{platform}: its owner lets it take no new jobs at present"),
        ShutBy.STATE: _("{platform}: {why} since {since}"),
    }
    return texts[one.by].format(platform=one.platform, since=since, until=until, why=one.why) + reason


def _drained_line(one: Shut, since: str, until: str) -> str:
    who = _("the operator") if one.by is ShutBy.OPERATOR else _("its owner")
    text = _("{platform}: emptied by {who} since {since}, as soon as can be")
    if until:
        text = _("{platform}: emptied by {who} since {since}, all is out by {until}")
    return text.format(platform=one.platform, who=who, since=since, until=until)


def hubs_words(job: Job) -> str:
    """Why the job waits as the hub wrote it, without the word `waits`, which the field's title says already."""
    return _(_NOT_SEEN) if job.waiting == _NOT_SEEN else told(job.waiting).removeprefix(_PREFIX)


class Progress:
    """Tells on standard error when a job's state changes, or what it waits for; the same is not told twice."""

    def __init__(self, hub: Client) -> None:
        self._hub = hub
        self._told: tuple[str, str] = ("", "")

    def __call__(self, job: Job) -> None:
        """Tell what has changed since the last time."""
        now = (job.state.value, job.waiting)
        if now == self._told:
            return
        self._told = now
        reason = waits_because(self._hub, job)
        remark(_("{state}: {reason}").format(state=job.state, reason=reason) if reason else job.state.value)


def _because(explanation: Explanation) -> str:
    if explanation.nearest is None:
        return _("no platform has published a share yet")
    nearest = explanation.candidates[explanation.nearest]
    return _("nearest is {place}: {misses}; would fit if {remedies}").format(
        place=place_text(nearest),
        misses=_(", and ").join(filter_text(miss) for miss in nearest.failed),
        remedies=_(" and ").join(remedy_text(miss) for miss in nearest.failed),
    )
