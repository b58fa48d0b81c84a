"""The five platforms on real engines: what runs beside each, and what its owner writes into ``agent.toml``.

Wuhu and Suzhou run on Slurm, Jiashan on Ray, Shanghai and Zhongwei in the sandbox. Each
engine, its connector and its jobs live in the platform's own network namespace.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts.engines_demo.networks import Networks
from scripts.install_engines import RAY_BINARIES
from suanlian.demo.agentfile import environments, toml
from suanlian.demo.engines.architectures import Way, driver_environment, missing, ways
from suanlian.demo.world import DELTA, PLATFORMS, PlatformPlan, native_architecture
from suanlian.model.performance import Architecture
from suanlian.testing.lending_cluster import LendingCluster, lending_cluster
from suanlian.testing.ray import RayHead
from suanlian.testing.slurm import missing as slurm_missing

NATIVE: Final = "native"
SHELL: Final = "shell"
"""Where lent jobs run: the two clusters alone have it."""
BUYERS: Final = ("buyer-research", "buyer-company")
USERS: Final[Mapping[str, str]] = {
    "buyer-research": "research",
    "buyer-company": "company",
    "wuhu-cluster-provider": "wuhu",
    "suzhou-public-provider": "suzhou",
    DELTA: "delta",
    "home": "home",
}
"""Whose jobs run at Slurm, and what their users are called: buyers, the two that lend, the small jobs by which the hub
tests a platform; and a user of the clusters themselves.
"""
_CAPACITY: Final = {"cpu": "2", "memory": "3GiB", "disk": "2GiB"}
_NODE: Final = {"cpu": "2", "memory": "3GiB", "disk": "2GiB"}


@dataclass(frozen=True, slots=True)
class Engine:
    """What a platform runs on here: its name for people, its driver's options, and what to write besides."""

    driver: str
    title: str
    options: Mapping[str, Any] = field(default_factory=dict)
    environments: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    lends: LendingCluster | None = None
    """What its own users see, where they may lend."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where engines are made: a private directory, the cables, and who ends them all."""

    root: Path
    nets: Networks
    ports: Sequence[int]
    ends: contextlib.ExitStack
    users: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """One platform: its plan, what stands before its commands, its engine, and the architecture that it is for."""

    plan: PlatformPlan
    inside: tuple[str, ...]
    engine: Engine
    architecture: Architecture


def architectures() -> dict[str, Architecture]:
    """Which architecture each platform plays; what this machine is not runs emulated, and is labelled."""
    return {
        "shanghai-trading": native_architecture(),
        "suzhou-public": Architecture.AARCH64,
        "jiashan-intelligent": Architecture.RISCV64,
        "wuhu-cluster": native_architecture(),
        "zhongwei-west": Architecture.WASM32,
    }


def slurm(name: str, ground: Ground, inside: tuple[str, ...]) -> Engine:
    """A cluster of one node with two cores, whose own users may lend, and a small node that tells them ends."""
    home, short = ground.users["home"], name.partition("-")[0]
    lends = ground.ends.enter_context(lending_cluster(short, home, inside=inside))
    cluster, shared = lends.cluster, ground.root / f"shared-{name}"
    shared.mkdir(mode=0o755)
    users = {entity: user for entity, user in ground.users.items() if entity != "home"}
    for user in users.values():
        cluster.token_file(user)
    tools = ground.root / "bin"
    tools.mkdir(exist_ok=True)
    if not (tools / "python").exists():
        (tools / "python").symlink_to(reachable_python())
    options = {
        "root": str(shared),
        "probe_python": str(reachable_python()),
        "users": users,
        "rest_url": cluster.rest_url,
        "token_file": str(cluster.directory / "tokens" / "{user}"),
        "jobcomp": str(cluster.jobcomp),
        "conf": str(cluster.conf),
        "shares": {called(name, kind): {"partition": "main"} for kind in Architecture},
    }
    lending = {
        "queues": ["main"],
        "data_level": 1,
        "wait_s": 0,
        "environment": SHELL,
        "wall_time_s": 600,
        "spool": str(lends.terms.spool),
        "replay_queue": "replay",
    }
    setups = {NATIVE: {"path": [str(tools)]}, SHELL: {}}
    return Engine("slurm", "Slurm 22.05, slurmrestd with JWT", options, setups, {"lending": lending}, lends)


def ray(name: str, ground: Ground, inside: tuple[str, ...]) -> Engine:
    """A head with four CPUs."""
    root = Path(os.path.realpath(ground.root)) / "r"
    head = RayHead(RAY_BINARIES, root, cpus=4, prefix=inside)
    ground.ends.callback(head.stop)
    head.start()
    shared = ground.root / f"shared-{name}"
    options = {"address": head.address, "root": str(shared), "token_file": str(head.token_file)}
    return Engine("ray", "Ray 2.60, Jobs API with a token", options)


def local(_name: str, _ground: Ground, _inside: tuple[str, ...]) -> Engine:
    """The sandbox of this machine."""
    return Engine("local", "sandbox (bubblewrap)", {"grace_s": 1.0})


MAKERS: Final[Mapping[str, Callable[..., Engine]]] = {
    "wuhu-cluster": slurm,
    "suzhou-public": slurm,
    "jiashan-intelligent": ray,
    "shanghai-trading": local,
    "zhongwei-west": local,
}


def reachable_python() -> Path:
    """An interpreter that every user of this machine may start: this one, else the system's."""
    here = Path(sys.executable).resolve()
    is_open = all(folder.stat().st_mode & 0o001 for folder in here.parents)
    return here if is_open else Path("/usr/bin/python3")


def lacking() -> list[str]:
    """Why the demonstration cannot run here, a line each; empty where it can."""
    told = [slurm_missing()]
    if not (RAY_BINARIES / "ray").exists():
        told.append("make test-engines installs Ray")
    if not reachable_python().exists():
        told.append("users of Slurm need a Python outside of root's own directory: apt install python3")
    told += [f"make test-engines installs {name}" for name in missing()]
    return [line for line in told if line]


def places(ground: Ground) -> list[Place]:
    """Make all five, each with its engine running."""
    made = []
    for plan in PLATFORMS:
        inside = ground.nets.join(plan.name, ground.ports)
        engine = MAKERS[plan.name](plan.name, ground, inside)
        made.append(Place(plan, inside, engine, architectures()[plan.name]))
    return made


def agent_toml(place: Place, hub: str, tools: Path) -> str:
    """The whole file of one platform."""
    plan, name = place.plan, place.plan.name
    native, way = native_architecture(), by_architecture()[place.architecture]
    kinds = dict.fromkeys([native, place.architecture])
    setups = {NATIVE: environments(tools)["python-science"], way.environment: driver_environment(way, tools)}
    setups |= place.engine.environments
    document = {
        "hub": hub,
        "platform": name,
        "connector": f"{name}-1",
        "poll_wait_s": 10,
        "usage_segment_s": 5,
        "level": "trade",
        "policy": {"own_entity": plan.provider, "allow_unisolated": True},
        "driver": {
            "name": place.engine.driver,
            "options": dict(place.engine.options),
            "environments": setups,
        },
        "inventory": {
            "sites": [_site(plan)],
            "flavors": [_flavor(place, kind, way) for kind in kinds],
            "shares": [
                {
                    "name": called(name, kind),
                    "site": plan.sites[0].site,
                    "flavor": called(name, kind),
                    "capacity": _CAPACITY,
                }
                for kind in kinds
            ],
        },
        "offers": [
            {
                "name": f"{called(name, kind)}-on-demand",
                "share": called(name, kind),
                "rates": [
                    {"kind": "cpu", "per_unit_hour": plan.sites[0].rent},
                    {"kind": "memory", "per_unit_hour": "0.005"},
                    {"kind": "disk", "per_unit_hour": "0"},
                ],
            }
            for kind in kinds
        ],
    }
    return toml(document | dict(place.engine.more))


def called(platform: str, kind: Architecture) -> str:
    """The name of a platform's flavor and share of this architecture."""
    return f"{platform}-{kind.value}".replace("_", "-")


def by_architecture() -> dict[Architecture, Way]:
    """How each architecture runs on this machine."""
    return {way.architecture: way for way in ways()}


def _flavor(place: Place, kind: Architecture, way: Way) -> dict[str, Any]:
    is_native = kind is native_architecture()
    names = [NATIVE, *([SHELL] if SHELL in place.engine.environments else [])] if is_native else []
    names += [way.environment] if kind is way.architecture else []
    is_emulated = kind is way.architecture and way.is_emulated
    return {
        "name": called(place.plan.name, kind),
        "compute_class": place.plan.sites[0].compute_class.value,
        "architecture": kind.value,
        "node": _NODE,
        "environments": [{"name": one, "architecture": kind.value} for one in names],
        "simulated": is_emulated,
        "note": way.note if is_emulated else place.engine.title,
    }


def _site(plan: PlatformPlan) -> dict[str, Any]:
    site = plan.sites[0]
    return {
        "name": site.site,
        "title": site.title,
        "title_zh": site.title_zh,
        "region": site.region,
        "green_share": site.green_share,
        "pue": site.pue,
    }
