"""May the hub's own small job run here, and what is it? Within the owner's cap, and written by ourselves. Pure.

A hub says which program with which values; the command, its environment and its bounds are ours.
"""

from collections.abc import Iterable
from typing import Final

from suanlian.agent.row import HOLDING, Row
from suanlian.drivers.contract import Driver, Probes
from suanlian.model.performance import Architecture
from suanlian.model.platform import Flavor
from suanlian.model.probe import PROBE_ENVIRONMENT, ProbeCap, probe_environment, probe_spec
from suanlian.model.protocol import Instruction, Wish
from suanlian.model.quantity import total

OVER_CAP: Final = "probe_cap"
"""The code at the beginning of a reason: the owner lets probes take no more."""
_MILLI: Final = 1000


def architecture_of(driver: Driver) -> Architecture | None:
    """Of which architecture probes are here; None where the driver offers none."""
    return driver.probe_architecture() if isinstance(driver, Probes) else None


def written(said: Instruction, architecture: Architecture | None, cap: ProbeCap) -> Instruction:
    """The instruction with the job that we write for a probe; whatever job came with it is thrown away.

    Without a job stays what the hub did not say by values, and what nothing here can run.
    """
    if said.probe is None or said.wish is not Wish.RUN:
        return said
    if said.task is None or architecture is None:
        return said.model_copy(update={"spec": None})
    spec = probe_spec(said.task, said.granted, architecture, cap.seconds)
    return said.model_copy(update={"spec": spec, "variant": 0})


def offered(flavors: Iterable[Flavor], architecture: Architecture | None) -> tuple[Flavor, ...]:
    """The flavors with the environment of probes where theirs is the architecture of it, and without it elsewhere."""
    return tuple(_offered(flavor, architecture) for flavor in flavors)


def _offered(flavor: Flavor, architecture: Architecture | None) -> Flavor:
    others = tuple(known for known in flavor.environments if known.name != PROBE_ENVIRONMENT)
    if flavor.architecture is architecture:
        others = (*others, probe_environment(flavor.architecture))
    return flavor if others == flavor.environments else flavor.model_copy(update={"environments": others})


def over_cap(said: Instruction, cap: ProbeCap, others: Iterable[Row], made_today: int) -> str | None:
    """Why the owner's cap does not let this probe in; None when it does. ``made_today``: in the last 24 hours."""
    held = total(row.granted for row in others if row.probe is not None and row.step in HOLDING)
    cpu = said.granted.plus(held).cpu
    if cpu > int(cap.cpu * _MILLI):
        return f"{OVER_CAP}: probes would take {cpu} millicores at once, the owner lets them take {cap.cpu} cores"
    if said.task is not None and said.task.seconds > cap.seconds:
        return f"{OVER_CAP}: it would take {said.task.seconds} s, the owner lets a probe take {cap.seconds} s"
    if made_today >= cap.per_day:
        return f"{OVER_CAP}: {made_today} probes ran within a day, the owner lets {cap.per_day} run"
    return None
