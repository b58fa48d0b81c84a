"""What an accelerator-hour costs, draws and emits at a place, by hour: given to a world that does not say it itself.

Grid factors are official averages of 2023 (CO2 only, by location; Ministry of Ecology and Environment and National
Bureau of Statistics, announcement 2025 No. 47, table 3). Prices, green power, draw and links are **synthetic**: of the
right size, nobody's offer. West is not green by itself: the factor of a grid and contracted green power are kept apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from suanlian.twin.results import Floats
from suanlian.twin.world import World


@dataclass(frozen=True, slots=True)
class Place:
    """CNY per accelerator-hour by day, CO2 of its grid (kg/kWh), contracted green power (0..1), PUE."""

    price: float
    carbon: float
    green: float
    pue: float


KNOWN: Final[Mapping[str, Place]] = {
    "qingpu": Place(1.80, 0.5737, 0.30, 1.25),
    "wujiang": Place(1.75, 0.5827, 0.30, 1.25),
    "jiashan": Place(1.75, 0.4974, 0.40, 1.25),
    "wuhu": Place(1.50, 0.6553, 0.50, 1.22),
    "zhongwei": Place(1.26, 0.6187, 0.80, 1.20),
    "horinger": Place(1.30, 0.6479, 0.80, 1.20),
    "guian": Place(1.35, 0.5683, 0.50, 1.22),
    "qingyang": Place(1.28, 0.4471, 0.80, 1.20),
}
"""Places of the first hub and of the west; a platform of another name takes ``OTHER``."""

OTHER: Final = Place(1.80, 0.5837, 0.30, 1.30)
WATTS: Final = 700.0
"""Draw of a busy accelerator with its share of the node (W), before PUE."""
NIGHT: Final = 0.75
"""Price from 22:00 to 07:00, as a share of the price by day."""
GBPS: Final = 10.0
SYNTHETIC: Final = ("price", "green", "watts", "pue", "gbps")
"""What here is synthetic; grid factors are official averages."""


def priced(world: World, gbps: float = GBPS) -> World:
    """The world with prices, carbon, green power, draw and links where it has none."""
    places = [KNOWN.get(name.casefold(), OTHER) for name in world.names]
    count = len(places)
    return replace(
        world,
        price=_or(world.price, np.outer([place.price for place in places], _nights())),
        carbon=_or(world.carbon, np.array([[place.carbon] for place in places])),
        green=_or(world.green, np.array([[place.green] for place in places])),
        watts=_or(world.watts, np.array([WATTS * place.pue for place in places])),
        gbps=_or(world.gbps, np.full((count, count), gbps)),
    )


def _or(have: Floats | None, otherwise: Floats) -> Floats:
    return otherwise if have is None else have


def _nights() -> Floats:
    hour = np.arange(24)
    return np.where((hour < 7) | (hour >= 22), NIGHT, 1.0)  # noqa: PLR2004 - from 22:00 to 07:00
