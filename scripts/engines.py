"""Which engines did this test run not reach? A pytest plugin of `make test` and `make test-engines`: no skip unseen.

A test that needs an engine says so, `@pytest.mark.engine("slurm")`, and skips itself where the engine is not installed.
The run ends with one line on every engine that was asked for.
"""

from collections import Counter
from collections.abc import Generator

import pytest

RAN: pytest.StashKey[Counter[str]] = pytest.StashKey()
SKIPPED: pytest.StashKey[Counter[str]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Start the counts."""
    config.stash[RAN] = Counter()
    config.stash[SKIPPED] = Counter()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count the test under each engine that it names."""
    report = yield
    if report.skipped or report.when == "call":
        counts = item.config.stash[SKIPPED if report.skipped else RAN]
        counts.update(str(mark.args[0]) for mark in item.iter_markers("engine"))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the engines that ran and those that were skipped."""
    ran, skipped = config.stash[RAN], config.stash[SKIPPED]
    terminalreporter.section("engines")
    terminalreporter.line("ran:     " + _line(ran))
    terminalreporter.line("skipped: " + _line(skipped))


def _line(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({n} tests)" for name, n in sorted(counts.items())) or "none"
