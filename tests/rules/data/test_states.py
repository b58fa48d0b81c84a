"""State machines of data: every state is reached, none that is no end is a dead end, what ended stays."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.data import TRANSFER_ENDED, ReplicaState, TransferState, VersionState
from suanlian.rules.data.states import (
    READABLE,
    REPLICA,
    SAYS_NOTHING,
    TRANSFER,
    VERSION,
    replica_moves,
    transfer_moves,
    version_moves,
    wait_after,
)

MACHINES: list[tuple[Mapping[Any, frozenset[Any]], type[StrEnum], StrEnum, frozenset[Any]]] = [
    (VERSION, VersionState, VersionState.OPEN, frozenset({VersionState.DELETED})),
    (REPLICA, ReplicaState, ReplicaState.COMING, frozenset({ReplicaState.GONE})),
    (TRANSFER, TransferState, TransferState.WAITING, TRANSFER_ENDED),
]


def reached(machine: Mapping[Any, frozenset[Any]], start: StrEnum) -> set[StrEnum]:
    found, todo = {start}, [start]
    while todo:
        fresh = set(machine[todo.pop()]) - found
        found |= fresh
        todo += fresh
    return found


@pytest.mark.parametrize(("machine", "states", "first", "ends"), MACHINES)
def test_every_state_is_reached_and_leads_to_an_end(
    machine: Mapping[Any, frozenset[Any]], states: type[StrEnum], first: StrEnum, ends: frozenset[Any]
) -> None:
    assert set(machine) == set(states) == reached(machine, first)
    for state in states:
        assert (not machine[state]) == (state in ends)
        assert reached(machine, state) & ends
        assert state not in machine[state]


@given(st.lists(st.sampled_from(ReplicaState), max_size=30))
def test_a_copy_is_gone_only_by_leaving_and_whole_only_once_it_came(history: list[ReplicaState]) -> None:
    state, seen = ReplicaState.COMING, [ReplicaState.COMING]
    for wanted in history:
        if replica_moves(state, wanted):
            state = wanted
            seen.append(state)
    if state is ReplicaState.GONE:
        assert seen[-2] is ReplicaState.LEAVING
    assert READABLE.isdisjoint(SAYS_NOTHING)
    if ReplicaState.LEAVING in seen:
        assert set(seen[seen.index(ReplicaState.LEAVING) :]) <= {ReplicaState.LEAVING, ReplicaState.GONE}


def test_what_is_deleted_or_ended_goes_nowhere() -> None:
    assert not any(version_moves(VersionState.DELETED, state) for state in VersionState)
    assert not any(transfer_moves(ended, state) for ended in TRANSFER_ENDED for state in TransferState)


@given(st.integers(0, 10_000))
def test_waits_rise_and_are_bounded(tries: int) -> None:
    assert timedelta(seconds=5) <= wait_after(tries) <= wait_after(tries + 1) <= timedelta(minutes=10)
