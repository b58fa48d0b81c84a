"""Is a task tried again after its attempt ended, and how soon? Each cause has a budget of its own.

What a connector says of the cause is believed as far as its end can have it; one of an earlier release says none, and
the word before ':' in its reason stands for it, as before.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from suanlian.model.ids import ShareId
from suanlian.model.job import EndCause, JobSpec, JobState, Outcome
from suanlian.rules.owner import is_refusal, rests

MAX_PREEMPTED: Final = 20
"""So often a task makes room for others without its being counted; then its own demand is the likely cause."""
REQUEST_WORDS: Final = frozenset(
    {"checksum_mismatch", "input_host_unknown", "input_origin_refused", "no_such_secret", "path_escapes"}
)
"""Words before ':' of a reason that fail everywhere: no other place is tried."""
IMAGE_WORD: Final = "image_unusable"
_FREE_PREEMPTIONS: Final = 3
_PREEMPTED_WAIT_S: Final = 10
_LONGEST_WAIT_S: Final = 3600
_COUNTED_AS_ONE: Final = frozenset({EndCause.PLATFORM, EndCause.IMAGE})
"""Both are the fault of a place, and share a budget."""
_MAY_SAY: Final = {
    JobState.EXECUTOR_ERROR: frozenset({EndCause.PROGRAM, EndCause.LIMIT}),
    JobState.SYSTEM_ERROR: frozenset({EndCause.PLATFORM, EndCause.IMAGE, EndCause.REQUEST}),
    JobState.PREEMPTED: frozenset({EndCause.PREEMPTED, EndCause.REFUSED}),
}
"""Which causes a connector may give for an end. That a place is lost is never its own word."""


def cause_of(state: JobState, outcome: Outcome) -> EndCause | None:
    """Why an attempt ended so; None where it did not end, was COMPLETE or was cancelled."""
    may = _MAY_SAY.get(state)
    if may is None:
        return None
    return outcome.cause if outcome.cause in may else _by_words(state, outcome)


def _by_words(state: JobState, outcome: Outcome) -> EndCause:
    word = outcome.reason.partition(":")[0]
    if state is JobState.EXECUTOR_ERROR:
        return EndCause.LIMIT if outcome.limit else EndCause.PROGRAM
    if state is JobState.PREEMPTED:
        return EndCause.REFUSED if is_refusal(outcome.reason) else EndCause.PREEMPTED
    return EndCause.REQUEST if word in REQUEST_WORDS else EndCause.IMAGE if word == IMAGE_WORD else EndCause.PLATFORM


@dataclass(frozen=True, slots=True)
class Next:
    """What becomes of the task: its state (QUEUED: it is placed again), and for how long it waits before."""

    state: JobState
    wait_s: int = 0


def next_try(
    state: JobState, outcome: Outcome, *, before: Sequence[EndCause], spec: JobSpec, canceling: bool = False
) -> Next:
    """What becomes of a task whose attempt came to ``state``; ``before``: why its earlier attempts ended."""
    cause = cause_of(state, outcome)
    if cause is None:
        return Next(state)
    if canceling:
        return Next(state if state is JobState.EXECUTOR_ERROR else JobState.CANCELED)
    if not _within(cause, outcome, before, spec):
        return Next(JobState.SYSTEM_ERROR if state is JobState.PREEMPTED else state)
    return Next(JobState.QUEUED, _wait_s(cause, before, spec))


def _within(cause: EndCause, outcome: Outcome, before: Sequence[EndCause], spec: JobSpec) -> bool:
    """Whether this end is one of those that are tried again, and its budget allows it."""
    if cause in _COUNTED_AS_ONE:
        return sum(c in _COUNTED_AS_ONE for c in before) + 1 < spec.attempts
    made = before.count(cause) + 1
    if cause is EndCause.PROGRAM:
        codes = spec.retries.exit_codes
        return made <= spec.retries.program and (not codes or outcome.exit_code in codes)
    if cause is EndCause.PREEMPTED:
        return made <= MAX_PREEMPTED
    return cause is EndCause.REFUSED


def _wait_s(cause: EndCause, before: Sequence[EndCause], spec: JobSpec) -> int:
    if cause is EndCause.REFUSED:
        return 0  # the place rests, the task does not
    made = before.count(cause)
    if cause is EndCause.PREEMPTED:
        return 0 if made < _FREE_PREEMPTIONS else _doubled(_PREEMPTED_WAIT_S, made - _FREE_PREEMPTIONS)
    return _doubled(spec.retries.backoff_s, made)


def _doubled(first_s: int, times: int) -> int:
    doubled: int = first_s << min(times, 16)
    return min(_LONGEST_WAIT_S, doubled)


def tries_in_all(ended: Sequence[EndCause], made: int, spec: JobSpec) -> int | None:
    """So many tries a task gets at most, were each further one to end as the last did; None where nothing bounds them.

    ``ended``: why its earlier tries ended, oldest first, of ``made`` in all; before the first end nothing is known.
    """
    most = _most_ends(ended[-1], spec) if ended else None
    if most is None:
        return None
    alike = _COUNTED_AS_ONE if ended[-1] in _COUNTED_AS_ONE else {ended[-1]}
    return made + max(0, most - sum(cause in alike for cause in ended))


def _most_ends(cause: EndCause, spec: JobSpec) -> int | None:
    """After so many ends for this cause a task is given up."""
    if cause in _COUNTED_AS_ONE:
        return spec.attempts
    most = {EndCause.PROGRAM: spec.retries.program, EndCause.LOST: spec.retries.lost, EndCause.PREEMPTED: MAX_PREEMPTED}
    return None if cause is EndCause.REFUSED else most.get(cause, 0) + 1


def may_rerun(before: Sequence[EndCause], spec: JobSpec) -> bool:
    """Whether a task whose place is lost may run elsewhere; else it waits for its place."""
    return before.count(EndCause.LOST) < spec.retries.lost


Past = tuple[frozenset[ShareId], frozenset[ShareId]]
"""Shares at fault in earlier attempts of a task, and those of which the owner refuses it now."""
NO_PAST: Final[Past] = (frozenset(), frozenset())
_AT_FAULT: Final = frozenset({EndCause.PLATFORM, EndCause.IMAGE, EndCause.LOST, EndCause.REQUEST})
"""Causes for which another place is tried first."""


def past_of(attempts: Iterable[Mapping[str, Any]], indices: Collection[int], now: datetime) -> dict[int, Past]:
    """Where earlier attempts of these tasks failed by the platform's fault, and where owners refuse them now.

    ``attempts``: each with the task's ``idx``, its ``share_id``, its ``cause`` and when it ``ended_at``.
    """
    failed, refused = defaultdict[int, set[ShareId]](set), defaultdict[tuple[int, ShareId], list[datetime]](list)
    for attempt in attempts:
        share = ShareId(attempt["share_id"])
        if attempt["cause"] in _AT_FAULT:
            failed[attempt["idx"]].add(share)
        elif attempt["cause"] == EndCause.REFUSED:
            refused[attempt["idx"], share].append(attempt["ended_at"])
    resting = {key for key, moments in refused.items() if rests(moments, now)}
    return {
        index: (frozenset(failed[index]), frozenset(share for at, share in resting if at == index)) for index in indices
    }
