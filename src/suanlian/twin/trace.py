"""A demand over time: jobs as arrays, read from a table, checked, with bad rows named."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from suanlian.twin.results import Bools, Floats, Ints


class TraceError(ValueError):
    """A trace or a world that cannot be meant. ``code`` is stable, the text says which row and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Trace:
    """N jobs, sorted by submission, then by id. All arrays have shape (N,).

    ``job`` are ids, unique, and break ties; ``home`` is the platform at which a job is submitted; times are seconds
    since the start of the trace; ``duration`` is what the work takes, ``estimate`` what is known of it beforehand;
    ``units`` are the accelerators of the gang; ``movable`` says whether it could run elsewhere. A deadline may be inf.
    ``source`` and ``notes`` tell where it comes from and what was done with rows that could not be taken as they were,
    in English (``i18n/told`` says it in other languages).
    """

    job: Ints
    home: Ints
    submit: Floats
    duration: Floats
    units: Ints
    estimate: Floats
    movable: Bools
    account: Ints
    priority: Ints
    deadline: Floats
    data_gb: Floats
    accounts: tuple[str, ...]
    source: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.job)

    @classmethod
    def of(
        cls,
        *,
        job: Ints,
        home: Ints,
        submit: Floats,
        duration: Floats,
        units: Ints,
        account: Ints | None = None,
        accounts: tuple[str, ...] = (),
        source: str = "",
    ) -> Self:
        """A trace of what every trace has: estimates exact, all portable, one account a platform unless said."""
        count = len(job)
        whose = home if account is None else account
        return cls(
            job=job,
            home=home,
            submit=submit.astype(np.float64),
            duration=duration.astype(np.float64),
            units=units,
            estimate=duration.astype(np.float64),
            movable=np.ones(count, dtype=np.bool_),
            account=whose,
            priority=np.zeros(count, dtype=np.int64),
            deadline=np.full(count, np.inf),
            data_gb=np.zeros(count),
            accounts=accounts or tuple(str(n) for n in range(int(whose.max(initial=-1)) + 1)),
            source=source,
        )

    def take(self, rows: Ints | Bools) -> "Trace":
        """The jobs of some rows, in that order."""
        return replace(self, **{name: getattr(self, name)[rows] for name in COLUMNS})

    def ordered(self) -> "Trace":
        """The same jobs by time of submission, then id."""
        return self.take(np.lexsort((self.job, self.submit)))

    def validate(self, platforms: int) -> None:
        """Raise ``TraceError`` on what no simulation could mean; the rows must be in order."""
        count = len(self.job)
        for name in COLUMNS:
            if getattr(self, name).shape != (count,):
                raise TraceError("trace_shape", f"{name} has shape {getattr(self, name).shape}, wanted ({count},)")
        self._none("trace_time", ~np.isfinite(self.submit) | (self.submit < 0), "is submitted at no time")
        self._none("trace_duration", ~(np.isfinite(self.duration) & (self.duration > 0)), "has no duration above zero")
        self._none("trace_estimate", ~(np.isfinite(self.estimate) & (self.estimate > 0)), "has no estimate above zero")
        self._none("trace_deadline", np.isnan(self.deadline), "has a deadline that is no time")
        self._none("trace_units", self.units < 1, "asks for no accelerator")
        self._none("trace_home", (self.home < 0) | (self.home >= platforms), "belongs to no platform of the world")
        self._none("trace_account", (self.account < 0) | (self.account >= len(self.accounts)), "has no account")
        self._none("trace_data", ~(np.isfinite(self.data_gb) & (self.data_gb >= 0)), "has data of no size")
        if len(np.unique(self.job)) != count:
            raise TraceError("trace_twice", "two jobs have the same id")
        if count and np.any((np.diff(self.submit) < 0) | ((np.diff(self.submit) == 0) & (np.diff(self.job) < 0))):
            raise TraceError("trace_unsorted", "jobs are not in order of submission; take ordered()")

    def _none(self, code: str, bad: Bools, what: str) -> None:
        rows = np.flatnonzero(bad)
        if rows.size:
            raise TraceError(code, f"job {self.job[rows[0]]} {what} ({rows.size} such)")


COLUMNS = (
    "job",
    "home",
    "submit",
    "duration",
    "units",
    "estimate",
    "movable",
    "account",
    "priority",
    "deadline",
    "data_gb",
)
"""The arrays of a trace."""
