"""Datasets: list them, look at one, copy, delete, verify, register what lies there already. Files: ``data_files``."""

from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Final

import typer

from suanlian.cli.data_files import install as install_files
from suanlian.cli.data_plan import install as install_plan
from suanlian.cli.data_rules import install as install_rules
from suanlian.cli.databar import bar
from suanlian.cli.datamade import LevelOption, Public, Residency, Said, Title, made
from suanlian.cli.dataref import DatasetName, VersionName, number_of, parted
from suanlian.cli.datashown import (
    dataset_columns,
    files_left,
    named,
    replica_columns,
    size,
    transfer_fields,
    version_columns,
    version_fields,
)
from suanlian.cli.output import AsJson, listing, plain, print_json, record, remark, say, table
from suanlian.cli.session import open_hub
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.data import DatasetVersion, DataTransfer
from suanlian.model.dataset_api import Dataset, NewCopy, NewVersion
from suanlian.model.errors import InvalidError, NotFoundError
from suanlian.model.reading import read
from suanlian.sdk.arriving import arrived, sealed, verified
from suanlian.sdk.client import Client
from suanlian.sdk.putting import ref_of

commands = nouns()
_data = nouns()
commands.add_typer(
    _data,
    name="data",
    cls=Group,
    options_metavar=OPTIONS,
    subcommand_metavar=COMMAND,
    no_args_is_help=True,
    help=N_("Datasets: plan, put, get, ls, show, cp, rm, verify, register; rules for copies, transfers."),
)

_FILES_SHOWN: Final = 200

Wait = Annotated[bool, typer.Option("--wait", help=N_("Wait until it is whole."))]


@_data.command(
    "ls",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("List datasets; of a dataset its versions; of a version (NAME@V, NAME@V:PATH) its files."),
)
def _ls(
    dataset: Annotated[str | None, typer.Argument(metavar="NAME[@V][:PATH]", help=N_("What is to be listed."))] = None,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        if dataset is None:
            listing(hub.data.list(), dataset_columns(_own(hub, as_json=as_json)), as_json=as_json)
            return
        ref, path = parted(dataset)
        if "@" not in ref and not path:
            listing(hub.data.versions(ref), version_columns(_own(hub, as_json=as_json)), as_json=as_json)
            return
        _list_files(hub, ref, path, as_json=as_json)


def _own(hub: Client, *, as_json: bool) -> str:
    """The account of whoever asks: their own datasets are named without it."""
    return "" if as_json else hub.parties.me().entity


def _list_files(hub: Client, ref: str, path: str, *, as_json: bool) -> None:
    files = [file for file in hub.data.files(ref) if not path or f"{file.path}/".startswith(f"{path}/")]
    if as_json:
        print_json([plain(file) for file in files])
        return
    columns = [
        (_("File"), lambda file: file.path),
        (_("Size"), lambda file: size(file.size)),
        ("SHA-256", lambda file: file.sha256),
    ]
    table(files[:_FILES_SHOWN], columns)
    if rest := files_left(files, _FILES_SHOWN):
        remark(rest)


@_data.command(
    "show", cls=Command, options_metavar=OPTIONS, help=N_("Show a version, by default the newest, and its copies.")
)
def _show(dataset: DatasetName, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        found = hub.data.show(dataset)
        own = _own(hub, as_json=as_json)
    if as_json:
        print_json(plain(found))
        return
    if not found.versions:
        say(_("{name} has no version yet.").format(name=named(found, own)))
        remark(_("Put files into it: suanlian data put DIR {name} --to STORAGE").format(name=found.name))
        return
    version = found.versions[0]
    record(version, version_fields(version, own), as_json=False)
    if version.replicas:
        say("")
        table(version.replicas, replica_columns())
    if len(found.versions) > 1:
        remark(_("{n} versions in all: suanlian data ls {name}").format(n=len(found.versions), name=dataset))


@_data.command("cp", cls=Command, options_metavar=OPTIONS, help=N_("Let a version come to a storage as well."))
def _cp(  # noqa: PLR0913, PLR0917 - Typer makes an option of each parameter
    version: VersionName,
    storage: Annotated[str, typer.Argument(metavar="STORAGE", help=N_("Where to: PLATFORM/STORAGE."))],
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="TIME", help=N_("By then, with its zone, such as 2026-12-01T08:00+08:00.")),
    ] = None,
    priority: Annotated[
        int, typer.Option("--priority", metavar="N", min=-100, max=100, help=N_("Higher goes first."))
    ] = 0,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    asked = read(NewCopy, {"to": storage, "deadline": by, "priority": priority})
    with open_hub() as hub:
        begun = hub.data.copy(version, asked)
        if wait:
            with bar(quiet=as_json) as shown:
                shown.begin(_("bringing {what} to {where}").format(what=version, where=storage), begun.bytes)
                begun = arrived(hub.data, begun.id, lambda now: shown.at(now.bytes_done))
    _tell_transfer(begun, as_json=as_json, wait=wait)


def _tell_transfer(transfer: DataTransfer, *, as_json: bool, wait: bool) -> None:
    record(transfer, transfer_fields(transfer), as_json=as_json)
    if not as_json and not wait:
        remark(_("Watch it: suanlian data transfer show {id}").format(id=transfer.id))


@_data.command(
    "rm",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_(
        "Delete a version with all its copies (NAME@V), a dataset with all versions (--yes), or one copy (--copy)."
    ),
)
def _rm(
    dataset: DatasetName,
    copy: Annotated[
        str | None, typer.Option("--copy", metavar="STORAGE", help=N_("Only the copy there; never the last one."))
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help=N_("Without a version: all of them, really."))] = False,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        if copy is not None:
            _rm_copy(hub, dataset, copy)
            text = _("The copy of {name} at {where} leaves.").format(name=dataset, where=copy)
        else:
            if number_of(dataset) is None and not yes:
                raise _which(hub.data.show(dataset), dataset)
            hub.data.delete(dataset)
            text = _("{name} is deleted; its copies leave. What was registered where it lay stays there.")
            text = text.format(name=dataset)
    if as_json:
        print_json({"dataset": dataset, "copy": copy, "removed": True})
    else:
        say(text)


def _rm_copy(hub: Client, ref: str, storage: str) -> None:
    found = next((one for one in hub.data.replicas(ref) if one.storage == storage), None)
    if found is None:
        raise NotFoundError(
            "not_found",
            _("{name} has no copy at {where}.").format(name=ref, where=storage),
            todo=_("See where it is: suanlian data show {name}").format(name=ref),
            field="storage",
        )
    hub.data.leave(ref, found.id)


def _which(found: Dataset, ref: str) -> InvalidError:
    text = _("{name} has {n} versions.").format(name=ref, n=len(found.versions))
    newest = found.versions[0].number if found.versions else 1
    todo = _("One of them: suanlian data rm {name}@{v}; all of them: suanlian data rm {name} --yes")
    return InvalidError("field_invalid", text, todo=todo.format(name=ref, v=newest), field="dataset")


@_data.command(
    "verify",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Let copies be read anew and compared, all of them or the one at a storage."),
)
def _verify(
    version: VersionName,
    on: Annotated[str | None, typer.Option("--on", metavar="STORAGE", help=N_("Only the copy there."))] = None,
    wait: Annotated[bool, typer.Option("--wait", help=N_("Wait until they have been read."))] = False,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        since = datetime.now(UTC)
        copies = hub.data.verify(version, on)
        if wait:
            with bar(quiet=as_json) as shown:
                shown.begin(_("copies of {what} are read").format(what=version), 0)
                copies = verified(hub.data, version, since, on)
    listing(copies, replica_columns(), as_json=as_json)
    if not as_json and not wait:
        remark(_("They are read now; see how that ends: suanlian data show {name}").format(name=version))


@_data.command(
    "register",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Make what lies in a folder of a storage a version, where it lies; its owner must have opened it."),
)
def _register(  # noqa: PLR0913, PLR0917 - Typer makes an option of each parameter
    name: Annotated[str, typer.Argument(metavar="NAME", help=N_("The dataset; made if you have none of that name."))],
    place: Annotated[str, typer.Argument(metavar="STORAGE:FOLDER", help=N_("PLATFORM/STORAGE and a folder of it."))],
    level: LevelOption = None,
    residency: Residency = None,
    title: Title = None,
    public: Public = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    storage, _colon, folder = place.partition(":")
    new = read(NewVersion, {"register": {"storage": storage, "folder": folder.strip("/")}})
    with open_hub() as hub:
        made(hub, name, Said(level, residency or (), title or "", public))
        version = hub.data.open(name, new)
        if wait:
            version = _followed(hub, version, quiet=as_json)
        fields = [] if as_json else version_fields(version, _own(hub, as_json=as_json))
    record(version, fields, as_json=as_json)
    if not as_json and not wait:
        remark(_("It is read where it lies; see how far it is: suanlian data show {ref}").format(ref=ref_of(version)))


def _followed(hub: Client, version: DatasetVersion, *, quiet: bool) -> DatasetVersion:
    ref = ref_of(version)
    with bar(quiet=quiet) as shown:
        shown.begin(_("{ref}: its storage reads and compares it").format(ref=ref), version.bytes)
        return sealed(hub.data, ref)


install_files(_data)
install_plan(_data)
install_rules(_data)


@commands.command("storage", cls=Command, options_metavar=OPTIONS, help=N_("List storage, and what may go there."))
def _storage(as_json: AsJson = False) -> None:
    with open_hub() as hub:
        names = {} if as_json else {str(one.id): one.name for one in islice(hub.platforms.list(), 10_000)}
        listing(
            hub.catalogue.storages(),
            [
                (_("Storage"), lambda one: f"{names.get(str(one.platform_id), '?')}/{one.body.name}"),
                (_("Kind"), lambda one: one.body.kind),
                (_("Site"), lambda one: one.body.site),
                (_("Offers"), lambda one: "" if one.body.capacity is None else size(one.body.capacity)),
                (_("CNY per GB that leaves"), lambda one: one.body.egress_cny_per_gb),
                (_("CNY per GB and month"), lambda one: one.body.keep_cny_per_gb_month),
                (_("Written by"), lambda one: _writers(one.body.kind, read_only=one.body.read_only)),
                (_("Title"), lambda one: one.body.title),
            ],
            as_json=as_json,
        )


def _writers(kind: str, *, read_only: bool) -> str:
    if read_only:
        return _("nobody: it is only read")
    return _("put, cp, jobs, register") if kind == "s3" else _("cp, jobs, register")
