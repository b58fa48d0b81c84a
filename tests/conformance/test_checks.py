"""Each fault is caught by the check of its kind and by no other; whoever keeps the protocol passes, however slowly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.conformance.contract import Named
from suanlian.conformance.suite import BY_HUB, BY_OWNER, Suite
from suanlian.i18n import use_language
from suanlian.i18n.conformance import finding_lines
from suanlian.model.conformance import (
    HUB_CHECKS,
    NEEDED,
    Check,
    ConformanceReport,
    Fault,
    Result,
    too_small,
)
from suanlian.model.probe import ProbeCap
from tests.conformance.simulated import ROOM, Simulated, Wrong


def run(under: Simulated, which: tuple[Named, ...] = BY_OWNER, step_s: float = 0.25) -> ConformanceReport:
    suite = Suite(under, ROOM, which)
    for _ in range(1000):
        report = suite.step()
        if report is not None:
            return report
        under.forward(step_s)
    raise AssertionError("the run did not end")


def wrong(report: ConformanceReport) -> dict[Check, tuple[Result, Fault | None]]:
    return {f.check: (f.result, f.why) for f in report.findings if f.result is not Result.PASSED}


CAUGHT = {
    Wrong.TAKES_ANY_VERSION: (Check.VERSIONS, Fault.VERSION_TAKEN),
    Wrong.RUNS_AGAIN: (Check.DOUBLED, Fault.RAN_TWICE),
    Wrong.CLOCK_AHEAD: (Check.CLOCK, Fault.CLOCK_AHEAD),
    Wrong.CLOCK_BEHIND: (Check.CLOCK, Fault.CLOCK_BEHIND),
    Wrong.STARTS_CANCELLED: (Check.CANCEL_QUEUED, Fault.RAN_CANCELLED),
    Wrong.DROPS_CANCELLED: (Check.CANCEL_QUEUED, Fault.CANCEL_IGNORED),
    Wrong.IGNORES_CANCEL: (Check.CANCEL_RUNNING, Fault.CANCEL_IGNORED),
    Wrong.CALLS_IT_COMPLETE: (Check.CANCEL_RUNNING, Fault.CANCEL_IGNORED),
    Wrong.LOG_AT_THE_END: (Check.LOG, Fault.LOG_LATE),
    Wrong.LOSES_LINES: (Check.LOG, Fault.LOG_WRONG),
    Wrong.LOSES_USAGE: (Check.USAGE, Fault.USAGE_MISSING),
    Wrong.LEAVES_GAPS: (Check.USAGE, Fault.USAGE_GAP),
    Wrong.OVERCOMMITS: (Check.OVERCOMMIT, Fault.OVERCOMMITTED),
    Wrong.OBEYS_ANY_TOKEN: (Check.TOKEN, Fault.STALE_OBEYED),
}


@pytest.mark.parametrize("fault", CAUGHT)
def test_a_fault_is_caught_by_its_check_and_by_no_other(fault: Wrong) -> None:
    check, why = CAUGHT[fault]
    report = run(Simulated(fault), BY_HUB)
    assert wrong(report) == {check: (Result.FAILED, why)}
    assert not report.passed


def test_a_job_that_is_lost_over_a_restart_is_caught() -> None:
    which = tuple(named for named in BY_OWNER if named.checks == (Check.RESTART,))
    assert wrong(run(Simulated(Wrong.FORGETS), which)) == {Check.RESTART: (Result.FAILED, Fault.LOST)}


def test_every_check_of_a_hub_has_a_fault_that_it_catches() -> None:
    assert {check for check, _why in CAUGHT.values()} == set(HUB_CHECKS)
    assert {check for named in BY_HUB for check in named.checks} == set(HUB_CHECKS)
    assert {check for named in BY_OWNER for check in named.checks} == set(Check)


@given(st.floats(0, 3), st.floats(0, 1.5), st.floats(0.05, 0.5))
def test_who_keeps_the_protocol_passes_however_slowly(start: float, told: float, step: float) -> None:
    report = run(Simulated(delays=(start, told)), step_s=step)
    assert wrong(report) == {}
    assert [finding.check for finding in report.findings] == list(Check)


@given(st.sets(st.sampled_from([w for w in Wrong if w not in (Wrong.FORGETS, Wrong.CLOCK_BEHIND)]), min_size=1))
def test_whatever_is_wrong_together_never_passes(faults: set[Wrong]) -> None:
    assert not run(Simulated(*faults), BY_HUB).passed


def test_what_the_owners_cap_does_not_let_in_is_told_as_not_checked() -> None:
    report = run(Simulated(overcap=True), BY_HUB)
    assert not report.passed
    found = wrong(report)
    refused = {
        check for check, (result, why) in found.items() if (result, why) == (Result.SKIPPED, Fault.CAP_TOO_SMALL)
    }
    assert refused == set(HUB_CHECKS) - {Check.VERSIONS, Check.CANCEL_QUEUED}


def test_a_cap_that_is_too_small_is_told_with_what_is_needed() -> None:
    assert too_small(ProbeCap()) == {}
    assert too_small(NEEDED) == {}
    assert too_small(ProbeCap.model_validate({"cpu": "0", "seconds": 1})) == {
        "cpu": str(NEEDED.cpu),
        "seconds": str(NEEDED.seconds),
    }


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("why", Fault)
def test_every_fault_says_what_to_do_in_both_languages(why: Fault, language: str) -> None:
    with use_language(language):
        (line, *_) = finding_lines(ConformanceReport.skipped(why))
    assert line.text
    assert line.text.isascii() == (language == "en")


def test_a_report_without_findings_has_not_passed() -> None:
    assert not ConformanceReport(findings=()).passed
