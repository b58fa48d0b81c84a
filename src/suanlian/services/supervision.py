"""The supervision report of this node: put together from its rows, sent up, taken from below against a receipt."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from suanlian.crypto.canonical import digest
from suanlian.crypto.documents import sign_document, verify_by_any, verify_document
from suanlian.crypto.errors import CryptoError
from suanlian.crypto.keys import PublicKey
from suanlian.model.errors import ForbiddenError, InvalidError
from suanlian.model.event import EventType
from suanlian.model.ids import HubId, Kind, new_id, public_id
from suanlian.model.job import JobSpec, JobState
from suanlian.model.measurement import Metric
from suanlian.model.onboarding import Act
from suanlian.model.party import expired, read_qualifications, today
from suanlian.model.performance import Grade, Precision
from suanlian.model.platform import Flavor, PlatformState, Share, Site
from suanlian.model.quantity import Resources
from suanlian.model.report import (
    RECEIPT_TYPE,
    REPORT_TYPE,
    ExpiringRow,
    Receipt,
    ReportUpAnswer,
    ReportUpCall,
    StoppedRow,
    SupervisionReport,
    SupplyRow,
)
from suanlian.model.version import Subject
from suanlian.rules.entities import EXPIRES_SOON_DAYS, expiring
from suanlian.rules.onboarding import STOPPED
from suanlian.rules.states import state_of, with_loads
from suanlian.rules.supervision import PlatformFacts, ShareFacts, TaskRun, Window, supervision_report, supply_rows
from suanlian.services.ports import Node, Upstream
from suanlian.store import (
    attempts,
    capabilities,
    jobs,
    journal,
    keys,
    nodes,
    onboarding,
    parties,
    platforms,
    published,
    supplies,
    usage,
)
from suanlian.store import states as load_states
from suanlian.store.unit import Row, Unit


def make(unit: Unit, node: Node, since: datetime | None, until: datetime) -> SupervisionReport:
    """The report over [since, until), every figure from rows; ``since`` None: from the hub's beginning.

    Raises InvalidError for an empty window.
    """
    row = nodes.get(unit)
    since = since or (until if row is None else row["created_at"])
    if since >= until:
        wrong = "The window is empty."
        raise InvalidError("field_invalid", wrong, todo="Let since lie before until.", field="since")
    history = _History(unit)
    window = Window(HubId(node.id), node.name, node.prefix, since, until, unit.now)
    states = {JobState(state): count for state, count in jobs.count_by_state(unit, since, until).items()}
    made = supervision_report(window, history.platforms(), history.shares(), history.runs(since, until), states)
    made = made.model_copy(update={"supply": _supply_rows(unit, since, until), **_standing(unit)})
    return with_loads(made, [state_of(fact, unit.now, worded=False) for fact in load_states.facts(unit)])


def _standing(unit: Unit) -> dict[str, Any]:
    """How far platforms have come by now, what is stopped and why, and which qualifications run out."""
    day = today(unit.now)
    held = [(row["name"], read_qualifications(row["qualifications"])) for row in parties.list_entities(unit)]
    over = [
        (name, one) for name, all_ in held for one in (*expired(all_, day), *expiring(all_, day, EXPIRES_SOON_DAYS))
    ]
    return {
        "platforms_by_state": dict(sorted(onboarding.states(unit).items())),
        "stopped": tuple(_stopped(unit, row) for row in onboarding.moving(unit, [state.value for state in STOPPED])),
        "expiring": tuple(
            ExpiringRow(entity=name, qualification=one.kind, valid_until=one.valid_until)
            for name, one in over
            if one.valid_until is not None
        ),
    }


def _stopped(unit: Unit, row: Row) -> StoppedRow:
    last = onboarding.steps(unit, row["id"])[-1]
    waits = any(onboarding.open_proposal(unit, row["id"], act) is not None for act in (Act.SUSPEND, Act.FREEZE))
    return StoppedRow(
        platform=row["name"],
        state=PlatformState(row["state"]),
        since=row["state_since"],
        why=last["why"],
        confirmed=not waits,
    )


def _supply_rows(unit: Unit, since: datetime, until: datetime) -> tuple[SupplyRow, ...]:
    """Every platform that publishes shares, by name: which part of its cores is claimed, seen in jobs, shown free."""
    names = {row["id"]: row["name"] for row in platforms.list_all(unit)}
    shares = [row for row in published.current(unit, subjects=[Subject.SHARE], at=unit.now) if not row["withdrawn"]]
    facts = [(names[row["platform_id"]], row["id"], Share.model_validate_json(row["body"])) for row in shares]
    shown = {key: row["millicores"] for key, row in supplies.shown(unit).items()}
    checks = [(names[row["platform_id"]], row["outcome"]) for row in supplies.between(unit, since, until)]
    return supply_rows(facts, shown, checks)


class _History:
    """All versions of what was published, and what ran."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._names = {row["id"]: row for row in platforms.list_all(unit)}
        self._figures = capabilities.all_newest(unit)
        self._versions: dict[str, list[Row]] = {}
        for row in published.all_versions(unit):
            self._versions.setdefault(row["id"], []).append(row)
        newest = [rows[-1] for rows in self._versions.values()]
        self._by_name = {(row["platform_id"], row["subject"], row["name"]): row for row in newest}

    def _site(self, platform_id: str, share: Share) -> Site:
        return Site.model_validate_json(self._by_name[platform_id, Subject.SITE, share.site]["body"])

    def _shares(self) -> list[list[Row]]:
        return [rows for rows in self._versions.values() if rows[0]["subject"] == Subject.SHARE]

    def platforms(self) -> list[PlatformFacts]:
        """Every platform that publishes shares; its region is that of its first site."""
        first: dict[str, Site] = {}
        for rows in self._shares():
            share = Share.model_validate_json(rows[-1]["body"])
            first.setdefault(rows[-1]["platform_id"], self._site(rows[-1]["platform_id"], share))
        return [self._facts(platform_id, site) for platform_id, site in first.items()]

    def _facts(self, platform_id: str, site: Site) -> PlatformFacts:
        row = self._names[platform_id]
        return PlatformFacts(row["name"], row["title"], row["title_zh"], site.region, site.west)

    def shares(self) -> list[ShareFacts]:
        """Each version of each share, from when it was valid until the next one was."""
        facts = []
        for rows in self._shares():
            ends = [row["valid_from"] for row in rows[1:]] + [None]
            facts += [self._share(row, end) for row, end in zip(rows, ends, strict=True) if not row["withdrawn"]]
        return facts

    def _share(self, row: Row, until: datetime | None) -> ShareFacts:
        share = Share.model_validate_json(row["body"])
        flavor = self._by_name[row["platform_id"], Subject.FLAVOR, share.flavor]
        body = Flavor.model_validate_json(flavor["body"])
        return ShareFacts(
            platform=self._names[row["platform_id"]]["name"],
            site=self._site(row["platform_id"], share),
            flavor=body,
            capacity=share.capacity,
            since=row["valid_from"],
            until=until,
            verified=self._verified_at(flavor["id"], body),
        )

    def _verified_at(self, flavor_id: str, flavor: Flavor) -> frozenset[Precision]:
        """The precisions whose newest verification held for the very figure that is claimed now."""
        key = (Metric.MATMUL.value, Grade.VERIFIED.value)
        rows = ((f, self._figures.get((flavor_id, key[0], f.precision.value, key[1]))) for f in flavor.performance)
        return frozenset(f.precision for f, row in rows if row and row["held"] and row["claim"] == f.tera_per_s)

    def runs(self, since: datetime, until: datetime) -> list[TaskRun]:
        """The attempts of the window, each with what it cost."""
        rows = attempts.made_between(self._unit, since, until)
        costs = usage.cost_by_attempt(self._unit, since, until)
        newest = {(row["job_id"], row["idx"]): row["id"] for row in rows}
        last = set(newest.values())
        return [self._run(row, costs, last=row["id"] in last) for row in rows]

    def _run(self, row: Row, costs: Mapping[str, Decimal], *, last: bool) -> TaskRun:
        share = Share.model_validate_json(self._versions[row["share_id"]][-1]["body"])
        waited = None if row["started_at"] is None else (row["started_at"] - row["queued_at"]).total_seconds()
        return TaskRun(
            platform=self._names[row["platform_id"]]["name"],
            site=self._site(row["platform_id"], share),
            job=row["job_id"],
            state=JobState(row["state"]),
            millicores=Resources.model_validate_json(row["granted"]).cpu,
            cost=costs.get(row["id"], Decimal(0)),
            simulated=row["simulated"],
            user_region=JobSpec.model_validate_json(row["spec"]).wants.user_region,
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            waited_s=None if waited is None else Decimal(str(max(0.0, waited))),
            last=last,
        )


def queue_up(unit: Unit, node: Node, report: SupervisionReport) -> list[str]:
    """Sign the report and keep it for every uplink; the uplink worker sends it. Returns the ids of what is to go up."""
    body = report.model_dump(mode="json")
    signature = sign_document(body, node.keypair, typ=REPORT_TYPE)
    ids = []
    for uplink in nodes.uplinks(unit):
        row = {"id": new_id(), "uplink_id": uplink["id"], "body": json.dumps(body), "signature": signature}
        journal.add_report_sent(unit, {**row, "made_at": unit.now, "receipt": None, "receipt_signature": None})
        ids.append(str(row["id"]))
    unit.record(EventType.REPORT_MADE, node.id, uplinks=len(ids))
    return ids


def unsent(unit: Unit) -> Sequence[Row]:
    """Reports for which no receipt came yet, oldest first."""
    return journal.reports_without_receipt(unit)


def deliver(row: Row, upstream: Upstream) -> tuple[str, str]:
    """Send one report up; no transaction is open. Returns the receipt and its signature. Raises SuanlianError."""
    report = SupervisionReport.model_validate_json(row["body"])
    answer = upstream.send_report(ReportUpCall(report=report, signature=row["signature"]))
    try:
        body = answer.receipt.model_dump(mode="json")
        verify_document(body, answer.signature, PublicKey.parse(row["hub_key"]), typ=RECEIPT_TYPE)
    except CryptoError as error:
        wrong = "The receipt is not signed by the hub above."
        raise InvalidError("signature_invalid", wrong, todo="It will be sent again.") from error
    return answer.receipt.model_dump_json(), answer.signature


def keep_receipt(unit: Unit, report_id: str, receipt: str, signature: str) -> None:
    """The hub above has the report."""
    journal.keep_receipt(unit, report_id, receipt, signature)
    unit.record(EventType.RECEIPT_RECEIVED, report_id)


def receipts(unit: Unit, ids: Sequence[str]) -> list[Receipt]:
    """The receipts that came for these reports so far."""
    rows = journal.find_reports_sent(unit, ids)
    return [Receipt.model_validate_json(row["receipt"]) for row in rows if row["receipt"] is not None]


def receive(unit: Unit, node: Node, connector: Row, call: ReportUpCall) -> ReportUpAnswer:
    """Take a report from a hub below and give a signed receipt; the same report again gets the same receipt.

    Raises ForbiddenError when it speaks of another prefix, InvalidError when its signature does not fit.
    """
    delegated = platforms.delegation_of(unit, call.report.prefix)
    if delegated is None or delegated["platform_id"] != connector["platform_id"]:
        wrong = f"The prefix {call.report.prefix!r} is not delegated to this hub."
        raise ForbiddenError("forbidden", wrong, todo="Report for your own prefix.", field="report.prefix")
    body = call.report.model_dump(mode="json")
    try:
        verify_by_any(body, call.signature, keys.every_key(unit, connector), typ=REPORT_TYPE)
    except CryptoError as error:
        wrong = "The report is not signed by the hub that it comes from."
        raise InvalidError("signature_invalid", wrong, todo="Sign it as it is sent.", field="signature") from error
    known = journal.report_received(unit, connector["platform_id"], digest(body))
    receipt, signature = (
        _receipt(unit, node, connector, body, call.signature)
        if known is None
        else (Receipt.model_validate_json(known["receipt"]), known["receipt_signature"])
    )
    return ReportUpAnswer(
        connector_id=connector["id"], expires_at=unit.now + timedelta(seconds=60), receipt=receipt, signature=signature
    )


def _receipt(unit: Unit, node: Node, connector: Row, body: Any, signature: str) -> tuple[Receipt, str]:  # noqa: ANN401 - JSON
    receipt_id = new_id()
    receipt = Receipt(
        id=receipt_id,
        public_id=public_id(node.prefix, Kind.REPORT, receipt_id),
        hub=node.name,
        digest=digest(body),
        received_at=unit.now,
    )
    signed = sign_document(receipt.model_dump(mode="json"), node.keypair, typ=RECEIPT_TYPE)
    row = {"id": receipt_id, "platform_id": connector["platform_id"], "digest": receipt.digest}
    row |= {"body": json.dumps(body), "signature": signature, "received_at": unit.now}
    journal.add_report_received(unit, {**row, "receipt": receipt.model_dump_json(), "receipt_signature": signed})
    unit.record(EventType.REPORT_RECEIVED, receipt_id, platform=connector["platform"])
    return receipt, signed


def received(unit: Unit, *, before: str, limit: int) -> list[dict[str, Any]]:
    """Reports from below, newest first, each with its receipt."""
    return [
        {
            "id": row["id"],
            "platform_id": row["platform_id"],
            "report": json.loads(row["body"]),
            "receipt": json.loads(row["receipt"]),
            "received_at": row["received_at"].isoformat(),
        }
        for row in journal.reports_received(unit, before=before, limit=limit)
    ]
