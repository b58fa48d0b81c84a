"""Which accelerators are known, by what their vendors state? `chips.csv`, made by `scripts/make_chips.py`."""

import csv
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Final

from suanlian.model.chips import ChipModel, Peak
from suanlian.model.performance import Precision

SOURCE: Final = "Epoch AI, machine learning hardware database (CC-BY-4.0), January 2026"
"""Named wherever a figure of the table is shown."""


@cache
def chips() -> tuple[ChipModel, ...]:
    """Every chip, in the order of names."""
    text = (files("suanlian.data") / "chips.csv").read_text(encoding="utf-8")
    return tuple(_chip(row) for row in csv.DictReader(text.splitlines()))


def _chip(row: Mapping[str, str]) -> ChipModel:
    return ChipModel(
        name=row["name"],
        vendor=row["vendor"],
        family=row["family"] or None,
        released=date.fromisoformat(row["released"]) if row["released"] else None,
        peaks=tuple(
            Peak(precision=precision, tera_per_s=Decimal(row[precision.value.lower()]))
            for precision in Precision
            if row.get(precision.value.lower())
        ),
        memory_gb=_decimal(row["memory_gb"]),
        memory_gb_per_s=_decimal(row["memory_gb_per_s"]),
        tdp_w=_decimal(row["tdp_w"]),
        aliases=(row["aliases"],) if row["aliases"] else (),
        note=row["note"],
    )


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None
