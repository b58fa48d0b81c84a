"""Sweeps of the twin as tables for the notes, out of what `suanlian simulate --sweep ... --json FILE` wrote.

`python -m bench.sweep FILE...` prints a table for each sweep of each file: waits and who is late, by strategy.
"""

import argparse
from pathlib import Path

from suanlian.i18n import use_language
from suanlian.twin.document import Point, Report, Sweep
from suanlian.twin.words import amount, axis_title, length, percent, strategy_title


def table(report: Report, sweep: Sweep) -> str:
    """One sweep: a row for each value, columns by strategy."""
    strategies = list(dict.fromkeys(point.strategy for point in sweep.points))
    others = [one for one in strategies if one != "alone"]
    by = {(point.value, point.strategy): point for point in sweep.points}
    heads = [f"mean wait, {strategy_title(one)}" for one in strategies]
    heads += [f"P95, {strategy_title(one)}" for one in others]
    heads += [f"{what}, {strategy_title(one)}" for what in ("late", "moved") for one in others]
    heads += [f"CO2 after green power, t, {strategy_title(one)}" for one in strategies if sweep.axis == "green"]
    rows = []
    for value in dict.fromkeys(point.value for point in sweep.points):
        points = {one: by[value, one] for one in strategies}
        cells = [length(points[one].wait.mean) for one in strategies]
        cells += [length(points[one].wait.p95) for one in others]
        cells += [percent(points[one].later_share) for one in others]
        cells += [percent(points[one].moved_share) for one in others]
        cells += [_emitted(points[one]) for one in strategies if sweep.axis == "green"]
        rows.append(f"| {value:g} | " + " | ".join(cells) + " |")
    title = f"Over {axis_title(sweep.axis)}" + (
        "" if sweep.axis == "portability" else f", {report.portable:.0%} portable"
    )
    head = f"| {axis_title(sweep.axis)} | " + " | ".join(heads) + " |"
    return "\n".join([f"### {title}", "", head, "|" + "---|" * (len(heads) + 1), *rows, ""])


def _emitted(point: Point) -> str:
    return amount(point.spent.carbon_after_green_kg / 1000) if point.spent else ""


def main() -> None:
    """Print the tables of the files in order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    with use_language("en"):
        for file in parser.parse_args().files:
            report = Report.model_validate_json(file.read_text())
            for sweep in report.sweeps:
                print(table(report, sweep))


if __name__ == "__main__":
    main()
