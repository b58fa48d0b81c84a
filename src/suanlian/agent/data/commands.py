"""The commands `suanlian-agent storage`: does it do what it should, and what lies there? No hub is needed."""

from collections.abc import Iterator
from typing import Annotated, Final

import typer

from suanlian.agent.arguments import HomeOption, home
from suanlian.agent.build import utc_now
from suanlian.agent.config import read_config
from suanlian.agent.data.checking import Finding, Tried, check, listed
from suanlian.agent.data.roots import check_roots
from suanlian.agent.data.stores import Stores
from suanlian.i18n import _
from suanlian.i18n.help import N_, Command, Group
from suanlian.model.errors import InvalidError, NotFoundError
from suanlian.storage.contract import StorageError, checked

FAILED: Final = 1
_MOST: Final = 1_000

_storage = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None)


def install(app: typer.Typer) -> None:
    """Add the commands to the agent's."""
    app.add_typer(_storage, name="storage", help=N_("The storage that this connector publishes."))


@_storage.command(
    "check",
    cls=Command,
    help=N_("Try what the market asks of storage: write, read back, parts, a grant. No hub needed."),
)
def _check(
    name: Annotated[str | None, typer.Argument(help=N_("Its name; left out: all of it."))] = None,
    home_given: HomeOption = None,
) -> int:
    stores = _stores(home_given)
    findings = list(_found(stores, [_known(stores, name)] if name else list(stores.names)))
    for one in findings:
        typer.echo(_line(one))
    return FAILED if any(one.fault for one in findings) else 0


@_storage.command("ls", cls=Command, help=N_("List the storage, or files that lie below a folder of it."))
def _ls(
    name: Annotated[str | None, typer.Argument(help=N_("Its name; left out: all of it."))] = None,
    folder: Annotated[str, typer.Argument(help=N_("A folder below its root."))] = "",
    home_given: HomeOption = None,
) -> None:
    stores = _stores(home_given)
    if name is None:
        for one in stores.names:
            share = stores.share(one)
            where = stores.root(one) or share.endpoint
            typer.echo(f"{one}  {share.kind}  {share.site}  {where}")
        return
    try:
        found = listed(stores.open(_known(stores, name)), checked(folder) if folder else "", _MOST + 1)
    except StorageError as error:
        raise InvalidError("field_invalid", f"Storage {name!r} cannot be listed: {error}.") from error
    for file in found[:_MOST]:
        typer.echo(f"{file.size:>15}  {file.path}")
    if len(found) > _MOST:
        typer.echo(_("These are the first {n}; there are more.").format(n=_MOST))


def _stores(home_given: HomeOption) -> Stores:
    place = home(home_given)
    config = read_config(place.config)
    check_roots(config, place.config)
    return Stores(config, place.root)


def _known(stores: Stores, name: str) -> str:
    if name not in stores.names:
        names = ", ".join(stores.names) or "-"
        raise NotFoundError("not_found", f"This connector publishes no storage {name!r}.", todo=f"There is: {names}.")
    return name


def _found(stores: Stores, names: list[str]) -> Iterator[Finding]:
    for name in names:
        yield from check(stores, name, utc_now())


def _line(one: Finding) -> str:
    tried = {
        Tried.OPEN: _("can be opened"),
        Tried.LIST: _("can be listed"),
        Tried.WRITE: _("a file is written and read back"),
        Tried.PARTS: _("a file is written in parts and read back"),
        Tried.GRANT: _("a grant lets others read"),
        Tried.FREE: _("room is left"),
    }[one.tried]
    if one.fault:
        return _("{storage}: FAILED: {tried}: {fault}").format(storage=one.storage, tried=tried, fault=one.fault)
    seen = f": {one.seen}" if one.seen else ""
    return _("{storage}: ok: {tried}{seen}").format(storage=one.storage, tried=tried, seen=seen)
