"""What a planner asks: the same demand in a world with more cards somewhere, or faster links.

``wuhu+500``: 500 accelerators more in Wuhu (whole nodes); ``wuhu-64``: fewer; ``link:zhongwei*2``: its links twice as
fast, both ways; ``link:qingpu-zhongwei*2``: that one; ``green:wuhu=0.8``: its contracted green power;
``down:wuhu=24-48``: it fails from the 24th to the 48th hour, and what ran there is lost;
``portable=0.5``: half of the jobs may move; ``load*1.2``: the same jobs, submitted in 1/1.2 of the time.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from suanlian.i18n import _
from suanlian.twin.generate import with_portable
from suanlian.twin.trace import Trace, TraceError
from suanlian.twin.world import Outage, World

_FORM: Final = re.compile(
    r"^(?:(?P<what>link|green):)?(?P<name>[^+*=]+?)(?P<sign>[+*=]|-(?=\d))(?P<number>\d+(?:\.\d+)?)$"
)
EXAMPLES: Final = (
    "wuhu+500, link:zhongwei*2, link:qingpu-zhongwei*2, green:wuhu=0.8, down:wuhu=24-48, portable=0.5, load*1.2"
)

_DOWN: Final = re.compile(r"^down:(?P<name>.+)=(?P<since>\d+(?:\.\d+)?)-(?P<until>\d+(?:\.\d+)?)$")

State = tuple[World, Trace]


def changed(world: World, trace: Trace, asked: str) -> State:
    """The world and the demand as asked. Raises ``TraceError`` ``what_if`` for what is not understood."""
    if down := _DOWN.match(asked.strip()):
        return _failed(world, down["name"], float(down["since"]), float(down["until"])), trace
    found = _FORM.match(asked.strip())
    act = _ACTS.get((found["what"] or _bare(found["name"]), found["sign"])) if found else None
    if found is None or act is None:
        raise TraceError(
            "what_if",
            _("{asked}: not understood. Write, for example: {examples}.").format(asked=asked[:80], examples=EXAMPLES),
        )
    return act(world, trace, found["name"].strip(), float(found["number"]))


def _bare(name: str) -> str:
    folded = name.strip().casefold()
    return folded if folded in ("portable", "load") else "cards"


def platform(world: World, name: str) -> int:
    """The number of a platform by its name, in any case. Raises ``TraceError``."""
    folded = [known.casefold() for known in world.names]
    if name.casefold() not in folded:
        raise TraceError(
            "what_if",
            _("There is no platform {name}. There are: {names}.").format(name=name, names=", ".join(world.names)),
        )
    return folded.index(name.casefold())


def _more(world: World, trace: Trace, name: str, cards: float) -> State:
    return _cards(world, name, cards), trace


def _fewer(world: World, trace: Trace, name: str, cards: float) -> State:
    return _cards(world, name, -cards), trace


def _cards(world: World, name: str, cards: float) -> World:
    place = platform(world, name)
    nodes = world.nodes.copy()
    # whole nodes: what is bought is at least what was asked for, what is taken away at most
    nodes[place] += int(np.ceil(cards / world.node_units[place]))
    if nodes[place] < 0:
        raise TraceError("what_if", _("{name} has not so many cards.").format(name=world.names[place]))
    return replace(world, nodes=nodes)


def _failed(world: World, name: str, since_h: float, until_h: float) -> World:
    if not since_h < until_h:
        raise TraceError("what_if", _("A failure ends after it begins."))
    outage = Outage(platform=platform(world, name), at=since_h * 3600, until=until_h * 3600)
    return replace(world, outages=(*world.outages, outage))


def _links(world: World, trace: Trace, name: str, factor: float) -> State:
    if world.gbps is None or factor <= 0:
        raise TraceError("what_if", _("Links need a speed above zero."))
    gbps = world.gbps.copy()
    near, _dash, far = name.partition("-")
    # a platform may have a dash in its name
    if far and name.casefold() not in {known.casefold() for known in world.names}:
        one, other = platform(world, near), platform(world, far)
        gbps[one, other] *= factor
        gbps[other, one] *= factor
    else:
        one = platform(world, name)
        gbps[one, :] *= factor
        gbps[np.arange(len(gbps)) != one, one] *= factor
    return replace(world, gbps=gbps), trace


def _green(world: World, trace: Trace, name: str, share: float) -> State:
    if world.green is None or not 0 <= share <= 1:
        raise TraceError("what_if", _("A share of green power lies from 0 to 1."))
    green = world.green.copy()
    green[platform(world, name)] = share
    return replace(world, green=green), trace


def _portable(world: World, trace: Trace, _name: str, share: float) -> State:
    if not 0 <= share <= 1:
        raise TraceError("what_if", _("A share of portable jobs lies from 0 to 1."))
    return world, with_portable(trace, share)


def _load(world: World, trace: Trace, _name: str, factor: float) -> State:
    """Submissions come closer together: the same jobs in 1/factor of the time."""
    if factor <= 0:
        raise TraceError("what_if", _("A load must be above zero."))
    return world, replace(trace, submit=trace.submit / factor, deadline=trace.deadline / factor)


_ACTS: Final[Mapping[tuple[str, str], Callable[[World, Trace, str, float], State]]] = {
    ("cards", "+"): _more,
    ("cards", "-"): _fewer,
    ("link", "*"): _links,
    ("green", "="): _green,
    ("portable", "="): _portable,
    ("load", "*"): _load,
}
