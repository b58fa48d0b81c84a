"""What supervision reads: the report of a node and the events."""

import json
from datetime import datetime
from typing import Annotated

import typer

from suanlian.cli.loads import utilisation
from suanlian.cli.output import AsJson, listing, print_json, record, remark, say
from suanlian.cli.session import open_hub
from suanlian.cli.shown import money, when, yes_no
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.event import EventType
from suanlian.model.performance import Grade
from suanlian.model.report import SupervisionReport
from suanlian.sdk.answers import SentReport

commands = nouns()
_report = nouns()
commands.add_typer(
    _report,
    name="report",
    cls=Group,
    options_metavar=OPTIONS,
    subcommand_metavar=COMMAND,
    no_args_is_help=True,
    help=N_("Reports: supervision."),
)
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]


@_report.callback()
def _reports() -> None:
    """Keep `supervision` a command below `report`, though it is the only one."""


@_report.command(
    "supervision",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("The node on one page: capacity, utilisation, jobs, east to west, green share (supervisor, operator)."),
)
def _supervision(
    since: Annotated[
        datetime | None,
        typer.Option("--since", metavar="TIME", formats=_FORMATS, help=N_("From this moment, ISO 8601, local zone.")),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option("--until", metavar="TIME", formats=_FORMATS, help=N_("Until this moment, ISO 8601, local zone.")),
    ] = None,
    send: Annotated[
        bool, typer.Option("--send", help=N_("Send it to the hubs above and print their receipts (operator)."))
    ] = False,
    as_json: AsJson = False,
) -> None:
    if send and (since or until):
        raise typer.BadParameter(_("--send sends the hub's own window: leave out --since and --until."))
    with open_hub() as hub:
        if send:
            sent = hub.supervision.send()
            if as_json:
                print_json(sent.model_dump(mode="json"))
            else:
                _tell_report(sent.report)
                _tell_receipts(sent)
            return
        report = hub.supervision.report(_aware(since), _aware(until))
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _tell_report(report)


@commands.command("events", cls=Command, options_metavar=OPTIONS, help=N_("List what happened."))
def _events(
    kind: Annotated[
        EventType | None, typer.Option("--type", metavar="TYPE", help=N_("Only of this type, such as job.ended."))
    ] = None,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        listing(
            hub.supervision.events(kind),
            [
                (_("Number"), lambda event: event.number),
                (_("When"), lambda event: when(event.at)),
                (_("Type"), lambda event: event.type),
                (_("Subject"), lambda event: event.subject),
                (_("Actor"), lambda event: event.actor),
                (_("On behalf of"), lambda event: event.on_behalf_of),
                (_("Data"), lambda event: json.dumps(dict(event.data), ensure_ascii=False)),
            ],
            as_json=as_json,
        )


def _aware(moment: datetime | None) -> datetime | None:
    return moment.astimezone() if moment else None


def _tell_report(report: SupervisionReport) -> None:
    states = ", ".join(f"{count} {state}" for state, count in report.jobs_by_state.items())
    fields = [
        (_("Hub"), f"{report.hub} ({report.prefix})"),
        (_("From"), when(report.since)),
        (_("Until"), when(report.until)),
        (_("Jobs"), f"{report.jobs} ({states})" if states else report.jobs),
        (_("Platforms"), ", ".join(f"{count} {state}" for state, count in report.platforms_by_state.items())),
        (_("Core-seconds"), report.core_s),
        (_("East to west, core-seconds"), report.core_s_east_to_west),
        (_("Green, core-seconds"), report.core_s_green),
        (_("In use now"), utilisation(report.in_use)),
        (_("Cost"), money(report.cost)),
        (_("Cost, simulated"), money(report.cost_simulated)),
    ]
    record(report, fields, as_json=False)
    if report.capacity:
        say("")
        _tell_capacity(report)
    _tell_standing(report)
    if report.platforms:
        say("")
        _tell_platforms(report)
    if report.supply:
        say("")
        _tell_supply(report)


def _tell_supply(report: SupervisionReport) -> None:
    listing(
        report.supply,
        [
            (_("Platform"), lambda row: row.platform),
            (_("Cores claimed"), lambda row: f"{row.claimed:f}"),
            (_("Seen in jobs"), lambda row: f"{row.seen_in_jobs:f}"),
            (_("Shown free"), lambda row: f"{row.shown_free:f}"),
            (_("Checks"), lambda row: row.checks),
            (_("Was there"), lambda row: row.held),
            (_("Phantom"), lambda row: row.phantom),
            (_("Excused"), lambda row: row.excused),
        ],
        as_json=False,
    )


def _tell_standing(report: SupervisionReport) -> None:
    if report.stopped:
        say("")
        columns = [
            (_("Stopped"), lambda row: row.platform),
            (_("State"), lambda row: row.state),
            (_("State since"), lambda row: when(row.since)),
            (_("Confirmed"), lambda row: yes_no(row.confirmed)),
            (_("Why"), lambda row: row.why),
        ]
        listing(report.stopped, columns, as_json=False)
    if report.expiring:
        say("")
        columns = [
            (_("Qualification"), lambda row: row.qualification),
            (_("Entity"), lambda row: row.entity),
            (_("Holds until"), lambda row: row.valid_until),
        ]
        listing(report.expiring, columns, as_json=False)


def _tell_capacity(report: SupervisionReport) -> None:
    grades = [grade for grade in Grade if any(grade in row.by_grade for row in report.capacity)]
    listing(
        report.capacity,
        [
            (_("Class"), lambda row: row.compute_class),
            (_("Precision"), lambda row: row.precision),
            *((f"T/s {grade}", lambda row, grade=grade: row.by_grade.get(grade, "")) for grade in grades),
        ],
        as_json=False,
    )


def _tell_platforms(report: SupervisionReport) -> None:
    listing(
        report.platforms,
        [
            (_("Platform"), lambda row: row.platform),
            (_("Region"), lambda row: row.region),
            (_("West"), lambda row: yes_no(row.west)),
            (_("Jobs"), lambda row: row.jobs),
            (_("Tasks ended"), lambda row: row.tasks_ended),
            (_("Failed"), lambda row: row.tasks_failed),
            (_("Cores"), lambda row: row.cores),
            (_("Utilisation"), lambda row: f"{row.utilisation:.2%}"),
            (_("In use now"), lambda row: "" if row.in_use.cpu is None else f"{row.in_use.cpu:.1%}"),
            (_("Shares with a fresh state"), lambda row: f"{row.in_use.fresh}/{row.in_use.shares}"),
            (_("Green, contracted"), lambda row: f"{row.green_share:%}"),
            (_("Waited, mean"), lambda row: f"{row.waited_s_mean} s" if row.waited_s_mean is not None else ""),
            (_("Cost"), lambda row: money(row.cost)),
            (_("Cost, simulated"), lambda row: money(row.cost_simulated)),
        ],
        as_json=False,
    )


def _tell_receipts(sent: SentReport) -> None:
    awaited = sent.uplinks - len(sent.receipts)
    if not sent.uplinks:
        remark(_("It went nowhere: this hub has no hub above."))
    elif awaited > 0:
        remark(
            _("{n} of {all} receipts have not come yet; the report is sent again later.").format(
                n=awaited, all=sent.uplinks
            )
        )
    for receipt in sent.receipts:
        say(
            _("Received by {hub} at {when} under {number}, digest {digest}.").format(
                hub=receipt.hub,
                when=when(receipt.received_at),
                number=receipt.public_id or receipt.id,
                digest=receipt.digest,
            )
        )
