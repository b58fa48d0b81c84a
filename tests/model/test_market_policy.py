"""Is every policy that may be set one that the queue can be run by, and no other?"""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from suanlian.model.market_policy import MarketPolicy, PolicyChange, Weights
from suanlian.rules.queueing.policy import Policy
from suanlian.rules.weights import queue_policy

BOUNDS = {
    name: tuple(float(next(getattr(one, end) for one in field.metadata if hasattr(one, end))) for end in ("ge", "le"))
    for name, field in MarketPolicy.model_fields.items()
}
WHOLE = {"reservations", "headroom"}


def weight(name: str) -> st.SearchStrategy[float]:
    low, high = BOUNDS[name]
    return st.integers(int(low), int(high)) if name in WHOLE else st.floats(low, high)


WEIGHTS = st.fixed_dictionaries({}, optional={name: weight(name) for name in BOUNDS})


@given(WEIGHTS)
def test_what_may_be_set_the_queue_can_be_run_by(said: dict[str, float]) -> None:
    policy = Weights.model_validate(said).over(MarketPolicy())
    assert MarketPolicy.model_validate_json(policy.model_dump_json()) == policy
    row = queue_policy(policy).row()
    assert len(row) == len(fields(Policy))


@given(WEIGHTS, WEIGHTS)
def test_a_change_sets_what_it_says_and_nothing_else(first: dict[str, float], second: dict[str, float]) -> None:
    before = Weights.model_validate(first).over(MarketPolicy())
    after = PolicyChange.model_validate({**second, "why": "x"}).over(before)
    assert after == Weights.model_validate({**first, **second}).over(MarketPolicy())
    assert after.model_dump(exclude=set(second)) == before.model_dump(exclude=set(second))


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("kind", [MarketPolicy, Weights])
def test_the_same_bounds_hold_everywhere(name: str, kind: type[MarketPolicy | Weights]) -> None:
    low, high = BOUNDS[name]
    for allowed in (low, high):
        kind.model_validate({name: allowed})
    for refused in (low - 1, high + 1, float("nan"), float("inf"), "much"):
        with pytest.raises(ValidationError):
            kind.model_validate({name: refused})


def test_each_weight_can_be_set_and_says_what_it_means() -> None:
    assert list(Weights.model_fields) == list(MarketPolicy.model_fields)
    assert all(field.description for field in MarketPolicy.model_fields.values())
