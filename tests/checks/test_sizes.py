"""Does the size check see what it is there for?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.check_sizes import breaches, distribution, p90, parse


def function(lines: int) -> str:
    return "def f() -> None:\n" + "    x = 1\n" * (lines - 1)


def test_sixty_lines_are_a_function_and_sixty_one_are_too_many() -> None:
    assert list(breaches(parse("src/a.py", function(60)))) == []
    assert list(breaches(parse("src/a.py", function(61)))) == ["src/a.py: f has 61 lines, 60 at most"]


def test_a_file_of_more_than_five_hundred_lines_is_found() -> None:
    assert list(breaches(parse("src/a.py", "\n" * 500))) == []
    assert list(breaches(parse("src/a.py", "\n" * 501))) == ["src/a.py: 501 lines, 500 at most"]


@pytest.mark.parametrize(
    "text",
    ["def f():\n    import os\n", "class A:\n    async def f(self):\n        from os import path\n"],
)
def test_an_import_inside_a_function_is_found(text: str) -> None:
    assert any("an import inside a function" in line for line in breaches(parse("src/a.py", text)))


@pytest.mark.parametrize("text", ["if TYPE_CHECKING:\n    import os\n", "if typing.TYPE_CHECKING:\n    import os\n"])
def test_an_import_behind_type_checking_is_found(text: str) -> None:
    assert any("TYPE_CHECKING" in line for line in breaches(parse("src/a.py", text)))


@pytest.mark.parametrize("path", ["src/utils.py", "src/job_manager.py", "src/common/job.py", "src/cluster.py"])
def test_a_file_name_that_says_nothing_is_found(path: str) -> None:
    assert any("does not say what is inside" in line for line in breaches(parse(path, "")))


@pytest.mark.parametrize("path", ["src/handlebar.py", "src/slurm_cluster.py", "src/resource_quantity.py"])
def test_a_file_name_that_says_something_passes(path: str) -> None:
    assert list(breaches(parse(path, ""))) == []


def test_a_package_of_long_functions_is_over_both_bars() -> None:
    _, over = distribution([parse("src/a.py", function(31))])
    assert over == ["package: function median is 31, 10 at most", "package: function p90 is 31, 30 at most"]


@given(st.lists(st.integers(0, 500), min_size=1))
def test_nine_tenths_do_not_exceed_p90_and_no_smaller_value_has_this(values: list[int]) -> None:
    bar = p90(values)
    assert 10 * sum(value <= bar for value in values) >= 9 * len(values)
    assert 10 * sum(value < bar for value in values) < 9 * len(values)
