"""Whatever is planned together, each answer is a way that can be gone, and no sold link carries more than it has."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suanlian.model.data import StorageKind, StorageShare
from suanlian.model.data_protocol import Window
from suanlian.model.link import Hours
from suanlian.model.transfer_plan import GoingTransfer, NoWay, Planned, Source, StoragePlace, WaitingTransfer
from suanlian.rules.data.planned import Asked, plan_transfers
from suanlian.rules.data.reach import Reach, reach_between
from suanlian.rules.data.ways import plan_simply
from suanlian.rules.transfers.problem import Courier, Link, Reserved

NOW = datetime(2026, 5, 4, 1, 20, 7, tzinfo=UTC)
"""09:20 in China."""
GB = 10**9
MBIT_OF_GB = 8000


def place(site: str, kind: StorageKind = StorageKind.S3, *, machine: str = "", **changes: object) -> StoragePlace:
    """Storage at ``platform/site``; each site has a connector of its own unless another one is named."""
    platform, _, name = site.partition("/")
    said: dict[str, object] = {
        "name": f"{kind}-{name}",
        "site": name,
        "kind": kind,
        "endpoint": f"https://{name}.example",
    }
    said |= {"read_only": kind is StorageKind.HTTP}
    share = StorageShare.model_validate({**said, "endpoint": "" if kind is StorageKind.POSIX else said["endpoint"]})
    known = {"reachable": True, "sealing_key": "key", **changes}
    return StoragePlace(
        id=f"{site}-{kind}",
        platform=platform,
        platform_id=platform,
        entity="lab",
        connector_id=machine or platform,
        share=share,
        site=None,
        check=None,
        live=True,
        reachable=bool(known["reachable"]),
        withdrawn=False,
        sealing_key=str(known["sealing_key"]),
        booked=0,
    )


def moved(name: str, size: int, start: StoragePlace, end: StoragePlace, **changes: object) -> WaitingTransfer:
    """A transfer from one copy."""
    own = {"sources": (Source(f"{name}-copy", start),), "deadline": None, "priority": 0, "largest": size, **changes}
    return WaitingTransfer(id=name, version_id=name, bytes=size, files=1, created_at=NOW, target=end, **own)  # type: ignore[arg-type]


def asked(*waiting: WaitingTransfer, **more: object) -> Asked:
    """Planned now, with nothing under way."""
    said = {"waiting": waiting, "going": (), "links": (), "reserved": (), "moment": NOW, **more}
    return Asked(**said)  # type: ignore[arg-type]


def one(of: Asked) -> Planned:
    """The one decision."""
    (decided,) = plan_transfers(of).decided
    assert isinstance(decided, Planned)
    return decided


WUHU, SUZHOU, ZHONGWEI = "wuhu/main", "suzhou/main", "zhongwei/main"
LINE = Link("line", WUHU, SUZHOU, 100.0, 0.1)


def test_a_link_that_is_sold_is_kept_to_and_what_nobody_sells_goes_as_fast_as_it_can() -> None:
    said = one(asked(moved("a", GB, place(WUHU), place(SUZHOU)), links=(LINE,)))
    assert (said.via, said.push, said.rate_mbps, said.cost_cny) == ("", False, Decimal(100), Decimal("0.100000"))
    assert all(window.mbps <= 100 for window in said.windows)
    free = one(asked(moved("a", GB, place(WUHU), place(SUZHOU))))
    assert (free.windows, free.begins_at, free.rate_mbps) == ((), NOW, Decimal(100))  # of which 100 is assumed
    measured = one(
        asked(moved("a", GB, place(WUHU), place(SUZHOU)), links=(Link(f"{WUHU}>{SUZHOU}", WUHU, SUZHOU, 9.0),))
    )
    assert (measured.windows, measured.rate_mbps) == ((), Decimal(9))


def test_a_relay_is_taken_where_it_is_quicker_and_both_sides_reach_it() -> None:
    thin = Link("thin", WUHU, SUZHOU, 1.0)
    wide = Link("up", WUHU, ZHONGWEI, 1000.0), Link("down", ZHONGWEI, SUZHOU, 1000.0)
    wanted = moved("a", 100 * GB, place(WUHU), place(SUZHOU), relays=(place(ZHONGWEI),))
    said = one(asked(wanted, links=(thin, *wide)))
    assert (said.via, said.source_replica_id) == (place(ZHONGWEI).id, "a-copy")
    folder = moved("a", 100 * GB, place(WUHU), place(SUZHOU), relays=(place(ZHONGWEI, StorageKind.POSIX),))
    assert one(asked(folder, links=(thin, *wide))).via == ""
    large = moved("a", 100 * GB, place(WUHU, StorageKind.POSIX), place(SUZHOU, StorageKind.POSIX), relays=wanted.relays)
    (none,) = plan_transfers(asked(large, links=(thin, *wide))).decided
    assert isinstance(none, NoWay)  # nobody puts a file of 100 GB in one piece
    half = WaitingTransfer(**{name: getattr(large, name) for name in large.__slots__} | {"largest": GB})
    relayed = one(asked(half, links=(thin, *wide)))
    assert (relayed.via, relayed.push) == (place(ZHONGWEI).id, True)


def test_what_has_time_waits_for_the_hours_of_its_link_and_no_disks_are_sent() -> None:
    night = Hours(start=datetime(2026, 1, 1, 22).time(), end=datetime(2026, 1, 1, 6).time())  # noqa: DTZ001 - a time of day
    links = (
        Link("night", WUHU, SUZHOU, 100.0, hours=(night,)),
        Link("van", WUHU, SUZHOU, 9e3, courier=Courier(2, 9**15)),
    )
    said = one(asked(moved("a", GB, place(WUHU), place(SUZHOU)), links=links))
    assert said.begins_at == datetime(2026, 5, 4, 14, tzinfo=UTC)  # 22:00 in China
    assert said.windows[0].start == said.begins_at


def test_a_deadline_is_kept_beside_larger_ones_and_work_that_waits_goes_at_once() -> None:
    due = NOW + timedelta(hours=1)
    ends = place(WUHU), place(SUZHOU)
    wanted = [moved(f"big-{n}", 200 * GB, *ends) for n in range(3)]
    wanted += [moved("due", 40 * GB, *ends, deadline=due), moved("job", GB, *ends, urgent=True)]
    said = {d.transfer_id: d for d in plan_transfers(asked(*wanted, links=(LINE,))).decided}
    assert isinstance(said["due"], Planned)
    assert said["due"].ends_at is not None
    assert said["due"].ends_at <= due
    job = said["job"]
    assert isinstance(job, Planned)
    assert job.begins_at is not None
    assert job.begins_at - NOW < timedelta(minutes=1)


def test_another_source_is_taken_where_the_link_of_one_that_goes_has_degraded() -> None:
    links = (LINE, Link("other", ZHONGWEI, SUZHOU, 80.0))
    copies = (Source("a", place(WUHU)), Source("b", place(ZHONGWEI)))
    goes = moved("x", 30 * GB, place(WUHU), place(SUZHOU), sources=copies)
    window = (Window(start=NOW, end=NOW + timedelta(hours=10), mbps=Decimal(100)),)
    assert plan_transfers(asked(going=(GoingTransfer(goes, "a", window),), links=links)).changed == []
    slow = WaitingTransfer(**{name: getattr(goes, name) for name in goes.__slots__} | {"slow": (WUHU, 2.0)})
    (changed,) = plan_transfers(asked(going=(GoingTransfer(slow, "a", window),), links=links)).changed
    assert (changed.transfer_id, changed.source_replica_id, changed.anew) == ("x", "a", True)
    short = (Window(start=NOW, end=NOW + timedelta(minutes=1), mbps=Decimal(100)),)
    (longer,) = plan_transfers(asked(going=(GoingTransfer(goes, "a", short),), links=links)).changed
    assert not longer.anew
    assert sum((w.end - w.start).total_seconds() * float(w.mbps) for w in longer.windows) >= 30 * MBIT_OF_GB


_SITES = (WUHU, SUZHOU, ZHONGWEI, "wuhu/west")
_places = st.builds(
    place,
    st.sampled_from(_SITES),
    st.sampled_from(list(StorageKind)),
    reachable=st.sampled_from([True, True, True, False]),
)


@st.composite
def _asked(draw: st.DrawFn) -> Asked:
    relays = tuple({found.id: found for found in draw(st.lists(_places, max_size=3))}.values())
    waiting = tuple(
        moved(
            f"t{n}",
            draw(st.sampled_from([0, 1000, GB, 40 * GB])),
            place(WUHU),
            draw(_places),
            sources=tuple(Source(f"t{n}-{m}", draw(_places)) for m in range(draw(st.integers(0, 3)))),
            relays=relays,
            is_relay=draw(st.booleans()),
            urgent=draw(st.booleans()),
            priority=draw(st.integers(-3, 3)),
            largest=draw(st.sampled_from([1000, 6 * 1024**3])),
            deadline=draw(st.sampled_from([None, NOW - timedelta(hours=1), NOW + timedelta(hours=2)])),
        )
        for n in range(draw(st.integers(1, 5)))
    )
    pairs = draw(st.lists(st.sampled_from([(a, b) for a in _SITES for b in _SITES if a != b]), max_size=6))
    links = tuple(Link(f"l{n}", a, b, draw(st.sampled_from([0.0, 10.0, 900.0])), 0.1) for n, (a, b) in enumerate(pairs))
    held = [Reserved(link.name, "ann", NOW, NOW + timedelta(hours=3), link.mbps / 2) for link in links if link.mbps]
    return Asked(waiting, (), links, held[: draw(st.integers(0, 2))], NOW)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_asked())
def test_every_answer_is_a_way_that_can_be_gone(given_: Asked) -> None:
    decided = plan_transfers(given_).decided
    simple = {said.transfer_id: said for said in plan_simply(given_.waiting, NOW)}
    assert [said.transfer_id for said in decided] == [one.id for one in given_.waiting]
    for wanted, said in zip(given_.waiting, decided, strict=True):
        assert isinstance(said, NoWay) == isinstance(simple[wanted.id], NoWay)
        if isinstance(said, NoWay):
            continue
        (source,) = [copy for copy in wanted.sources if copy.replica_id == said.source_replica_id]
        end = wanted.target
        if said.via:
            (end,) = [relay for relay in wanted.relays if relay.id == said.via]
            assert end.share.kind is StorageKind.S3
            assert end.reachable
            assert not wanted.is_relay
            assert reach_between(end, wanted.target, wanted.largest) is not Reach.NONE
        found = reach_between(source.place, end, wanted.largest)
        assert found is (Reach.PUSH if said.push else Reach.PULL)
        assert source.place.reachable


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_asked())
def test_no_link_carries_more_than_it_has_in_any_hour(given_: Asked) -> None:
    """But for the while that each has more in the end: its last window is that, and carries what came too late."""
    links = {
        (link.start, link.end): sum(x.mbps for x in given_.links if (x.start, x.end) == (link.start, link.end))
        for link in given_.links
    }
    sites = {copy.replica_id: copy.place.where for one in given_.waiting for copy in one.sources}
    ends = {one.id: one.target.where for one in given_.waiting}
    used: dict[tuple[str, str], list[Window]] = {}
    for said in plan_transfers(given_).decided:
        if isinstance(said, Planned) and said.windows:
            used.setdefault((sites[said.source_replica_id], ends[said.transfer_id]), []).extend(said.windows[:-1])
    for pair, windows in used.items():
        for at in {window.start for window in windows}:
            rate = sum(float(window.mbps) for window in windows if window.start <= at < window.end)
            assert rate <= links[pair] + 0.001 * len(windows)
