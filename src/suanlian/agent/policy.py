"""May this attempt run here? The owner's policy, asked again at the platform whatever the hub says. Pure.

What another platform may take is PREEMPTED, so that the hub places it elsewhere; what can never work is SYSTEM_ERROR.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from suanlian.agent.config import ANYBODY, Policy
from suanlian.agent.row import HOLDING, Row
from suanlian.drivers.contract import DriverStatus
from suanlian.model.job import JobState, Variant
from suanlian.model.platform import Flavor, Inventory, Share
from suanlian.model.probe import PROBE_ENVIRONMENT
from suanlian.model.protocol import Instruction
from suanlian.model.quantity import Resources, shown, total


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why it does not run here, and as what it is reported."""

    state: JobState
    reason: str


@dataclass(frozen=True, slots=True)
class House:
    """What the platform is now."""

    policy: Policy
    inventory: Inventory
    status: DriverStatus


def admit(said: Instruction, house: House, others: Iterable[Row]) -> Refusal | None:
    """None when it may run; ``others`` are the other attempts here."""
    share = next((share for share in house.inventory.shares if share.name == said.share), None)
    flavor = next((flavor for flavor in house.inventory.flavors if flavor.name == said.flavor), None)
    if share is None or flavor is None or share.flavor != flavor.name:
        return _elsewhere(f"the platform publishes no share {said.share!r} of flavor {said.flavor!r}")
    return (
        _unready(house)
        or _unwelcome(said, house)
        or _senseless(said, flavor)
        or _too_large(said.granted, flavor, share, others)
    )


def _unready(house: House) -> Refusal | None:
    if not house.status.ready:
        return _elsewhere(f"the platform's engine is not ready: {house.status.detail}")
    return None


def _unwelcome(said: Instruction, house: House) -> Refusal | None:
    policy = house.policy
    if said.probe is not None:
        return None  # the owner's cap says what these may take, and they run nothing but our own program
    if said.entity == policy.own_entity:
        return None
    if ANYBODY not in policy.entities and said.entity not in policy.entities:
        return _elsewhere(f"the platform's owner does not accept jobs of {said.entity!r}")
    if not house.status.isolated and not policy.allow_unisolated:
        return _elsewhere("nothing isolates jobs here, and the owner accepts only its own then")
    return None


def _senseless(said: Instruction, flavor: Flavor) -> Refusal | None:
    if said.spec is None or said.variant not in range(len(said.spec.variants)):
        return _never(f"the instruction names variant {said.variant}, which the job does not have")
    variant = said.spec.variants[said.variant]
    if (said.probe is not None) is not (variant.environment == PROBE_ENVIRONMENT):
        return _never(f"the environment {PROBE_ENVIRONMENT!r} is for the hub's own probes, and they have no other")
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


def _too_large(granted: Resources, flavor: Flavor, share: Share, others: Iterable[Row]) -> Refusal | None:
    if short := granted.short_of(flavor.node):
        kind = short[0]
        return _never(f"{shown(kind, granted.base()[kind])} is more than a node of flavor {flavor.name!r} has")
    held = total(row.granted for row in others if row.share == share.name and row.step in HOLDING)
    if short := granted.plus(held).short_of(share.capacity):
        kind = short[0]
        free = share.capacity.minus(held).base()[kind]
        wanted = shown(kind, granted.base()[kind])
        return _elsewhere(f"share {share.name!r} has {shown(kind, free)} free here, {wanted} were granted")
    return None


def _elsewhere(reason: str) -> Refusal:
    return Refusal(JobState.PREEMPTED, reason)


def _never(reason: str) -> Refusal:
    return Refusal(JobState.SYSTEM_ERROR, reason)
