"""Forgetting what was kept for a time only."""

from datetime import timedelta
from typing import Final

from suanlian.store import identifiers, journal, platforms, sign_in, throughput
from suanlian.store.unit import Unit

ANSWERS_KEPT: Final = timedelta(hours=48)
"""An idempotency key is remembered for so long."""

SESSIONS_KEPT: Final = timedelta(days=7)
"""A session's key is shown in lists for so long after its end."""

RESOLUTIONS_KEPT: Final = 10_000
"""So many answers of other hubs are kept, the newest ones."""


def sweep(unit: Unit) -> int:
    """Forget expired nonces, old idempotent answers and runs, sign-ins and sessions that are over; how many went."""
    identifiers.sweep_answers(unit, RESOLUTIONS_KEPT)
    answers = journal.sweep_answers(unit, unit.now - ANSWERS_KEPT)
    runs = throughput.forget(unit)
    return platforms.sweep_nonces(unit) + answers + runs + sign_in.sweep(unit, unit.now - SESSIONS_KEPT)
