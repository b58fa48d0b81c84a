"""The pictures of a simulation's report as SVG. Texts stay texts, so that any language shows in the reader's own fonts.

The only file that knows matplotlib. Legends are not drawn: the page has them beside the picture, as the width of a
Chinese text is not known here.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import Any, Final, cast

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from suanlian.i18n import _
from suanlian.twin.document import Own, Part, Point, Report, Run, Sweep
from suanlian.twin.words import axis_title, length

COLOURS: Final[Mapping[str, str]] = {
    "alone": "#7d8b99",
    "pooled": "#b9a6d3",
    "fifo": "#a87f3f",
    "skip": "#d9822b",
    "suanlian": "#1565a8",
}
_OTHER: Final = "#444444"
_LEAST_S: Final = 1.0
"""What a wait of nothing is drawn as where the axis is logarithmic."""
MOST_PLATFORMS: Final = 12
"""Of more platforms, those with the most jobs are drawn."""
_PARTS: Final = FuncFormatter(lambda value, _place: f"{100 * value:g} %")
_DAYS: Final = 3
"""A span of fewer days is told in hours."""
_STYLE: Final[dict[str, Any]] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9db0c2",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4eaf0",
    "text.color": "#1b2733",
    "axes.labelcolor": "#5b6b7a",
    "xtick.color": "#5b6b7a",
    "ytick.color": "#5b6b7a",
}


def waits(report: Report) -> str:
    """Mean wait of the jobs submitted at each platform, a bar a strategy; a tick at the P95."""
    names = [part.name for part in _largest(report.runs[0])]
    groups = [*names, ""]

    def draw(axes: Axes) -> None:
        for number, run in enumerate(report.runs):
            parts = {part.name: part for part in (*run.platforms, run.total)}
            at = [place + _shift(number, len(report.runs)) for place in range(len(groups))]
            width = 0.8 / len(report.runs)
            axes.bar(at, [_shown(parts[name].wait.mean) for name in groups], width * 0.92, color=_colour(run.strategy))
            axes.scatter(
                at, [_shown(parts[name].wait.p95) for name in groups], marker="_", color="#1b2733", s=60, zorder=3
            )
        axes.set_xticks(range(len(groups)), [*names, _("all")])
        _times(axes)
        axes.set_ylabel(_("wait: mean (bar), P95 (line)"))
        axes.grid(visible=False, axis="x")

    return _svg("waits", draw, height=3.3)


def later(report: Report) -> str:
    """The share of each owner's jobs that end later than alone, a bar a strategy."""
    runs = [run for run in report.runs if run.strategy not in ("alone", "pooled") and run.fairness]
    largest = sorted(runs[0].fairness, key=lambda owner: -owner.jobs)[:MOST_PLATFORMS]
    owners = [owner for owner in runs[0].fairness if owner in largest]

    def draw(axes: Axes) -> None:
        for number, run in enumerate(runs):
            shares = {one.owner: one.later / max(1, one.jobs) for one in run.fairness}
            at = [place + _shift(number, len(runs)) for place in range(len(owners))]
            axes.bar(at, [shares[owner.owner] for owner in owners], 0.74 / len(runs), color=_colour(run.strategy))
        axes.set_xticks(range(len(owners)), [owner.owner for owner in owners])
        _from_nothing(axes, any(one.later for run in runs for one in run.fairness))
        axes.set_ylabel(_("jobs later than alone"))
        axes.grid(visible=False, axis="x")

    return _svg("later", draw, height=2.6)


def busy(report: Report, name: str) -> str:
    """Use of one platform over time, a line a strategy."""
    place = [site.name for site in report.sites].index(name)

    def draw(axes: Axes) -> None:
        in_days = report.hours[-1] >= _DAYS * 24
        ends = [0.0, *(hour / 24 if in_days else hour for hour in report.hours)]
        for run in (one for one in report.runs if one.busy):
            means = run.busy[place]  # of each interval: a step, of which one alone can be seen too
            axes.step(ends, [means[0], *means], where="pre", color=_colour(run.strategy), linewidth=1.1)
        axes.set_ylim(0, 1.02)
        axes.set_xlim(0, ends[-1])
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel(_("days") if in_days else _("hours"))
        axes.set_ylabel(name)

    return _svg(f"busy-{place}", draw, height=1.7)


def moved(report: Report) -> str:
    """Work given away and taken in by each platform under the last federated strategy."""
    run = report.run("suanlian") or report.runs[-1]
    parts = _largest(run)

    def draw(axes: Axes) -> None:
        at = range(len(parts))
        axes.barh(at, [part.work_in for part in parts], color="#1d7f4c", height=0.6)
        axes.barh(at, [-part.work_out for part in parts], color="#b3261e", height=0.6)
        axes.set_yticks(at, [part.name for part in parts])
        axes.invert_yaxis()
        axes.axvline(0, color="#5b6b7a", linewidth=0.8)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{abs(value):,.9g}"))
        axes.set_xlabel(_("accelerator-hours: given away (left), taken in (right)"))
        axes.grid(visible=False, axis="y")

    return _svg("moved", draw, height=0.9 + 0.32 * len(parts))


def swept(sweep: Sweep) -> str:
    """Mean wait over what was swept, or what was emitted where waits do not depend on it."""
    is_green = sweep.axis == "green"
    strategies = list(dict.fromkeys(point.strategy for point in sweep.points))

    def draw(axes: Axes) -> None:
        for strategy in strategies:
            points = [point for point in sweep.points if point.strategy == strategy]
            values = [_emitted(point) if is_green else _shown(point.wait.mean) for point in points]
            # in the order of strategies the later lines are thinner: where they coincide all are seen
            width = 1.5 + 2.0 * (len(strategies) - 1 - strategies.index(strategy)) * is_green
            at = [point.value for point in points]
            axes.plot(at, values, marker="o", markersize=4, linewidth=width, color=_colour(strategy))
        axes.set_xlabel(axis_title(sweep.axis))
        _apart(axes, sweep)
        if is_green:
            axes.set_ylabel(_("CO2 after green power, t"))
            axes.set_ylim(bottom=0)
        else:
            _times(axes)
            axes.set_ylabel(_("mean wait"))

    return _svg(f"sweep-{sweep.axis}", draw, height=2.6, width=4.6)


def _apart(axes: Axes, sweep: Sweep) -> None:
    """Points of a sweep that goes over orders of magnitude stand apart."""
    if sweep.axis in ("link", "move"):
        axes.set_xscale("symlog", linthresh=60.0) if sweep.axis == "move" else axes.set_xscale("log")
        axes.set_xticks([point.value for point in sweep.points], minor=False)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))


def swept_later(sweep: Sweep) -> str:
    """The share of jobs that end later than alone over what was swept."""

    def draw(axes: Axes) -> None:
        for strategy in dict.fromkeys(point.strategy for point in sweep.points):
            points = [point for point in sweep.points if point.strategy == strategy]
            if strategy != "alone":
                shares = [point.later_share for point in points]
                axes.plot([point.value for point in points], shares, marker="o", markersize=4, color=_colour(strategy))
        _apart(axes, sweep)
        _from_nothing(axes, any(point.later_share for point in sweep.points))
        axes.set_xlabel(axis_title(sweep.axis))
        axes.set_ylabel(_("jobs later than alone"))

    return _svg(f"later-{sweep.axis}", draw, height=2.6, width=4.6)


def own_needs(own: Own) -> str:
    """One's own mean wait by the share of jobs that may move."""

    def draw(axes: Axes) -> None:
        shares = [0.0, *(share for share, _mean in own.needs)]
        means = [own.alone.mean, *(mean for _share, mean in own.needs)]
        axes.plot(shares, [_shown(mean) for mean in means], marker="o", markersize=4, color=_colour("suanlian"))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel(axis_title("portability"))
        axes.set_ylabel(_("mean wait"))
        _times(axes)

    return _svg("needs", draw, height=2.4, width=4.6)


def _largest(run: Run) -> Sequence[Part]:
    if len(run.platforms) <= MOST_PLATFORMS:
        return run.platforms
    kept = sorted(run.platforms, key=lambda part: -part.jobs)[:MOST_PLATFORMS]
    return [part for part in run.platforms if part in kept]


def _shift(number: int, of: int) -> float:
    return (number - (of - 1) / 2) * 0.8 / of


def _shown(time_s: float) -> float:
    return max(time_s, _LEAST_S)


def _emitted(point: Point) -> float:
    return point.spent.carbon_after_green_kg / 1000 if point.spent else 0.0


def _colour(strategy: str) -> str:
    return COLOURS.get(strategy, _OTHER)


def _from_nothing(axes: Axes, is_any: object) -> None:
    """An axis of shares; where all are nothing it would go below that by itself."""
    axes.set_ylim(0, None if is_any else 0.01)
    axes.yaxis.set_major_formatter(_PARTS)


def _times(axes: Axes) -> None:
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    marks = [
        mark
        for mark in (1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400)
        if low / 3 <= mark <= high * 3
    ]
    axes.set_yticks(marks, [f"≤ {length(mark)}" if mark == _LEAST_S else length(mark) for mark in marks])
    axes.minorticks_off()


def _svg(name: str, draw: Callable[[Axes], None], *, height: float, width: float = 9.6) -> str:
    # ids depend on the name alone, so that two pictures of one page never share one and equal reports are equal files
    with rc_context(cast("Any", {**_STYLE, "svg.hashsalt": f"suanlian-{name}"})), warnings.catch_warnings():
        # Chinese is not among the fonts that come with matplotlib; the reader's browser has it
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.add_subplot())
        written = StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = written.getvalue()
    # ids of groups (axes_1, patch_2) repeat from picture to picture
    return (
        drawn[drawn.index("<svg") :]
        .replace('id="', f'id="{name}-')
        .replace("url(#", f"url(#{name}-")
        .replace('xlink:href="#', f'xlink:href="#{name}-')
    )
