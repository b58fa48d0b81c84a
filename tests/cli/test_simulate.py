"""Does `suanlian simulate` say what is wrong before it works, and what to install where the twin is not there?"""

import pytest

from suanlian.cli.simulate import started
from suanlian.model.errors import NotFoundError

from .conftest import Suanlian


def test_without_what_it_needs_the_twin_says_what_to_install() -> None:
    with pytest.raises(NotFoundError) as found:
        started("suanlian.no-such-group")
    assert found.value.todo.endswith('pip install "suanlian[twin]"')


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--strategy", "best"], "best"),
        (["--nodes", "wuhu"], "NAME=N"),
        (["--recipe", "hours=3"], "hours"),
        (["--recipe", "weekend=9"], "weekend"),
        (["--portable", "3"], "--portable is 3"),
        (["--what-if", "nowhere+5"], "nowhere"),
        (["--jobs", "10", "t.csv"], "--jobs"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_simulated(
    suanlian: Suanlian, arguments: list[str], says: str
) -> None:
    code, out, err = suanlian("simulate", *arguments)
    assert (code, out) == (1, "")
    assert says in err
    assert "simulating" not in err


def test_a_file_that_is_not_there_is_an_error_of_the_command(suanlian: Suanlian) -> None:
    code, _out, err = suanlian("simulate", "no-such.csv")
    assert code == 2
    assert "no-such.csv" in err
