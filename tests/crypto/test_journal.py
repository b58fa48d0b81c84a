"""The walk over a log: whatever one row suffers, the walk names that row."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.crypto.journal import COLUMNS, Chain, Link, Walk, leaf_of, paired, row_bytes
from suanlian.model.audit import AuditHead, Fault

TEXTS = st.text(max_size=8)
FIELDS = [column for column in COLUMNS if column not in ("number", "at")]


@st.composite
def logs(draw: st.DrawFn, least: int = 1) -> list[dict[str, Any]]:
    """Rows whose numbers rise, with gaps."""
    number, rows = 0, []
    for _ in range(draw(st.integers(least, 24))):
        number += draw(st.integers(2, 5))
        row = {field: draw(TEXTS) for field in FIELDS}
        rows.append(
            {**row, "account_id": draw(st.none() | TEXTS), "number": number, "at": draw(st.integers(0, 10**16))}
        )
    return rows


def chained(rows: list[dict[str, Any]]) -> list[Link]:
    chain = Chain()
    return [chain.append(row["number"], leaf_of(row)) for row in rows]


def head_of(rows: list[dict[str, Any]], size: int) -> AuditHead:
    chain, links = Chain(), chained(rows[:size])
    for one in links:
        chain.append(one.number, one.leaf)
    text = {"hub_id": "h", "hub": "national", "prefix": "CN", "epoch": 0, "made_at": "2026-01-01T00:00:00Z"}
    number = links[-1].number if links else 0
    root, last = chain.peaks.root().hex(), chain.last.hex()
    return AuditHead.model_validate({**text, "size": size, "number": number, "root": root, "chain": last})


def walk(links: list[Link], rows: list[dict[str, Any]], *heads: AuditHead) -> list[tuple[Fault, int]]:
    return [(one.fault, one.number) for one in Walk(heads).over(paired(links, rows))]


@given(logs())
def test_a_log_that_nobody_touched_holds(rows: list[dict[str, Any]]) -> None:
    heads = [head_of(rows, size) for size in range(len(rows) + 1)]
    assert walk(chained(rows), rows, *heads) == []


@given(logs(), st.data())
def test_an_edited_row_is_named(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    place, field = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.sampled_from([*FIELDS, "at"]))
    old = rows[place][field]
    new = data.draw((st.integers() if field == "at" else TEXTS).filter(lambda value: value != old))
    changed = [*rows[:place], {**rows[place], field: new}, *rows[place + 1 :]]
    assert walk(chained(rows), changed, head_of(rows, len(rows))) == [(Fault.EDITED, rows[place]["number"])]


@given(logs(), st.data())
def test_a_removed_row_is_named(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    left = rows[:place] + rows[place + 1 :]
    assert walk(chained(rows), left) == [(Fault.REMOVED, rows[place]["number"])]


@given(logs(least=2), st.data())
def test_rows_that_changed_places_are_named(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    one = data.draw(st.integers(0, len(rows) - 2))
    other = data.draw(st.integers(one + 1, len(rows) - 1))
    mine, yours = rows[one], rows[other]
    swapped = [*rows]
    swapped[one], swapped[other] = {**yours, "number": mine["number"]}, {**mine, "number": yours["number"]}
    found = walk(chained(rows), swapped)
    same = {**mine, "number": 0} == {**yours, "number": 0}
    assert found == ([] if same else [(Fault.MOVED, mine["number"]), (Fault.MOVED, yours["number"])])


@given(logs(), st.data())
def test_an_inserted_row_is_named(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    row = {**rows[place], "number": rows[place]["number"] - 1}
    assert walk(chained(rows), [*rows[:place], row, *rows[place:]]) == [(Fault.INSERTED, row["number"])]


@given(logs())
def test_a_row_behind_the_chain_is_new_not_wrong(rows: list[dict[str, Any]]) -> None:
    made = Walk([head_of(rows, len(rows) - 1)])
    assert made.over(paired(chained(rows)[:-1], rows)) == []
    assert made.newer == 1
    assert made.first_newer == rows[-1]


@given(logs(), st.data())
def test_rows_that_were_rewritten_with_their_chain_do_not_fit_a_signed_head(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    place, size = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, len(rows)))
    forged = [*rows[:place], {**rows[place], "actor": rows[place]["actor"] + "x"}, *rows[place + 1 :]]
    heads = head_of(rows, size), head_of(rows, len(rows))
    (found,) = Walk(heads).over(paired(chained(forged), forged))
    first = rows[size - 1]["number"] + 1 if 0 < size <= place else 1
    until = rows[size - 1]["number"] if size > place else rows[-1]["number"]
    assert (found.fault, found.number, found.until) == (Fault.REWRITTEN, first, until)
    assert found.number <= rows[place]["number"] <= until


@given(logs())
def test_a_log_that_lost_its_end_is_shorter_than_its_head(rows: list[dict[str, Any]]) -> None:
    short = rows[:-1]
    (found,) = walk(chained(short), short, head_of(rows, len(rows)))
    assert found == (Fault.TRUNCATED, (short[-1]["number"] if short else 0) + 1)


@given(logs(), st.data())
def test_a_record_of_the_chain_that_was_changed_is_named(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    links, place = chained(rows), data.draw(st.integers(0, len(rows) - 1))
    one = links[place]
    field = data.draw(st.sampled_from(["leaf", "chain", "nodes"]))
    fields = {"leaf": one.leaf, "chain": one.chain, "nodes": one.nodes, field: b"\x00" * 32}
    forged = [*links[:place], Link(one.index, one.number, **fields), *links[place + 1 :]]
    found = walk(forged, rows)
    assert found[0][1] == one.number
    assert (Fault.CHAIN, one.number) in found


@given(logs(), st.data())
def test_no_text_runs_into_the_next_column(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    row, one, other = rows[0], *data.draw(st.permutations(FIELDS))[:2]
    moved = {**row, one: (row[one] or "") + "a", other: row[other]}
    shifted = {**row, one: row[one], other: (row[other] or "") + "a"}
    assert len({row_bytes(row), row_bytes(moved), row_bytes(shifted)}) == 3
    assert row_bytes({**row, "account_id": None}) != row_bytes({**row, "account_id": ""})


def test_a_row_without_one_of_its_columns_is_no_row() -> None:
    with pytest.raises(KeyError):
        row_bytes({"number": 1})
