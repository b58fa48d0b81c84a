"""Is what the owner writes of storage taken as meant, else refused, and published without how it is reached?"""

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.agent.config import read_config
from suanlian.agent.data.allowed import Ground, allowed_mbps, refusal
from suanlian.agent.data.moving import MOVES_AT_ONCE, paced
from suanlian.agent.data.roots import check_roots
from suanlian.agent.data.terms import Registered, StorageHere, may_register
from suanlian.model.data import DataFile, StorageKind, StorageShare, manifest_digest
from suanlian.model.data_protocol import Direction, StorageTask, TaskKind, Window
from suanlian.model.errors import InvalidError
from suanlian.model.owner import DataClauses, DataRate, JoinLevel, OwnerPolicy
from suanlian.model.owner import Window as Hours
from suanlian.model.platform import Site
from tests.agent.bench import CONFIG, Bench

LAKE = """
[[inventory.storage]]
name = "lake"
site = "s1"
kind = "posix"

[storage.lake]
root = "{root}"
"""


def config(tmp_path: Path, more: str) -> Path:
    file = tmp_path / "agent.toml"
    file.write_text(CONFIG.format(hub="http://127.0.0.1:1", policy="", top="") + more)
    return file


S3 = """
[[inventory.storage]]
name = "s"
site = "s1"
kind = "s3"
endpoint = "https://s3.example.org"

[storage.s]
bucket = "b"
"""
TWO = (
    LAKE
    + """
[[inventory.storage]]
name = "other"
site = "s1"
kind = "posix"

[storage.other]
root = "{root}/inner"
"""
)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (LAKE.replace('"posix"', '"tape"').format(root="/lake"), ["inventory.storage.0.kind", "write one of"]),
        (LAKE.format(root="lake"), ["storage.lake.root", "'lake'", "absolute path"]),
        (LAKE.format(root="/a/../b"), ["storage.lake.root", "absolute path"]),
        (LAKE.split("[storage.lake]", maxsplit=1)[0], ["'lake' is published", "[storage.lake]"]),
        (LAKE.replace("[storage.lake]", "[storage.pond]").format(root="/lake"), ["storage.pond is not among", "lake"]),
        (LAKE.format(root="/lake") + 'bucket = "b"\n', ["storage.lake: bucket is no field of storage of kind posix"]),
        (LAKE.replace('"s1"', '"s9"').format(root="/lake"), ["storage 'lake' names site 's9'"]),
        (TWO.format(root="/data"), ["storage.other: its root /data/inner and /data", "lie in each other"]),
        (S3, ["storage.s: key_id is missing"]),
        (S3 + 'key_id = "AKIAIOSFODNN7"\nsecret = "env:S"\n', ["storage.s.key_id", "never written here", "env:NAME"]),
        (S3 + 'key_id = "env:K"\nsecret = "file:"\n', ["storage.s.secret", "file:/path"]),
    ],
)
def test_what_cannot_be_meant_is_refused_with_file_and_field(tmp_path: Path, more: str, words: list[str]) -> None:
    with pytest.raises(InvalidError) as caught:
        read_config(config(tmp_path, more))
    for word in ("agent.toml", *words):
        assert word in str(caught.value)
    assert "AKIAIOSFODNN7" not in str(caught.value)  # what was written may be the secret itself


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = config(tmp_path, LAKE.format(root=tmp_path / "lake"))
    with pytest.raises(InvalidError, match=r"storage\.lake\.root: there is no folder"):
        check_roots(read_config(file), file)
    (tmp_path / "lake").mkdir()
    check_roots(read_config(file), file)


def test_storage_is_published_with_its_file_system_and_nothing_of_how_it_is_reached(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    with Bench(tmp_path) as bench:
        more = LAKE.format(root=tmp_path / "lake") + 'register = [{ entity = "e1", folder = "in" }]\n'
        bench.home.config.write_text(bench.home.config.read_text() + more)
        bench.agent().publish()
        (published,) = bench.hub.inventories
        (store,) = published.inventory.storage
        assert (store.name, store.kind, len(store.filesystem)) == ("lake", StorageKind.POSIX, 64)
        assert str(tmp_path) not in published.model_dump_json()


def test_a_platform_without_storage_publishes_what_it_always_did(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        bench.agent().publish()
        assert "storage" not in bench.hub.inventories[0].model_dump_json()


SHARE = StorageShare(name="lake", site="s1", kind=StorageKind.POSIX)
SITE = Site(name="s1", region="310000")


def task(kind: TaskKind = TaskKind.MOVE, **changes: object) -> StorageTask:
    said = StorageTask(id="t", kind=kind, token=1, storage="lake", entity="e1", version_id="v", replica_id="r")
    return said.model_copy(update=changes)


@pytest.mark.parametrize(
    ("said", "policy", "clause"),
    [
        (task(), OwnerPolicy(), ""),
        (task(), OwnerPolicy(refused=("e1",)), "entity"),
        (task(), OwnerPolicy(data=DataClauses(entities=())), "entity"),
        (task(), OwnerPolicy(entities=(), data=DataClauses(entities=("e1",))), ""),
        (task(), OwnerPolicy(entities=(), own_entity="e1"), ""),
        (task(level=3), OwnerPolicy(data=DataClauses(max_level=2)), "data-level"),
        (task(level=3), OwnerPolicy(max_data_level=2), "data-level"),
        (task(residency=("11",)), OwnerPolicy(), "residency"),
        (task(residency=("31",)), OwnerPolicy(), ""),
        # what lies here already may be read for others, wherever they are: the hub judges where it goes
        (task(TaskKind.GRANT, residency=("11",)), OwnerPolicy(), ""),
        (task(TaskKind.GRANT, direction=Direction.WRITE, residency=("11",)), OwnerPolicy(), "residency"),
        (task(TaskKind.GRANT), OwnerPolicy(refused=("e1",)), "entity"),
        (task(TaskKind.DELETE), OwnerPolicy(refused=("e1",)), ""),
        (task(TaskKind.SCAN, place="in/reads"), OwnerPolicy(), ""),
        (task(TaskKind.SCAN, place="input"), OwnerPolicy(), "register"),
        (task(TaskKind.SCAN, place="in", entity="e2"), OwnerPolicy(), "register"),
    ],
)
def test_the_owner_is_asked_at_the_platform_whatever_the_hub_says(
    said: StorageTask, policy: OwnerPolicy, clause: str
) -> None:
    here = StorageHere(register=(Registered(entity="e1", folder="in"),))
    assert refusal(said, Ground(SHARE, here, SITE, policy, JoinLevel.TRADE)) == (
        f"owner_refuses: {clause}" if clause else ""
    )


def test_storage_that_is_only_read_takes_nothing() -> None:
    ground = Ground(SHARE.model_copy(update={"read_only": True}), StorageHere(), SITE, OwnerPolicy(), JoinLevel.TRADE)
    assert "read-only" in refusal(task(), ground)
    assert not refusal(task(direction=Direction.WRITE), ground)


@pytest.mark.parametrize(
    ("level", "policy", "admitted"),
    [
        (JoinLevel.OBSERVE, OwnerPolicy(own_entity="e1"), False),
        (JoinLevel.RUN, OwnerPolicy(), False),
        (JoinLevel.RUN, OwnerPolicy(partners=("e1",)), True),
        (JoinLevel.TRADE, OwnerPolicy(), True),
    ],
)
def test_who_only_observes_takes_no_data_and_lets_none_out(
    level: JoinLevel, policy: OwnerPolicy, *, admitted: bool
) -> None:
    ground = Ground(SHARE, StorageHere(), SITE, policy, level)
    assert (not refusal(task(), ground)) is admitted
    assert (not refusal(task(TaskKind.GRANT), ground)) is admitted
    assert not refusal(task(TaskKind.DELETE), ground)


NAMES = st.text("ab", min_size=1, max_size=3)


@given(st.lists(NAMES, max_size=3), st.lists(NAMES, max_size=4))
def test_registered_is_what_lies_in_the_folder_and_nothing_beside_it(opened: list[str], asked: list[str]) -> None:
    here = StorageHere(register=(Registered(entity="e", folder="/".join(opened)),))
    assert may_register(here, "e", "/".join(asked)) is (asked[: len(opened)] == opened)


NOON = datetime(2026, 3, 2, 12, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)
NIGHT = DataRate(hours=Hours(begin="22:00", until="06:00", zone="Asia/Shanghai"), mbps=Decimal(900))


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 4), st.integers(1, 1000)), max_size=4),
    st.none() | st.integers(0, 1000),
    st.integers(0, 23),
)
def test_never_faster_than_the_plan_or_the_owner_says(
    spans: list[tuple[int, int, int]], owners: int | None, hour: int
) -> None:
    now = NOON + timedelta(hours=hour)
    clauses = DataClauses(mbps=None if owners is None else Decimal(owners), rates=(NIGHT,))
    windows = [
        Window(start=NOON + timedelta(hours=s), end=NOON + timedelta(hours=s + n), mbps=Decimal(mbps))
        for s, n, mbps in spans
    ]
    found = allowed_mbps(windows, clauses, now)
    is_night = hour in range(10, 18)
    by_owner = Decimal(900) if is_night else clauses.mbps
    assert by_owner is None or (found is not None and found <= by_owner)
    if windows:
        open_now = [window.mbps for window in windows if window.start <= now < window.end]
        assert found is not None
        assert found <= max(open_now, default=Decimal(0))
    else:
        assert found == by_owner


@given(st.none() | st.integers(1, 1000), st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=3))
def test_a_move_gets_windows_that_follow_each_other_and_its_part_of_what_the_owner_allows(
    owners: int | None, spans: list[tuple[int, int]]
) -> None:
    clauses = DataClauses(mbps=None if owners is None else Decimal(owners), rates=(NIGHT,))
    starts = sorted({start for start, _hours in spans})
    windows = [
        Window(start=NOON + timedelta(hours=one), end=NOON + timedelta(hours=other), mbps=Decimal(500))
        for one, other in pairwise(starts)
    ]
    found = paced(windows, clauses, NOON)
    assert found[0].start <= NOON
    for one, other in pairwise(found):
        assert one.end == other.start
        assert one.mbps != other.mbps
    for minute in range(0, 40 * 60, 7):
        now = NOON + timedelta(minutes=minute)
        (rate,) = [one.mbps for one in found if one.start <= now < one.end]
        plan, own = allowed_mbps(windows, DataClauses(), now), allowed_mbps((), clauses, now)
        limits = [limit for limit in (plan, None if own is None else own / MOVES_AT_ONCE) if limit is not None]
        assert rate == min(limits, default=rate)
    assert paced(windows, DataClauses(), NOON) == tuple(windows)


def test_the_digest_of_a_manifest_is_that_of_the_lines_that_sha256sum_checks() -> None:
    files = [DataFile(path=path, size=1, sha256=hashlib.sha256(path.encode()).hexdigest()) for path in ("b", "a/中 文")]
    text = "".join(f"{hashlib.sha256(path.encode()).hexdigest()}  {path}\n" for path in ("a/中 文", "b"))
    assert manifest_digest(files) == hashlib.sha256(text.encode()).hexdigest()
