"""May this attempt run here? The owner's word, asked again at the platform whatever the hub says. Pure.

What another platform may take is PREEMPTED, so that the hub places it elsewhere; what can never work is SYSTEM_ERROR.
Of a refusal by the owner's policy the hub is told the clause, never what the policy says.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from suanlian.agent.reconcile import LOWERED, PAUSED
from suanlian.agent.row import HOLDING, Row, Step
from suanlian.drivers.contract import DriverStatus
from suanlian.model.job import JobSpec, JobState, Variant
from suanlian.model.load import ShareLoad
from suanlian.model.owner import JoinLevel, OwnerPolicy
from suanlian.model.platform import Flavor, Inventory, Share, ShareMode
from suanlian.model.probe import PROBE_ENVIRONMENT
from suanlian.model.protocol import Instruction
from suanlian.model.quantity import Resources, shown, total
from suanlian.rules.owner import REFUSED, Asked, Clause, Standing, Taken, level_admits, refusals


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why it does not run here, and as what it is reported. ``clauses``: of the owner's policy, for the owner's log."""

    state: JobState
    reason: str
    clauses: tuple[Clause, ...] = ()


@dataclass(frozen=True, slots=True)
class House:
    """What the platform was when it was last looked at."""

    policy: OwnerPolicy
    inventory: Inventory
    status: DriverStatus


class Held:
    """What attempts hold that were admitted: added up by entity, share and whether they are probes of the hub."""

    def __init__(self) -> None:
        """Nothing is held."""
        self._sums: dict[tuple[str, str, bool], tuple[Resources, int]] = {}

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Held":
        """What these attempts hold."""
        held = cls()
        for row in rows:
            held.add(row)
        return held

    def add(self, row: Row) -> None:
        """One attempt more."""
        if row.step in HOLDING:
            granted, count = self._sums.get(_kind(row), (Resources(), 0))
            self._sums[_kind(row)] = granted.plus(row.granted), count + 1

    def remove(self, row: Row) -> None:
        """One attempt less."""
        if row.step in HOLDING and _kind(row) in self._sums:
            granted, count = self._sums[_kind(row)]
            self._sums[_kind(row)] = granted.minus(row.granted), count - 1

    def taken(self) -> tuple[Taken, ...]:
        """As the owner's policy counts it."""
        return tuple(
            Taken(entity, granted, probe=probe, count=count)
            for (entity, _share, probe), (granted, count) in self._sums.items()
        )

    def of_share(self, share: str) -> Resources:
        """All that is held of a share."""
        return total(granted for (_entity, name, _probe), (granted, _count) in self._sums.items() if name == share)


def _kind(row: Row) -> tuple[str, str, bool]:
    return row.entity, row.share, row.probe is not None


@dataclass(frozen=True, slots=True)
class Present:
    """What is true just now: the level, the time, what others hold, and how many probes the last day had."""

    level: JoinLevel
    now: datetime
    held: Held = field(default_factory=Held)
    probes: int = 0
    loads: Sequence[ShareLoad] = field(default=())


@dataclass(frozen=True, slots=True)
class Halt:
    """By what the owner holds back attempts that have not started."""

    paused: bool
    level: JoinLevel
    policy: OwnerPolicy

    def why(self, row: Row) -> str:
        """Why this one is given back; empty where nothing holds it back. What just came in is judged by ``admit``."""
        if self.paused:
            return PAUSED
        if row.step is Step.RECEIVED or self._admits(row):
            return ""
        return LOWERED

    def _admits(self, row: Row) -> bool:
        if row.probe is not None:
            return self.level is not JoinLevel.OBSERVE
        return level_admits(self.level, row.entity, self.policy.own_entity, self.policy.partners)


def admit(said: Instruction, house: House, present: Present) -> Refusal | None:
    """None when it may run here and now."""
    share = next((share for share in house.inventory.shares if share.name == said.share), None)
    flavor = next((flavor for flavor in house.inventory.flavors if flavor.name == said.flavor), None)
    if share is None or flavor is None or share.flavor != flavor.name:
        return _elsewhere(f"the platform publishes no share {said.share!r} of flavor {said.flavor!r}")
    if said.spec is None or said.variant not in range(len(said.spec.variants)):
        return _never(f"the instruction names variant {said.variant}, which the job does not have")
    variant = said.spec.variants[said.variant]
    return (
        _unready(house)
        or _reserved(said, variant)
        or _unwelcome(_asked(said, said.spec, variant), house, present)
        or _senseless(variant, flavor)
        or _too_large(said.granted, flavor, share, present)
    )


def _asked(said: Instruction, spec: JobSpec, variant: Variant) -> Asked:
    return Asked(
        entity=said.entity,
        granted=said.granted,
        wall_time_s=spec.wall_time_s,
        environment=variant.environment,
        image=variant.image,
        network=spec.network,
        data_level=spec.wants.data_level,
        rates=said.rates,
        probe=said.probe,
        movable=spec.checkpoint is not None,
    )


def _unready(house: House) -> Refusal | None:
    if not house.status.ready:
        return _elsewhere(f"the platform's engine is not ready: {house.status.detail}")
    return None


def _unwelcome(asked: Asked, house: House, present: Present) -> Refusal | None:
    standing = Standing(
        level=present.level,
        policy=house.policy,
        isolated=house.status.isolated,
        now=present.now,
        taken=present.held.taken(),
        probes=present.probes,
    )
    clauses = refusals(asked, standing)
    return Refusal(JobState.PREEMPTED, f"{REFUSED}: {clauses[0]}", clauses) if clauses else None


def _reserved(said: Instruction, variant: Variant) -> Refusal | None:
    if (said.probe is not None) is not (variant.environment == PROBE_ENVIRONMENT):
        return _never(f"the environment {PROBE_ENVIRONMENT!r} is for the hub's own probes, and they have no other")
    return None


def _senseless(variant: Variant, flavor: Flavor) -> Refusal | None:
    if not _runs(variant, flavor):
        software = variant.environment or variant.image
        return _never(f"flavor {flavor.name!r} does not run {software!r} for {variant.architecture.value}")
    return None


def _runs(variant: Variant, flavor: Flavor) -> bool:
    if variant.environment is None:
        return variant.architecture is flavor.architecture
    return any(
        declared.name == variant.environment and declared.architecture is variant.architecture
        for declared in flavor.environments
    )


def _too_large(granted: Resources, flavor: Flavor, share: Share, present: Present) -> Refusal | None:
    if short := granted.short_of(flavor.node):
        kind = short[0]
        return _never(f"{shown(kind, granted.base()[kind])} is more than a node of flavor {flavor.name!r} has")
    held = present.held.of_share(share.name)
    capacity = _left(share, present)
    if short := granted.plus(held).short_of(capacity):
        kind = short[0]
        free = capacity.minus(held).base()[kind]
        wanted = shown(kind, granted.base()[kind])
        return _elsewhere(f"share {share.name!r} has {shown(kind, free)} free here, {wanted} were granted")
    return None


def _left(share: Share, present: Present) -> Resources:
    """What the hub's jobs may hold of it: all of an exclusive one, else what the owner's own work leaves."""
    if share.mode is ShareMode.EXCLUSIVE:
        return share.capacity
    load = next((load for load in present.loads if load.share == share.name and not load.fault), None)
    return Resources() if load is None else share.capacity.minus(load.owners())


def _elsewhere(reason: str) -> Refusal:
    return Refusal(JobState.PREEMPTED, reason)


def _never(reason: str) -> Refusal:
    return Refusal(JobState.SYSTEM_ERROR, reason)
