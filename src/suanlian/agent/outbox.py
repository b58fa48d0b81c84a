"""What does the hub still have to be told? Reports and usage, sent again until it answers."""

from datetime import datetime, timedelta
from typing import Final

from suanlian.agent.desk import Desk, log
from suanlian.agent.row import Row
from suanlian.crypto.documents import sign_document
from suanlian.model.job import Outcome
from suanlian.model.load import ShareLoad
from suanlian.model.owner import JoinLevel
from suanlian.model.platform import Drain
from suanlian.model.protocol import MAX_REPORTS, AttemptReport, ItemAnswer, ReportCall, UsageCall, Verdict
from suanlian.model.usage import USAGE_TYPE, UsageBatch, UsageSegment

HEARTBEAT_S: Final = 30


class Outbox:
    """Sends what is due. What is sent and unanswered stays in the ledger; here stands only what the hub heard last."""

    def __init__(self, desk: Desk) -> None:
        """Begin with nothing heard: the first report goes out in any case."""
        self._desk = desk
        self._said: tuple[bool, JoinLevel, Drain | None] | None = None
        self._loads: tuple[ShareLoad, ...] = ()
        self._at: datetime | None = None

    def report(self) -> bool:
        """Report what is true where the hub has not answered to it, or a heartbeat; False when nothing was due.

        Raises UnavailableError, and the error of a refusal.
        """
        desk, now = self._desk, self._desk.clock()
        accepting = desk.opens and bool(desk.house) and desk.house[-1].status.ready
        said, loads = (accepting, desk.level, desk.drain), tuple(desk.loads)
        due = [row for row in desk.ledger.rows() if row.to_report][:MAX_REPORTS]
        gone = desk.ledger.gone()[:MAX_REPORTS]
        silent = self._at is None or now - self._at >= timedelta(seconds=HEARTBEAT_S)
        if not (due or gone or silent) and said == self._said:
            return False
        call = ReportCall(
            accepting=accepting,
            level=said[1],
            attempts=tuple(_report(row) for row in due),
            loads=() if loads == self._loads else loads,
            drain=said[2],
            gone=tuple(gone),
        )
        answer = desk.hub.report(call)
        with desk.ledger.together():
            for row, verdict in zip(due, answer.attempts, strict=True):
                _answered(desk, row, verdict)
        if gone:
            desk.ledger.told_gone(gone)
        self._said, self._loads, self._at = said, loads, now
        return bool(due or gone)

    def usage(self) -> bool:
        """Sign what was used since the last batch, and send all that has no answer; False when nothing was due."""
        desk = self._desk
        while desk.ledger.make_batch(self._signed):
            pass
        batches = desk.ledger.unanswered_batches()
        for call in batches:
            answers = desk.hub.usage(call).segments
            desk.ledger.answer_batch(call, answers)
            for said in answers:
                if said.verdict is Verdict.REFUSED:
                    log.error("usage of attempt %s was refused: %s", said.attempt_id, said.reason)
        return bool(batches)

    def _signed(self, number: int, segments: tuple[UsageSegment, ...]) -> UsageCall:
        batch = UsageBatch(connector_id=self._desk.identity.connector_id, number=number, segments=segments)
        return UsageCall(
            batch=batch, signature=sign_document(batch.model_dump(mode="json"), self._desk.keypair, typ=USAGE_TYPE)
        )


def _report(row: Row) -> AttemptReport:
    return AttemptReport(
        attempt_id=row.attempt_id,
        token=row.token,
        version=row.report_version,
        state=row.state,
        started_at=row.started_at,
        ended_at=None if row.closed_at is None else row.ended_at or row.closed_at,
        outcome=row.outcome if row.closed_at is not None else Outcome(reason=row.bringing),
    )


def _answered(desk: Desk, row: Row, said: ItemAnswer) -> None:
    if said.verdict is Verdict.STALE:
        desk.abandon(row)
        return
    refused = said.reason or "without a reason" if said.verdict is Verdict.REFUSED else ""
    if refused:
        log.error("the report of attempt %s was refused: %s", row.attempt_id, refused)
    sent = row.report_version
    desk.change(row, lambda was: was.with_(answered_version=max(was.answered_version, sent), refused=refused))
