"""What work draws and emits, as far as it is known: rated power of chips, factors of grids, what a tonne weighs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

USUAL_CARBON: Final = Decimal(100)
"""A tonne of CO2 weighs so many CNY where nobody says else: about what it cost in the national market of 2024."""


@dataclass(frozen=True, slots=True)
class Energy:
    """``watts``: of a card by the name of its model, letters and digits alone, small. ``grid``: g CO2 for a kWh.

    The grids are those of provinces, by the first two digits of GB/T 2260. ``carbon``: CNY for a tonne of CO2.
    """

    watts: Mapping[str, Decimal] = field(default_factory=dict)
    grid: Mapping[str, Decimal] = field(default_factory=dict)
    carbon: Decimal = USUAL_CARBON


NO_ENERGY: Final = Energy()
"""No power is known, so nothing is weighed."""


@dataclass(frozen=True, slots=True)
class Emission:
    """What one task is expected to emit at a place: grams of CO2, and how that came about."""

    g_co2: Decimal
    how: str
