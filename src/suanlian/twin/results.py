"""What became of the jobs of a trace in one simulation: arrays, one entry a job, in the order of the trace."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Results:
    """The outcome of N jobs under one strategy.

    All arrays have shape (N,). Times are seconds since the start of the trace. ``start`` is when a job's accelerators
    were taken, ``end`` when they were given back; a job that never ran has ``ran_at`` -1 and NaN for both. ``delay`` is
    what a move added before the work itself began (s, 0 at home). ``lost`` is the time (s) that accelerators worked for
    nothing, in tries that a failure ended. ``owner`` is the owner of the platform at which the job was submitted.
    """

    strategy: str
    job: Ints
    home: Ints
    ran_at: Ints
    submit: Floats
    start: Floats
    end: Floats
    units: Ints
    moved: Bools
    delay: Floats
    account: Ints
    owner: Ints
    lost: Floats
    notes: tuple[str, ...] = field(default=())
    """Stated behaviours that applied: demands larger than everything, and so on; one line each, in English."""

    @property
    def ran(self) -> Bools:
        """Which jobs ran to their end."""
        return self.ran_at >= 0

    @property
    def wait(self) -> Floats:
        """Seconds from submission to the beginning of the work, a move's delay included; NaN for what never ran."""
        return self.start - self.submit + self.delay

    @property
    def completion(self) -> Floats:
        """Seconds from submission to the end of the work; NaN for what never ran."""
        return self.end - self.submit + self.delay

    @property
    def unit_seconds(self) -> float:
        """Accelerator-seconds of work done, failed tries apart: equal for every strategy that ran the same jobs."""
        ran = self.ran
        return float(np.sum((self.end[ran] - self.start[ran]) * self.units[ran]))
