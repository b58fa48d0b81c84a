"""Rules for copies: what they lack and spare, for all of them at once."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.data import NewCopyRule, ReplicaState, Where
from suanlian.model.transfer_plan import StoragePlace
from suanlian.rules.data.copyrules import COUNTS, Copy, fits, keep
from tests.rules.data.places import place

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLACES = [place(f"p{number}", site) for number in range(4) for site in ("east", "west")]
STATES = [ReplicaState.WHOLE, ReplicaState.COMING, ReplicaState.DOUBTED, ReplicaState.BROKEN, ReplicaState.LEAVING]

wheres = st.builds(Where, storages=st.lists(st.sampled_from([one.ref for one in PLACES]), max_size=3, unique=True))
rules = st.lists(st.builds(NewCopyRule, copies=st.integers(1, 4), where=wheres), max_size=3)
chosen = st.lists(st.sampled_from(PLACES), max_size=6, unique_by=lambda one: one.id)


@st.composite
def copies(draw: st.DrawFn) -> list[Copy]:
    made = []
    for number, at in enumerate(draw(chosen)):
        state = draw(st.sampled_from(STATES))
        expired = state is ReplicaState.WHOLE and draw(st.booleans())
        made.append(Copy(f"r{number}", at, state, pinned=draw(st.booleans()), expired=expired))
    return made


def counted(rule: NewCopyRule, there: list[Copy]) -> set[str]:
    return {one.place.where for one in there if one.state in COUNTS and fits(one.place, rule.where)}


@given(wanted=rules, there=copies(), places=chosen)
def test_what_is_brought_makes_rules_hold_where_they_can_and_nothing_needed_goes(
    wanted: list[NewCopyRule], there: list[Copy], places: list[StoragePlace]
) -> None:
    named = [(f"rule{number}", rule) for number, rule in enumerate(wanted)]
    found = keep(named, there, places, 10, NOW)
    assert found == keep(named, there, list(reversed(places)), 10, NOW)
    by_id = {one.id: one for one in PLACES}
    brought = [by_id[storage_id] for held in found.rules for storage_id in held.missing]
    taken = [one.id for one in brought] + [one.place.id for one in there]
    assert len(set(taken)) == len(taken)  # no storage gets a second copy
    after = [*there, *(Copy("", one, ReplicaState.COMING) for one in brought)]
    left = [one for one in after if one.replica_id not in found.spare]
    for held, (_name, rule) in zip(found.rules, named, strict=True):
        assert len(counted(rule, after)) + held.lacks >= rule.copies
        assert len(counted(rule, left)) >= min(rule.copies, len(counted(rule, after)))
        free = [one for one in places if one.id not in taken and fits(one, rule.where)]
        assert not held.lacks or all(one.where in counted(rule, after) for one in free)
    for one in there:
        if one.replica_id in found.spare:
            assert one.expired
            assert not one.pinned


def test_a_rule_whose_time_is_over_wants_nothing() -> None:
    rule = NewCopyRule(copies=2, until=NOW - timedelta(seconds=1))
    assert keep([("r", rule)], [], PLACES, 1, NOW).rules == ()


def test_copies_go_where_there_is_room_and_where_they_cost_least() -> None:
    full, dear = place("a", capacity=5, booked=1), place("b", keep_cny_per_gb_month="2")
    cheap = place("c", keep_cny_per_gb_month="1")
    (held,) = keep([("r", NewCopyRule(copies=3))], [], [full, dear, cheap], 5, NOW).rules
    assert (held.missing, held.lacks) == ((cheap.id, dear.id), 1)
