"""A run: all checks side by side, from their first wish to the report. Pure: whoever runs it pauses between steps."""

from collections.abc import Sequence
from typing import Final

from suanlian.conformance import checks
from suanlian.conformance.contract import ConnectorUnderTest, Course, Named
from suanlian.model.conformance import Check, ConformanceReport, Finding, Room

BY_HUB: Final = (
    Named((Check.VERSIONS,), checks.versions),
    Named((Check.DOUBLED,), checks.doubled),
    Named((Check.CANCEL_QUEUED,), checks.cancel_queued),
    Named((Check.CANCEL_RUNNING,), checks.cancel_running),
    Named((Check.LOG, Check.CLOCK, Check.USAGE), checks.steady),
    Named((Check.OVERCOMMIT,), checks.overcommit),
    Named((Check.TOKEN,), checks.token),
)
"""What a hub checks. The versions come first: that check waits for the answer that brings the others' instructions."""
BY_OWNER: Final = (*BY_HUB, Named((Check.RESTART,), checks.restart))
"""What the owner's own selftest checks."""


class Suite:
    """One run under way. What it wished is in the hub; if it is dropped, its probes are to be cancelled."""

    def __init__(self, under: ConnectorUnderTest, room: Room, which: Sequence[Named] = BY_HUB) -> None:
        """Nothing is wished yet."""
        self._room = room
        self._courses: list[Course] = [checks.guarded(named.checks, named.trial(under, room)) for named in which]
        self._findings: dict[Check, Finding] = {}

    def step(self) -> ConformanceReport | None:
        """Let every check go on as far as it can now; the report once all have ended."""
        for course in tuple(self._courses):
            try:
                next(course)
            except StopIteration as ended:
                self._findings |= {finding.check: finding for finding in ended.value}
                self._courses.remove(course)
        if self._courses:
            return None
        findings = tuple(self._findings[check] for check in Check if check in self._findings)
        return ConformanceReport(share=self._room.share, findings=findings)
