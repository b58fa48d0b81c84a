"""What is wrong with a result? One failure as data, its text in the reader's language, comparisons that yield it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from suanlian.i18n import _

SHOWN_CHARACTERS = 80  # one line of a terminal


@dataclass(frozen=True)
class CheckFailure:
    """One thing that is wrong with one job's result; `code` is stable, `values` fill its text."""

    job: str
    code: str
    values: Mapping[str, str]

    def message(self) -> str:
        """Return the text in the language in force."""
        return f"{self.job}: {_texts()[self.code].format(**self.values)}"

    def __str__(self) -> str:
        return self.message()


class CheckFailureError(Exception):
    """A failure after which the rest of the check has no sense."""

    def __init__(self, failure: CheckFailure) -> None:
        super().__init__(str(failure))
        self.failure = failure


def outside(job: str, what: str, had: float, middle: float, tolerance: float) -> Iterator[CheckFailure]:
    """Yield a failure if a figure is further than its tolerance from the middle, or is no number."""
    if not abs(had - middle) <= tolerance:
        values = {"what": what, "had": f"{had:.6f}", "middle": f"{middle:.6f}", "tolerance": f"{tolerance:.6f}"}
        yield CheckFailure(job, "tolerance", values)


def differs(job: str, what: str, had: object, wanted: object) -> Iterator[CheckFailure]:
    """Yield a failure if two exact values differ."""
    if had != wanted:
        yield CheckFailure(job, "differs", {"what": what, "had": shorten(had), "wanted": shorten(wanted)})


def shorten(value: object) -> str:
    """Return the value as text of at most one line of a terminal."""
    text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def _texts() -> Mapping[str, str]:
    """Return the text of every code in the language in force."""
    return {
        "state": _("ended {had}, expected {wanted}; see the job's log and exit record"),
        "unreadable": _("its output cannot be read ({why}); the program or the way back of its files is broken"),
        "missing-output": _("task {index} did not bring back {paths}"),
        "tolerance": _("{what} is {had}, which is not within {tolerance} of {middle}"),
        "differs": _("{what} is {had}, but an independent computation gives {wanted}"),
        "no-copy": _("there is no whole copy at {where}"),
        "not-by-data": _("ran at {had}; its data lies at {wanted}, and without it the work would go to {without}"),
        "not-said": _("{stream} does not contain “{wanted}”; its end is: {had}"),
        "architectures": _("the variants give different results: {results}"),
        "parity": _("call minus put is {had}, which is not within {tolerance} of {middle} (put-call parity)"),
    }
