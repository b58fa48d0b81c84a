"""How is the report shown on a terminal? A table of every job, then what is wrong, if anything."""

from decimal import Decimal
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from suanlian.demo.record import BothText, DataRecord, DemoReport, JobRecord
from suanlian.i18n import _, language
from suanlian.model.money import Money

_CHECKSUM: Final = 12
_NARROW: Final = 130
_MB: Final = 1_000_000


def show_table(console: Console, report: DemoReport) -> None:
    """Every job: where, why there, waited, ran, cost, checksum of its outputs; totals; failures."""
    if console.width < _NARROW:
        _show_lines(console, report)
    else:
        console.print(_table(report))
    for text in data_lines(report.data):
        _say(console, text)
    for text in [*totals(report), *(_("WRONG: {what}").format(what=failure) for failure in failures(report))]:
        _say(console, text)


def _table(report: DemoReport) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column(_("Job"), no_wrap=True)
    table.add_column(_("State"), no_wrap=True)
    table.add_column(_("Where"), max_width=24)
    table.add_column(_("Why there"), ratio=1)
    for heading in (_("Waited"), _("Ran"), _("Cost (CNY)"), _("Outputs")):
        table.add_column(heading, justify="right", no_wrap=True)
    for job in report.jobs:
        table.add_row(*map(Text, _cells(job)))
    return table


def _show_lines(console: Console, report: DemoReport) -> None:
    """For a terminal that is too narrow for the table: two lines a job."""
    for job in report.jobs:
        name, state, place, why, *figures = _cells(job)
        _say(console, f"{name}  {state}  {place}  {'  '.join(figures)}")
        _say(console, f"    {why}")


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def _cells(job: JobRecord) -> list[str]:
    mark = "" if job.verified else " !"
    return [
        job.name + (f"[{len(job.tasks)}]" if len(job.tasks) > 1 else ""),
        job.state.value + mark,
        where(job),
        said(BothText(en=job.reason, zh=job.reason_zh)),
        seconds(job.waited_s),
        seconds(job.ran_s),
        f"{job.cost:.6f}",
        job.checksum[:_CHECKSUM] or "-",
    ]


def where(job: JobRecord) -> str:
    """The platforms on which its tasks ran, the one with most first."""
    if len(job.platforms) <= 1:
        return job.platform or "-"
    return ", ".join(f"{name} {tasks}" for name, tasks in job.platforms.items())


def seconds(length: Decimal | None) -> str:
    """A length of time as people read it."""
    return "-" if length is None else f"{length:.1f} s"


def said(text: BothText) -> str:
    """The text in the language in force."""
    return text.zh if language() == "zh" else text.en


def data_lines(data: DataRecord) -> list[str]:
    """The dataset: its copies, what was brought, the rules, and why each job that reads it went where it went."""
    size = f"{data.bytes / _MB:.1f}"
    lines = [_("Dataset {name}: {files} files, {size} MB").format(name=data.dataset, files=data.files, size=size)]
    for copy in data.copies:
        how = _("brought by the market") if copy.managed else _("registered where it lay")
        state = copy.state.value.upper()
        price = f"{copy.egress_cny_per_gb:f}"
        text = _("{storage}: {state}, {how}; egress {price} CNY/GB")
        lines.append("  " + text.format(storage=copy.storage, state=state, how=how, price=price))
    for one in data.transfers:
        text = _("{source} -> {target}: {state}, {size} MB, {cost} CNY")
        values = {"source": one.source or "-", "target": one.target, "state": one.state.value.upper()}
        cost = "-" if one.cost_cny is None else f"{one.cost_cny:.6f}"
        lines.append("  " + text.format(**values, size=f"{one.bytes / _MB:.1f}", cost=cost))
    for rule in data.rules:
        where_ = ", ".join(rule.regions) or _("anywhere")
        text = _("rule: copies wanted {copies}, regions: {regions}; whole {whole}")
        lines.append("  " + text.format(copies=rule.copies, regions=where_, whole=rule.whole))
    return lines + [f"  {said(text)}" for job in data.jobs for text in job.why]


def totals(report: DemoReport) -> list[str]:
    """What the table comes to."""
    cost = Money(amount=sum((job.cost for job in report.jobs), start=Decimal(0)))
    simulated = Money(amount=sum((job.cost_simulated for job in report.jobs), start=Decimal(0)))
    right = sum(job.verified for job in report.jobs)
    return [
        _("{right} of {total} jobs ended as expected with right results.").format(right=right, total=len(report.jobs)),
        _("Cost {cost}, of which {simulated} on a simulated chip. Prices are the demo's own.").format(
            cost=cost.shown(), simulated=simulated.shown()
        ),
    ]


def failures(report: DemoReport) -> list[str]:
    """Everything that is wrong."""
    own = [said(failure) for job in report.jobs for failure in job.failures]
    return own + [said(failure) for failure in report.failures]
