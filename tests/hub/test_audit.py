"""The audit log: everything is chained, whatever is changed afterwards is named, and outsiders can check it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from suanlian.commands.audit import declare
from suanlian.commands.main import app as hub_command
from suanlian.crypto.journal import COLUMNS, Chain, leaf_of, sign_head
from suanlian.crypto.keys import KeyPair
from suanlian.model.audit import AuditExtract, AuditProof, Fault, SignedHead, Verdict
from suanlian.model.errors import SuanlianError
from suanlian.model.lineage import Chain as KeyChain
from suanlian.sdk.audit import check
from suanlian.services import audit
from suanlian.store import audit as audit_rows
from suanlian.store import tables as t
from suanlian.testing.hub import InProcessHub
from tests.hub.test_bad_input import refused
from tests.hub.world import World


@pytest.fixture
def log(world: World) -> World:
    """A world in which something happened, all of it under a signed head."""
    world.at("wuhu-cluster")
    world.clock.advance(11)
    world.hub.settle()
    return world


def verified(hub: InProcessHub, *elsewhere: SignedHead) -> Verdict:
    with hub.running.hub.reading() as unit:
        return audit.verify(unit, [hub.key], elsewhere)


def tamper(world: World, change: Callable[[Connection], object]) -> None:
    """Change the database behind the hub's back."""
    with world.hub.running.hub.store.writing.begin() as connection:
        change(connection)


def numbers(world: World) -> list[int]:
    with world.hub.running.hub.reading() as unit:
        return list(unit.connection.execute(select(t.event.c.number).order_by(t.event.c.number)).scalars())


def newest(hub: InProcessHub) -> AuditExtract:
    with hub.running.hub.reading() as unit:
        return audit.shown(unit, KeyChain(), None).extract


def found(world: World, *elsewhere: SignedHead) -> list[tuple[Fault, int]]:
    return [(one.fault, one.number) for one in verified(world.hub, *elsewhere).findings]


def test_every_column_of_the_journal_is_hashed() -> None:
    assert set(COLUMNS) == {column.name for column in t.event.c}


def test_what_happened_is_chained_and_under_a_head_that_is_signed(log: World) -> None:
    verdict = verified(log.hub)
    assert verdict.holds
    assert (verdict.rows, verdict.newer) == (numbers(log)[-1], 0)
    log.submit()
    verdict = verified(log.hub)
    assert (verdict.holds, verdict.newer, verdict.independent) == (True, 1, False)


def test_nothing_happens_and_no_head_is_made(log: World) -> None:
    before = log.hub.rows()
    for _ in range(3):
        log.clock.advance(60)
        log.hub.settle()
    after = log.hub.rows()
    assert (after["audit_head"], after["audit_leaf"]) == (before["audit_head"], before["audit_leaf"])


@pytest.mark.parametrize("column", [name for name in COLUMNS if name not in ("number", "at")])
def test_one_field_of_one_row_that_is_edited_is_found(log: World, column: str) -> None:
    number = numbers(log)[3]
    tamper(log, lambda c: c.execute(update(t.event).where(t.event.c.number == number).values({column: "x"})))
    assert found(log) == [(Fault.EDITED, number)]


def test_a_row_that_was_removed_inserted_or_exchanged_is_found(log: World) -> None:
    first, second, third = numbers(log)[2:5]
    with log.hub.running.hub.reading() as unit:
        rows = unit.connection.execute(select(t.event).where(t.event.c.number.in_([first, second]))).mappings().all()
    one, other = ({**row} for row in rows)
    tamper(log, lambda c: c.execute(delete(t.event).where(t.event.c.number == third)))
    assert found(log) == [(Fault.REMOVED, third)]
    for number, values in ((first, other), (second, one)):
        fields = {**values, "number": number}
        tamper(log, lambda c, n=number, f=fields: c.execute(update(t.event).where(t.event.c.number == n).values(**f)))  # type: ignore[misc]
    assert found(log) == [(Fault.MOVED, first), (Fault.MOVED, second), (Fault.REMOVED, third)]
    lowest = numbers(log)[0]
    tamper(log, lambda c: c.execute(insert(t.event).values(**{**one, "number": lowest - 1})))
    assert found(log)[0] == (Fault.INSERTED, lowest - 1)


def rewrite(connection: Connection, number: int) -> None:
    """Edit a row and make the whole chain anew, as somebody would who can write the database but has no key."""
    connection.execute(update(t.event).where(t.event.c.number == number).values(actor="forged"))
    connection.execute(delete(t.audit_leaf))
    chain = Chain()
    for row in connection.execute(audit_rows._stored().order_by(t.event.c.number)).mappings().all():  # noqa: SLF001 - the columns as the hub hashes them
        made = chain.append(row["number"], leaf_of({column: row[column] for column in COLUMNS}))
        values = {name: getattr(made, name) for name in ("index", "number", "leaf", "chain", "nodes")}
        connection.execute(insert(t.audit_leaf).values(**values))


def test_a_row_that_was_rewritten_together_with_the_chain_does_not_fit_the_head(log: World) -> None:
    old = newest(log.hub).signed
    log.submit()
    log.clock.advance(11)
    log.hub.settle()
    late = numbers(log)[-1]
    tamper(log, lambda c: rewrite(c, late))
    (one,) = verified(log.hub).findings
    assert (one.fault, one.number, one.until) == (Fault.REWRITTEN, old.head.number + 1, late)
    # and when the heads are made to go as well, the one that was kept elsewhere does not fit
    tamper(log, lambda c: rewrite(c, numbers(log)[1]))
    tamper(log, lambda c: c.execute(delete(t.audit_head)))
    assert verified(log.hub).holds
    verdict = verified(log.hub, old)
    assert verdict.independent
    assert [(x.fault, x.number, x.until) for x in verdict.findings] == [(Fault.REWRITTEN, 1, old.head.number)]


def test_a_log_that_lost_its_end_and_a_head_by_another_key_are_found(log: World) -> None:
    kept = newest(log.hub).signed
    last = numbers(log)[-1]
    for table in (t.event, t.audit_leaf):
        tamper(log, lambda c, x=table: c.execute(delete(x).where(x.c.number == last)))  # type: ignore[misc]
    assert found(log) == [(Fault.TRUNCATED, last)]
    tamper(log, lambda c: c.execute(delete(t.audit_head)))
    assert found(log) == []
    assert found(log, kept) == [(Fault.TRUNCATED, last)]
    forged = sign_head(kept.head, KeyPair.generate())
    assert (Fault.UNSIGNED, last) in found(log, forged)


def test_an_extension_that_came_too_late_is_not_applied(log: World) -> None:
    log.submit()
    hub = log.hub.running.hub
    with hub.reading() as unit:
        links = audit.next_links(unit, 10)
    assert hub.writer.run(lambda unit: audit.extend(unit, links))
    assert not hub.writer.run(lambda unit: audit.extend(unit, links))
    assert verified(log.hub).holds


def test_watchers_get_the_head_and_proofs_that_anybody_can_check(log: World) -> None:
    shown = log.ok("supervisor", "GET", "/v1/audit/head")
    size, number = shown["extract"]["signed"]["head"]["size"], numbers(log)[2]
    proof = AuditExtract.model_validate(log.ok("operator", "GET", f"/v1/audit/proofs/{number}"))
    assert check(proof, log.hub.key.text).rows == 1
    assert proof.proofs[0].row.number == number
    log.submit()
    log.clock.advance(11)
    log.hub.settle()
    later = log.ok("supervisor", "GET", f"/v1/audit/head?since={size}")
    assert later["extract"]["signed"]["head"]["size"] > size
    assert later["consistency"]
    refused(log.person("supervisor").get("/v1/audit/head?since=999999"), 422, "audit_truncated")
    refused(log.person("supervisor").get("/v1/audit/proofs/999999"), 404, "not_found")


def test_before_the_first_head_there_is_none(new_world: World) -> None:
    hub = new_world.hub.running.hub
    with hub.reading() as unit, pytest.raises(SuanlianError) as caught:
        audit.shown(unit, KeyChain(), None)
    assert caught.value.code == "not_found"


@pytest.mark.parametrize(
    ("field", "value"), [("actor", "x"), ("at", 1), ("account_id", ""), ("data", "{}x"), ("index", 0), ("number", 7)]
)
def test_an_export_whose_row_was_changed_is_refused(log: World, field: str, value: Any) -> None:  # noqa: ANN401 - of a row
    with log.hub.running.hub.reading() as unit:
        whole = audit.extract(unit, KeyChain(), *numbers(log)[1:6:4])
    assert check(whole, log.hub.key.text).rows == 5
    proofs = list(whole.proofs)
    proofs[2] = AuditProof(row=proofs[2].row.model_copy(update={field: value}), path=proofs[2].path)
    for forged in (
        whole.model_copy(update={"proofs": proofs}),
        whole.model_copy(update={"proofs": proofs[:2] + proofs[3:]}),
    ):
        with pytest.raises(SuanlianError) as caught:
            check(forged, log.hub.key.text)
        assert caught.value.code == "audit_forked"


def test_an_export_is_nothing_for_who_trusts_another_key(log: World) -> None:
    extract = newest(log.hub)
    for key, code in ((KeyPair.generate().public_text, "signature_invalid"), ("ed25519:x", "key_malformed")):
        with pytest.raises(SuanlianError) as caught:
            check(extract, key)
        assert caught.value.code == code
    changed = extract.signed.head.model_copy(update={"size": extract.signed.head.size + 1})
    forged = extract.model_copy(update={"signed": SignedHead(head=changed, signature=extract.signed.signature)})
    with pytest.raises(SuanlianError) as caught:
        check(forged, log.hub.key.text)
    assert caught.value.code == "signature_invalid"


def command(world: World, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setenv("SUANLIAN_DATABASE_URL", world.hub.settings.database_url)
    result = hub_command(args=["audit", *arguments, "--home", str(world.hub.settings.hub_home)], standalone_mode=False)
    return result if isinstance(result, int) else 0


def test_the_command_reads_a_running_hubs_store_and_names_the_row(
    log: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", "en")
    kept, rows = tmp_path / "head.json", tmp_path / "rows.json"
    assert command(log, monkeypatch, "head", "--out", str(kept)) == 0
    assert command(log, monkeypatch, "verify", "--head", str(kept)) == 0
    said = capsys.readouterr().out
    assert "The log holds." in said
    assert "HERE" not in said
    first, *_, last = numbers(log)
    assert command(log, monkeypatch, "export", "--from", str(first), "--to", str(last), "--out", str(rows)) == 0
    assert check(AuditExtract.model_validate_json(rows.read_text()), log.hub.key.text).rows == len(numbers(log))
    assert command(log, monkeypatch, "prove", str(last)) == 0
    log.submit()
    number = numbers(log)[4]
    tamper(log, lambda c: c.execute(update(t.event).where(t.event.c.number == number).values(subject="x")))
    capsys.readouterr()
    assert command(log, monkeypatch, "verify") == 1
    said = capsys.readouterr().out
    assert f"Row {number} was edited." in said
    assert "1 newer rows are not protected yet" in said
    assert "HERE" in said
    assert command(log, monkeypatch, "verify", "--json") == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["number"] == number


def test_a_gap_that_is_declared_stands_in_the_log_and_begins_an_epoch(log: World) -> None:
    epoch = declare(log.hub.running, "disk failed")
    assert epoch == 1
    (event,) = log.ok("operator", "GET", "/v1/events?type=audit.restored")["items"]
    assert (event["data"], event["source"]) == ({"why": "disk failed", "epoch": 1}, "command restored")
    assert newest(log.hub).signed.head.epoch == 1
    assert verified(log.hub).holds
    log.submit()
    log.clock.advance(11)
    log.hub.settle()
    assert newest(log.hub).signed.head.epoch == 1


def test_an_act_has_its_actor_and_its_door(log: World) -> None:
    connector = log.connector()
    events = log.ok("operator", "GET", "/v1/events?limit=200")["items"]
    by_type = {event["type"]: (event["actor"], event["source"]) for event in events}
    assert by_type["attempt.placed"] == ("worker place", "worker place")
    assert by_type["job.submitted"][0] not in ("", "hub")
    assert by_type["job.submitted"][1].startswith("api ")
    assert by_type["inventory.changed"][1].startswith("connector ")
    ids = {event["actor"] for event in events if event["type"] == "inventory.changed"}
    assert connector.id in ids
    assert {event["actor"] for event in events if event["type"] == "connector.enrolled"} == ids


def test_a_head_by_a_key_that_the_hub_had_before_counts_and_by_any_other_it_does_not(log: World) -> None:
    hub, before = log.hub.running.hub, KeyPair.generate()
    signed = sign_head(newest(log.hub).signed.head, before)
    hub.writer.run(lambda unit: audit.keep_head(unit, replace(hub.node, keypair=before), signed))
    assert found(log) == [(Fault.UNSIGNED, signed.head.number)]
    with hub.reading() as unit:
        assert audit.verify(unit, [log.hub.key, before.public]).holds
