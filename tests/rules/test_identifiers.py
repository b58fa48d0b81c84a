from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.descriptor import IdentifierStanding as Standing
from suanlian.rules.identifiers import (
    BY_ANOTHER,
    FOLLOWS,
    hardware_digest,
    is_junk,
    same_endpoint,
    standing_of,
    telling,
)


def test_acts_lead_from_active_to_every_standing_and_ends_are_ends() -> None:
    reached, ends = {Standing.ACTIVE}, {Standing.REVOKED, Standing.MOVED}
    for _round in FOLLOWS:
        reached |= {after for before, after in FOLLOWS.values() if reached & set(before)}
    assert reached == set(Standing)
    assert not any(ends & set(before) for before, _after in FOLLOWS.values())
    assert set(FOLLOWS) >= BY_ANOTHER


@given(st.sampled_from(list(Standing)), st.sampled_from(["live", "applied", "suspended", "frozen", "withdrawn"]))
def test_the_stricter_of_identifier_and_platform_counts(registered: Standing, state: str) -> None:
    strict = [Standing.ACTIVE, Standing.FROZEN, Standing.REVOKED, Standing.MOVED]
    now = standing_of(registered, state)
    assert strict.index(now) >= strict.index(registered)
    assert now is not Standing.ACTIVE or state not in ("frozen", "withdrawn")


def test_junk_serials_tell_nothing() -> None:
    for junk in ("", "  ", "To Be Filled By O.E.M.", "0000-0000", "........", "N/A", "x", "Default  string"):
        assert is_junk(junk), junk
    assert not is_junk("4711-SN-03")


@given(st.text(min_size=4), st.text(min_size=1), st.text(min_size=1))
def test_two_hubs_cannot_compare_their_digests(serial: str, one: str, other: str) -> None:
    assert (hardware_digest(one, serial) == hardware_digest(other, serial)) == (one == other)
    assert hardware_digest(one, serial) == hardware_digest(one, f"  {serial}  ")


def test_digests_of_junk_are_left_out_whoever_sends_them() -> None:
    good = hardware_digest("h", "4711-SN-03")
    assert telling("h", [hardware_digest("h", "none"), good, good]) == [good]


def test_addresses_are_compared_without_case_and_slash() -> None:
    assert same_endpoint(" https://A.example/ ") == same_endpoint("https://a.example")
