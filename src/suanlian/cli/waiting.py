"""What does a job wait for, and what becomes of it meanwhile? In the language of the person who waits."""

from typing import Final

from suanlian.cli.output import remark
from suanlian.i18n import _
from suanlian.i18n.help import N_
from suanlian.i18n.reasons import filter_text, place_text, remedy_text
from suanlian.model.errors import SuanlianError
from suanlian.model.job import ENDED, Job
from suanlian.model.placement import Explanation
from suanlian.sdk.client import Client

_PREFIX: Final = "waits: "
_NOT_SEEN: Final = N_("it has not been looked at yet")
"""What a hub says of a job whose turn has not come."""


def waits_because(hub: Client, job: Job) -> str:
    """Why the job waits, from the hub's explanation; the hub's own words where it has none, empty if it does not wait.

    In an array the first task may have a place while the last waits, so both are asked for.
    """
    if not job.waiting or job.state in ENDED or job.waiting == _NOT_SEEN:
        return hubs_words(job)
    for index in sorted({0, job.tasks - 1}):
        try:
            explanation = hub.jobs.why(job.id, index)
        except SuanlianError:  # it has moved on since, or the hub is older than explanations
            break
        if explanation.winner is None:
            return _because(explanation)
    return hubs_words(job)


def hubs_words(job: Job) -> str:
    """Why the job waits as the hub wrote it, without the word `waits`, which the field's title says already."""
    return _(_NOT_SEEN) if job.waiting == _NOT_SEEN else job.waiting.removeprefix(_PREFIX)


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
