"""Files go straight to a storage and come straight from it; the same command again goes on where it stopped."""

from pathlib import Path
from typing import Annotated

import typer

from suanlian.cli.databar import Bar, bar
from suanlian.cli.datamade import LevelOption, Public, Residency, Said, Title, made
from suanlian.cli.dataref import parted
from suanlian.cli.datashown import size
from suanlian.cli.output import AsJson, plain, print_json, remark, say
from suanlian.cli.session import open_hub
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command
from suanlian.model.data import DatasetVersion, StorageShare
from suanlian.model.errors import NotFoundError
from suanlian.sdk.arriving import sealed
from suanlian.sdk.client import Client
from suanlian.sdk.folders import Folder, hashed, look
from suanlian.sdk.getting import Fetching, Wanted, check, chosen, compared
from suanlian.sdk.putting import Outcome, Put, Sending, begun, check_fit, check_storage, is_taken, ref_of, unchanged


def _put(  # noqa: PLR0913, PLR0917 - Typer makes an option of each parameter
    source: Annotated[Path, typer.Argument(metavar="DIR", help=N_("A folder, or a file."))],
    name: Annotated[str, typer.Argument(metavar="NAME", help=N_("The dataset; made if you have none of that name."))],
    to: Annotated[str, typer.Option("--to", metavar="STORAGE", help=N_("Where to: PLATFORM/STORAGE."))],
    level: LevelOption = None,
    residency: Residency = None,
    title: Title = None,
    public: Public = False,
    follow: Annotated[
        bool, typer.Option("--follow-links", help=N_("Links to files count as the files that they lead to."))
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help=N_("Wait until the storage has read and compared it; or do not."))
    ] = True,
    as_json: AsJson = False,
) -> None:
    folder = look(source, follow=follow)
    with open_hub() as hub, bar(quiet=as_json) as shown:
        check_storage(to, _share(hub, to), folder)
        made(hub, name, Said(level, residency or (), title or "", public))
        check_fit(hub.data, name, to)
        done = _sent(hub, (name, to), folder, shown)
        if wait and done.outcome is not Outcome.UNCHANGED:
            shown.begin(_("{ref}: its storage reads and compares it").format(ref=ref_of(done.version)), 0)
            done = Put(sealed(hub.data, ref_of(done.version)), done.outcome, done.sent, done.there, done.bytes)
    _tell(done, to, wait=wait, as_json=as_json)


def _share(hub: Client, ref: str) -> StorageShare:
    platform, _slash, storage = ref.partition("/")
    found = hub.catalogue.storages(platform) if storage else ()
    share = next((one.body for one in found if one.body.name == storage), None)
    if share is None:
        raise NotFoundError(
            "no_such_storage",
            _("No platform publishes storage {ref!r}.").format(ref=ref),
            todo=_("suanlian storage lists it; write it as PLATFORM/STORAGE."),
            field="to",
        )
    return share


def _sent(hub: Client, which: tuple[str, str], folder: Folder, shown: Bar) -> Put:
    name, to = which
    about = _("{n} files, {size}").format(n=len(folder.files), size=size(folder.bytes))
    shown.begin(_("hashing {what}").format(what=about), folder.bytes)
    files = hashed(folder, shown.add)
    if (same := unchanged(hub.data, name, files)) is not None:
        return Put(same, Outcome.UNCHANGED)
    version = begun(hub.data, name, files)
    if is_taken(version, to):
        return Put(version, Outcome.GONE_ON, there=len(files))
    shown.begin(_("sending {what} to {where}").format(what=about, where=to), folder.bytes)
    return Sending(hub.data, version, to, shown.add).send(folder, files)


def _tell(done: Put, to: str, *, wait: bool, as_json: bool) -> None:
    version, ref = done.version, ref_of(done.version)
    if as_json:
        counts = {"sent": done.sent, "there": done.there, "bytes": done.bytes}
        print_json({"outcome": done.outcome.value, **counts, "version": plain(version)})
        return
    if done.outcome is Outcome.UNCHANGED:
        say(_("Unchanged: {ref} has the very same files.").format(ref=ref))
        if not any(copy.storage == to for copy in version.replicas):
            remark(_("It has no copy at {where} yet: suanlian data cp {ref} {where}").format(ref=ref, where=to))
        return
    text = _("{ref}: {sent} files sent ({size}), {there} were there already; {state}.")
    say(text.format(ref=ref, sent=done.sent, size=size(done.bytes), there=done.there, state=version.state))
    if not wait:
        remark(_("Its storage reads and compares it now: suanlian data show {ref}").format(ref=ref))


def _get(  # noqa: PLR0913, PLR0917 - Typer makes an option of each parameter
    what: Annotated[
        str, typer.Argument(metavar="NAME[@V][:PATH]", help=N_("The version, and a file or folder of it."))
    ],
    into: Annotated[Path, typer.Argument(metavar="DIR", help=N_("Where to; made if it is not there."))],
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="GLOB", help=N_("Only files whose path fits, such as 'a/*.bam'; repeatable.")),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="STORAGE", help=N_("From the copy there; else the cheapest."))
    ] = None,
    force: Annotated[bool, typer.Option("--force", help=N_("Overwrite files that are others."))] = False,
    as_json: AsJson = False,
) -> None:
    ref, path = parted(what)
    with open_hub() as hub, bar(quiet=as_json) as shown:
        version = hub.data.version(ref)
        exact = _exact(version)
        files = chosen(hub.data, exact, path, only or ())
        total = sum(file.size for _number, file in files)
        shown.begin(_("comparing with what is in {where}").format(where=into), total)
        wanted = compared(files, into, shown.add)
        check(wanted, into, force=force)
        missing = sorted([*wanted.missing, *wanted.other])
        storage = ""
        if missing:
            shown.begin(_("fetching {n} files of {ref}").format(n=len(missing), ref=exact), wanted.bytes)
            storage = Fetching(hub.data, exact, source, shown.add).fetch(missing, into)
    _tell_got(wanted, (exact, str(into), storage), as_json=as_json)


def _exact(version: DatasetVersion) -> str:
    return f"{version.account}/{ref_of(version)}"


def _tell_got(wanted: Wanted, which: tuple[str, str, str], *, as_json: bool) -> None:
    exact, into, storage = which
    came = len(wanted.missing) + len(wanted.other)
    if as_json:
        counts = {"fetched": came, "bytes": wanted.bytes, "there": len(wanted.here)}
        print_json({"dataset": exact, "storage": storage or None, "directory": into, **counts})
        return
    text = _("{ref}: {came} files fetched ({size}) into {where}, {there} were there already.")
    say(text.format(ref=exact, came=came, size=size(wanted.bytes), where=into, there=len(wanted.here)))


def install(data: typer.Typer) -> None:
    """Add the commands to those of data."""
    data.command(
        "put",
        cls=Command,
        options_metavar=OPTIONS,
        help=N_("Make a folder of this machine the next version; again, it goes on, and changes nothing once done."),
    )(_put)
    data.command(
        "get",
        cls=Command,
        options_metavar=OPTIONS,
        help=N_("Fetch files of a version; again, it goes on: what is there with the right digest stays."),
    )(_get)
