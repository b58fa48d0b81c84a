"""The card of each driver that is installed says what the driver is and can do, and when that was tested how."""

import re
import tomllib
from datetime import date
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Final

import pytest

from suanlian.drivers import contract
from suanlian.drivers.lending import Lends
from suanlian.drivers.registry import GROUP
from suanlian.model.platform import Feature

CARDS: Final = Path(__file__).resolve().parents[2] / "docs" / "reference" / "drivers"
ROWS: Final = [
    "engine",
    "versions",
    "tested on",
    "how",
    "features",
    "capabilities",
    "contract tests passed",
    "known gaps",
]
CAPABILITIES: Final = {
    name: value
    for name, value in vars(contract).items()
    if getattr(value, "_is_protocol", False) and name != "Driver" and value.__module__ == contract.__name__
} | {"Lends": Lends}
PROJECT: Final = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]
OURS: Final = sorted(PROJECT["entry-points"][GROUP].items())


def card(name: str) -> dict[str, str]:
    text = (CARDS / f"{name}.md").read_text()
    table = text.split("## Card", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("| ").split(" | ", 1) for line in table.splitlines() if line.startswith("| ")]
    return {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}


def words(text: str) -> set[str]:
    return set() if text in {"none", "–"} else {word.strip() for word in text.split(",")}


@pytest.mark.parametrize("name", [name for name, _ in OURS])
def test_a_card_has_all_rows_and_says_how_it_was_tested(name: str) -> None:
    told = card(name)
    assert list(told) == ROWS
    assert re.match(r"(real|recorded|fake)\b", told["how"])
    found = re.search(r"\d{4}-\d{2}-\d{2}", told["tested on"])
    assert found
    assert date(2026, 1, 1) <= date.fromisoformat(found[0])


@pytest.mark.parametrize(("name", "where"), OURS)
def test_a_card_names_exactly_what_the_driver_can_do(name: str, where: str) -> None:
    driver = EntryPoint(name, where, GROUP).load()
    members = {
        capability: [member for member in vars(protocol) if not member.startswith("_")]
        for capability, protocol in CAPABILITIES.items()
    }
    can = {capability for capability, names in members.items() if all(hasattr(driver, member) for member in names)}
    told = card(name)
    assert words(told["capabilities"]) == can
    features = words(told["features"])
    assert features <= {feature.value for feature in Feature}
    assert (Feature.SUSPEND.value in features) == ("Suspends" in can)
    assert (Feature.SIGNALS.value in features) == ("Signals" in can)
