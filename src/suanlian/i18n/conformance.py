"""What does a conformance report say? Check by check, in Chinese or English, and what to do about what failed."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from suanlian.i18n.catalog import gettext as _
from suanlian.model.conformance import Check, ConformanceReport, Fault, Finding, Result


class FindingLine(NamedTuple):
    """One check as people read it: its name, how it ended, and what was seen or is to be done."""

    check: str
    result: str
    text: str


def finding_lines(report: ConformanceReport) -> list[FindingLine]:
    """Every finding of a report, in its order."""
    return [FindingLine(_CHECKS[f.check](), _RESULTS[f.result](), _text(f)) for f in report.findings]


def _text(finding: Finding) -> str:
    if finding.why is None:
        return _figures(finding)
    sentence = _FAULTS[finding.why]()
    more = "; ".join(part for part in (finding.said, _figures(finding)) if part)
    return _("{sentence} ({more})").format(sentence=sentence, more=more) if more else sentence


def _figures(finding: Finding) -> str:
    return ", ".join(f"{name} {value}" for name, value in finding.figures.items())


# A look-up happens when a text is shown, in the language of that moment: so the tables hold functions.

_RESULTS: Final[Mapping[Result, Callable[[], str]]] = {
    Result.PASSED: lambda: _("passed"),
    Result.FAILED: lambda: _("FAILED"),
    Result.SKIPPED: lambda: _("not checked"),
}

_CHECKS: Final[Mapping[Check, Callable[[], str]]] = {
    Check.VERSIONS: lambda: _("refuses a wrong version"),
    Check.DOUBLED: lambda: _("runs a doubled instruction once"),
    Check.CLOCK: lambda: _("its clock is right"),
    Check.CANCEL_QUEUED: lambda: _("cancels what waits"),
    Check.CANCEL_RUNNING: lambda: _("cancels what runs"),
    Check.LOG: lambda: _("streams logs"),
    Check.USAGE: lambda: _("accounts for every finished job"),
    Check.OVERCOMMIT: lambda: _("refuses more than there is"),
    Check.TOKEN: lambda: _("ignores an older token"),
    Check.RESTART: lambda: _("goes on after a restart"),
}

_FAULTS: Final[Mapping[Fault, Callable[[], str]]] = {
    Fault.NO_START: lambda: _("The probe was not started: look at the agent's log and at the reason given."),
    Fault.NO_END: lambda: _("Its end was never reported: look whether the agent reaches the hub and the engine."),
    Fault.WRONG_END: lambda: _("It ended in another way than it should: look at the reason and at the agent's log."),
    Fault.VERSION_TAKEN: lambda: _("An answer in another protocol version was acted upon: bring the agent up to date."),
    Fault.NO_POLL: lambda: _("The connector did not poll in time: look whether the agent runs and reaches the hub."),
    Fault.RAN_TWICE: lambda: _("It ran more than once: the driver must take an attempt's id as its key."),
    Fault.CLOCK_AHEAD: lambda: _("The machine's clock is ahead of the hub's: set it by NTP."),
    Fault.CLOCK_BEHIND: lambda: _("The machine's clock is behind the hub's: set it by NTP."),
    Fault.RAN_CANCELLED: lambda: _("What had been cancelled was started: bring the agent up to date."),
    Fault.CANCEL_IGNORED: lambda: _("A cancellation was not followed in time: look whether the engine ends its jobs."),
    Fault.LOG_LATE: lambda: _("The log came only at the end: the driver must let it be read while the job runs."),
    Fault.LOG_WRONG: lambda: _(
        "The log was not whole, or not in order: look at what the driver reads of the job's output."
    ),
    Fault.USAGE_MISSING: lambda: _(
        "The usage of a finished job never came: look for refused batches in the agent's status."
    ),
    Fault.USAGE_GAP: lambda: _("The usage does not cover the job from start to end: look at the driver's times."),
    Fault.OVERCOMMITTED: lambda: _("More than the share has was started: bring the agent up to date."),
    Fault.STALE_OBEYED: lambda: _("An instruction with an older token was followed: bring the agent up to date."),
    Fault.LOST: lambda: _("The job did not survive the restart: the driver must find its jobs again."),
    Fault.LEVEL_OBSERVE: lambda: _(
        "The owner joined at level observe, so nothing is dispatched there: raise the level."
    ),
    Fault.CAP_TOO_SMALL: lambda: _("The owner lets probes take too little: raise the cap on probes in the policy."),
    Fault.OWNER_REFUSES: lambda: _("The owner's policy refuses the probe at present: look at its hours and caps."),
    Fault.NO_ROOM: lambda: _("The share had no room for the probe: run it again when it is less busy."),
    Fault.NO_PROBES: lambda: _("No flavor offers the environment of probes: the driver must provide it."),
    Fault.SILENT: lambda: _("The connector was not heard of: start the agent, then run it again."),
    Fault.NOT_ACCEPTING: lambda: _("The connector accepts nothing at present: resume it, then run it again."),
    Fault.CLOSED: lambda: _("The platform is frozen or withdrawn, so nothing is placed there: ask the hub's operator."),
    Fault.BROKE_OFF: lambda: _("The hub was restarted in the middle; the run is made again by itself."),
}
