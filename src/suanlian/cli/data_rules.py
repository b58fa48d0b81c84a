"""Rules that keep copies, and the transfers that bring them: add, list, end; look, cancel, try again."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from suanlian.cli.dataref import DatasetName, parted
from suanlian.cli.datashown import reason, rule_columns, transfer_columns, transfer_fields
from suanlian.cli.output import AsJson, listing, print_json, record, remark, say
from suanlian.cli.session import open_hub
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.data import DataTransfer, TransferState
from suanlian.model.dataset_api import AskCopyRule
from suanlian.model.reading import read

_rule = nouns()
_transfer = nouns()
_TransferId = Annotated[str, typer.Argument(metavar="TRANSFER", help=N_("Its identifier, of suanlian data transfers."))]


@_rule.command(
    "add",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Keep so many copies at different sites; of the newest version, or of the one that is named."),
)
def _add(  # noqa: PLR0913, PLR0917 - Typer makes an option of each parameter
    dataset: DatasetName,
    copies: Annotated[int, typer.Option("--copies", metavar="N", min=1, max=16, help=N_("So many copies."))] = 1,
    regions: Annotated[
        list[str] | None, typer.Option("--in", metavar="REGION", help=N_("In this region, such as 31; repeatable."))
    ] = None,
    storages: Annotated[
        list[str] | None, typer.Option("--at", metavar="STORAGE", help=N_("At one of these storages; repeatable."))
    ] = None,
    west: Annotated[
        bool | None, typer.Option("--west/--east", help=N_("In the west; or in the east. Else in either."))
    ] = None,
    days: Annotated[int | None, typer.Option("--days", metavar="N", min=1, help=N_("For so many days."))] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help=N_("Until then, with its zone, such as 2026-12-01T08:00+08:00.")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    if days is not None and until is not None:
        raise typer.BadParameter(_("Say --days or --until, not both."))
    end: object = until if days is None else datetime.now(UTC) + timedelta(days=days)
    where = {"regions": regions or (), "storages": storages or (), "west": west}
    asked = read(AskCopyRule, {"dataset": dataset, "rule": {"copies": copies, "where": where, "until": end}})
    with open_hub() as hub:
        made = hub.data.keep(asked)
    listing([made], rule_columns(), as_json=as_json)
    if not as_json:
        remark(_("Copies come from now on: suanlian data transfers; how far it holds: suanlian data rule ls"))


@_rule.command("ls", cls=Command, options_metavar=OPTIONS, help=N_("List rules, and how far each holds."))
def _rules(as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(hub.data.rules(), rule_columns(), as_json=as_json)


@_rule.command("rm", cls=Command, options_metavar=OPTIONS, help=N_("End a rule; copies that it made may leave."))
def _rm(
    rule: Annotated[str, typer.Argument(metavar="RULE", help=N_("Its identifier, of suanlian data rule ls."))],
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        hub.data.end_rule(rule)
    if as_json:
        print_json({"rule": rule, "removed": True})
    else:
        say(_("The rule {rule} holds no more.").format(rule=rule))


def _transfers(
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="NAME[@V]", help=N_("Only of this dataset, or version."))
    ] = None,
    state: Annotated[
        TransferState | None, typer.Option("--state", metavar="STATE", help=N_("Only in this state, such as going."))
    ] = None,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        found = (one for one in hub.data.transfers(state) if dataset is None or _is_of(one, dataset))
        listing(found, transfer_columns(), as_json=as_json)


def _is_of(transfer: DataTransfer, dataset: str) -> bool:
    ref, _path = parted(dataset)
    told = transfer.dataset if "/" in ref else transfer.dataset.rpartition("/")[2]
    return told == ref or ("@" not in ref and told.partition("@")[0] == ref)


@_transfer.command("show", cls=Command, options_metavar=OPTIONS, help=N_("Show a transfer."))
def _show(transfer: _TransferId, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        found = hub.data.transfer(transfer)
    record(found, transfer_fields(found), as_json=as_json)


@_transfer.command(
    "cancel", cls=Command, options_metavar=OPTIONS, help=N_("You want it no more; it ends if nobody else does.")
)
def _cancel(transfer: _TransferId, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        found = hub.data.cancel(transfer)
    record(found, transfer_fields(found), as_json=as_json)
    if not as_json and found.wanted_by:
        remark(_("It goes on for others: {who}").format(who=", ".join(found.wanted_by)))


@_transfer.command(
    "retry", cls=Command, options_metavar=OPTIONS, help=N_("Begin anew what failed, or try at once what waits.")
)
def _retry(transfer: _TransferId, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        found = hub.data.retry(transfer)
    record(found, transfer_fields(found), as_json=as_json)
    if not as_json and (why := reason(found)):
        remark(why)


def install(data: typer.Typer) -> None:
    """Add the commands to those of data."""
    for name, noun, told in (
        ("rule", _rule, N_("Rules for copies: add, ls, rm.")),
        ("transfer", _transfer, N_("One transfer: show, cancel, retry.")),
    ):
        data.add_typer(
            noun,
            name=name,
            cls=Group,
            options_metavar=OPTIONS,
            subcommand_metavar=COMMAND,
            no_args_is_help=True,
            help=told,
        )
    data.command("transfers", cls=Command, options_metavar=OPTIONS, help=N_("List transfers, the newest first."))(
        _transfers
    )
