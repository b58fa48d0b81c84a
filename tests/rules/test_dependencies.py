"""What is handed on lies where both jobs allow it, and where it was asked to."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.data import DataUse, Saved
from suanlian.model.demand import After, AfterWhen, Checkpoint, PassedFile
from suanlian.model.job import ENDED, JobSpec, JobState, Wants
from suanlian.rules.dependencies import indices, is_met, laid, narrowed, never
from suanlian.rules.feasibility import INDIFFERENT, asked_of_places
from suanlian.rules.levels import lies_within
from tests.rules.worlds import spec

CODES = ("31", "3100", "310000", "310115", "32", "3205", "320500", "34", "340200")
_wants = st.builds(
    Wants,
    data_level=st.integers(1, 4),
    protection_min=st.integers(0, 4),
    residency=st.lists(st.sampled_from(CODES), max_size=3, unique=True).map(tuple),
)


@given(_wants, _wants, st.sampled_from(("310000", "310115", "320500", "320100", "340200", "110000")))
def test_what_is_bound_by_two_is_bound_by_each(mine: Wants, theirs: Wants, region: str) -> None:
    both = narrowed(mine, theirs)
    if both is None:
        assert not (lies_within(region, mine.residency) and lies_within(region, theirs.residency))
        return
    assert both.data_level == max(mine.data_level, theirs.data_level)
    assert both.protection_min == max(mine.protection_min, theirs.protection_min)
    allowed = lies_within(region, mine.residency) and lies_within(region, theirs.residency)
    assert lies_within(region, both.residency) == allowed


@given(st.sampled_from(sorted(ENDED)))
def test_any_end_will_do_or_only_success(state: JobState) -> None:
    assert is_met(AfterWhen.END, state)
    assert is_met(AfterWhen.SUCCESS, state) == (state is JobState.COMPLETE)


@pytest.mark.parametrize(
    ("index", "tasks", "upstream", "found"),
    [
        (None, 1, 1, (0,)),
        (None, 5, 5, (3,)),
        (None, 5, 1, (0,)),
        (None, 5, 4, None),
        ("all", 5, 5, None),
        ("same", 5, 9, (3,)),
        (7, 5, 9, (7,)),
    ],
)
def test_whose_outputs_are_handed_on(index: Any, tasks: int, upstream: int, found: tuple[int, ...] | None) -> None:  # noqa: ANN401
    file = PassedFile(output="out", path="in", index=index)
    assert indices(file, own=min(3, tasks - 1), tasks=tasks, upstream_tasks=upstream) == found


def test_a_task_that_is_not_there_hands_on_nothing() -> None:
    with pytest.raises(ValueError, match="no task 3"):
        indices(PassedFile(output="out", path="in", index="same"), own=3, tasks=5, upstream_tasks=3)


@pytest.mark.parametrize(
    ("found", "index", "where"),
    [
        ("out", None, "in"),
        ("out/a/b", None, "in/a/b"),
        ("out/a", 4, "in/4/a"),
        ("out", 4, "in/4"),
        ("outer", None, None),
        ("OUT/a", None, None),
    ],
)
def test_where_it_lies(found: str, index: int | None, where: str | None) -> None:
    assert laid(PassedFile(output="out", path="in"), found, index) == where


def test_every_field_of_a_spec_is_asked_of_places_or_named_as_indifferent() -> None:
    """A field that is added to a job makes the answer another one until somebody says that it does not."""
    base = spec()
    other: dict[str, object] = {
        "resources": base.resources.model_copy(update={"cpu": 7}),
        "variants": (base.variants[0].model_copy(update={"command": ("other",)}),),
        "wall_time_s": base.wall_time_s + 1,
        "wants": Wants(platform="elsewhere"),
        "estimate_s": 7,
        "deadline": datetime(2027, 1, 1, tzinfo=UTC),
        "nodes": 2,
        "job_class": "hpc",
        "checkpoint": Checkpoint(path="state"),
        "data": (DataUse(dataset="lab/reads@1", path="in"),),
        "save": (Saved(path="out", dataset="made"),),
    }
    asked = set(JobSpec.model_fields) - INDIFFERENT
    assert asked == set(other)
    for name, value in other.items():
        assert asked_of_places(base.model_copy(update={name: value})) != asked_of_places(base), name
    files = (After(job="j", files=(PassedFile(output="a", path="b"),)),)
    assert asked_of_places(base.model_copy(update={"after": files})) != asked_of_places(base)


_paths = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map("/".join)


@given(_paths, st.lists(_paths, max_size=3), st.lists(_paths, max_size=4))
def test_what_is_refused_as_undeclared_could_never_be_brought(
    asked: str, declared: list[str], below: list[str]
) -> None:
    """Whatever a job brings lies at or in what it declares."""
    brought = [*declared, *(f"{one}/{rest}" for one in declared for rest in below)]
    file = PassedFile(output=asked, path="in")
    found = never(file, 1, spec().model_copy(update={"outputs": tuple(declared)}))
    if any(laid(file, path, None) for path in brought):
        assert found is None
    if found is not None:
        assert found.field == "output"
        assert repr(asked) in found.wrong


@given(st.one_of(st.none(), st.sampled_from(["same", "all"]), st.integers(0, 6)), st.integers(1, 5), st.integers(1, 5))
def test_an_index_is_refused_exactly_where_some_task_would_find_no_task(index: Any, tasks: int, upstream: int) -> None:  # noqa: ANN401
    file = PassedFile(output="out", path="in", index=index)

    def finds(own: int) -> bool:
        try:
            indices(file, own=own, tasks=tasks, upstream_tasks=upstream)
        except ValueError:
            return False
        return True

    found = never(file, tasks, spec().model_copy(update={"outputs": ("out",), "array_size": upstream}))
    assert (found is None) == all(finds(own) for own in range(tasks))
    assert found is None or found.field == "index"
