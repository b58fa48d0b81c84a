"""The unified social credit code finds every slip but one, and a check holds as long as every qualification does."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.errors import InvalidError
from suanlian.model.party import EntityDetails, Qualification, Standing, standing_on, today
from suanlian.rules.entities import (
    ALPHABET,
    CHECKED_FIELDS,
    LENGTH,
    changed_fields,
    check_character,
    expiring,
    needs_check,
    read_credit_code,
)

PLACES = range(LENGTH - 1)
_char = st.sampled_from(ALPHABET)
_firsts = st.builds(
    lambda head, region, tail: head + region + tail,
    st.text(ALPHABET, min_size=2, max_size=2),
    st.text("0123456789", min_size=6, max_size=6),
    st.text(ALPHABET, min_size=9, max_size=9),
)
codes = _firsts.map(lambda first: first + check_character(first))


def refused(text: str) -> bool:
    try:
        read_credit_code(text)
    except InvalidError as error:
        return error.code == "credit_code_invalid"
    return False


@given(codes)
def test_a_code_is_read_as_it_was_made_whatever_its_case_and_blanks(code: str) -> None:
    assert read_credit_code(f" {code[:4].lower()} {code[4:]}") == code


@given(codes, st.integers(0, LENGTH - 1), _char)
def test_every_single_wrong_character_is_found(code: str, place: int, char: str) -> None:
    wrong = code[:place] + char + code[place + 1 :]
    assert refused(wrong) == (char != code[place])


@given(codes, st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1))
def test_two_that_changed_places_are_found_but_the_first_and_the_last(code: str, one: int, other: int) -> None:
    chars = list(code)
    chars[one], chars[other] = chars[other], chars[one]
    ends = {one, other} == {0, LENGTH - 1}
    assert refused("".join(chars)) == (code[one] != code[other] and not ends)


def test_the_first_and_the_last_weigh_the_same() -> None:
    """What the check cannot see, said aloud: both weigh 1 modulo 31."""
    first = "9" + "1" + "310000" + "MA1K35X7" + "5"
    code = first + check_character(first)
    assert code[0] != code[-1]
    assert read_credit_code(code[-1] + code[1:-1] + code[0])


def test_a_weight_is_no_others_and_none_is_zero() -> None:
    """By the code itself: one step at a place changes the check by that place's weight."""
    zero = "0" * (LENGTH - 1)
    weights = {ALPHABET.index(check_character(zero[:place] + "1" + zero[place + 1 :])) for place in PLACES}
    assert len(weights) == LENGTH - 1
    assert 0 not in weights


@pytest.mark.parametrize("text", ["", "9131000", "91310000MA1K35X75I", "91310000MA1K35X7５Z", "X" * 40, "9131 0000"])
def test_what_is_no_code_is_refused(text: str) -> None:
    assert refused(text)


def test_the_check_character_that_was_worked_out_is_told() -> None:
    first = "91310000MA1K35X75"
    right = check_character(first)
    wrong = next(char for char in ALPHABET if char != right)
    with pytest.raises(InvalidError, match=f"ends with {wrong}, computed {right}"):
        read_credit_code(first + wrong)


DAY = date(2026, 3, 1)


def held(*ends: date | None) -> list[Qualification]:
    return [Qualification(kind="licence", valid_until=end) for end in ends]


@given(st.lists(st.none() | st.dates(date(2020, 1, 1), date(2030, 1, 1)), max_size=4), st.sampled_from(Standing))
def test_a_check_holds_to_the_last_day_of_the_first_that_runs_out(ends: list[date | None], said: Standing) -> None:
    over = any(end is not None and end < DAY for end in ends)
    now = standing_on(said, held(*ends), DAY)
    assert now is (Standing.EXPIRED if said is Standing.CHECKED and over else said)


def test_a_day_is_a_day_in_china() -> None:
    assert today(datetime(2026, 3, 1, 15, 59, tzinfo=UTC)) == date(2026, 3, 1)
    assert today(datetime(2026, 3, 1, 16, 0, tzinfo=UTC)) == date(2026, 3, 2)


def test_what_runs_out_soon_is_told_and_what_has_run_out_is_not() -> None:
    soon, late, gone = (DAY + timedelta(days=days) for days in (30, 31, -1))
    assert [one.valid_until for one in expiring(held(soon, late, gone, None, DAY), DAY, 30)] == [soon, DAY]


@pytest.mark.parametrize("field", EntityDetails.model_fields)
def test_contacts_alone_change_without_a_check(field: str) -> None:
    assert needs_check([field]) == (field != "contacts")
    assert (field in CHECKED_FIELDS) == (field != "contacts")


def test_only_what_differs_is_named() -> None:
    before = EntityDetails(title="A", region="310000")
    assert changed_fields(before, before) == []
    assert changed_fields(before, before.model_copy(update={"title": "B"})) == ["title"]
