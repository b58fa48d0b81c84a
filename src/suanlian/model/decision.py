"""What a look at waiting jobs decided of one of them, before it is made true."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from suanlian.model.levels import LevelRules
from suanlian.model.place import Place
from suanlian.model.placement import Explanation

TASKS_PER_JOB: Final = 256
"""At most this many tasks of one job are placed in one round, so that a large array does not hold up the others."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Tasks of one job that got a place. ``estimate`` is what each is to cost there, without what nobody is billed.

    ``numbers``: which attempt it is to be of each task, by index.
    """

    job_id: str
    numbers: Mapping[int, int]
    place: Place
    connector_id: str
    flavor_id: str
    explanation: Explanation
    levels: LevelRules
    estimate: Decimal
    instead_of: str = ""
    """The job of the same account whose turn it took by its priority."""
    fences: str = ""
    """The attempt that counts no longer then: its place is lost."""


@dataclass(frozen=True, slots=True)
class Makes:
    """A large array of which further tasks are to get their rows: most that have rows have places."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Ends:
    """A job whose waiting tasks end, because what is left of its budget is not enough for one of them anywhere."""

    job_id: str
    committed: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Waits:
    """A job of which tasks wait on; why, in a line and whole."""

    job_id: str
    text: str
    explanation: Explanation


Decision = Placed | Waits | Makes | Ends
