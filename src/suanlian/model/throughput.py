"""How long runs of a job took, by the flavor on which they ran; and how long a task is expected to take at a place."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from suanlian.model.base import Value
from suanlian.model.ids import FlavorId
from suanlian.model.money import Amount
from suanlian.model.performance import Grade, Precision


@dataclass(frozen=True, slots=True)
class Runs:
    """Finished runs on one flavor: how many, and the sums of the logarithms of their seconds and of the squares."""

    flavor: FlavorId
    count: float
    sum_log: float
    sum_log_squared: float

    def minus(self, other: "Runs") -> "Runs":
        """Without those other ones, which were counted among these."""
        return Runs(
            self.flavor,
            self.count - other.count,
            self.sum_log - other.sum_log,
            self.sum_log_squared - other.sum_log_squared,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen: of all jobs of this account, name and size; and, of an array, of its own tasks among them."""

    named: tuple[Runs, ...] = ()
    array: tuple[Runs, ...] = ()


class Basis(StrEnum):
    """What an expected time rests on."""

    WALL_TIME = "wall-time"
    """Nothing is known of how fast this place is: the whole wall time, a bound."""
    ESTIMATE = "estimate"
    """Nothing is known of how fast this place is: what the job itself estimates."""
    THROUGHPUT = "throughput"
    """What the job's variants state."""
    FIGURES = "figures"
    """Figures of the place at one precision, beside those of the slowest place."""
    RUNS = "runs"
    """Runs of the same job that were seen, here or elsewhere."""


class Expected(Value):
    """How long one task is expected to take at a place, and by what it is known; never a figure without its precision.

    ``factor``: the true time lies within this factor, one way or the other, with a probability of about two thirds.
    """

    seconds: Amount
    basis: Basis
    faster: Amount | None = Field(default=None, description="so many times the slowest place or variant")
    precision: Precision | None = None
    grade: Grade | None = None
    here: int = Field(default=0, ge=0, description="runs that were seen on this flavor")
    elsewhere: int = Field(default=0, ge=0, description="runs that were seen on other flavors")
    factor: Amount | None = None
