"""A keeper is gone without an exit record: end what it was watching. Used by the driver too, so nothing here sleeps."""

import os
import signal
from pathlib import Path

from suanlian.drivers.local.keeper import processes, record
from suanlian.drivers.local.keeper.spec import Spec
from suanlian.drivers.local.keeper.start import group_of

MARK = "SUANLIAN_ATTEMPT_ID"
"""The variable by which a job's processes are found where there is neither control group nor own user."""
_ROUNDS = 2000


def clear(job: Path) -> bool:
    """Kill what a job without keeper left running and remove its control group; True when nothing is left.

    The sandbox dies with its keeper by itself; the group and the user catch what runs without one, else the mark does.
    """
    spec = Spec.load(job)
    if spec is None:
        return True
    uid = (record.read(job / record.KEEPER) or {}).get("uid")
    group = group_of(spec)
    for _ in range(_ROUNDS):
        left = processes.marked(f"{MARK}={spec.attempt}")
        processes.send(left, signal.SIGKILL)
        if uid is not None and not spec.sandbox and left:
            processes.kill_user(uid)
        if (group is None or (group.kill() and group.remove())) and not left:
            return True
        os.sched_yield()
    return False
