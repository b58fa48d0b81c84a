"""What a move of tasks does to their job: its tally, how many wait for a place, its state, whether it has ended."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from suanlian.model.job import ENDED, JobState
from suanlian.rules.jobstate import rollup, tally_move


@dataclass(frozen=True, slots=True)
class Progress:
    """A job's counts: tasks by state, and those that wait for a place (QUEUED without a live attempt)."""

    tally: Mapping[JobState, int]
    queued: int

    @property
    def state(self) -> JobState:
        """The state of the job."""
        return rollup(self.tally)

    @property
    def ended(self) -> bool:
        """Whether every task has ended."""
        return self.state in ENDED

    def move(self, old: JobState, new: JobState, n: int = 1) -> "Progress":
        """``n`` tasks went from one state to another."""
        return self if old is new else replace(self, tally=tally_move(self.tally, old, new, n))

    def wait(self, n: int) -> "Progress":
        """``n`` more tasks (fewer when negative) wait for a place. Raises ValueError below zero."""
        if self.queued + n < 0:
            msg = f"{self.queued} tasks wait, {-n} cannot stop waiting"
            raise ValueError(msg)
        return replace(self, queued=self.queued + n)

    def columns(self, now: datetime) -> dict[str, object]:
        """The columns of the job's row that follow."""
        return {
            "tally": tally_text(self.tally),
            "queued": self.queued,
            "state": self.state.value,
            "ended_at": now if self.ended else None,
        }


@lru_cache(maxsize=1024)
def first_tally(tasks: int) -> str:
    """The tally of a job whose tasks all wait."""
    return tally_text({JobState.QUEUED: tasks})


def tally_text(tally: Mapping[JobState, int]) -> str:
    """The tally as the store keeps it."""
    return json.dumps({state.value: count for state, count in tally.items()}, sort_keys=True)


def parse_tally(text: str) -> dict[JobState, int]:
    """The tally as the store kept it."""
    return {JobState(state): count for state, count in json.loads(text).items()}
