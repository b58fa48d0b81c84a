"""The draw follows from the seed alone; phantom is a hard word and needs everything to be true."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.ids import ShareId
from suanlian.model.load import ShareLoad
from suanlian.model.probe import ProbeCap
from suanlian.model.quantity import Resources
from suanlian.model.supply import (
    DrawnCheck,
    Excuse,
    SupplyDraw,
    SupplyOutcome,
    SupplyPeriod,
    commitment,
    due_at,
    misdrawn,
    period_of,
    start_of,
)
from suanlian.rules.supply import (
    CALLS_WITHIN,
    GRACE,
    LATER_STATE,
    Course,
    Standing,
    amount_of,
    excuse_before,
    peak,
    verdict,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOLD = timedelta(seconds=3)
seeds = st.binary(min_size=32, max_size=32)
shares = st.text(alphabet="0123456789abcdef-", min_size=1, max_size=36)


def period(seed: bytes, number: int = 7, length_s: int = 3600) -> SupplyPeriod:
    start = start_of(number, length_s)
    ends = start_of(number + 1, length_s)
    return SupplyPeriod(
        number=number,
        start_at=start,
        end_at=ends,
        digest=commitment(seed),
        committed_at=start - timedelta(minutes=5),
        seed=seed.hex(),
    )


@given(seed=seeds, share=shares, number=st.integers(0, 10**6), length_s=st.integers(10, 86400))
def test_a_due_time_is_a_function_of_the_seed_alone_and_lies_in_its_period(
    seed: bytes, share: str, number: int, length_s: int
) -> None:
    one = period(seed, number, length_s)
    again = one.model_copy(update={"digest": "0" * 64, "committed_at": NOW, "seed": ""})
    assert due_at(seed, one, share) == due_at(seed, again, share)
    assert one.start_at <= due_at(seed, one, share) < one.end_at
    assert period_of(due_at(seed, one, share), length_s) == number


@given(seed=seeds, other=seeds, share=shares)
def test_another_seed_another_time(seed: bytes, other: bytes, share: str) -> None:
    times = due_at(seed, period(seed), share), due_at(other, period(other), share)
    assert (times[0] == times[1]) is (seed == other)


@given(seed=seeds, names=st.lists(shares, max_size=5, unique=True))
def test_who_has_the_revealed_seed_draws_the_same_and_finds_what_was_not_drawn(seed: bytes, names: list[str]) -> None:
    one = period(seed)
    checks = tuple(DrawnCheck(share_id=ShareId(name), due_at=due_at(seed, one, name)) for name in names)
    assert misdrawn(SupplyDraw(period=one, checks=checks)) == []
    moved = tuple(check.model_copy(update={"due_at": check.due_at + timedelta(seconds=1)}) for check in checks)
    assert len(misdrawn(SupplyDraw(period=one, checks=moved))) == len(names)


def test_a_seed_that_was_not_committed_to_or_too_late_is_found() -> None:
    one = period(b"s" * 32)
    late = one.model_copy(update={"committed_at": one.start_at + timedelta(seconds=1)})
    assert misdrawn(SupplyDraw(period=late, checks=()))
    assert misdrawn(SupplyDraw(period=one.model_copy(update={"seed": (b"t" * 32).hex()}), checks=()))
    with pytest.raises(ValueError, match="not revealed"):
        misdrawn(SupplyDraw(period=one.model_copy(update={"seed": ""}), checks=()))


def standing(**changes: object) -> Standing:
    free = Resources.of({"cpu": 4000, "memory": 8192, "disk": 10_000})
    fields: dict[str, object] = {
        **dict.fromkeys(("live", "accepting", "heard", "offers_probes"), True),
        "observes": False,
        "free": free,
        "node": free,
        "cap": ProbeCap(),
    }
    return Standing(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"live": False}, Excuse.NOT_LIVE),
        ({"observes": True}, Excuse.OBSERVES),
        ({"accepting": False}, Excuse.NOT_ACCEPTING),
        ({"heard": False}, Excuse.NOT_HEARD),
        ({"offers_probes": False}, Excuse.NO_PROBES),
        ({"free": Resources()}, Excuse.NOTHING_FREE),
        ({"cap": ProbeCap(cpu=Decimal(0))}, Excuse.PROBE_CAP),
        ({"cap": ProbeCap(per_day=0)}, Excuse.PROBE_CAP),
    ],
)
def test_nothing_is_asked_of_whom_nothing_could_be_said(changes: dict[str, object], why: Excuse | None) -> None:
    assert excuse_before(standing(**changes)) == why


@given(cap=st.integers(0, 16), free=st.integers(0, 8000))
def test_no_more_is_claimed_than_is_free_and_than_the_owner_lets_in(cap: int, free: int) -> None:
    amount = Resources.of({"cpu": free, "memory": 8192, "disk": 10_000})
    asked = amount_of(standing(cap=ProbeCap(cpu=Decimal(cap)), free=amount))
    if asked is not None:
        assert asked.cpu <= min(cap * 1000, free)
        assert asked.fits(amount)


def load(at: datetime, used: int = 0, ours: int = 0) -> ShareLoad:
    used_now, mine = Resources.of({"cpu": used}), Resources.of({"cpu": ours, "memory": 448, "disk": 64})
    return ShareLoad(share="s", in_use=used_now.plus(mine), ours=mine, observed_at=at)


def course(**changes: object) -> Course:
    fields: dict[str, object] = {
        "asked": Resources.of({"cpu": 1000, "memory": 448, "disk": 64}),
        "asked_at": NOW - timedelta(seconds=10),
        "capacity": Resources.of({"cpu": 2000, "memory": 4096, "disk": 4096}),
        "told_at": NOW,
        "seen_at": NOW + timedelta(seconds=5),
        "accepting": True,
        "ended_at": NOW + timedelta(seconds=1),
        "answered_at": None,
        "proved": None,
        "reason": "no",
        "program_failed": False,
        "later": load(NOW + timedelta(seconds=2)),
        "tells_loads": True,
    }
    return Course(**{**fields, **changes})  # type: ignore[arg-type]


LONG = NOW + GRACE + HOLD + LATER_STATE + timedelta(seconds=1)
REFUSED, SILENT, EXCUSED = SupplyOutcome.REFUSED, SupplyOutcome.SILENT, SupplyOutcome.EXCUSED


@pytest.mark.parametrize(
    ("changes", "until"),
    [
        ({"told_at": None}, NOW - timedelta(seconds=10) + CALLS_WITHIN),
        ({"told_at": NOW}, NOW + HOLD + GRACE),
        ({"told_at": NOW, "proved": True, "answered_at": NOW + timedelta(seconds=2)}, NOW + HOLD + GRACE),
    ],
)
def test_nothing_is_said_while_it_may_still_call_or_end(changes: dict[str, object], until: datetime) -> None:
    open_ = course(ended_at=None, **changes)
    assert verdict(open_, until, HOLD) is None
    assert verdict(open_, until + timedelta(seconds=1), HOLD) is not None


@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        ({}, REFUSED, "no"),
        ({"ended_at": None}, SILENT, None),
        ({"proved": False, "reason": ""}, REFUSED, None),
        ({"told_at": None}, EXCUSED, "not-told"),
        ({"seen_at": NOW - timedelta(seconds=1)}, EXCUSED, "not-heard"),
        ({"accepting": False}, EXCUSED, "not-accepting"),
        ({"later": load(NOW - timedelta(seconds=1))}, EXCUSED, "no-later-state"),
        ({"later": load(NOW + timedelta(seconds=2), used=1500)}, EXCUSED, "state-changed"),
        # what it counts as given to us is the check itself
        ({"ended_at": None, "later": load(NOW + timedelta(seconds=2), ours=1000)}, SILENT, None),
        ({"tells_loads": False, "later": None}, REFUSED, "no"),
        ({"reason": "probe_cap: enough"}, EXCUSED, "probe-cap"),
        ({"program_failed": True}, EXCUSED, "program-failed"),
        ({"proved": True, "answered_at": NOW + timedelta(seconds=60)}, EXCUSED, "late"),
        ({"proved": True, "answered_at": NOW + timedelta(seconds=2)}, SupplyOutcome.HELD, ""),
    ],
)
def test_phantom_is_said_only_where_the_platform_could_have_known_better(
    changes: dict[str, object], outcome: SupplyOutcome, reason: str | None
) -> None:
    found = verdict(course(**changes), LONG, HOLD)
    assert found is not None
    assert found[0] is outcome
    assert reason is None or found[1] == reason


@pytest.mark.parametrize(
    "changes",
    [{"ended_at": None}, {"seen_at": NOW - timedelta(seconds=1)}, {"later": load(NOW - timedelta(seconds=1))}],
)
def test_what_may_still_be_told_is_waited_for(changes: dict[str, object]) -> None:
    assert verdict(course(**changes), NOW + timedelta(seconds=3), HOLD) is None


spans = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 9)), max_size=12)


@given(spans)
def test_the_peak_is_the_most_that_was_held_at_any_moment(found: list[tuple[int, int, int]]) -> None:
    at = [(NOW + timedelta(seconds=a), NOW + timedelta(seconds=b), amount) for a, b, amount in found]
    by_moment = [sum(amount for a, b, amount in found if a <= second < b) for second in range(21)]
    assert peak(at) == max(by_moment)
