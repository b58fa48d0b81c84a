"""What would a federation have done? The twin, found by its entry point: numpy is needed only where it is wanted."""

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, cast

import typer

from suanlian.cli.output import remark, say
from suanlian.cli.simulate_options import (
    DataGb,
    Gbps,
    Jobs,
    JsonFile,
    KeepFile,
    Known,
    MineFile,
    MoveS,
    Nodes,
    NodeUnits,
    Owners,
    PageFile,
    PartnerOf,
    Platforms,
    Portable,
    Price,
    Rho,
    Seed,
    Strategies,
    Sweeps,
    TraceFile,
    UnitOf,
    WhatIfs,
)
from suanlian.cli.simulated import show
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.errors import InvalidError, NotFoundError
from suanlian.twin.document import Report
from suanlian.twin.request import Estimates, Partner, Request, Tell, Unit

commands = nouns()

GROUP: Final = "suanlian.twin"
"""The entry point ``run`` of this group takes a request, a function to tell progress, and a path for the page."""

STRATEGIES: Final = ("alone", "skip", "suanlian", "pooled", "fifo")

Start = Callable[[Request, Tell, Path | None], Report]


@commands.command(
    "simulate",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Simulate a federation over recorded, generated or your own demand; nothing is sent anywhere."),
)
def _simulate(  # noqa: PLR0913, PLR0917 - an option each
    trace: TraceFile = None,
    rho: Rho = 0.7,
    portable: Portable = 1.0,
    strategy: Strategies = None,
    jobs: Jobs = 0,
    platforms: Platforms = 0,
    owners: Owners = 0,
    seed: Seed = 0,
    nodes: Nodes = "",
    node_units: NodeUnits = 0,
    estimates: Known = Estimates.OWN,
    data_gb: DataGb = 0.0,
    gbps: Gbps = 10.0,
    move_s: MoveS = 600.0,
    sweep: Sweeps = None,
    what_if: WhatIfs = None,
    mine: MineFile = None,
    unit: UnitOf = Unit.AUTO,
    partner: PartnerOf = Partner.AUTO,
    price: Price = 1.8,
    report: PageFile = None,
    as_file: JsonFile = None,
    keep: KeepFile = None,
) -> None:
    request = Request(
        trace=trace,
        rho=rho,
        portable=portable,
        strategies=_strategies(strategy),
        jobs=jobs,
        platforms=platforms,
        owners=owners,
        seed=seed,
        node_units=node_units,
        nodes=_nodes(nodes),
        estimates=estimates,
        data_gb=data_gb,
        gbps=gbps,
        move_s=move_s,
        sweep=tuple(sweep or ()),
        what_if=tuple(what_if or ()),
        mine=mine,
        unit=unit,
        partner=partner,
        price=price,
        keep=keep,
    )
    _answer(started()(request, _tell, report), as_file, report)


def started(group: str = GROUP) -> Start:
    """The twin. Raises NotFoundError ``not_found`` when what it needs is not installed."""
    try:
        (found,) = entry_points(group=group, name="run")
        return cast("Start", found.load())
    except (ValueError, ImportError) as error:
        raise NotFoundError(
            "not_found",
            _("The twin is not installed ({error}).").format(error=error),
            todo=_('Install it: pip install "suanlian[twin]"'),
        ) from error


def _answer(found: Report, as_file: Path | None, page: Path | None) -> None:
    if as_file == Path("-"):
        typer.echo(found.model_dump_json(indent=2))
        return
    show(found)
    if as_file:
        as_file.write_text(found.model_dump_json(indent=2) + "\n", "utf-8")
    for written in filter(None, (as_file, page)):
        say(_("Written: {path}").format(path=written))


def _tell(done: int, total: int, what: str) -> None:
    if what:
        remark(_("[{done}/{total}] simulating: {what}").format(done=done + 1, total=total, what=what))


def _strategies(asked: list[str] | None) -> tuple[str, ...]:
    for name in asked or ():
        if name not in STRATEGIES:
            wrong = _("There is no strategy {name!r}. There are: {names}.").format(
                name=name, names=", ".join(STRATEGIES)
            )
            raise InvalidError("field_invalid", wrong, field="strategy")
    return tuple(asked or STRATEGIES[:4])


def _nodes(text: str) -> dict[str, int]:
    """``qingpu=88,wuhu=21`` as a mapping."""
    found: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _equals, count = part.rpartition("=")
        if not name or not count.isdigit():
            raise InvalidError("field_invalid", _("{part!r} is no NAME=N.").format(part=part[:40]), field="nodes")
        found[name] = int(count)
    return found
