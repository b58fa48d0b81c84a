"""May a job begin now that another has ended, where may it run, and what is it handed? Pure.

What a job is handed lies where its own data lies, so it is bound at least as strictly as the jobs that it comes from.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from suanlian.model.demand import After, AfterWhen, PassedFile
from suanlian.model.job import ENDED, JobSpec, JobState, Wants
from suanlian.rules.levels import lies_within

FAILED: Final = "after_failed"
"""The code of a task that is cancelled because a job that it comes after did not end as it was to, or brought less."""


def is_met(on: AfterWhen, state: JobState) -> bool:
    """Whether a job that ended like this lets the other one begin."""
    return on is AfterWhen.END or state is JobState.COMPLETE


def failure(name: str, state: JobState) -> str:
    """Why a job is cancelled whose condition can no longer be met."""
    return f"{FAILED}: {name} ended {state.value}"


def narrowed(wants: Wants, upstream: Wants) -> Wants | None:
    """What a job wants that is handed files of another: the strictest of both; None where nothing satisfies both."""
    residency = _within_both(wants.residency, upstream.residency)
    if residency is None:
        return None
    bound = {
        "data_level": max(wants.data_level, upstream.data_level),
        "protection_min": max(wants.protection_min, upstream.protection_min),
        "residency": residency,
    }
    return wants.model_copy(update=bound)


def _within_both(mine: Sequence[str], theirs: Sequence[str]) -> tuple[str, ...] | None:
    if not mine or not theirs:
        return tuple(mine or theirs)
    inner = [code for code in mine if lies_within(code, theirs)] + [code for code in theirs if lies_within(code, mine)]
    return tuple(dict.fromkeys(inner)) or None


def hands_on(after: Sequence[After]) -> bool:
    """Whether any output of another job is handed on."""
    return any(one.files for one in after)


class Never(NamedTuple):
    """What of a file that is to be handed on can never be there: the field at fault, what it says, what would go."""

    field: str
    wrong: str
    todo: str


def never(file: PassedFile, tasks: int, upstream: JobSpec) -> Never | None:
    """Why the upstream job can never bring this file for each of ``tasks``; None where it may.

    An output is brought where it is declared, or lies in a directory that is, or has one that is in it.
    """
    name = upstream.name
    if not any(_meet(file.output, declared) for declared in upstream.outputs):
        declared = ", ".join(upstream.outputs) or "nothing"
        wrong = f"{name} declares no output {file.output!r}; it brings {declared}."
        return Never("output", wrong, f"Name an output of {name}, or declare this one there and submit it again.")
    last, had = f"Indices of {name} run from 0 to {upstream.tasks - 1}.", upstream.tasks
    if isinstance(file.index, int) and file.index >= had:
        return Never("index", f"{name} has no task {file.index}: it has {had}.", last)
    if file.index == "same" and tasks > had:
        wrong = f"{name} has {had} of the {tasks} tasks that are to get what the task of the same index brought."
        return Never("index", wrong, "Give both jobs as many tasks, or write 'all' or a number.")
    return None


def _meet(asked: str, declared: str) -> bool:
    """Whether one is the other or lies in it."""
    return asked == declared or asked.startswith(f"{declared}/") or declared.startswith(f"{asked}/")


def indices(file: PassedFile, *, own: int, tasks: int, upstream_tasks: int) -> tuple[int, ...] | None:
    """The tasks of the upstream job whose output a task is handed; None: of all of them.

    ``own`` is the task's index of ``tasks``. Raises ValueError where the job has no such task.
    """
    which = file.index
    if which is None:
        which = "same" if tasks == upstream_tasks else "all"
    if which == "all":
        return None if upstream_tasks > 1 else (0,)
    wanted = own if which == "same" else which
    if wanted >= upstream_tasks:
        msg = f"it has no task {wanted}"
        raise ValueError(msg)
    return (wanted,)


def laid(file: PassedFile, found: str, index: int | None) -> str | None:
    """Where an output that was found lies for the job; None where it is none that is handed on.

    ``index``: that of its task, where those of all tasks are handed on.
    """
    below = "" if found == file.output else found.removeprefix(f"{file.output}/")
    if found not in (file.output, f"{file.output}/{below}"):
        return None
    return "/".join(part for part in (file.path, "" if index is None else str(index), below) if part)


def has_ended(state: JobState) -> bool:
    """Whether a job is in a state in which it stays."""
    return state in ENDED
