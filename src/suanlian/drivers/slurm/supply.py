"""What does the cluster have, who may use it, and how is it spoken to? From options and node records; little I/O."""

import pwd
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from suanlian.drivers.contract import DriverError
from suanlian.drivers.slurm.book import Owner
from suanlian.drivers.slurm.cli import CommandClient
from suanlian.drivers.slurm.client import RestClient, Tokens
from suanlian.drivers.slurm.images import RUNTIMES
from suanlian.drivers.slurm.options import Place, SlurmOptions
from suanlian.drivers.slurm.records import Engine, NodeRecord
from suanlian.model.performance import Architecture, ComputeClass
from suanlian.model.platform import Feature, Flavor
from suanlian.model.quantity import Resources, total

_AWAY: Final = frozenset(
    {"DOWN", "DRAIN", "DRAINED", "DRAINING", "FAIL", "MAINT", "NOT_RESPONDING", "UNKNOWN", "INVAL"}
)
"""States in which what a node has can be given to nobody."""


def checked_users(users: Mapping[str, str]) -> Mapping[str, Owner]:
    """The unix users of the map by name. Raises DriverError for one that is not here, and for root."""
    return {user: _owner(entity, user) for entity, user in users.items()}


def _owner(entity: str, user: str) -> Owner:
    try:
        found = pwd.getpwnam(user)
    except KeyError as error:
        raise DriverError(
            f"users: entity {entity!r} is mapped to {user!r}, which is no user of this machine"
        ) from error
    if found.pw_uid == 0:
        raise DriverError(f"users: entity {entity!r} is mapped to root, which runs nobody's jobs here")
    return Owner(found.pw_uid, found.pw_gid)


def engine_of(options: SlurmOptions, users: Collection[str]) -> Engine:
    """The way to the cluster: slurmrestd where it is named, else Slurm's commands. Raises DriverError."""
    if options.rest_url is None:
        return CommandClient(options.conf, options.commands, timeout_s=options.timeout_s)
    reader = options.reader or next(iter(sorted(users)), None)
    if reader is None:
        raise DriverError("slurmrestd is asked in a user's name: map an entity under users, or name a reader")
    tokens = Tokens(options.token_file, options.token_command, timeout_s=options.timeout_s)
    return RestClient(options.rest_url, tokens, reader, api=options.api, timeout_s=options.timeout_s)


def place_of(options: SlurmOptions, share: str) -> Place:
    """Where the jobs of a share go."""
    return options.shares.get(share, Place())


def isolation(options: SlurmOptions) -> tuple[bool, str]:
    """Whether jobs of different entities are kept apart, and how, in words for buyers."""
    apart = len(set(options.users.values())) == len(options.users)
    text = "a unix user for each entity" if apart else "unix users that several entities share"
    return (apart if options.isolated is None else options.isolated), f"Slurm: {text}; limits as the site's Slurm sets"


def features(options: SlurmOptions) -> frozenset[Feature]:
    """What can be done with every job. Mounts take a runtime of images, on every flavor."""
    runs_images = bool(options.flavors) and all(flavor.image_runtime in RUNTIMES for flavor in options.flavors)
    return frozenset({Feature.GANG, Feature.SUSPEND, Feature.SIGNALS}) | ({Feature.MOUNTS} if runs_images else set())


def flavors(nodes: Sequence[NodeRecord]) -> tuple[Flavor, ...]:
    """One flavor a kind of node: same architecture, cores, memory and accelerators."""
    kinds = {(node.architecture, node.has, node.gres.partition("(")[0]) for node in nodes}
    found = [_flavor(*kind) for kind in sorted(kinds, key=str)]
    return tuple(flavor for flavor in found if flavor is not None)


def _flavor(architecture: str, has: Resources, gres: str) -> Flavor | None:
    if architecture not in set(Architecture):
        return None
    cards = f"-{has.accelerator}x{gres.split(':', maxsplit=1)[0]}" if has.accelerator else ""
    return Flavor(
        name=f"slurm-{has.cpu // 1000}c-{has.memory // 1024}g{cards}",
        compute_class=ComputeClass.INTELLIGENT if has.accelerator else ComputeClass.GENERAL,
        architecture=Architecture(architecture),
        node=has,
        note=f"as its Slurm says of the nodes{f': {gres}' if gres else ''}",
    )


def in_use(capacity: Resources, nodes: Sequence[NodeRecord], partition: str | None) -> Resources:
    """What of a share's capacity is not free on the nodes of its partition."""
    ours = [node for node in nodes if partition is None or partition in node.partitions]
    free = total(node.has.minus(node.taken) for node in ours if not node.state & _AWAY)
    tight = capacity.minus(free).base()
    has = total(node.has for node in ours).base()
    # what Slurm does not count (disk, mostly) is not told as full
    return Resources.of({kind: amount if has[kind] else 0 for kind, amount in tight.items()})
