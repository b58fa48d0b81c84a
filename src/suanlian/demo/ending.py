"""How does a demo end? The report is put together, sent up, written as JSON and as a page, and shown as a table."""

import base64
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from rich.console import Console

from suanlian import __version__
from suanlian.demo.audited import audited
from suanlian.demo.dataset import data_record
from suanlian.demo.joined import joined
from suanlian.demo.options import Options
from suanlian.demo.page import page
from suanlian.demo.play import Play, Stage, cores
from suanlian.demo.record import (
    DataRecord,
    DemoReport,
    HubRecord,
    JobRecord,
    MachineRecord,
    Picture,
    PlatformRecord,
    Resolved,
    ShareRecord,
)
from suanlian.demo.results import Found, by_name, failure_texts, job_record
from suanlian.demo.shown import show_table
from suanlian.demo.trouble import Trouble
from suanlian.demo.watch import Watch
from suanlian.demo.work.checks import check_groups
from suanlian.demo.work.job import View
from suanlian.demo.work.pictures import merged_png
from suanlian.demo.world import DATA_OWNER, native_architecture
from suanlian.i18n import _, language
from suanlian.model.report import Receipt, SupervisionReport
from suanlian.sdk.client import Client

JSON_FILE = "demo-report.json"
PAGE_FILE = "demo-report.html"


@dataclass(frozen=True)
class Ending:
    """What is there when the work is done. ``began``: on the monotonic clock."""

    play: Play
    stage: Stage
    watch: Watch
    options: Options
    began: float


def show_ending(ending: Ending) -> int:
    """Write and show everything; the exit code. Raises Trouble when no receipt came from above."""
    report = report_of(ending)
    console, out = ending.play.console, ending.options.out
    show_table(console, report)
    write(report, out)
    for receipt in report.receipts:
        text = _("The national hub has the supervision report: receipt {number}, {at}, over {digest}")
        console.print(
            text.format(number=receipt.public_id, at=_clock(receipt.received_at), digest=receipt.digest),
            soft_wrap=True,
            highlight=False,
        )
    told = _("Audit log: {rows} rows hold, {above} of them under a head that the national hub keeps.")
    edit = _("In a copy of it one field was edited: the check named row {edited}.")
    text = f"{told} {edit}".format(rows=report.audit.rows, above=report.audit.rows_above, edited=report.audit.found_row)
    console.print(text, soft_wrap=True, highlight=False)
    _say_where(console, report, out)
    return 0 if report.verified else 1


def report_of(ending: Ending) -> DemoReport:
    """Everything that the report holds, the supervision report and its receipts included."""
    watch, stage = ending.watch, ending.stage
    jobs = tuple(_jobs(ending))
    between = failure_texts(check_groups(by_name(watch.found)))
    supervision, receipts = _supervision(ending)
    with stage.delta.client() as operator:
        platforms = _platforms(operator)
    data = _data(ending, jobs)
    return DemoReport(
        version=__version__,
        made_at=datetime.now(UTC),
        language=language(),
        wall_s=Decimal(f"{time.monotonic() - ending.began:.1f}"),
        machine=_machine(platforms, stage),
        hubs=tuple(_hubs(stage)),
        platforms=platforms,
        jobs=jobs,
        supervision=supervision,
        receipts=receipts,
        resolved=tuple(_resolved(stage, jobs, platforms)),
        audit=audited(ending.play.fleet, stage.delta, ending.play.root),
        data=data,
        pictures=tuple(_pictures(watch.found.values())),
        verified=not between and not data.failures and all(job.verified for job in jobs),
        failures=(*between, *data.failures),
    )


def write(report: DemoReport, out: Path) -> None:
    """Write both files. Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    (out / JSON_FILE).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (out / PAGE_FILE).write_text(page(report), encoding="utf-8")


def _jobs(ending: Ending) -> Iterable[JobRecord]:
    for number, (buyer, _job) in ending.watch.jobs.items():
        yield job_record(ending.watch.found[number], buyer, ending.play.charges)


def _data(ending: Ending, jobs: Iterable[JobRecord]) -> DataRecord:
    stage = ending.stage
    with stage.delta.client(stage.buyers[DATA_OWNER]) as owner:
        return data_record(owner, ending.play.by_data, {job.name: job.platform for job in jobs})


def _supervision(ending: Ending) -> tuple[SupervisionReport, tuple[Receipt, ...]]:
    """The report that went up, and what the national hub answered; the regulator's reader is asked for it first."""
    with ending.stage.delta.client(ending.stage.supervisor) as reader:
        reader.supervision.report()
    sent = ending.play.report_up(ending.stage)
    if not sent.receipts:
        wrong = _("The national hub gave no receipt for the supervision report.")
        raise Trouble(wrong, _("See the logs of both hubs."))
    return sent.report, sent.receipts


def _platforms(operator: Client) -> tuple[PlatformRecord, ...]:
    catalogue = operator.catalogue
    sites = {(item.platform_id, item.body.name): item.body for item in catalogue.sites()}
    flavors = {(item.platform_id, item.body.name): item.body for item in catalogue.flavors()}
    shares = list(catalogue.shares())
    return tuple(
        PlatformRecord(
            name=platform.name,
            title=platform.title,
            title_zh=platform.title_zh,
            public_id=platform.public_id,
            joined=joined(operator, platform),
            shares=tuple(
                ShareRecord(
                    share=item.body,
                    site=sites[platform.id, item.body.site],
                    flavor=flavors[platform.id, item.body.flavor],
                )
                for item in shares
                if item.platform_id == platform.id
            ),
        )
        for platform in operator.platforms.list()
    )


def _machine(platforms: Iterable[PlatformRecord], stage: Stage) -> MachineRecord:
    isolation = {record.share.isolation for platform in platforms for record in platform.shares}
    return MachineRecord(
        cores=cores(),
        architecture=native_architecture().value,
        isolation=" / ".join(sorted(isolation)),
        unisolated=stage.unisolated,
    )


def _hubs(stage: Stage) -> Iterable[HubRecord]:
    for hub, above in ((stage.national, ""), (stage.delta, stage.national.name)):
        with hub.client() as door:
            about = door.identifiers.node()
        yield HubRecord(name=hub.name, prefix=about.prefix, public_id=about.public_id, above=above)


def _resolved(stage: Stage, jobs: Iterable[JobRecord], platforms: Iterable[PlatformRecord]) -> Iterable[Resolved]:
    """Resolve a platform and a job, both at the national hub, which refers to the hub that knows."""
    names = {stage.national.url: stage.national.name, stage.delta.url: stage.delta.name}
    with Client(stage.national.url) as anybody:
        for platform in list(platforms)[:1]:
            answer = anybody.identifiers.resolve(platform.public_id)
            asked = tuple(names[url] for url in answer.asked)
            found = answer.resolution
            yield Resolved(identifier=platform.public_id, asked=asked, name=found.name, state=found.state)
    for job in list(jobs)[:1]:
        with stage.delta.client(stage.buyers[job.buyer]) as owner:
            found = owner.identifiers.resolve(job.public_id).resolution
        yield Resolved(identifier=job.public_id, asked=(stage.delta.name,), name=found.name, state=found.state)


def _pictures(found: Iterable[Found]) -> Iterable[Picture]:
    for one in found:
        view = one.job.check
        if isinstance(view, View) and not one.failures:
            tiles = [one.result.outputs[index]["out/tile.png"] for index in range(view.columns * view.rows)]
            png = base64.b64encode(merged_png(view, tiles)).decode()
            yield Picture(job=one.job.name, width=view.width, height=view.height, png_base64=png)


def _say_where(console: Console, report: DemoReport, out: Path) -> None:
    lines = [
        _("Report: {page} and {data}").format(page=out / PAGE_FILE, data=out / JSON_FILE),
        _("Took {seconds} s on {cores} cores.").format(seconds=report.wall_s, cores=report.machine.cores),
    ]
    for text in lines:
        console.print(text, soft_wrap=True, highlight=False, markup=False)


def _clock(moment: datetime) -> str:
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")
