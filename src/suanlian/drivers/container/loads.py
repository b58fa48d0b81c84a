"""How full is a share by its engine? What running containers are bound to cannot be given away twice."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from suanlian.drivers.container import parse
from suanlian.drivers.container.client import EngineClient
from suanlian.drivers.contract import EngineLoad
from suanlian.model.platform import Share
from suanlian.model.quantity import Resources

_MIB: Final = 1024 * 1024
_NANO_PER_MILLI: Final = 1_000_000
_ALIVE: Final = ("running", "paused")


def in_use(client: EngineClient, share: Share) -> EngineLoad:
    """Of the share's capacity; containers without bounds are counted, but nobody knows what they will take.

    Raises DriverError.
    """
    machine = parse.node(client.info())
    running = [each for each in client.containers(every=False) if parse.word(each.get("State")) in _ALIVE]
    found = [client.container(str(each.get("Id"))) for each in running]
    return EngineLoad(
        taken(share.capacity, machine, [each for each in found if each is not None]), running=len(running)
    )


def taken(capacity: Resources, machine: Resources, containers: Iterable[Mapping[str, Any]]) -> Resources:
    """What the rest of the machine does not leave free for the share. Pure."""
    cpu = memory = 0
    for container in containers:
        host = container.get("HostConfig") or {}
        cpu += int(host.get("NanoCpus") or 0) // _NANO_PER_MILLI
        memory += int(host.get("Memory") or 0) // _MIB
    return Resources.of(
        {"cpu": _of(capacity.cpu, machine.cpu, cpu), "memory": _of(capacity.memory, machine.memory, memory)}
    )


def _of(capacity: int, machine: int, used: int) -> int:
    """A share that is larger than the machine is told in proportion."""
    if capacity > machine:
        return min(capacity, -(-capacity * used // machine)) if machine else 0
    return capacity - min(capacity, max(0, machine - used))
