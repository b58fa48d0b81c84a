"""What supervision reads: the report of a node, those received from below, and the events."""

from collections.abc import Iterator
from datetime import datetime

from suanlian.model.event import Event, EventType
from suanlian.model.market import MarketNow
from suanlian.model.market_policy import PolicyChange, PolicyVersion
from suanlian.model.report import SupervisionReport
from suanlian.sdk.answers import SentReport
from suanlian.sdk.paging import Plain, items, plain_items
from suanlian.sdk.people import Transport


class Supervision:
    """For supervisors and operators: metadata only. The market's policy is open to whoever is signed in."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def report(self, since: datetime | None = None, until: datetime | None = None) -> SupervisionReport:
        """The report over a window of time (aware datetimes); left out: the hub's own choice."""
        query = {"since": since.isoformat() if since else None, "until": until.isoformat() if until else None}
        return self._transport.read(SupervisionReport, "/v1/supervision/report", query)

    def send(self) -> SentReport:
        """Make a report and send it to the hubs above; their receipts (operator). Never repeated by itself."""
        return self._transport.act(SentReport, "/v1/supervision/report/send", repeatable=False)

    def received(self) -> Iterator[Plain]:
        """Reports that came from hubs below."""
        return plain_items(self._transport, "/v1/supervision/reports")

    def market(self) -> MarketNow:
        """What the matcher found: how far the market is from the best that is possible, and what is scarce."""
        return self._transport.read(MarketNow, "/v1/market")

    def market_policy(self) -> PolicyVersion:
        """The weights by which what waits is ordered, who set them, when and why."""
        return self._transport.read(PolicyVersion, "/v1/market/policy")

    def market_policies(self) -> Iterator[PolicyVersion]:
        """Every version that was set, the newest first."""
        return items(self._transport, PolicyVersion, "/v1/market/policy/versions")

    def set_market_policy(self, change: PolicyChange) -> PolicyVersion:
        """Set weights over those that hold (operator); what changes nothing makes no version."""
        return self._transport.create(PolicyVersion, "/v1/market/policy", change)

    def events(self, kind: EventType | None = None) -> Iterator[Event]:
        """What happened, in the order in which it happened."""
        return items(self._transport, Event, "/v1/events", {"type": kind})
