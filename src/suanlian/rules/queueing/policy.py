"""What weighs how much when it is decided who starts next, and where. All weights are seconds, so that they add up."""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from suanlian.rules.queueing.state import Floats


class QueueingError(ValueError):
    """Work or a policy that cannot be meant. ``code`` is stable, the text says what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Policy:
    """A queueing policy.

    Who comes first: jobs whose promise is due (see ``promise``), then the lowest sum of ``short`` x estimate [s],
    -``age`` x time waited [s], -``priority`` [s] x the job's priority, ``fair`` [s] x how far its account is above its
    fair share of decayed usage (-1..1, ``half_life_s``); ties by submission, then by row. The owner's jobs come first
    on what is theirs: a job tries its home before anybody goes elsewhere.

    ``reservations``: so many of the oldest jobs of each pool hold a place and a time that nobody may push back by the
    estimates; 1 is EASY backfilling. ``promise``: a reservation is for when the job would have started had its home
    been alone, and who is due goes first; without it a reservation is as early as possible. A deadline is a promise to
    start ``deadline_s`` before the last moment.

    ``move_s``: what a move costs (s); a job leaves its home only where it would wait longer than that x (1 +
    ``hysteresis``). ``headroom``: so many units must stay free in one piece at a pool that takes a guest, unless the
    guest is due or takes no longer than ``brief_s``; and more, the longer the guest stays: ``rise`` x the standard
    deviation of what the owner has been seen to ask for at once in so long a time (see ``queueing.rise``), in which an
    own job that may move counts ``elsewhere`` of its units. Without ``headroom`` (0) nothing need stay free.

    ``learn``: how fast an account's estimates are corrected by how long its jobs took (a share of each job's error, in
    logarithms), so that who asks for twice what it needs is not taken at its word for ever.
    """

    short: float = 1.0
    age: float = 0.0
    priority: float = 3600.0
    fair: float = 0.0
    half_life_s: float = 7 * 86_400.0
    reservations: int = 48
    promise: bool = True
    deadline_s: float = 600.0
    move_s: float = 600.0
    hysteresis: float = 0.0
    headroom: int = 12
    brief_s: float = 3600.0
    learn: float = 0.02
    rise: float = 0.5
    elsewhere: float = 0.1

    def row(self) -> Floats:
        """The figures in the order of the fields, as the loops read them. Raises ``QueueingError`` (policy_number)."""
        values = np.array([float(getattr(self, field.name)) for field in fields(self)])
        if not np.all(np.isfinite(values)) or np.any(values < 0) or self.half_life_s == 0:
            raise QueueingError(
                "policy_number", "a weight of the policy is no number, is below zero, or is a half life of zero"
            )
        if self.reservations > MOST_RESERVATIONS:
            raise QueueingError("policy_reservations", f"at most {MOST_RESERVATIONS} reservations at each pool")
        return values


MOST_RESERVATIONS: Final = 256
EASY: Final = Policy(short=0.0, age=1.0, priority=0.0, reservations=1, promise=False, headroom=0, learn=0.0)
"""Textbook EASY backfilling: first come, first served, one reservation, others pass where they do not push it back."""
