"""Is a refusal understood by people who read no English?"""

import re

import pytest

from suanlian.cli import complaints
from suanlian.cli.complaints import FAULTS, MEANINGS, problem_text
from suanlian.i18n import use_language
from suanlian.model.errors import CODES, FieldFault, SuanlianError
from suanlian.model.findings import BOUNDS, WORDS


def test_every_code_has_its_meaning() -> None:
    assert MEANINGS == CODES


def test_every_word_for_a_fault_is_translated() -> None:
    assert set(FAULTS) == set(WORDS)
    assert set(complaints.BOUNDS) == set(BOUNDS)


def test_a_bound_is_told_in_chinese() -> None:
    fault = FieldFault(field="purpose", wrong="write at most 200 characters")
    with use_language("zh"):
        (line,) = problem_text(SuanlianError("field_invalid", "x", faults=(fault,))).splitlines()[2:]
    assert line == "  purpose: 最多写 200 个字符"


@pytest.mark.parametrize("code", CODES)
def test_a_hubs_english_refusal_begins_with_its_meaning_in_chinese(code: str) -> None:
    error = SuanlianError(code, "It quotes '芜湖' and is English.")
    with use_language("zh"):
        first, second = problem_text(error).splitlines()
    assert re.search(r"[\u4e00-\u9fff]", first.partition("）：")[2])
    assert second == "  详情：It quotes '芜湖' and is English."
    with use_language("en"):
        assert problem_text(error) == f"Refused ({code}): It quotes '芜湖' and is English."


def test_what_is_said_in_chinese_already_and_a_code_of_a_newer_hub_stand_alone() -> None:
    with use_language("zh"):
        assert problem_text(SuanlianError("not_found", "没有作业 'x'。")) == "被拒绝（not_found）：没有作业 'x'。"
        assert problem_text(SuanlianError("newer", "Something new.")) == "被拒绝（newer）：Something new."
