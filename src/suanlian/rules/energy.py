"""What is a task expected to emit at a place? Cards at their rated power x time x PUE x the factor of the grid. Pure.

The rated power is a bound, the factor an average of a year by location. What cores draw is not known, so of work
without cards nothing is said. Contracted green power is apart: it is no smaller factor.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Final

from suanlian.model.chips import ChipModel
from suanlian.model.energy import Emission, Energy
from suanlian.model.platform import Flavor, Site
from suanlian.rules.chips import index, plain
from suanlian.rules.pricing import plain as shown

_G_STEP: Final = Decimal("0.001")
_ONE: Final = Decimal(1)
_MOST_G: Final = Decimal(10) ** 15
_EXACT: Final = Context(prec=80)


def energy_of(chips: Iterable[ChipModel], grid: Mapping[str, Decimal]) -> Energy:
    """What tables say: the rated power of chips by every name that means one chip, and the factors of grids."""
    return Energy({name: chip.tdp_w for name, chip in index(chips).items() if chip.tdp_w is not None}, grid)


def watts_of(flavor: Flavor, energy: Energy) -> Decimal | None:
    """The rated power of one card; None where the chip or its power is not known."""
    return None if flavor.chip is None else energy.watts.get(plain(flavor.chip.model))


def factor_of(site: Site, energy: Energy) -> Decimal | None:
    """G CO2 for a kWh by the official factor of the site's province; what its owner states only where there is none."""
    return energy.grid.get(site.region[:2], site.grid_g_co2_per_kwh)


def emission(cards: int, hours: Decimal, flavor: Flavor, site: Site, energy: Energy) -> Emission | None:
    """What so many cards emit there in so many hours; None where they are none or something is not known."""
    watts, factor = watts_of(flavor, energy), factor_of(site, energy)
    if not cards or watts is None or factor is None:
        return None
    pue = Decimal(1) if site.pue is None else site.pue
    with localcontext(_EXACT):
        grams = min((cards * watts * hours * pue * factor / 1000).quantize(_G_STEP, ROUND_HALF_EVEN), _MOST_G)
    said = "" if site.pue is None else f" x PUE {shown(site.pue)}"
    return Emission(grams, f"{cards} card x {shown(watts)} W x {shown(hours, 4)} h{said} x {shown(factor)} g/kWh")


def weight(grams: Decimal, energy: Energy, times: Decimal = _ONE) -> Decimal:
    """What so many grams weigh, in CNY; ``times`` as much where somebody prefers less of them."""
    with localcontext(_EXACT):
        return (grams * energy.carbon * times / 1_000_000).quantize(Decimal("0.000000000001"), ROUND_HALF_EVEN)
