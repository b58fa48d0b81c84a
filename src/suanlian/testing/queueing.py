"""A small queue that does all that a queue can do: what it runs through is compiled afterwards."""

from collections.abc import Sequence

import numpy as np

from suanlian.rules.queueing.line import Carried, Line, Room, Runs, Seen, Stands, Waits
from suanlian.rules.queueing.policy import Policy


def small_line() -> Line:
    """One owner's job, guests, work that begins, ends, goes elsewhere, does not come true, and goes away."""
    rooms = [Room(0, 4, 4), Room(1, 4, 4)]
    line = Line(rooms, Policy(fair=1.0), Carried(used={"a": 1.0}), 0.0)
    stands = {
        "own": Stands("a", 4, 10.0, np.array([0.0, 600.0]), 0),
        "guest": Stands("b", 2, 10.0, np.zeros(2)),
        "other": Stands("b", 2, 10.0, np.zeros(2)),
    }
    running: dict[str, Runs] = {}

    def seen(waiting: Sequence[str]) -> Seen:
        jobs = [Waits(name, 2, 0.0) for name in waiting]
        return Seen(rooms, jobs, list(running), stands.get, running.__getitem__, lambda _gone: {})

    line.see(0.0, seen(["own", "guest", "other"]))
    first, *others = line.step(0.0, all_pools=True)
    for start in others:
        if line.takes(start, 1 - start.pool, 0.0):
            line.relocate(start, 1 - start.pool, 0.0)
    line.refuse([first], 0.0)
    line.step(0.0)
    running["x"] = Runs("own", "a", ((0, 4),), 0.0, 10.0, own=True)
    line.see(1.0, seen(["guest", "other"]))
    line.step(1.0)
    line.next_wake(1.0)
    line.of_fair_share("a", 1.0)
    running.clear()
    line.see(2.0, seen(["other"]))
    line.step(2.0, all_pools=True)
    return line
