"""A simulation's report in a terminal: who waited how long, who is worse off, what it cost."""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self, TypeVar

from rich.console import Console
from rich.text import Text

from suanlian.cli.output import remark, say, table
from suanlian.i18n import _
from suanlian.i18n.told import told
from suanlian.twin.document import Own, Part, Report, Run, Sweep, WhatIf
from suanlian.twin.words import (
    NOTES,
    PARTNERS,
    amount,
    assumed,
    axis_title,
    length,
    own_sentences,
    percent,
    source_title,
    strategy_title,
)

R = TypeVar("R")

_FIRST_LATER: Final = 10
_MOST_ROWS: Final = 60


class Progress:
    """What is simulated just now: a line that is redrawn on a terminal, plain lines elsewhere; on standard error."""

    def __init__(self) -> None:
        """Redraws only where standard error is a terminal."""
        console = Console(stderr=True)
        self._status = console.status("") if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def tell(self, done: int, total: int, what: str) -> None:
        """Simulations that are done, all, and what is simulated now."""
        if not what:
            return
        text = _("[{done}/{total}] simulating: {what}").format(done=done + 1, total=total, what=what)
        if self._status:
            self._status.update(Text(text))
        else:
            remark(text)


def show(report: Report) -> None:
    """Print the tables; what was assumed goes to standard error beside them."""
    say(
        _("{source}: {jobs} jobs, {work} accelerator-hours in {span}, {portable} of the jobs portable").format(
            source=source_title(report.source),
            jobs=amount(report.jobs),
            work=amount(report.work),
            span=length(report.span_s),
            portable=percent(report.portable),
        )
    )
    for text in (*assumed(report.synthetic), *map(told, report.notes)):
        remark(f"  {text}")
    if report.own:
        _own(report.own)
    _runs(report.runs)
    _platforms(report)
    _fairness(report.runs)
    for sweep in report.sweeps:
        _sweep(sweep)
    for what_if in report.what_ifs:
        _what_if(what_if)


def _title(text: str) -> None:
    say("")
    say(text)


def _runs(runs: tuple[Run, ...]) -> None:
    _title(_("Waits of all jobs"))
    table(
        runs,
        [
            (_("Strategy"), lambda run: strategy_title(run.strategy)),
            *_waits(_whole),
            (_("Used"), lambda run: _used(run.total)),
            (_("Moved"), lambda run: percent(run.moved / max(1, run.total.jobs))),
            (_("Cost, CNY"), lambda run: amount(run.spent.cost) if run.spent else ""),
            (_("CO2, t"), lambda run: amount(run.spent.carbon_kg / 1000) if run.spent else ""),
            (_("Green"), lambda run: percent(run.spent.green_share) if run.spent else ""),
            (_("Gap closed"), lambda run: "" if run.gap_closed is None else percent(run.gap_closed)),
        ],
    )


def _used(part: Part) -> str:
    return "" if part.utilisation is None else percent(part.utilisation)


def _whole(run: Run) -> Part:
    return run.total


def _part(row: tuple[Run, Part]) -> Part:
    return row[1]


def _waits(part: Callable[[R], Part]) -> list[tuple[str, Callable[[R], object]]]:
    return [
        (_("Mean"), lambda row: length(part(row).wait.mean)),
        ("P50", lambda row: length(part(row).wait.p50)),
        ("P95", lambda row: length(part(row).wait.p95)),
        ("P99", lambda row: length(part(row).wait.p99)),
    ]


def _platforms(report: Report) -> None:
    rows = [(run, part) for run in report.runs for part in run.platforms]
    if len(rows) > _MOST_ROWS:
        remark(_("{n} platforms: the page and the JSON have each of them.").format(n=len(report.sites)))
        return
    _title(_("Waits of the jobs submitted at each platform, wherever they ran"))
    order = {site.name: number for number, site in enumerate(report.sites)}
    rows.sort(key=lambda row: order[row[1].name])
    table(
        rows,
        [
            (_("Platform"), lambda row: row[1].name),
            (_("Strategy"), lambda row: strategy_title(row[0].strategy)),
            *_waits(_part),
            (_("Used"), lambda row: _used(row[1])),
            (_("Given away, h"), lambda row: amount(row[1].work_out)),
            (_("Taken in, h"), lambda row: amount(row[1].work_in)),
        ],
    )


def _fairness(runs: tuple[Run, ...]) -> None:
    told = [run for run in runs if run.strategy not in ("alone", "pooled")]
    rows = [(run, run.fairness[number]) for number in range(len(runs[0].fairness)) for run in told]
    if not rows or len(rows) > _MOST_ROWS:
        return
    _title(_("Who is worse off than alone: jobs that end later by more than moving costs and 60 s"))
    table(
        rows,
        [
            (_("Owner"), lambda row: row[1].owner),
            (_("Strategy"), lambda row: strategy_title(row[0].strategy)),
            (_("Jobs"), lambda row: amount(row[1].jobs)),
            (_("Later"), lambda row: amount(row[1].later)),
            (_("Share of jobs"), lambda row: percent(row[1].later / max(1, row[1].jobs))),
            (_("Worst"), lambda row: length(row[1].later_most)),
            (_("Mean change of all"), lambda row: length(row[1].mean_change)),
        ],
    )


def _sweep(sweep: Sweep) -> None:
    _title(_("Over {axis}").format(axis=axis_title(sweep.axis)))
    if sweep.note:
        remark(_(NOTES[sweep.note]))
    table(
        sweep.points,
        [
            (axis_title(sweep.axis), lambda point: f"{point.value:g}"),
            (_("Strategy"), lambda point: strategy_title(point.strategy)),
            (_("Mean"), lambda point: length(point.wait.mean)),
            ("P95", lambda point: length(point.wait.p95)),
            (_("Later than alone"), lambda point: percent(point.later_share)),
            (_("Moved"), lambda point: percent(point.moved_share)),
            (
                _("CO2 after green power, t"),
                lambda point: amount(point.spent.carbon_after_green_kg / 1000) if point.spent else "",
            ),
        ],
    )


def _what_if(what_if: WhatIf) -> None:
    _title(
        _("What if {asked} ({strategy})").format(asked=what_if.asked, strategy=strategy_title(what_if.after.strategy))
    )
    table(
        list(_pairs(what_if)),
        [
            (_("Jobs of"), lambda row: row[0]),
            (_("Mean before"), lambda row: length(row[1].wait.mean)),
            (_("Mean after"), lambda row: length(row[2].wait.mean)),
            (_("P95 before"), lambda row: length(row[1].wait.p95)),
            (_("P95 after"), lambda row: length(row[2].wait.p95)),
            (_("Used before"), lambda row: _used(row[1])),
            (_("Used after"), lambda row: _used(row[2])),
        ],
    )
    if what_if.after.lost:
        say(_("Work lost by failures: {lost} accelerator-hours.").format(lost=amount(what_if.after.lost)))


def _pairs(what_if: WhatIf) -> Iterator[tuple[str, Part, Part]]:
    yield _("all"), what_if.before.total, what_if.after.total
    for before, after in zip(what_if.before.platforms, what_if.after.platforms, strict=True):
        yield before.name, before, after


def _own(own: Own) -> None:
    _title(
        _("Your own queue: {jobs} jobs, {unit} counted; beside {partner} partners").format(
            jobs=amount(own.jobs), unit=own.unit.upper(), partner=_(PARTNERS[own.partner])
        )
    )
    table(
        [
            (_("alone, as recorded"), own.recorded),
            (_("alone, simulated by the same policy"), own.alone),
            (_("federated, simulated"), own.federated),
        ],
        [
            (_("Waits of your jobs"), lambda row: row[0]),
            (_("Mean"), lambda row: length(row[1].mean)),
            ("P50", lambda row: length(row[1].p50)),
            ("P95", lambda row: length(row[1].p95)),
            ("P99", lambda row: length(row[1].p99)),
        ],
    )
    for text in own_sentences(own):
        say(text)
    if own.latest:
        _title(_("Your jobs that would end later"))
        table(
            own.latest[:_FIRST_LATER],
            [
                (_("Job"), lambda row: row.job),
                (_("User"), lambda row: row.account),
                (_("Later by"), lambda row: length(row.by)),
            ],
        )
