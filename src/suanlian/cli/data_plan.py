"""Before an upload: which storage could take it, how long that would take, what it costs, and what runs beside it.

Nothing is read but names and sizes, and nothing is reserved. How fast this machine sends is not known to anybody: it is
said (``--uplink``) or the hours are left open.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Annotated, Final

import typer

from suanlian.cli.datashown import size
from suanlian.cli.output import AsJson, print_json, remark, table
from suanlian.cli.session import open_hub
from suanlian.cli.shown import money
from suanlian.cli.specfile import load
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command
from suanlian.model.data import StorageShare
from suanlian.model.errors import SuanlianError
from suanlian.model.link import PathView
from suanlian.model.placement import Candidate
from suanlian.sdk.client import Client
from suanlian.sdk.folders import Folder, look
from suanlian.sdk.putting import check_storage

_GB: Final = 10**9
_BITS: Final = 8
_MEGA: Final = 10**6
_HOUR_S: Final = 3600
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Option:
    """One storage. Prices in CNY; ``refuses``: why nothing of it can be put there; None where a figure is not known."""

    storage: str
    site: str
    refuses: str
    offers: int | None
    hours: Decimal | None
    keep_month: Decimal
    job_place: str = ""
    job_cny: Decimal | None = None
    bring_cny: Decimal | None = None

    @property
    def total(self) -> Decimal | None:
        """What the job costs with its data lying here; None where that is not known."""
        return None if self.job_cny is None or self.bring_cny is None else self.job_cny + self.bring_cny

    @property
    def order(self) -> tuple[bool, bool, Decimal, Decimal, str]:
        """The best first: what takes it, cheapest for the job, then cheapest to keep."""
        return bool(self.refuses), self.total is None, self.total or Decimal(0), self.keep_month, self.storage


def _plan(
    source: Annotated[Path, typer.Argument(metavar="DIR", help=N_("A folder, or a file."))],
    job: Annotated[
        Path | None,
        typer.Option("--job", metavar="FILE", help=N_("The job that will read it; its `data` is left out.")),
    ] = None,
    uplink: Annotated[
        float | None,
        typer.Option("--uplink", metavar="MBIT", min=0.001, help=N_("As fast as this machine sends, Mbit/s: assumed.")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    folder = look(source)
    with open_hub() as hub:
        places = [] if job is None else _places(hub, job)
        names = {str(one.id): one.name for one in islice(hub.platforms.list(), _MOST)}
        found = sorted(
            (
                _option(hub, names.get(str(one.platform_id), "?"), one.body, folder, (uplink, places))
                for one in hub.catalogue.storages()
            ),
            key=lambda one: one.order,
        )
    if as_json:
        print_json({"files": len(folder.files), "bytes": folder.bytes, "storages": [_plain(one) for one in found]})
        return
    remark(
        _("{n} files, {size}; the largest has {largest}.").format(
            n=len(folder.files), size=size(folder.bytes), largest=size(folder.largest.size)
        )
    )
    _tell(found, uplink, with_job=job is not None)


def _places(hub: Client, file: Path) -> list[Candidate]:
    """Where the job would fit, the cheapest first, wherever its data is."""
    spec = load(file, [], len).model_copy(update={"data": ()})
    found = [one for one in hub.jobs.plan(spec).candidates if not one.failed and one.cost is not None]
    return sorted(found, key=lambda one: one.cost or Decimal(0))


def _option(
    hub: Client, platform: str, share: StorageShare, folder: Folder, asked: tuple[float | None, Sequence[Candidate]]
) -> Option:
    uplink, places = asked
    ref, site = f"{platform}/{share.name}", f"{platform}/{share.site}"
    refuses, gb = "", Decimal(folder.bytes) / _GB
    try:
        check_storage(ref, share, folder)
    except SuanlianError as error:
        refuses = error.wrong
    hours = None if uplink is None else Decimal(folder.bytes * _BITS) / Decimal(uplink * _MEGA * _HOUR_S)
    option = Option(ref, site, refuses, share.capacity, hours, share.keep_cny_per_gb_month * gb)
    if not places:
        return option
    place, bring = min(
        ((one, _bringing(hub, share, site, one) * gb) for one in _worth_a_look(places, site)),
        key=lambda pair: (pair[0].cost or Decimal(0)) + pair[1],
    )
    return Option(
        ref, site, refuses, share.capacity, hours, option.keep_month, _site_of(place), place.cost, bring
    )  # fmt: skip


def _worth_a_look(places: Sequence[Candidate], site: str) -> Iterator[Candidate]:
    """The cheapest place beside the storage, and the cheapest of all."""
    yield places[0]
    yield from islice((one for one in places if _site_of(one) == site), 1)


def _site_of(place: Candidate) -> str:
    return f"{place.platform}/{place.site}"


def _bringing(hub: Client, share: StorageShare, site: str, place: Candidate) -> Decimal:
    """What a GB costs from there to the place, in CNY."""
    if _site_of(place) == site:
        return Decimal(0)
    try:
        path: PathView = hub.links.path(site, _site_of(place))
    except SuanlianError:  # no way is known: what leaves the storage is paid at least
        return share.egress_cny_per_gb
    link = Decimal(0) if path.direct is None else path.direct.cny_per_gb
    return share.egress_cny_per_gb + link


def _plain(one: Option) -> dict[str, object]:
    told: dict[str, object] = {"storage": one.storage, "site": one.site, "refuses": one.refuses or None}
    told |= {"offers_bytes": one.offers, "job_place": one.job_place or None}
    figures = {"hours": one.hours, "keep_cny_per_month": one.keep_month, "job_cny": one.job_cny}
    figures |= {"bringing_cny": one.bring_cny}
    return told | {name: None if value is None else str(round(value, 6)) for name, value in figures.items()}


def _tell(found: Sequence[Option], uplink: float | None, *, with_job: bool) -> None:
    hours = _("Hours, assumed") if uplink is not None else _("Hours")
    columns: list[tuple[str, Callable[[Option], object]]] = [
        (_("Storage"), lambda one: one.storage),
        (_("Takes it"), lambda one: one.refuses or _("yes, by put")),
        (_("Offers"), lambda one: "" if one.offers is None else size(one.offers)),
        (hours, lambda one: _("unknown") if one.hours is None else f"{one.hours:.2f}"),
        (_("A month"), lambda one: money(round(one.keep_month, 4))),
    ]
    if with_job:
        columns += [
            (_("The job runs at"), lambda one: one.job_place or _("nowhere now")),
            (_("The job, estimate"), lambda one: _rounded(one.job_cny)),
            (_("Bringing, estimate"), lambda one: _rounded(one.bring_cny)),
        ]
    table(found, columns)
    best = next((one for one in found if not one.refuses), None)
    if best is not None:
        remark(_("Best so: suanlian data put DIR NAME --to {storage}").format(storage=best.storage))
    if uplink is None:
        remark(_("How fast this machine sends is not known: say it with --uplink, in Mbit/s."))
    remark(_("What is free at a storage, and whether the data's level may lie there, is told when it is put."))


def _rounded(amount: Decimal | None) -> str:
    return "" if amount is None else money(round(amount, 4))


def install(data: typer.Typer) -> None:
    """Add the command to those of data."""
    data.command(
        "plan",
        cls=Command,
        options_metavar=OPTIONS,
        help=N_("Before an upload: which storage could take a folder, how long and at what cost; sends nothing."),
    )(_plan)
