"""From what is asked to a world and a demand: recorded, read from a file, or generated; what of it is assumed."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from suanlian.i18n import _
from suanlian.twin.demand import Demand
from suanlian.twin.generate import Recipe, generate, with_data, with_estimates, with_portable
from suanlian.twin.places import priced
from suanlian.twin.replay import NODE_UNITS, PLATFORMS, itp4
from suanlian.twin.request import Estimates, Request
from suanlian.twin.results import Ints
from suanlian.twin.tables import read
from suanlian.twin.trace import Trace, TraceError
from suanlian.twin.whatif import platform
from suanlian.twin.words import RECORDED
from suanlian.twin.world import World, sized

DRAWN: Final = (
    "nodes_median",
    "nodes_sigma",
    "hours_median",
    "hours_sigma",
    "gang_decay",
    "unevenness",
    "weekend",
    "accounts",
)
"""What of a recipe may be given by name."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A world and a demand in it. ``assumed`` names what nobody recorded: keys of ``words.ASSUMED``."""

    world: World
    trace: Trace
    assumed: tuple[str, ...]
    by_rho: bool
    """Whether the platforms were sized by their own demand."""


def arranged(request: Request) -> Setting:
    """What a request asks for. Raises ``TraceError`` and ``OSError``."""
    checked(request)
    assumed = ["prices", "portability", "links"]
    if request.jobs or request.platforms or request.recipe:
        world, demand = generate(_recipe(request))
        assumed.append("generated")
    else:
        demand = recorded() if request.trace is None else read(request.trace)
        world, by = _world(request, demand)
        assumed += [by] + ["places"] * (request.trace is None)
    trace = with_portable(demand.trace, request.portable)
    if request.estimates is not Estimates.OWN or request.trace is None:
        assumed.append("estimates")
    trace = with_estimates(trace, request.estimates, request.seed)
    if request.data_gb:
        trace = with_data(trace, request.data_gb, request.seed)
        assumed.append("data")
    world = replace(priced(world, request.gbps), move_s=request.move_s)
    return Setting(world, trace, tuple(assumed), by_rho="sized" in assumed)


def recorded() -> Demand:
    """The demand that ships: four clusters of the recording stand for four platforms."""
    return Demand(replace(itp4(), source=RECORDED), tuple(PLATFORMS.values()))


def sized_by(trace: Trace, platforms: int, rho: float, node_units: int) -> Ints:
    """Nodes of each platform so that its own demand loads it to ``rho`` over the span of the trace.

    Its largest gang fits at any rate.
    """
    work = np.bincount(trace.home, weights=trace.duration * trace.units, minlength=platforms)
    span = float((trace.submit + trace.duration).max() - trace.submit.min())
    most = np.zeros(platforms, dtype=np.int64)
    np.maximum.at(most, trace.home, trace.units)
    wanted = np.ceil(work / (node_units * span * rho)).astype(np.int64)
    return np.maximum(np.maximum(wanted, -(-most // node_units)), 1)


def _world(request: Request, demand: Demand) -> tuple[World, str]:
    node_units = request.node_units or NODE_UNITS
    if request.nodes:
        nodes = np.zeros(len(demand.names), dtype=np.int64)
        blank = sized(demand.names, [1] * len(demand.names), node_units=node_units)
        for name, count in request.nodes.items():
            nodes[platform(blank, name)] = count
        if np.any(nodes == 0):
            lacking = ", ".join(name for name, count in zip(demand.names, nodes, strict=True) if not count)
            raise TraceError("world_size", _("--nodes says nothing of {names}.").format(names=lacking))
        return sized(demand.names, nodes.tolist(), node_units=node_units), "nodes"
    nodes = sized_by(demand.trace, len(demand.names), request.rho, node_units)
    return sized(demand.names, nodes.tolist(), node_units=node_units), "sized"


def _recipe(request: Request) -> Recipe:
    base = Recipe(
        rho=request.rho, seed=request.seed, owners=request.owners, node_units=request.node_units or NODE_UNITS
    )
    known = [name for name in DRAWN if name in request.recipe]
    if lacking := sorted(set(request.recipe) - set(known)):
        wrong = _("--recipe knows no {name}. It knows: {names}.")
        raise TraceError("recipe", wrong.format(name=lacking[0], names=", ".join(DRAWN)))
    whole = {"accounts"}
    drawn: dict[str, Any] = {
        name: int(request.recipe[name]) if name in whole else request.recipe[name] for name in known
    }
    return replace(base, jobs=request.jobs or base.jobs, platforms=request.platforms or base.platforms, **drawn)


def checked(request: Request) -> None:
    """Raise ``TraceError`` for a figure that cannot be meant."""
    if request.trace is not None and (request.jobs or request.platforms or request.recipe):
        raise TraceError("recipe", _("A trace is read or generated, not both: leave out --jobs and --platforms."))
    limits = (
        ("--rho", request.rho, 0.01, 5.0),
        ("--portable", request.portable, 0.0, 1.0),
        ("--gbps", request.gbps, 1e-6, 1e6),
        ("--move-s", request.move_s, 0.0, 1e7),
        ("--data-gb", request.data_gb, 0.0, 1e7),
        ("--price", request.price, 0.0, 1e6),
    )
    for name, value, least, most in limits:
        if not least <= value <= most:
            wrong = _("{name} is {value:g}; it must lie from {least:g} to {most:g}.")
            raise TraceError("recipe", wrong.format(name=name, value=value, least=least, most=most))


def kept(request: Request) -> Demand:
    """The demand of a request as it was simulated, to be kept and run again."""
    setting = arranged(request)
    return Demand(setting.trace, setting.world.names)
