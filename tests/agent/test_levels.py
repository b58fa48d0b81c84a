"""No job starts at a site where its data may not lie, whatever a hub says of the site."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.model.job import JobState
from suanlian.model.levels import Footing, LevelRules
from suanlian.rules.levels import today
from tests.agent.bench import START, Bench, run, spec
from tests.rules.test_levels import inside

SITE = 'region = "310000"'
LATER = today(START) + timedelta(days=30)


class Claiming(Bench):
    """A platform whose one site claims a grade."""

    def __init__(self, root: Path, grade: int, **more: Any) -> None:  # noqa: ANN401 - what a bench takes
        super().__init__(root, **more)
        self._grade = grade

    def __enter__(self) -> Self:
        super().__enter__()
        text = self.home.config.read_text()
        self.home.config.write_text(text.replace(SITE, f"{SITE}\nprotection_grade = {self._grade}"))
        return self


def ends(bench: Bench, relied: Footing | None, **wants: object) -> tuple[JobState, str]:
    said = run(spec(wants=wants), relied=relied)
    bench.hub.wish(said)
    bench.rounds(bench.agent(), 4)
    end = bench.hub.last(said.attempt_id)
    return end.state, end.outcome.reason


def footing(grade: int, region: str | None = "310000", until: date = LATER) -> Footing:
    return Footing(grade=grade, region=region, valid_until=until)


@pytest.mark.parametrize(
    ("claimed", "relied", "wants", "reason"),
    [
        (3, footing(3), {"data_level": 3, "residency": ["31"]}, ""),
        (2, footing(4), {"data_level": 3}, "need protection grade 3, 2 is checked"),
        (3, None, {"data_level": 3}, "need protection grade 3, 0 is checked"),
        (3, footing(2), {"protection_min": 3}, "need protection grade 3, 2 is checked"),
        (3, footing(3, until=today(START) - timedelta(days=1)), {"data_level": 2}, "0 is checked"),
        (3, footing(3, region="320500"), {"residency": ["32"]}, "the site is in no region that was checked"),
        (3, footing(3), {"residency": ["32"]}, "the site is 310000"),
        (0, None, {}, ""),
    ],
)
def test_the_connector_asks_again(
    tmp_path: Path, claimed: int, relied: Footing | None, wants: dict[str, object], reason: str
) -> None:
    with Claiming(tmp_path, claimed) as bench:
        state, said = ends(bench, relied, **wants)
        assert (state is JobState.COMPLETE) == (not reason)
        assert reason in said
        assert bool(bench.engine.starts) == (not reason)
        if reason:
            assert state is JobState.PREEMPTED
            assert "its data may not lie at site 's1'" in said


def test_the_owner_may_ask_less_or_more_of_a_level(tmp_path: Path) -> None:
    with Claiming(tmp_path / "less", 1, policy='level_grades = { "2" = 1 }') as bench:
        assert ends(bench, footing(1), data_level=2)[0] is JobState.COMPLETE
        assert ends(bench, footing(1), data_level=3)[0] is JobState.PREEMPTED
    with Claiming(tmp_path / "more", 1, policy='level_grades = { "1" = 1 }') as bench:
        assert ends(bench, None)[0] is JobState.PREEMPTED
        assert ends(bench, footing(1))[0] is JobState.COMPLETE


grades = st.integers(0, 4)
lies = st.none() | st.builds(
    Footing,
    region=st.sampled_from([None, "310000", "320500"]),
    grade=grades,
    valid_until=st.sampled_from([None, LATER, today(START) - timedelta(days=1)]),
)


@settings(max_examples=40, deadline=None)
@given(
    claimed=grades,
    relied=lies,
    level=st.integers(1, 4),
    least=grades,
    stays=st.lists(st.sampled_from(["31", "310115", "32", "3100"]), max_size=2),
)
def test_nothing_starts_where_it_does_not_fit_whatever_the_hub_says(  # noqa: PLR0913, PLR0917 - one draw each
    tmp_path_factory: pytest.TempPathFactory,
    claimed: int,
    relied: Footing | None,
    level: int,
    least: int,
    stays: list[str],
) -> None:
    with Claiming(tmp_path_factory.mktemp("lie"), claimed) as bench:
        wants = {"data_level": level, "protection_min": least, "residency": stays}
        state, _reason = ends(bench, relied, **wants)
        if bench.engine.starts:
            assert claimed >= max(least, LevelRules().needed(level))
            assert inside("310000", tuple(stays))
        else:
            assert state is JobState.PREEMPTED
