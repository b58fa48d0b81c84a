"""How full is the machine, and what follows for a share of it?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.drivers.local import room
from suanlian.model.quantity import Resources

STAT = "cpu  {} 0 0 {} 0 0 0 0 0 0\ncpu0 1 2 3 4\n"
MEMINFO = "MemTotal:       16384000 kB\nMemFree:  1 kB\nMemAvailable:    8192000 kB\nHugePages_Total:       0\n"


def seen(millicores: int, memory: int, free: int, share: float) -> room.Seen:
    return room.Seen(millicores, memory, free, room.Busy(0, 0, 0.0, share))


def test_busy_is_what_was_done_since_the_look_before() -> None:
    first = room.busy(STAT.format(300, 700), None, 0.0)
    assert first.share == pytest.approx(0.3)
    second = room.busy(STAT.format(400, 700), first, 10.0)
    assert second.share == pytest.approx(1.0)
    assert room.busy(STAT.format(500, 800), second, 10.5) is second
    assert room.busy(STAT.format(400, 700), second, 20.0) is second


def test_memory_is_read_in_mib() -> None:
    found = room.meminfo(MEMINFO)
    assert (found["MemTotal"], found["MemAvailable"]) == (16_000, 8_000)


@given(st.integers(0, 64_000), st.integers(0, 10**6), st.floats(0, 1), st.integers(0, 16_000), st.integers(0, 16_000))
def test_what_is_in_use_lies_within_the_share(cpu: int, memory: int, share: float, total: int, free: int) -> None:
    capacity = Resources.of({"cpu": cpu, "memory": memory})
    told = room.in_use(capacity, seen(4000, max(total, free), free, share))
    assert told.fits(capacity)


@pytest.mark.parametrize(
    ("cpu", "share", "expected"),
    [(1000, 0.5, 0), (3000, 0.5, 1000), (4000, 0.5, 2000), (4000, 1.0, 4000), (8000, 0.5, 4000)],
)
def test_a_share_is_as_full_as_the_rest_of_the_machine_leaves_no_room(cpu: int, share: float, expected: int) -> None:
    assert room.in_use(Resources.of({"cpu": cpu}), seen(4000, 1, 1, share)).cpu == expected


def test_this_machine_tells() -> None:
    found = room.look(None)
    assert found.millicores >= 1000
    assert 0 <= found.busy.share <= 1
    assert found.free_memory <= found.memory
