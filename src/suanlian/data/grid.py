"""What does a kilowatt-hour emit in each province? `grid_2023.csv`."""

import csv
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Final

SOURCE: Final = "Ministry of Ecology and Environment, announcement 2025 No. 47, table 3: averages of 2023"
"""Named wherever a figure of the table is shown."""


@cache
def grid() -> Mapping[str, Decimal]:
    """G CO2 for a kWh by the first two digits of GB/T 2260; a province that the table lacks is not in it."""
    text = (files("suanlian.data") / "grid_2023.csv").read_text(encoding="utf-8")
    return {row["region"]: Decimal(row["g_co2_per_kwh_2023"]) for row in csv.DictReader(text.splitlines())}
