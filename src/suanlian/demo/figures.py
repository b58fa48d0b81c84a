"""Which figures of the world does the demo use, and where are they from? The small tables in ``data/`` (its README)."""

import csv
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Final

from suanlian.model.performance import Grade, Performance, Precision
from suanlian.model.platform import Latency

CHIP_MODEL: Final = "Huawei Ascend 910B"
CHIP_SOURCE: Final = "Epoch AI, machine learning hardware database (CC-BY-4.0), January 2026"
LATENCY_SOURCE: Final = "estimate: half of 0.0236 ms/km + 0.5 ms round trip"
_TERA: Final = Decimal(10) ** 12
_STEP: Final = Decimal("0.01")


@cache
def _rows(name: str) -> tuple[dict[str, str], ...]:
    text = (files("suanlian.demo") / "data" / name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def one_way_ms(src: str, dst: str) -> Decimal:
    """Half of the estimated round trip between two places, in milliseconds. Raises LookupError."""
    for row in _rows("rtt_estimate.csv"):
        if (row["src"], row["dst"]) == (src, dst):
            return (Decimal(row["rtt_ms_typical"]) / 2).quantize(_STEP)
    raise LookupError(f"no latency between {src} and {dst}")


def latencies(place: str, regions: dict[str, str]) -> tuple[Latency, ...]:
    """From a place to the users of each region (code -> place); an estimate, so its grade is simulated."""
    return tuple(
        Latency(region=code, one_way_ms=one_way_ms(place, users), grade=Grade.SIMULATED, source=LATENCY_SOURCE)
        for code, users in regions.items()
    )


def grid_g_co2_per_kwh(province: str) -> Decimal:
    """The official average of 2023 of a province (``CN-SH``). Raises LookupError."""
    for row in _rows("grid_2023.csv"):
        if row["code"] == province:
            return Decimal(row["g_co2_per_kwh_2023"])
    raise LookupError(f"no grid factor for {province}")


def chip_performance() -> tuple[Performance, ...]:
    """The peak figures of one simulated AI chip, as its row states them."""
    (row,) = _rows("chips.csv")
    columns = {Precision.FP16: row["fp16_flops"], Precision.FP32: row["fp32_flops"]}
    return tuple(
        Performance(
            precision=precision,
            tera_per_s=(Decimal(flops) / _TERA).normalize().quantize(Decimal(1)),
            grade=Grade.SIMULATED,
            source=CHIP_SOURCE,
        )
        for precision, flops in columns.items()
    )
