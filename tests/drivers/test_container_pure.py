"""The pure parts of the container driver: answers of engines, frames of logs, ends, the container that is asked for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.drivers import kept
from suanlian.drivers.container import compose, parse, verdict
from suanlian.drivers.container.loads import taken
from suanlian.drivers.container.meter import Meter
from suanlian.drivers.container.options import ContainerEnvironment, ContainerOptions
from suanlian.drivers.container.parse import Seen
from suanlian.drivers.container.place import Spec
from suanlian.drivers.contract import Limits, Measured, Work
from suanlian.model.demand import Mount
from suanlian.model.job import ENDED, JobState
from suanlian.model.quantity import Resources

SPEC = Spec("a1", 0, "program", "image", 10, 1000, 64, 8, 32, "s")
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def container(code: int | None, length_s: float = 1.0, *, oom: bool = False) -> Seen:
    return Seen("exited", STARTED, STARTED + timedelta(seconds=length_s), code, oom, "")


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(1, 50), min_size=1))
def test_frames_in_any_pieces_give_the_same_bytes(said: list[bytes], cuts: list[int]) -> None:
    framed = b"".join(b"\x01\0\0\0" + len(part).to_bytes(4, "big") + part for part in said)
    pieces: list[bytes] = []
    place = 0
    while place < len(framed):
        size = cuts[len(pieces) % len(cuts)]
        pieces.append(framed[place : place + size])
        place += size
    assert b"".join(parse.payload(pieces)) == b"".join(said)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-26T20:27:56.352716495Z", datetime(2026, 11, 26, 20, 27, 56, 352716, tzinfo=UTC)),
        ("2026-11-26T21:27:56+01:00", datetime(2026, 11, 26, 20, 27, 56, tzinfo=UTC)),
        ("2026-11-26T20:27:56.5Z", datetime(2026, 11, 26, 20, 27, 56, 500000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("rubbish", None),
        (None, None),
    ],
)
def test_moments_of_engines(text: object, expected: datetime | None) -> None:
    assert parse.moment(text) == expected


@given(
    st.one_of(st.none(), st.integers(0, 255)),
    st.floats(0, 100),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, "memory", "wall-time", "disk", "output", "processes"]),
)
def test_every_ending_has_a_record_that_reads_back(
    code: int | None,
    length_s: float,
    oom: bool,  # noqa: FBT001 - hypothesis gives it
    canceled: bool,  # noqa: FBT001 - hypothesis gives it
    hit: str | None,
) -> None:
    facts = verdict.Facts(hit=hit, canceled=canceled, measured=Measured(peak_memory_mib=round(length_s)))
    end = verdict.decide(SPEC, container(code, length_s, oom=oom), facts)
    assert kept.from_record(kept.to_record(end)) == end
    assert end.state in ENDED
    assert (end.state is JobState.COMPLETE) <= (code == 0)
    assert (end.reason == "") == (end.state is JobState.COMPLETE)
    assert (end.limit is None) or verdict.own_line(end).startswith("suanlian: ")
    assert (hit is None) or end.limit == hit


def test_what_overran_while_nobody_looked_is_told_and_what_was_paused_is_not() -> None:
    assert verdict.decide(SPEC, container(0, 60), verdict.Facts()).limit == "wall-time"
    assert verdict.decide(SPEC, container(0, 60), verdict.Facts(paused_s=55)).state is JobState.COMPLETE
    assert verdict.decide(SPEC, container(0, 12), verdict.Facts()).state is JobState.COMPLETE


def test_killed_at_the_brim_it_was_the_memory() -> None:
    full, half = (verdict.Facts(measured=Measured(peak_memory_mib=peak)) for peak in (64, 32))
    assert verdict.decide(SPEC, container(137), full).limit == "memory"
    killed = verdict.decide(SPEC, container(137), half)
    assert (killed.limit, killed.reason) == (None, "ended by signal 9 (SIGKILL)")
    assert verdict.decide(SPEC, container(0, oom=True), half).limit == "memory"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ('runc: exec: "nosuch": executable file not found in $PATH: OCI runtime attempted to invoke', 127),
        ('exec: "/job": permission denied: OCI permission denied', 126),
        ('exec: "/x": stat /x: no such file or directory: unknown', 127),
        ('exec user process caused: exec: "/a.out": exec format error', 126),
        ("error mounting /srv: no such file or directory", None),
        ("no space left on device", None),
    ],
)
def test_a_program_that_cannot_start_is_told_from_other_failures(words: str, code: int | None) -> None:
    told = parse.cannot_start(words)
    assert (None if told is None else told[0]) == code


def asked(**changes: object) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "command": ("run", "--fast"),
        "environment": None,
        "image": "a@sha256:" + "0" * 64,
        "env": {"A": "b"},
        "granted": Resources.of({"cpu": 1500, "memory": 64}),
        "limits": Limits(10),
        "network": False,
        "staged": {},
    }
    work = Work(**{**fields, **changes})
    given_ = compose.Given(SPEC, ContainerEnvironment("a"), Path("/w"), "300000:300000", "k8s-file", secrets=None)
    return compose.container(work, ContainerOptions(Path("/r"), accelerators=(("/dev/x0",),)), given_)


def test_nothing_of_the_machine_is_given_away() -> None:
    host = asked()["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["ReadonlyRootfs"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["NetworkMode"] == "none"
    assert host["Memory"] == host["MemorySwap"] == 64 * 2**20
    assert host["NanoCpus"] == 1_500_000_000
    assert not {"Privileged", "Devices", "PidMode", "UsernsMode"} & host.keys()
    assert [mount["Target"] for mount in host["Mounts"]] == ["/job"]
    assert asked(network=True)["HostConfig"]["NetworkMode"] == "bridge"
    body = asked()
    assert (body["Entrypoint"], body["Cmd"], body["User"]) == (["run"], ["--fast"], "300000:300000")


def test_an_outer_mount_comes_before_the_one_in_it() -> None:
    mounts = (Mount(path="/vol/in", source="b"), Mount(path="/vol", source="a"))
    found = [(each["Source"], each["Target"]) for each in asked(mounts=mounts)["HostConfig"]["Mounts"]]
    assert found == [("/w", "/job"), ("/w/a", "/vol"), ("/w/b", "/vol/in")]


@given(
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 20_000)), max_size=4),
)
def test_what_is_in_use_never_exceeds_the_share(cpu: int, memory: int, others: list[tuple[int, int]]) -> None:
    capacity, machine = Resources.of({"cpu": cpu, "memory": memory}), Resources.of({"cpu": 4000, "memory": 4096})
    hosts = [{"HostConfig": {"NanoCpus": c * 10**6, "Memory": m * 2**20}} for c, m in others]
    assert taken(capacity, machine, hosts).fits(capacity)


def test_groups_of_both_versions_are_read_and_removed(tmp_path: Path) -> None:
    older = tmp_path / "1"
    for kind in ("cpuacct", "memory", "pids"):
        (older / kind).mkdir(parents=True)
    meter = Meter("above", older)
    assert meter.make("a1") == "/above/a1"
    (older / "cpuacct/above/a1/cpuacct.usage").write_text("3000000000\n")
    (older / "cpuacct/above/a1/conmon").mkdir()
    (older / "cpuacct/above/a1/conmon/cpuacct.usage").write_text("1000000000\n")
    (older / "memory/above/a1/memory.max_usage_in_bytes").write_text(str(5 * 2**20))
    (older / "memory/above/a1/libpod-1").mkdir()
    (older / "memory/above/a1/libpod-1/memory.oom_control").write_text("under_oom 0\noom_kill 1\n")
    reading = meter.read("a1")
    assert reading is not None
    assert (float(reading.measured.cpu_s), reading.measured.peak_memory_mib, reading.oom_kills) == (2.0, 5, 1)
    assert meter.read("a2") is None
    newer = tmp_path / "2"
    newer.mkdir()
    (newer / "cgroup.controllers").write_text("cpu memory pids")
    meter = Meter("above", newer)
    meter.make("a1")
    (newer / "above/a1/cpu.stat").write_text("usage_usec 1500000\n")
    (newer / "above/a1/memory.peak").write_text(str(2**20 + 1))
    (newer / "above/a1/memory.events").write_text("oom 1\noom_kill 2\n")
    (newer / "above/a1/pids.current").write_text("7")
    reading = meter.read("a1")
    assert reading is not None
    assert (float(reading.measured.cpu_s), reading.measured.peak_memory_mib) == (1.5, 2)
    assert (reading.oom_kills, reading.processes) == (2, 7)


@pytest.mark.parametrize(
    ("state", "boot", "now", "fell"),
    [
        ("created", "a", "a", True),
        ("created", "", "", True),
        ("exited", "a", "b", True),
        ("exited", "a", "a", False),
        ("exited", "", "b", False),
        ("exited", "a", "", False),
    ],
)
def test_what_ended_with_its_machine_is_no_end_of_its_own(state: str, boot: str, now: str, fell: bool) -> None:  # noqa: FBT001
    assert verdict.fell_with_its_machine(replace(container(0), state=state), boot, now) == fell
