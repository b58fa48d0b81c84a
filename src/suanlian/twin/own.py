"""What federation would do to one's own queue: alone as recorded and as simulated, beside assumed partners.

Nothing leaves the machine: a file is read, and figures are made of it.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from suanlian.twin.document import Later, Own, Report
from suanlian.twin.figures import spread
from suanlian.twin.generate import Recipe, generate, with_estimates, with_portable
from suanlian.twin.metrics import GRACE_S
from suanlian.twin.mine import MINE, Mine, beside, mine
from suanlian.twin.places import priced
from suanlian.twin.replay import NODE_UNITS
from suanlian.twin.request import Estimates, Partner, Request, Tell, Unit
from suanlian.twin.results import Bools, Floats, Results
from suanlian.twin.sacct import read_sacct
from suanlian.twin.setting import Setting, checked, recorded, sized_by
from suanlian.twin.simulate import Strategy, simulate
from suanlian.twin.study import Counted, Engine, strategies, told
from suanlian.twin.tables import opened
from suanlian.twin.trace import Trace
from suanlian.twin.world import World, sized

SHARES: Final = (0.1, 0.25, 0.5, 1.0)
"""Shares of portable jobs at which it is asked what would be had."""
MOST_TOLD: Final = 50
"""Of the jobs that end later, so many are told one by one."""


def own_queue(request: Request, tell: Tell, engine: Engine = simulate) -> Report:
    """The report of ``request.mine``, with its ``own``. Raises ``TraceError`` and ``OSError``."""
    checked(request)
    if request.mine is None:
        raise ValueError("no file of one's own queue")
    with opened(request.mine) as source:
        accounting = read_sacct(source, request.mine.name)
    own = mine(accounting, unit=request.unit, nodes=request.nodes.get(MINE, 0), node_units=request.node_units)
    setting, partner = _setting(request, own)
    wanted = tuple(dict.fromkeys((*strategies(request), Strategy.SUANLIAN)))
    run = Counted(engine, len(wanted) + 1 + len(SHARES), tell)
    # alone by the same policy: what is told apart is federation, not the policy
    alone = run(_alone(setting.world), _estimated(request, own), Strategy.SUANLIAN, MINE)
    results = {strategy: run(setting.world, setting.trace, strategy) for strategy in wanted}
    report = told(request, setting, results)
    needs = tuple(_needs(setting, own, run))
    run.end()
    found = _own(request, own, alone, results[Strategy.SUANLIAN]).model_copy(
        update={"partner": partner, "needs": needs}
    )
    return report.model_copy(update={"own": found})


def _alone(world: World) -> World:
    """One's own platform by itself; it stands first."""
    return sized(world.names[:1], world.nodes[:1].tolist(), node_units=int(world.node_units[0]), move_s=world.move_s)


def _estimated(request: Request, own: Mine) -> Trace:
    return with_estimates(own.demand.trace, request.estimates, request.seed)


def _setting(request: Request, own: Mine) -> tuple[Setting, str]:
    is_recorded = request.partner is Partner.RECORDED or (request.partner is Partner.AUTO and own.unit is Unit.GPU)
    partner = Partner.RECORDED if is_recorded else Partner.GENERATED
    other, others = _recorded(request) if is_recorded else _generated(request, own)
    world, both = beside(own.world, _estimated(request, own), other, others)
    priced_world = replace(priced(world, request.gbps), move_s=request.move_s)
    assumed = (
        "partner",
        "prices",
        "portability",
        "links",
        *(["estimates"] if request.estimates is not Estimates.OWN else []),
    )
    return Setting(priced_world, with_portable(both, request.portable), assumed, by_rho=False), str(partner)


def _recorded(request: Request) -> tuple[World, Trace]:
    demand = recorded()
    nodes = sized_by(demand.trace, len(demand.names), request.rho, NODE_UNITS)
    return sized(demand.names, nodes.tolist(), node_units=NODE_UNITS), demand.trace


def _generated(request: Request, own: Mine) -> tuple[World, Trace]:
    recipe = Recipe(
        platforms=request.platforms or 3,
        jobs=request.jobs or Recipe().jobs,
        rho=request.rho,
        seed=request.seed,
        node_units=int(own.world.node_units[0]),
        nodes_median=float(max(1, own.world.nodes[0])),
    )
    world, demand = generate(recipe)
    return world, demand.trace


def _needs(setting: Setting, own: Mine, run: Counted) -> Iterator[tuple[float, float]]:
    whole = replace(setting.trace, movable=np.ones(len(setting.trace), dtype=np.bool_))
    for share in SHARES:
        results = run(setting.world, with_portable(whole, share), Strategy.SUANLIAN, f"portability {share:g}")
        yield share, spread(_mine_rows(results, results.wait, own)).mean


def _mine_rows(results: Results, values: Floats, own: Mine) -> Floats:
    """Of one's own jobs, in the order of their ids."""
    rows = np.flatnonzero(results.home == 0)
    return values[rows[np.argsort(results.job[rows], kind="stable")]][: len(own.ids)]


def _own(request: Request, own: Mine, alone: Results, federated: Results) -> Own:
    together, apart = (_mine_rows(one, one.completion, own) for one in (federated, alone))
    later_by = np.where(np.isfinite(together), together - apart, np.inf)
    later = later_by > request.move_s + GRACE_S
    worst = [row for row in np.argsort(-later_by, kind="stable").tolist() if later[row] and np.isfinite(later_by[row])]
    capacity, used = _use(own)
    idle = max(0.0, capacity - used)
    sold = _hours(federated, (federated.ran_at == 0) & (federated.home != 0))
    bought = _hours(federated, (federated.ran_at > 0) & (federated.home == 0))
    trace = own.demand.trace
    return Own(
        unit=str(own.unit),
        partner="",
        recorded=spread(own.waited),
        alone=spread(alone.wait),
        federated=spread(_mine_rows(federated, federated.wait, own)),
        jobs=len(own.ids),
        later=int(later.sum()),
        latest=tuple(
            Later(job=own.ids[row], account=trace.accounts[trace.account[row]], by=float(later_by[row]))
            for row in worst[:MOST_TOLD]
        ),
        capacity=capacity,
        idle=idle,
        sold=sold,
        bought=bought,
        price=request.price,
        earned=sold * request.price,
        paid=bought * request.price,
        if_all_idle_sold=idle * request.price,
        needs=(),
    )


def _use(own: Mine) -> tuple[float, float]:
    """Capacity and use over the span that the records cover, as recorded (unit-hours)."""
    trace = own.demand.trace
    starts = trace.submit + own.waited
    span = float(np.max(starts + trace.duration) - trace.submit[0])
    return float(own.world.units[0]) * span / 3600, float(np.sum(trace.duration * trace.units)) / 3600


def _hours(results: Results, rows: Bools) -> float:
    return float(np.sum((results.end[rows] - results.start[rows]) * results.units[rows])) / 3600
