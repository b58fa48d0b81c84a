"""Does data come from one connector's storage to another's, whole and verified, whatever the other side says?"""

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from suanlian.agent.data.kit import Kit
from suanlian.agent.data.work import Storekeeper
from suanlian.crypto.sealing import SealingRing, seal_to
from suanlian.model.data_protocol import (
    GRANT_TYPE,
    MAX_GRANT_ITEMS,
    PROBE_BYTES,
    Direction,
    GrantPage,
    StorageTask,
    TaskKind,
    TaskState,
    TaskWish,
    grant_bound,
)
from suanlian.model.paths import leads_below
from tests.agent.data_bench import FILES, DataBench, at, at_once, now, pull, read, task, written

ENDPOINT = "https://s3.example.org:9000/base"


def granted(bench: DataBench, files: dict[str, bytes] = FILES) -> StorageTask:
    """A grant of ``a`` for ``b``, minted."""
    a = bench.a.keeper()
    if not bench.b.desks:
        bench.b.desk()
    source = bench.grant(bench.a, bench.b, files)
    written(bench.a.lake / source.place, files)
    assert bench.ended(source, a).state is TaskState.DONE
    return source


def test_a_version_comes_from_one_folder_to_another_and_is_whole(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        b = bench.b.keeper()
        source = granted(bench)
        move = bench.wish(bench.b, pull(source), FILES)
        end = bench.ended(move, b)
        assert (end.state, end.bytes_done, end.files_done) == (TaskState.DONE, move.bytes, len(FILES))
        assert read(bench.b.lake / move.place) == FILES
        assert {file.stat().st_nlink for file in (bench.b.lake / move.place).rglob("*.*")} == {1}
        # said again it changes nothing, but that the end is told again
        bench.hub.data.again(move.id)
        assert bench.ended(move, b) == end
        bench.forget(move, b)
        assert b.kit.book.rows() == []
        assert list(b.kit.moves.iterdir()) == []
        assert read(bench.b.lake / move.place) == FILES


def test_a_version_of_more_files_than_a_page_of_a_grant(tmp_path: Path) -> None:
    files = {f"{number:04}": str(number).encode() for number in range(2 * MAX_GRANT_ITEMS + 1)}
    with DataBench(tmp_path) as bench:
        b = bench.b.keeper()
        move = bench.wish(bench.b, pull(granted(bench, files)), files)
        assert bench.ended(move, b).state is TaskState.DONE
        assert read(bench.b.lake / move.place) == files
        assert len(bench.hub.data.grants) == 3


def test_a_lost_ledger_that_is_told_to_forget_a_move_deletes_nothing(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        move = bench.wish(bench.b, pull(granted(bench)), FILES)
        bench.ended(move, bench.b.keeper())
        for file in bench.b.home.root.glob("ledger.sqlite3*"):
            file.unlink()
        b = bench.b.keeper()
        bench.forget(move, b)
        assert b.kit.book.rows() == []
        assert read(bench.b.lake / move.place) == FILES


def test_a_retry_after_the_end_reads_what_lies_there_and_fetches_nothing(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        b = bench.b.keeper()
        move = bench.wish(bench.b, pull(granted(bench)), FILES)
        bench.ended(move, b)
        bench.forget(move, b)
        bench.hub.data.grants.clear()
        again = bench.hub.data.again(move.id, token=2, wish=TaskWish.DO)
        assert bench.ended(again, b).state is TaskState.DONE
        bench.hub.data.again(move.id, wish=TaskWish.FORGET)
        written(bench.b.lake / move.place, {"a/one.txt": b"x"})
        again = bench.hub.data.again(move.id, token=3, wish=TaskWish.DO)
        assert bench.ended(again, b).code == "grant_expired"  # what lies there is not right, so it is fetched


def test_what_is_not_as_the_manifest_says_is_never_seen(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        b = bench.b.keeper()
        other = FILES | {"a/two.bin": bytes(len(FILES["a/two.bin"]))}
        move = bench.wish(bench.b, pull(granted(bench)), other)
        end = bench.ended(move, b)
        assert (end.state, end.code, end.path) == (TaskState.FAILED, "checksum_mismatch", "a/two.bin")
        assert not (bench.b.lake / move.place).exists()
        assert not end.again
        bench.hub.data.again(move.id, token=2, wish=TaskWish.STOP)
        b.poll(0)
        b.tick(at_once)
        assert read(bench.b.lake) == {}


def test_a_grant_that_ran_out_or_is_not_there_is_asked_for_anew(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        b = bench.b.keeper()
        source = granted(bench)
        bench.hub.data.grants.clear()
        move = bench.wish(bench.b, pull(source), FILES)
        end = bench.ended(move, b)
        assert (end.code, end.again) == ("grant_expired", True)
        page = GrantPage(direction=Direction.READ, expires_at=now() - timedelta(seconds=1), folder="/")
        text = seal_to(page.model_dump_json().encode(), b.kit.desk.vault.key, GRANT_TYPE, grant_bound(source.id, 1))
        bench.hub.data.grants[source.id, 1, 0] = text
        other = bench.wish(bench.b, pull(source), FILES)
        assert bench.ended(other, b).code == "grant_expired"
        assert bench.hub.data.reports[other.id][0].code == "grant_expired"  # the hub is told, and lets it be minted
        a = bench.a.keeper()
        renewed = bench.hub.data.again(source.id, token=2)
        bench.ended(renewed, a)
        again = bench.hub.data.again(move.id, token=2, grant_token=2)
        assert bench.ended(again, b).state is TaskState.DONE


def test_a_page_that_is_still_being_minted_is_waited_for(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        source = granted(bench)
        pages = dict(bench.hub.data.grants)
        bench.hub.data.grants.clear()
        b = Storekeeper(Kit(bench.b.desk(), patience_s=30))
        move = bench.wish(bench.b, pull(source), FILES)
        b.poll(0)
        thread = threading.Thread(target=b.tick, args=(at_once,))
        thread.start()
        while bench.hub.calls.count("data/grants") < 3:  # one told it, two asked in vain
            thread.join(0.01)
        bench.hub.data.grants |= pages
        thread.join()
        assert bench.ended(move, b).state is TaskState.DONE


def test_a_grant_opens_for_its_reader_task_and_token_alone(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        b = bench.b.keeper()
        source = granted(bench)
        key = b.kit.desk.vault.key
        page = GrantPage(
            direction=Direction.READ, expires_at=now() + timedelta(hours=1), folder=str(bench.a.lake / source.place)
        ).model_dump_json().encode()  # fmt: skip
        forged = {
            "another's key": seal_to(page, SealingRing.generate().current, GRANT_TYPE, grant_bound(source.id, 1)),
            "an older token": seal_to(page, key, GRANT_TYPE, grant_bound(source.id, 0)),
            "another task": seal_to(page, key, GRANT_TYPE, grant_bound("other", 1)),
            "another kind": seal_to(page, key, "suanlian-secrets-of-attempt", grant_bound(source.id, 1)),
            "no seal": "x",
        }
        for text in forged.values():
            bench.hub.data.grants[source.id, 1, 0] = text
            end = bench.ended(bench.wish(bench.b, pull(source), FILES), b)
            assert end.state is TaskState.FAILED
            assert "does not open here" in end.reason or "has run out" in end.reason
        bench.hub.data.grants[source.id, 1, 0] = seal_to(page, key, GRANT_TYPE, grant_bound(source.id, 1))
        assert bench.ended(bench.wish(bench.b, pull(source), FILES), b).state is TaskState.DONE


@pytest.mark.parametrize("where", ["secret", "b/home", "a/lake/../../secret", "b/lake", "a/lake/link"])
def test_no_folder_is_read_but_below_the_peers_that_the_owner_names(tmp_path: Path, where: str) -> None:
    with DataBench(tmp_path) as bench:
        b = bench.b.keeper()
        source = granted(bench)
        written(tmp_path / "secret", FILES)
        written(bench.b.home.root, FILES)
        written(bench.b.lake, FILES)
        (bench.a.lake / "link").symlink_to(tmp_path / "secret")
        page = GrantPage(
            direction=Direction.READ, expires_at=now() + timedelta(hours=1), folder=f"{tmp_path}/{where}"
        )  # fmt: skip
        text = seal_to(page.model_dump_json().encode(), b.kit.desk.vault.key, GRANT_TYPE, grant_bound(source.id, 1))
        bench.hub.data.grants[source.id, 1, 0] = text
        end = bench.ended(bench.wish(bench.b, pull(source), FILES), b)
        assert (end.state, end.code in ("refused", "name_refused", "source_gone")) == (TaskState.FAILED, True)


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        ("https://s3.example.org:9000/base/b/k?X-Amz-Signature=1", True),
        ("https://bucket.s3.example.org:9000/base/k", True),
        ("http://s3.example.org:9000/base/k", False),
        ("https://s3.example.org/base/k", False),
        ("https://s3.example.org:9000/other/k", False),
        ("https://s3.example.org:9000/baseless/k", False),
        ("https://s3.example.org:9000/base/../k", False),
        ("https://s3.example.org:9000/base/%2e%2E/k", False),
        ("https://evils3.example.org:9000/base/k", False),
        ("https://s3.example.org.evil.org:9000/base/k", False),
        ("https://s3.example.org:9000@evil.org/base/k", False),
        ("https://s3.example.org:port/base/k", False),
        ("file:///base/k", False),
        ("", False),
    ],
)
def test_an_address_leads_below_the_endpoint_or_is_not_called(url: str, leads: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert leads_below(url, ENDPOINT) is leads


def test_an_address_that_leads_elsewhere_is_not_called(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        b = bench.b.keeper()
        source = granted(bench)
        page = GrantPage(
            direction=Direction.READ,
            expires_at=now() + timedelta(hours=1),
            urls=dict.fromkeys(FILES, f"{bench.hub.url}/x"),
        )
        text = seal_to(page.model_dump_json().encode(), b.kit.desk.vault.key, GRANT_TYPE, grant_bound(source.id, 1))
        bench.hub.data.grants[source.id, 1, 0] = text
        end = bench.ended(bench.wish(bench.b, pull(source, other_endpoint=ENDPOINT), FILES), b)
        assert (end.code, "does not lead below" in end.reason) == ("refused", True)


def test_a_deleted_place_is_gone_for_ever(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        b = bench.b.keeper()
        source = granted(bench)
        move = bench.wish(bench.b, pull(source), FILES)
        bench.ended(move, b)
        delete = bench.wish(bench.b, task(TaskKind.DELETE, **at(move)))
        assert bench.ended(delete, b).state is TaskState.DONE
        assert read(bench.b.lake) == {}
        again = bench.wish(bench.b, pull(source).model_copy(update=at(move)), FILES)
        end = bench.ended(again, b)
        assert (end.state, end.code) == (TaskState.FAILED, "place_used")
        gone = bench.grant(bench.b, bench.b, FILES, **at(move))
        assert bench.ended(gone, b).code == "source_gone"
        assert bench.ended(bench.hub.data.again(delete.id, token=2), b).state is TaskState.DONE


def test_only_a_replicas_own_place_is_written_or_removed(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        b = bench.b.keeper()
        source = granted(bench)
        written(bench.b.lake / "in/reads", FILES)
        for place in ("", "in", "..", "../x", ".coming/x", "x"):
            move = bench.wish(bench.b, pull(source, place=place), FILES)
            assert bench.ended(move, b).code == "refused"
            delete = bench.wish(bench.b, task(TaskKind.DELETE, place=place))
            assert bench.ended(delete, b).code == "refused"
            write = bench.grant(bench.b, bench.b, FILES, source_place=place, direction=Direction.WRITE)
            assert bench.ended(write, b).code == "refused"
        for version in ("in", ".coming", "in/reads"):
            delete = task(TaskKind.DELETE, version_id=version, replica_id="reads", place=f"{version}/reads")
            assert bench.ended(bench.wish(bench.b, delete), b).code == "refused"
        assert read(bench.b.lake / "in/reads") == FILES


def test_what_the_owner_refuses_is_told_as_a_clause(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        text = bench.b.home.config.read_text().replace("[policy]\n", "[policy]\ndata = { max_level = 1 }\n")
        bench.b.home.config.write_text(text)
        b = bench.b.keeper()
        move = bench.wish(bench.b, pull(granted(bench), level=2), FILES)
        end = bench.ended(move, b)
        assert (end.code, end.reason) == ("refused", "owner_refuses: data-level")


def test_a_target_without_room_is_told_before_a_byte_comes(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        text = bench.b.home.config.read_text().replace("peers =", 'keep_free = "1000000TiB"\npeers =')
        bench.b.home.config.write_text(text)
        b = bench.b.keeper()
        assert bench.ended(bench.wish(bench.b, pull(granted(bench)), FILES), b).code == "target_full"


def test_tasks_of_one_replica_come_one_after_another_and_deleting_ends_what_brings(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        b = bench.b.keeper()
        source = granted(bench)
        move = bench.wish(bench.b, pull(source), FILES)
        delete = bench.wish(bench.b, task(TaskKind.DELETE, **at(move)))
        b.poll(0)
        held = list[Callable[[], None]]()

        def later(work: Callable[[], None]) -> bool:
            held.append(work)
            return True

        assert b.tick(later)
        assert len(held) == 1  # the deletion waits for what was there before it
        held[0]()
        assert bench.ended(delete, b).state is TaskState.DONE
        assert bench.hub.data.end(move.id).code == "stopped"  # type: ignore[union-attr]
        assert read(bench.b.lake) == {}


def test_an_older_token_is_not_heard_and_a_stale_report_ends_the_task_here(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        b = bench.b.keeper()
        source = granted(bench)
        move = bench.wish(bench.b, pull(source, token=5), FILES)
        b.poll(0)
        b.kit.book.take([move.model_copy(update={"token": 4, "wish": TaskWish.FORGET, "version": 99})])
        assert b.kit.book.row(move.id).task == move  # type: ignore[union-attr]
        b.tick(at_once)
        bench.hub.data.tasks[move.id] = move.model_copy(update={"token": 6})
        b.tell()
        assert bench.hub.data.reports[move.id] == []
        assert bench.ended(bench.hub.data.again(move.id), b).token == 6


def test_a_way_is_measured_by_a_grant_of_the_probe_object(tmp_path: Path) -> None:
    with DataBench(tmp_path) as bench:
        a, b = bench.a.keeper(), bench.b.keeper()
        source = bench.wish(
            bench.a,
            task(TaskKind.GRANT, version_id="", replica_id="", place="", source_place=".probe").model_copy(
                update={"sealing_key": b.kit.desk.vault.key.text}
            ),
        )
        assert bench.ended(source, a).state is TaskState.DONE
        probe = task(TaskKind.PROBE, version_id="", replica_id="", grant_task=source.id, grant_token=1)
        end = bench.ended(bench.wish(bench.b, probe), b)
        assert (end.state, end.bytes_done, end.loss) == (TaskState.DONE, PROBE_BYTES, Decimal(0))
        assert end.rtt_ms is not None
        assert end.mbps is not None
        assert end.mbps > 0
