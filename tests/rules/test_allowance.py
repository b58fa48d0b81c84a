from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.job import JobSpec, Outcome
from suanlian.model.quantity import Resources
from suanlian.rules.allowance import core_hours, counted, fits, longest, millicore_seconds
from suanlian.rules.erasing import blank_outcome, blank_spec
from suanlian.testing.strategies import job_specs

amounts = st.integers(min_value=1, max_value=10**6)


@given(amounts, amounts, amounts)
def test_a_job_counts_for_at_least_its_cores_and_never_less_for_more(cpu: int, memory: int, disk: int) -> None:
    base = counted(Resources.of({"cpu": cpu, "memory": memory, "disk": disk}))
    assert base is not None
    assert base >= cpu
    for more in ({"cpu": cpu + 1}, {"memory": memory + 8192}, {"disk": disk + 65536}):
        larger = counted(Resources.of({"cpu": cpu, "memory": memory, "disk": disk, **more}))
        assert larger is not None
        assert larger >= base


def test_one_core_does_not_carry_a_terabyte_and_no_accelerator_is_free() -> None:
    assert counted(Resources.model_validate({"cpu": "1", "memory": "8GiB"})) == 1000
    assert counted(Resources.model_validate({"cpu": "1", "memory": "1TiB"})) == 128_000
    assert counted(Resources.model_validate({"cpu": "1", "memory": "1GiB", "disk": "640GiB"})) == 10_000
    assert counted(Resources.model_validate({"cpu": "1", "memory": "1GiB", "accelerator": "1"})) is None


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.decimals(0, 1000, places=3))
def test_what_fits_never_passes_what_is_granted(asked: int, taken: int, granted: Decimal) -> None:
    if fits(asked, taken, granted):
        assert Decimal(taken + asked) <= granted * 3_600_000
    assert not fits(millicore_seconds(granted) + 1, 0, granted)


@given(st.integers(0, 10**12))
def test_a_sum_is_shown_as_no_less_than_it_is(millis: int) -> None:
    assert core_hours(millis) * 3_600_000 >= millis
    assert core_hours(millis) * 3_600_000 - millis < 3600
    assert longest(1000, 3600, 3) == 3 * 3_600_000


@given(job_specs)
def test_what_is_left_of_a_job_keeps_its_shape_and_says_nothing(spec: JobSpec) -> None:
    left = blank_spec(spec)
    assert (left.resources, left.tasks, left.wall_time_s) == (spec.resources, spec.tasks, spec.wall_time_s)
    assert len(left.variants) == len(spec.variants)
    assert [v.architecture for v in left.variants] == [v.architecture for v in spec.variants]
    assert (left.inputs, left.outputs, dict(left.env), left.purpose) == ((), (), {}, "")
    assert blank_spec(left) == left


@pytest.mark.parametrize("limit", [None, "memory"])
def test_what_is_left_of_an_end_is_how_it_ended(limit: str | None) -> None:
    left = blank_outcome(Outcome(exit_code=3, reason="cannot open my-diary.txt", limit=limit))
    assert left == Outcome(exit_code=3, limit=limit)
