"""The hub above holds the heads of the log below: it takes what continues, and raises an alarm at a fork or a gap."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, func, select, update

from suanlian.commands.audit import _heads_above, declare
from suanlian.commands.initialise import Above
from suanlian.crypto.journal import sign_head
from suanlian.crypto.keys import KeyPair
from suanlian.model.audit import AuditCall, AuditExtract, Fault
from suanlian.model.errors import SuanlianError
from suanlian.model.event import EventType
from suanlian.model.lineage import Chain
from suanlian.sdk.audit import check
from suanlian.services import audit, lineage
from suanlian.store import nodes
from suanlian.store import tables as t
from suanlian.testing.hub import FrozenClock, InProcessHub, SignedConnector, Wire
from tests.hub.test_two_hubs import Pair, pair

__all__ = ["pair"]


class Below:
    """A hub below whose workers act when they are told to."""

    def __init__(self, hub: InProcessHub, clock: FrozenClock, above: Pair) -> None:
        self.hub, self.clock, self.above = hub, clock, above

    def act(self, rounds: int = 1) -> None:
        """Let something happen, be chained, signed and sent up."""
        for _ in range(rounds):
            self.hub.running.hub.writer.run(lambda unit: unit.record(EventType.REPORT_MADE, "x"))
            self.clock.advance(11)
            self.hub.settle()

    def count(self, table: Any) -> int:  # noqa: ANN401 - a table
        with self.hub.running.hub.reading() as unit:
            return int(unit.connection.execute(select(func.count()).select_from(table)).scalar_one())

    def change(self, *statements: Any) -> None:  # noqa: ANN401 - statements
        with self.hub.running.hub.store.writing.begin() as connection:
            for statement in statements:
                connection.execute(statement)

    def extract(self) -> AuditExtract:
        with self.hub.running.hub.reading() as unit:
            return audit.shown(unit, lineage.chain(unit), None).extract

    def alarms(self) -> list[str]:
        with self.hub.running.hub.reading() as unit:
            query = select(t.event.c.data).where(t.event.c.type == "audit.alarm")
            return list(unit.connection.execute(query).scalars())

    def alarms_above(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.above.operator.get("/v1/events?type=audit.alarm&limit=200").json()["items"]
        return [item["data"] for item in items]

    def lose(self, size: int) -> None:
        """Go back to the first ``size`` rows, as a restored backup does."""
        with self.hub.running.hub.reading() as unit:
            number = unit.connection.execute(select(t.audit_leaf.c.number).where(t.audit_leaf.c.index == size - 1))
            last = number.scalar_one()
        heads = select(t.audit_head.c.id).where(t.audit_head.c.size > size)
        self.change(
            delete(t.audit_receipt).where(t.audit_receipt.c.head_id.in_(heads)),
            delete(t.audit_head).where(t.audit_head.c.size > size),
            delete(t.audit_leaf).where(t.audit_leaf.c.index >= size),
            delete(t.event).where(t.event.c.number > last),
        )


@contextmanager
def made(pair: Pair) -> Iterator[Below]:
    settings, _ = pair.lower(Above(pair.upper.url, pair.token(), pair.upper.key.text))
    clock = FrozenClock()
    with InProcessHub(settings, clock=clock) as hub:
        yield Below(hub, clock, pair)


@pytest.fixture
def below(pair: Pair) -> Iterator[Below]:
    with made(pair) as found:
        yield found


def test_a_head_goes_up_and_outsiders_who_trust_the_hub_above_can_check_it(below: Below) -> None:
    below.act(3)
    assert below.count(t.audit_receipt) == 3
    extract = below.extract()
    assert [one.signed for one in extract.receipts] == [extract.signed]
    assert check(extract, below.above.upper.key.text).by == ""
    # without what leads from the root's key to the hub's, it is the receipt that speaks for it
    assert check(extract.model_copy(update={"chain": Chain()}), below.above.upper.key.text).by == "national"
    assert check(extract, below.hub.key.text).by == ""
    (newest, *_) = below.above.operator.get("/v1/events?type=audit.witnessed").json()["items"]
    assert newest["data"]["after"] > newest["data"]["before"]


def test_a_log_is_checked_against_the_head_that_is_held_above(below: Below, monkeypatch: pytest.MonkeyPatch) -> None:
    below.act(2)
    monkeypatch.setenv("SUANLIAN_DATABASE_URL", below.hub.settings.database_url)
    (held,) = _heads_above(below.hub.settings.hub_home)
    assert held == below.extract().signed
    # the whole history goes, with every head that was kept here
    below.lose(1)
    with below.hub.running.hub.reading() as unit:
        assert audit.verify(unit, [below.hub.key]).holds
        verdict = audit.verify(unit, [below.hub.key], [held])
    assert [one.fault for one in verdict.findings] == [Fault.TRUNCATED]


def test_an_answer_that_was_lost_costs_nothing(below: Below) -> None:
    below.act(2)
    below.change(delete(t.audit_receipt))
    below.act()
    assert below.count(t.audit_receipt) == 1
    assert below.alarms() == []
    assert below.alarms_above() == []


def test_a_log_that_was_rewritten_is_a_fork_and_is_told_at_both(below: Below) -> None:
    below.act(2)
    first = select(func.min(t.event.c.number)).scalar_subquery()
    below.change(
        update(t.event).where(t.event.c.number == first).values(actor="forged"),
        delete(t.audit_receipt),
        delete(t.audit_head),
        delete(t.audit_leaf),
    )
    below.act(2)
    assert below.count(t.audit_receipt) == 0
    assert [alarm["code"] for alarm in below.alarms_above()] == ["audit_forked"]
    assert len(below.alarms()) == 1
    assert "audit_forked" in below.alarms()[0]


def test_a_log_that_is_shorter_than_what_is_held_is_refused(below: Below) -> None:
    below.act(3)
    below.lose(1)
    below.change(delete(t.audit_receipt), delete(t.audit_head))
    below.clock.advance(11)
    below.hub.settle()
    assert "audit_truncated" in below.alarms()[0]
    receipts = below.count(t.audit_receipt)
    below.act()
    assert below.count(t.audit_receipt) == receipts


def test_a_gap_that_is_declared_is_taken_and_told_above(below: Below) -> None:
    below.act(3)
    below.lose(below.extract().signed.head.size - 1)
    assert declare(below.hub.running, "restored from the backup of the day before") == 1
    below.act()
    assert [one.signed.head.epoch for one in below.extract().receipts] == [1]
    assert [alarm["code"] for alarm in below.alarms_above()] == ["audit_restored"]
    assert below.alarms() == []
    below.act()
    assert len(below.extract().receipts) == 1


def test_a_gap_in_which_all_was_lost_is_taken_and_told_too(below: Below) -> None:
    below.act(2)
    below.lose(1)
    below.change(delete(t.audit_receipt), delete(t.audit_head), delete(t.audit_leaf), delete(t.event))
    declare(below.hub.running, "all was lost")
    below.act()
    assert [one.signed.head.epoch for one in below.extract().receipts] == [1]
    assert [alarm["code"] for alarm in below.alarms_above()] == ["audit_restored"]


def test_what_is_forged_or_foreign_is_not_taken(below: Below) -> None:
    below.act()
    with below.hub.running.hub.reading() as unit:
        (row,) = nodes.uplinks(unit)
    keypair, held = below.hub.running.hub.node.keypair, below.extract().signed
    with httpx2.Client(trust_env=False) as http:
        upper = below.above.upper
        wire = Wire(http, upper.url, upper.key, below.clock)
        client = SignedConnector(wire, keypair, row["connector_id"]).client
        answer = client.audit(AuditCall())
        assert answer.held is not None
        assert answer.held.signed == held
        assert client.audit(AuditCall(signed=held)).held == answer.held
        foreign = held.head.model_copy(update={"prefix": "CN.GBA"})
        old = held.head.model_copy(update={"size": held.head.size - 1})
        fork = held.head.model_copy(update={"root": "0" * 64})
        back = held.head.model_copy(update={"epoch": 1, "root": "0" * 64})
        for call, code in (
            (AuditCall(signed=sign_head(held.head, KeyPair.generate())), "signature_invalid"),
            (AuditCall(signed=sign_head(foreign, keypair)), "forbidden"),
            (AuditCall(signed=sign_head(old, keypair), since=held.head.size), "audit_truncated"),
            (AuditCall(signed=sign_head(fork, keypair), since=held.head.size), "audit_forked"),
            (AuditCall(signed=sign_head(back, keypair), since=held.head.size), "audit_forked"),
        ):
            with pytest.raises(SuanlianError) as caught:
                client.audit(call)
            assert caught.value.code == code
        assert client.audit(AuditCall()).held == answer.held
    assert len(below.alarms_above()) == 1
