"""Which software runs what, as far as vendors say so; and which chips, stacks and processors go together."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.performance import Architecture
from suanlian.model.stack import Stack, StackNeed, StackVersion
from suanlian.rules.stacks import COMPATIBILITY, FAMILIES, contradiction, meets
from tests.rules.worlds import variant

versions = st.lists(st.integers(0, 20), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
stacks = st.sampled_from([stack for stack in Stack if stack is not Stack.NONE])


@pytest.mark.parametrize(
    ("stack", "had", "need", "runs"),
    [
        # https://docs.nvidia.com/deploy/cuda-compatibility: a driver runs what older toolkits built
        (Stack.CUDA, "12.4", "11.8", True),
        (Stack.CUDA, "13.0", "12", True),
        (Stack.CUDA, "12.4", "12.4", True),
        (Stack.CUDA, "12.4", "12.6", False),
        (Stack.CUDA, "11.8", "12.0", False),
        # AMD's support matrix: user space two releases back
        (Stack.ROCM, "6.3", "6.1", True),
        (Stack.ROCM, "6.3.2", "6.1.0", True),
        (Stack.ROCM, "6.3", "6.0", False),
        (Stack.ROCM, "6.1", "5.7", True),
        (Stack.ROCM, "7.2", "6.3", True),
        (Stack.ROCM, "7.2", "6.2", False),
        (Stack.ROCM, "7.1", "6.4", False),  # not in any matrix that was found: the same major version alone
        (Stack.ROCM, "7.1", "7.0", True),
        # no statement was found: the same major version, not older
        (Stack.CANN, "8.2", "8.0", True),
        (Stack.CANN, "8.2", "7.0", False),
        (Stack.DTK, "25.4", "25.4.1", False),
        (Stack.MUSA, "4.3.6", "4.3", True),
        (Stack.MACA, "3.1", "2.12", False),
    ],
)
def test_what_vendors_say(stack: Stack, had: str, need: str, *, runs: bool) -> None:
    assert meets(StackVersion(name=stack, version=had), StackNeed(name=stack, at_least=need)) is runs


@given(stacks, versions)
def test_every_stack_runs_what_was_built_against_itself(stack: Stack, version: str) -> None:
    assert meets(StackVersion(name=stack, version=version), StackNeed(name=stack, at_least=version))
    assert meets(StackVersion(name=stack, version=version), StackNeed(name=stack))


@given(stacks, stacks, versions, versions)
def test_an_older_one_or_another_vendors_never_does(had: Stack, need: Stack, ours: str, theirs: str) -> None:
    runs = meets(StackVersion(name=had, version=ours), StackNeed(name=need, at_least=theirs))
    older = [int(part) for part in (*ours.split("."), "0", "0", "0")[:4]]
    wanted = [int(part) for part in (*theirs.split("."), "0", "0", "0")[:4]]
    assert not (runs and (had is not need or older < wanted))


def test_every_stack_says_where_its_rule_is_from() -> None:
    assert set(COMPATIBILITY) == set(Stack) - {Stack.NONE}
    for known in COMPATIBILITY.values():
        assert re.search(r"https://|no statement", known.source)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"chip_family": "ascend", "stack": StackNeed(name=Stack.CUDA)}, "stack"),
        ({"chip_family": "nvidia", "stack": StackNeed(name=Stack.ROCM, at_least="6.1")}, "stack"),
        ({"chip_family": "nvidia", "architecture": Architecture.WASM32}, "architecture"),
        ({"chip_family": "amd", "architecture": Architecture.AARCH64}, "architecture"),
    ],
)
def test_what_goes_together_nowhere_is_told_with_the_field(changes: dict[str, object], field: str) -> None:
    against = contradiction(variant().model_copy(update=changes))
    assert against is not None
    assert against.field == field
    assert against.todo


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"stack": StackNeed(name=Stack.CUDA)},
        {"chip_family": "ascend", "architecture": Architecture.AARCH64, "stack": StackNeed(name=Stack.CANN)},
        {"chip_family": "nvidia", "stack": StackNeed(name=Stack.NONE)},
        {"chip_family": "cambricon", "stack": StackNeed(name=Stack.CUDA)},  # a family that we know nothing of
        {"chip_family": "hygon", "architecture": Architecture.AARCH64},
    ],
)
def test_nothing_is_held_against_what_is_not_known(changes: dict[str, object]) -> None:
    assert contradiction(variant().model_copy(update=changes)) is None


@given(st.sampled_from(sorted(FAMILIES)), st.sampled_from(Architecture), stacks)
def test_a_family_and_its_own_stack_go_together_on_its_processors(
    family: str, architecture: Architecture, stack: Stack
) -> None:
    known = FAMILIES[family]
    changes = {"chip_family": family, "architecture": architecture, "stack": StackNeed(name=stack)}
    against = contradiction(variant().model_copy(update=changes))
    fits = stack is known.stack and (not known.architectures or architecture in known.architectures)
    assert (against is None) is fits
