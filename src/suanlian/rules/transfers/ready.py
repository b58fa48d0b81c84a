"""A problem as arrays: what all steps of a plan are handed."""

from typing import NamedTuple

from suanlian.rules.transfers.grid import Grid, Room, make_grid, make_room
from suanlian.rules.transfers.problem import Problem, check
from suanlian.rules.transfers.routes import Route, know, routes_of


class Job(NamedTuple):
    """A transfer in the terms of the grid: bytes, microseconds, CNY. ``due``: by the end of one of its slots."""

    number: int
    id: str
    size: int
    ready: int
    due: int
    weight: float
    account: str
    routes: tuple[Route, ...]


class Ready(NamedTuple):
    """A problem, its time, its links and its transfers."""

    problem: Problem
    grid: Grid
    room: Room
    jobs: tuple[Job, ...]


def prepare(problem: Problem) -> Ready:
    """Check it and make its arrays. Raises TransfersError."""
    check(problem)
    grid = make_grid(problem)
    room = make_room(problem, grid)
    known = know(problem, room)
    jobs = (
        Job(
            number=n,
            id=one.id,
            size=one.bytes,
            ready=grid.ready(one.begins),
            due=grid.due(one.deadline),
            weight=one.weight,
            account=one.account,
            routes=tuple(routes_of(problem, known, room, one)),
        )
        for n, one in enumerate(problem.transfers)
    )
    return Ready(problem, grid, room, tuple(jobs))
