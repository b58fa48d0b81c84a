"""What the matcher tells the market: shadow prices of scarce shares, and how far a detour for their sake may go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from suanlian.model.energy import NO_ENERGY, Energy
from suanlian.model.ids import ShareId
from suanlian.model.placement import MarketView
from suanlian.model.quantity import ResourceKind

USUAL_DETOUR: Final = Decimal("0.05")
"""Nobody is sent where the bill is more than so much above the least one with room, for the sake of others."""

PRICE_STEP: Final = Decimal("0.000001")
"""Shadow prices are rounded to so much of a CNY for a unit-hour, before anything uses them."""


@dataclass(frozen=True, slots=True)
class Market:
    """By which shadow prices places are compared.

    ``scarcity``: CNY for a unit-hour of a kind in a share, multiples of ``PRICE_STEP``; what is not in it costs 0.
    They rank places and never refuse one. ``detour``: see ``USUAL_DETOUR``. ``view``: what an explanation keeps of it.
    ``energy``: what work draws and emits, and what that weighs.
    """

    scarcity: Mapping[ShareId, Mapping[ResourceKind, Decimal]] = field(default_factory=dict)
    detour: Decimal = USUAL_DETOUR
    view: MarketView | None = None
    energy: Energy = NO_ENERGY


NO_MARKET: Final = Market()
"""Nothing is scarce, as before the first tick."""
