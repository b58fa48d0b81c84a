"""Forgetting what was kept for a time only."""

from datetime import timedelta
from typing import Final

from suanlian.store import journal, platforms
from suanlian.store.unit import Unit

ANSWERS_KEPT: Final = timedelta(hours=48)
"""An idempotency key is remembered for so long."""


def sweep(unit: Unit) -> int:
    """Forget expired nonces and old idempotent answers; returns how many rows went."""
    return platforms.sweep_nonces(unit) + journal.sweep_answers(unit, unit.now - ANSWERS_KEPT)
