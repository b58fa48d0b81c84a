"""What would a federation have done? The twin, found by its entry point: numpy is needed only where it is wanted."""

import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, cast

import typer

from suanlian.cli.output import say
from suanlian.cli.simulate_options import (
    DataGb,
    Drawn,
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
    PolicyFile,
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
from suanlian.cli.simulated import Progress, show
from suanlian.cli.specfile import parse
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.errors import InvalidError, NotFoundError
from suanlian.model.market_policy import MarketPolicy, Weights
from suanlian.model.reading import read
from suanlian.twin.document import Report
from suanlian.twin.request import Estimates, Partner, Request, Tell, Unit

commands = nouns()

GROUP: Final = "suanlian.twin"
"""The entry point ``run`` of this group takes a request, a function to tell progress, and a path for the page."""

STRATEGIES: Final = ("alone", "skip", "suanlian", "pooled", "fifo")

_MOVE_S: Final = 600.0
_WHOLE: Final = re.compile(r"\d{1,9}")
_NUMBER: Final = re.compile(r"\d{1,9}(?:\.\d{1,9})?")

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
    recipe: Drawn = "",
    seed: Seed = 0,
    nodes: Nodes = "",
    node_units: NodeUnits = 0,
    estimates: Known = Estimates.OWN,
    data_gb: DataGb = 0.0,
    gbps: Gbps = 10.0,
    move_s: MoveS = None,
    policy: PolicyFile = None,
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
    weights = None if policy is None else _weights(policy)
    request = Request(
        trace=trace,
        rho=rho,
        portable=portable,
        strategies=_strategies(strategy),
        jobs=jobs,
        platforms=platforms,
        owners=owners,
        recipe=_named("recipe", recipe),
        seed=seed,
        node_units=node_units,
        nodes={name: int(count) for name, count in _named("nodes", nodes, whole=True).items()},
        estimates=estimates,
        data_gb=data_gb,
        gbps=gbps,
        move_s=_moving(move_s, weights),
        policy=weights,
        sweep=tuple(sweep or ()),
        what_if=tuple(what_if or ()),
        mine=mine,
        unit=unit,
        partner=partner,
        price=price,
        keep=keep,
    )
    with Progress() as progress:
        found = started()(request, progress.tell, report)
    _answer(found, as_file, report)


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


def _weights(path: Path) -> MarketPolicy:
    """The hub's usual weights with those of the file, which may be what the hub answered."""
    said = parse(path)
    return read(Weights, said.get("policy", said)).over(MarketPolicy())


def _moving(asked: float | None, weights: MarketPolicy | None) -> float:
    if asked is not None:
        return asked
    return _MOVE_S if weights is None else weights.move_s


def _strategies(asked: list[str] | None) -> tuple[str, ...]:
    for name in asked or ():
        if name not in STRATEGIES:
            wrong = _("There is no strategy {name!r}. There are: {names}.").format(
                name=name, names=", ".join(STRATEGIES)
            )
            raise InvalidError("field_invalid", wrong, field="strategy")
    return tuple(asked or STRATEGIES[:4])


def _named(option: str, text: str, *, whole: bool = False) -> dict[str, float]:
    """``qingpu=88,wuhu=21`` as a mapping."""
    found: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _equals, number = part.rpartition("=")
        if not name or not (_WHOLE if whole else _NUMBER).fullmatch(number):
            raise InvalidError("field_invalid", _("{part!r} is no NAME=N.").format(part=part[:40]), field=option)
        found[name.strip()] = float(number)
    return found
