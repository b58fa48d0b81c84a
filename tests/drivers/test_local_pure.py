"""The pure parts of the local driver: control group files, exit records, verdicts, trees."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.drivers import tree
from suanlian.drivers.local import parse
from suanlian.drivers.local.cgroup import Bounds, Group, Parents, candidates, flat_keyed, mount_points, own_paths
from suanlian.drivers.local.keeper import record
from suanlian.drivers.local.keeper.spec import Bounded
from suanlian.drivers.local.keeper.verdict import Seen, decide, exit_of, limit_text, own_line
from suanlian.drivers.local.sandbox import tmp_mib
from suanlian.model.job import ENDED, JobState

BOUNDED = Bounded(500, 256, 64, 32, 10, 1000, 2.0)
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_version_1_is_found_below_our_own_groups() -> None:
    mounts = (
        "proc /proc proc rw 0 0\ncgroup /cg/memory cgroup rw,memory 0 0\ncgroup /cg/cpu cgroup rw,cpu,cpuacct 0 0\n"
        "cgroup /cg/pids cgroup rw,pids 0 0\ncgroup2 /cg/unified cgroup2 rw 0 0\n"
    )
    own = "5:memory:/agent/one\n4:cpu,cpuacct:/\n3:pids:/\n1:name=systemd:/x\n0::/\n"
    first, second = candidates(mount_points(mounts), own_paths(own))
    assert first.version == 1
    assert first.directories == {
        "memory": "/cg/memory/agent/one",
        "cpu": "/cg/cpu",
        "cpuacct": "/cg/cpu",
        "pids": "/cg/pids",
    }
    assert second == Parents(2, {"all": "/cg/unified"})


def test_version_2_files_are_written_and_read(tmp_path: Path) -> None:
    group = Group(2, {"all": str(tmp_path / "job")})
    group.create(Bounds(1500, 64, 16))
    written = {path.name: path.read_text() for path in (tmp_path / "job").iterdir()}
    assert written == {
        "memory.max": "67108864",
        "memory.swap.max": "0",
        "cpu.max": "150000 100000",
        "pids.max": "16",
    }
    (tmp_path / "job" / "cpu.stat").write_text("usage_usec 1250000\nuser_usec 1000000\n")
    (tmp_path / "job" / "memory.events").write_text("low 0\nmax 7\noom 1\noom_kill 2\n")
    (tmp_path / "job" / "memory.peak").write_text("67108865\n")
    (tmp_path / "job" / "pids.events").write_text("max 3\n")
    assert group.read() == (1.25, 65, 2, 3)


def test_a_group_that_is_gone_used_nothing(tmp_path: Path) -> None:
    for version, directories in ((1, dict.fromkeys(("memory", "cpu", "cpuacct", "pids"), "x")), (2, {"all": "x"})):
        group = Group(version, {kind: str(tmp_path / name) for kind, name in directories.items()})
        assert group.read() == (0.0, 0, 0, 0)
        assert group.kill()
        assert group.remove()


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.integers(0, 2**63)))
def test_flat_keyed_files_are_read_whole(values: dict[str, int]) -> None:
    assert flat_keyed("".join(f"{key} {value}\n" for key, value in values.items())) == values


@given(
    st.one_of(st.none(), st.integers(0, 0xFFFF)),
    st.sampled_from(["", "ready\n", "ready\nfailed 2 No such file\n", "failed 13 Permission denied\n"]),
    st.sampled_from([None, "memory", "wall-time", "disk", "output", "processes", "cpu"]),
    st.booleans(),
    st.floats(0, 1e6),
)
def test_every_ending_has_a_record_that_reads_back(
    status: int | None,
    told: str,
    limit: str | None,
    canceled: bool,  # noqa: FBT001 - hypothesis gives it
    length_s: float,
) -> None:
    hit = limit_text(limit, BOUNDED) if limit else None
    seen = Seen(STARTED, length_s, status, told, "program", hit, canceled, cpu_s=0.5, peak_mib=9)
    content = decide(seen)
    read = parse.ended(content)
    assert read.state in ENDED
    assert read.state is not JobState.PREEMPTED
    assert read.started_at == STARTED
    assert read.ended_at is not None
    assert read.ended_at >= STARTED
    assert (read.state is JobState.COMPLETE) <= (read.exit_code == 0)
    assert (limit is not None) == (read.limit == limit is not None)
    assert limit is None or own_line(content).startswith("suanlian: ")
    assert (read.reason == "") == (read.state is JobState.COMPLETE)


@pytest.mark.parametrize(
    ("status", "sandboxed", "expected"),
    [
        (0, True, (0, None)),
        (3 << 8, True, (3, None)),
        (9, True, (137, 9)),
        (143 << 8, True, (143, 15)),
        (143 << 8, False, (143, None)),
        (255 << 8, True, (255, None)),
        (None, True, (None, None)),
    ],
)
def test_exit_codes_and_signals(status: int | None, sandboxed: bool, expected: tuple[int | None, int | None]) -> None:  # noqa: FBT001 - a case's value
    assert exit_of(status, sandboxed=sandboxed) == expected


def test_the_keepers_lines_name_the_limit() -> None:
    seen = Seen(STARTED, 1.0, 9, "ready\n", "p", limit_text("memory", BOUNDED), peak_mib=255)
    expected = "suanlian: memory limit of 256 MiB reached (peak 255 MiB); the job was ended\n"
    assert own_line(decide(seen)) == expected


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_private_tmp_fits_in_memory(memory_mib: int, disk_mib: int) -> None:
    assert 1 <= tmp_mib(memory_mib, disk_mib) <= max(1, memory_mib // 2, 1)


def test_a_tree_of_any_depth_is_removed(tmp_path: Path) -> None:
    root = tmp_path / "deep"
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 20, dir_fd=here)
        below = os.open("d" * 20, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    with pytest.raises(tree.TooDeepError):
        tree.used_bytes(root)
    tree.remove(root)
    assert not root.exists()


def test_a_lock_is_seen_without_being_taken(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not record.held(path)
    lock = record.lock(path)
    assert lock is not None
    assert record.held(path)
    assert record.lock(path) is None
    os.close(lock)
    assert not record.held(path)


def test_the_freezer_is_used_where_there_is_one(tmp_path: Path) -> None:
    mounts = "".join(f"cgroup /cg/{name} cgroup rw,{name} 0 0\n" for name in ("memory", "cpu", "cpuacct", "pids"))
    own = "1:memory,cpu,cpuacct,pids,freezer:/a\n"
    assert [parents.children("x").freezes() for parents in candidates(mount_points(mounts), own_paths(own))] == [False]
    mounts += "cgroup /cg/freezer cgroup rw,freezer 0 0\n"
    ways = candidates(mount_points(mounts), own_paths(own))
    assert [parents.children("x").freezes() for parents in ways] == [True, False]
    group = Group(1, {"freezer": str(tmp_path), "pids": str(tmp_path)})
    group.freeze(wanted=True)
    assert (tmp_path / "freezer.state").read_text() == "FROZEN"
    (tmp_path / "freezer.state").write_text("FREEZING\n")
    assert not group.frozen()
    (tmp_path / "freezer.state").write_text("FROZEN\n")
    assert group.frozen()
    newer = Group(2, {"all": str(tmp_path)})
    newer.freeze(wanted=False)
    assert (tmp_path / "cgroup.freeze").read_text() == "0"
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    assert not newer.frozen()
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    assert newer.frozen()
