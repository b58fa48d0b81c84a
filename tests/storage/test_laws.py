"""Laws: a journal after any tear is that of some moment before; rates are held; names stay below the root."""

import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.model.data import DataFile
from suanlian.model.data_protocol import MAX_GRANT_ITEMS, Window
from suanlian.storage.contract import MAX_PARTS, MIB, PART_BYTES, Code, StorageError, checked, part_bytes
from suanlian.storage.ends import Upload
from suanlian.storage.granted import MAX_URLS, parts_granted
from suanlian.storage.journal import Journal
from suanlian.storage.pace import BURST_S, Pace, Watch

T = TypeVar("T")

NOTES = st.lists(
    st.one_of(
        st.tuples(st.just("done"), st.integers(0, 5)),
        st.tuples(st.just("begun"), st.integers(0, 5), st.text(max_size=5)),
        st.tuples(st.just("part"), st.integers(0, 5), st.integers(1, 4), st.text(max_size=5)),
        st.tuples(st.just("lost"), st.integers(0, 5)),
    ),
    max_size=25,
)


def _note(journal: Journal, note: tuple[object, ...]) -> None:
    match note:
        case ("done", int(number)):
            journal.note_done(number)
        case ("begun", int(number), str(upload)):
            journal.note_begun(number, Upload(upload, PART_BYTES))
        case ("part", int(number), int(which), str(tag)):
            journal.note_part(number, which, tag)
        case ("lost", int(number)):
            journal.note_lost(number)


def _state(journal: Journal) -> tuple[object, ...]:
    return frozenset(journal.done), {
        number: (begun.upload, dict(begun.tags)) for number, begun in journal.begun.items()
    }


@settings(max_examples=60)  # each note may wait for the disk
@given(NOTES, NOTES, st.data())
def test_a_torn_journal_is_that_of_a_moment_before_and_goes_on(
    notes: list[tuple[object, ...]], more: list[tuple[object, ...]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        with Journal(path, "head") as journal:
            assert journal.fresh
            states = [_state(journal)]
            for note in notes:
                _note(journal, note)
                states.append(_state(journal))
        whole = path.read_bytes()
        kept = data.draw(st.integers(0, len(whole)), label="bytes kept")
        path.write_bytes(
            whole[:kept] + data.draw(st.sampled_from([b"", b"\0" * 40, b"{}", b'{"done": "x"}\n', b"[1]\n"]))
        )
        lines = whole[:kept].count(b"\n")
        with Journal(path, "head") as journal:
            assert _state(journal) == (states[lines - 1] if lines else states[0])
            assert journal.fresh is (lines == 0)
            for note in more:
                _note(journal, note)
            last = _state(journal)
        with Journal(path, "head") as journal:
            assert _state(journal) == last
        with Journal(path, "another move") as journal:
            assert journal.fresh
            assert _state(journal) == states[0]


def test_a_journal_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal", "head"):
        with pytest.raises(StorageError) as caught:
            Journal(tmp_path / "journal", "head")
        assert caught.value.transient
    Journal(tmp_path / "journal", "head").__exit__()


NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def _tried(call: Callable[[], T]) -> tuple[T | None, StorageError | None]:
    try:
        return call(), None
    except StorageError as error:
        return None, error


class _Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@given(
    st.lists(st.tuples(st.integers(1, 3600), st.integers(0, 600), st.integers(1, 10_000)), min_size=1, max_size=4),
    st.lists(st.integers(1, MIB), min_size=1, max_size=60),
)
def test_no_more_flows_than_the_windows_have_and_nothing_outside_of_them(
    spans: list[tuple[int, int, int]], sizes: list[int]
) -> None:
    windows, start = [], NOON
    for lasts, pause, mbps in spans:
        start += timedelta(seconds=pause)
        windows.append(Window(start=start, end=start + timedelta(seconds=lasts), mbps=Decimal(mbps)))
        start += timedelta(seconds=lasts)
    clock = _Clock()
    pace = Pace(windows, clock)
    flowed = 0
    largest = max(float(window.mbps) for window in windows) * 125_000
    for size in sizes:
        wait, error = _tried(lambda: pace.wait_s(size))  # noqa: B023 - at once
        if error is not None or wait is None:
            assert error is not None
            assert error.code is Code.TOO_SLOW
            assert clock.now >= windows[-1].end
            return
        clock.now += timedelta(seconds=wait)
        flowed += size
        owed = max(largest * BURST_S, MIB) * len(windows)
        assert flowed <= pace.due(NOON, clock.now + timedelta(microseconds=1)) + owed + largest * 1e-5
        assert clock.now >= windows[0].start


def test_no_windows_is_as_fast_as_it_goes() -> None:
    assert Pace(()).wait_s(10**12) == 0


def test_what_is_a_hundred_times_slower_than_planned_is_said_to_be_too_slow() -> None:
    clock = _Clock()
    window = Window(start=NOON, end=NOON + timedelta(hours=1), mbps=Decimal(80))  # 10 MB/s
    watch = Watch(Pace((window,), clock), clock)
    clock.now += timedelta(seconds=59)
    watch.look(0)
    clock.now += timedelta(seconds=1)
    watch.look(6_000_000)
    clock.now += timedelta(seconds=60)
    with pytest.raises(StorageError, match="plan") as caught:
        watch.look(6_000_000 + 5_999_999)
    assert caught.value.code is Code.TOO_SLOW


@given(st.integers(PART_BYTES + 1, 5 * 2**40))
def test_parts_cover_a_file_and_are_not_too_many(size: int) -> None:
    file = DataFile(path="x", size=size, sha256="0" * 64)
    upload = Upload("", part_bytes(size))
    count = upload.parts(file)
    assert 1 < count <= MAX_PARTS
    assert upload.part_bytes % PART_BYTES == 0
    assert upload.start(count) + upload.length(file, count) == size
    assert upload.length(file, 1) == upload.part_bytes


@given(st.lists(st.integers(0, 2**36), min_size=1, max_size=MAX_GRANT_ITEMS))
def test_a_page_to_write_never_has_too_many_addresses(sizes: list[int]) -> None:
    files = [DataFile(path=f"{number}", size=size, sha256="0" * 64) for number, size in enumerate(sizes)]
    granted, error = _tried(lambda: list(parts_granted(files)))
    if error is not None or granted is None:
        assert error is not None
        assert error.code is Code.REFUSED
        assert sum(-(-size // 2**30) + 1 for size in sizes if size > PART_BYTES) > MAX_URLS - 2 * len(files)
        return
    assert {file.path for file, _parts in granted} == {file.path for file in files if file.size > PART_BYTES}
    assert 2 * len(files) + sum(parts + 1 for _file, parts in granted) <= MAX_URLS


@given(
    st.text(st.characters(codec=None), max_size=300)
    | st.lists(st.sampled_from(["..", ".", "", "a", "中"])).map("/".join)
)
def test_what_is_taken_as_a_name_stays_below_the_root(name: str) -> None:
    found, error = _tried(lambda: checked(name))
    if error is not None:
        assert error.code is Code.NAME_REFUSED
        return
    assert found == name
    assert os.path.normpath(f"/srv/{name}") == f"/srv/{name}"
    assert len(name.encode()) <= 1024
