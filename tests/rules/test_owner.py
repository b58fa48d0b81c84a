"""Laws of the owner's policy: every clause must admit, caps hold for any sequence, hours hold in every zone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.money import Rate
from suanlian.model.owner import Caps, JoinLevel, NetworkRule, OwnerPolicy, Weekday, Window, minutes
from suanlian.model.probe import PROBE_ENVIRONMENT, ProbeCap, Purpose
from suanlian.model.quantity import ResourceKind, Resources
from suanlian.rules.owner import (
    CLAUSES,
    FIRST_REST,
    Asked,
    Clause,
    Standing,
    Taken,
    below_floor,
    is_open,
    is_refusal,
    level_admits,
    refusals,
    rests,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENTITIES = ("own", "partner", "friend", "foe")
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")
CORE_HOUR = (Rate(kind=ResourceKind.CPU, per_unit_hour=Decimal("0.05")),)


def asked(**changes: object) -> Asked:
    fields: dict[str, object] = {
        "entity": "friend",
        "granted": Resources.of({"cpu": 1000, "memory": 512}),
        "wall_time_s": 600,
        "environment": "python",
        "rates": CORE_HOUR,
    }
    return Asked(**{**fields, **changes})  # type: ignore[arg-type]  # the fields are those of Asked


def standing(policy: OwnerPolicy | None = None, **changes: object) -> Standing:
    fields: dict[str, object] = {"level": JoinLevel.TRADE, "policy": policy or OwnerPolicy(), "isolated": True}
    return Standing(**{**fields, "now": NOW, **changes})  # type: ignore[arg-type]  # the fields are those of Standing


def window(days: str, begin: str, until: str, zone: str = "Asia/Shanghai") -> Window:
    return Window(days=tuple(Weekday(day) for day in days.split()), begin=begin, until=until, zone=zone)


SHUT = OwnerPolicy(
    own_entity="own",
    entities=("friend",),
    refused=("foe",),
    environments=("python*",),
    images=("good/*",),
    hours=(window("sun", "12:00", "24:00", "UTC"),),
    caps=Caps(cpu=2, wall_time_s=3600),
    price_floor=(Rate(kind=ResourceKind.CPU, per_unit_hour=Decimal("0.05")),),
    network=NetworkRule.NEVER,
    max_data_level=2,
    probes=ProbeCap(cpu=Decimal(1), seconds=60, per_day=2),
)


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"entity": "stranger"}, Clause.ENTITY),
        ({"environment": "ruby"}, Clause.ENVIRONMENT),
        ({"environment": None, "image": "bad/x@sha256:00"}, Clause.IMAGE),
        ({"wall_time_s": 3601}, Clause.CAPS),
        ({"granted": Resources.of({"cpu": 2001})}, Clause.CAPS),
        ({"rates": ()}, Clause.PRICE),
        ({"rates": (Rate(kind=ResourceKind.CPU, per_unit_hour=Decimal("0.049")),)}, Clause.PRICE),
        ({"network": True}, Clause.NETWORK),
        ({"data_level": 3}, Clause.DATA_LEVEL),
        ({"environment": PROBE_ENVIRONMENT}, Clause.PROBES),
    ],
)
def test_each_clause_refuses_by_its_own_name(changes: dict[str, object], clause: Clause) -> None:
    assert refusals(asked(), standing(SHUT)) == ()
    assert clause in refusals(asked(**changes), standing(SHUT))


def test_what_surrounds_a_job_refuses_it_too() -> None:
    assert refusals(asked(), standing(SHUT, isolated=False)) == (Clause.ISOLATION,)
    assert refusals(asked(), standing(SHUT, level=JoinLevel.OBSERVE)) == (Clause.LEVEL,)
    assert refusals(asked(), standing(SHUT, now=NOW + timedelta(hours=12))) == (Clause.HOURS,)
    assert refusals(asked(), standing(SHUT, now=NOW + timedelta(hours=11, minutes=51))) == (Clause.HOURS,)
    assert refusals(asked(), standing(SHUT, now=NOW + timedelta(hours=11, minutes=50))) == ()


def test_an_image_is_known_by_its_name_or_by_its_digest() -> None:
    image = f"good/tool@sha256:{'a' * 64}"
    known: tuple[tuple[str, ...], ...] = (("good/*",), ("good/tool",), (f"sha256:{'a' * 64}",), (image,), ("*",))
    for patterns in known:
        policy = OwnerPolicy(images=patterns)
        assert refusals(asked(environment=None, image=image), standing(policy)) == ()
    for patterns in ((), ("good",), ("good/too",), (f"sha256:{'b' * 64}",), ("go.d/tool",)):
        policy = OwnerPolicy(images=patterns)
        assert refusals(asked(environment=None, image=image), standing(policy)) == (Clause.IMAGE,)


policies = st.builds(
    OwnerPolicy,
    own_entity=st.sampled_from(["own", None]),
    partners=st.sampled_from([(), ("partner",)]),
    entities=st.sampled_from([("*",), ("friend",), ()]),
    refused=st.sampled_from([(), ("foe",), ("own", "partner")]),
    environments=st.sampled_from([("*",), ("py*",), ()]),
    images=st.sampled_from([("*",), ()]),
    hours=st.sampled_from([(), (window("sun", "20:00", "22:00"),), (window("mon", "20:00", "22:00"),)]),
    caps=st.builds(
        Caps,
        cpu=st.sampled_from([None, 0, 2]),
        attempts=st.sampled_from([None, 0, 2]),
        entity_attempts=st.sampled_from([None, 1]),
    ),
    price_floor=st.sampled_from([(), CORE_HOUR]),
    network=st.sampled_from(NetworkRule),
    max_data_level=st.integers(1, 4),
    probes=st.builds(ProbeCap, cpu=st.sampled_from([Decimal(0), Decimal(1)]), per_day=st.sampled_from([0, 1])),
)
jobs = st.builds(
    asked,
    entity=st.sampled_from(ENTITIES),
    granted=st.builds(lambda cpu: Resources.of({"cpu": cpu, "memory": 1}), st.sampled_from([500, 1000, 3000])),
    environment=st.sampled_from(["python", "ruby", PROBE_ENVIRONMENT]),
    wall_time_s=st.sampled_from([1, 60, 7200]),
    network=st.booleans(),
    data_level=st.integers(1, 4),
    rates=st.sampled_from([(), CORE_HOUR]),
    probe=st.sampled_from([None, *Purpose]),
)


@given(jobs, policies, st.sampled_from(JoinLevel), st.booleans())
def test_a_job_is_admitted_only_if_every_clause_admits_it(
    job: Asked,
    policy: OwnerPolicy,
    level: JoinLevel,
    isolated: bool,  # noqa: FBT001 - drawn
) -> None:
    at = standing(policy, level=level, isolated=isolated)
    admitted = refusals(job, at) == ()
    assert admitted == all(CLAUSES[clause](job, at) for clause in Clause)
    if admitted:
        assert level is not JoinLevel.OBSERVE
        assert job.probe is not None or level is JoinLevel.TRADE or job.entity in (policy.own_entity, *policy.partners)
        assert (job.probe is not None) == (job.environment == PROBE_ENVIRONMENT)
        assert not (job.network and (policy.network is NetworkRule.NEVER or job.probe))
        assert job.data_level <= policy.max_data_level


@given(policies, st.lists(st.tuples(jobs, st.booleans()), max_size=12))
def test_caps_hold_whatever_comes_in_whatever_order(
    policy: OwnerPolicy, arrivals: Sequence[tuple[Asked, bool]]
) -> None:
    running: list[Taken] = []
    probes = 0
    for job, one_ends in arrivals:
        if one_ends and running:
            running.pop(0)
        if refusals(job, standing(policy, taken=tuple(running), probes=probes)):
            continue
        running.append(Taken(job.entity, job.granted, probe=job.probe is not None))
        probes += job.probe is not None
        caps, cap = policy.caps, policy.probes
        assert caps.cpu is None or sum(taken.granted.cpu for taken in running) <= caps.cpu
        assert caps.attempts is None or len(running) <= caps.attempts
        for entity in ENTITIES:
            mine = [taken for taken in running if taken.entity == entity]
            assert caps.entity_attempts is None or len(mine) <= caps.entity_attempts
        assert sum(taken.granted.cpu for taken in running if taken.probe) <= cap.cpu * 1000
        assert probes <= cap.per_day


@given(st.sampled_from(ENTITIES), st.sampled_from(["own", None]), st.sets(st.sampled_from(ENTITIES)))
def test_going_up_a_level_shuts_nobody_out_and_observe_lets_nobody_in(
    entity: str, own: str | None, partners: set[str]
) -> None:
    admits = [level_admits(level, entity, own, partners) for level in JoinLevel]
    assert admits == sorted(admits)
    assert not admits[0]
    assert admits[1] == (entity == own or entity in partners)
    assert admits[2]


def _wall_is_within(window: Window, at: datetime) -> bool:
    """By the clock on the wall alone, minute by minute: another way to say when a window is open."""
    wall = at.astimezone(ZoneInfo(window.zone))
    minute, begin, until = wall.hour * 60 + wall.minute, minutes(window.begin), minutes(window.until)
    days = [day for day in Weekday if day in window.days]
    today, yesterday = tuple(Weekday)[wall.weekday()], tuple(Weekday)[wall.weekday() - 1]
    if until > begin:
        return today in days and begin <= minute < until
    return (today in days and minute >= begin) or (yesterday in days and minute < until)


def _clocks_change_near(zone: str, at: datetime) -> bool:
    offsets = {(at + timedelta(hours=hours)).astimezone(ZoneInfo(zone)).utcoffset() for hours in range(-4, 5)}
    return len(offsets) > 1


clock = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
windows = st.builds(
    Window,
    days=st.sets(st.sampled_from(Weekday), min_size=1).map(tuple),
    begin=clock,
    until=st.one_of(clock, st.just("24:00")),
    zone=st.sampled_from(ZONES),
)
moments = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - made aware
    # around changes of the clocks: Berlin, New York, Lord Howe in 2026
    st.builds(
        lambda day, minute: day + timedelta(minutes=minute),
        st.sampled_from(
            [datetime(2026, *day, tzinfo=UTC) for day in ((3, 29), (10, 25), (3, 8), (11, 1), (4, 4), (10, 3))]
        ),
        st.integers(0, 24 * 60),
    ),
)


@given(windows, moments, st.integers(1, 40 * 3600))
def test_a_job_that_is_let_in_never_runs_outside_the_hours_on_the_wall(
    window: Window, start: datetime, seconds: int
) -> None:
    end = start + timedelta(seconds=seconds)
    opened = is_open((window,), start, end)
    inside = [_wall_is_within(window, start + (end - start) * part / 60) for part in range(60)]
    assert not opened or all(inside)


@given(windows, moments)
def test_a_moment_within_the_hours_is_let_in_unless_the_clocks_change(window: Window, at: datetime) -> None:
    at = at.replace(second=0, microsecond=0)
    if not _clocks_change_near(window.zone, at):
        assert is_open((window,), at, at + timedelta(seconds=30)) == _wall_is_within(window, at)


def test_hours_across_midnight_and_windows_that_follow_on_each_other() -> None:
    night = window("fri", "22:00", "06:00")
    friday_ten = datetime(2026, 3, 6, 14, tzinfo=UTC)  # 22:00 in Shanghai
    assert is_open((night,), friday_ten, friday_ten + timedelta(hours=8))
    assert not is_open((night,), friday_ten - timedelta(seconds=1), friday_ten)
    assert not is_open((night,), friday_ten, friday_ten + timedelta(hours=8, seconds=1))
    weekend = window("sat sun", "06:00", "24:00")
    assert is_open((weekend, night), friday_ten, friday_ten + timedelta(hours=20))
    whole = window("mon tue wed thu fri sat sun", "00:00", "24:00")
    assert is_open((whole,), friday_ten, friday_ten + timedelta(days=14))
    assert is_open((), friday_ten, friday_ten)


@pytest.mark.parametrize(
    ("day", "begin", "until", "open_h"),
    [
        ((2026, 3, 29), "01:00", "04:00", 2),  # an hour is skipped: 01:00 to 04:00 are two hours
        ((2026, 10, 25), "01:00", "04:00", 4),  # an hour comes twice
        ((2026, 3, 29), "02:30", "04:00", 0.5),  # the beginning is skipped: doubtful until 03:30
        ((2026, 10, 25), "02:30", "04:00", 1.5),  # the second 02:30 counts as the beginning
        ((2026, 10, 25), "01:00", "02:30", 1.5),  # the first 02:30 counts as the end
    ],
)
def test_a_doubtful_hour_is_closed(day: tuple[int, int, int], begin: str, until: str, open_h: float) -> None:
    hours = (window("sun", begin, until, "Europe/Berlin"),)
    night = datetime(*day, tzinfo=UTC) - timedelta(hours=2)
    step = timedelta(minutes=15)
    looks = [night + step * n for n in range(32)]
    assert sum(is_open(hours, at, at + step) for at in looks) * 0.25 == open_h


@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=3)), min_size=1, max_size=20))
def test_a_refused_task_leaves_the_place_alone_and_comes_back(ages: Sequence[timedelta]) -> None:
    refused = [NOW - age for age in ages]
    last = max(refused)
    assert rests(refused, last + FIRST_REST - timedelta(seconds=1))
    assert not rests(refused, last + timedelta(hours=2))
    assert rests([*refused, last], NOW) or not rests(refused, NOW)


def test_refusals_are_known_by_their_code_alone() -> None:
    assert is_refusal("owner_refuses: hours")
    assert not is_refusal("owner_refuses_not: hours")
    assert not is_refusal("evicted by its owner")
    assert not is_refusal("")


def test_a_floor_binds_what_is_granted_and_nothing_else() -> None:
    policy = OwnerPolicy(
        price_floor=(
            Rate(kind=ResourceKind.CPU, per_unit_hour=Decimal("0.05")),
            Rate(kind=ResourceKind.ACCELERATOR, per_unit_hour=Decimal(1)),
        )
    )
    assert below_floor(Resources.of({"cpu": 1}), CORE_HOUR, policy) == ()
    assert below_floor(Resources.of({"cpu": 1, "accelerator": 1}), CORE_HOUR, policy) == (ResourceKind.ACCELERATOR,)
    assert below_floor(Resources.of({"cpu": 1}), (), policy) == (ResourceKind.CPU,)
