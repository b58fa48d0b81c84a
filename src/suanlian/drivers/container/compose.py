"""From what the agent asks to what the engine is told: one container, everything decided. Pure."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from suanlian.drivers.container.options import ContainerEnvironment, ContainerOptions
from suanlian.drivers.container.place import Spec
from suanlian.drivers.contract import DriverError, Work
from suanlian.model.probe import PROBE_ENVIRONMENT

INSIDE_WORK: Final = "/job"
"""The working directory as a job sees it."""
INSIDE_SECRETS: Final = "/run/suanlian-secrets"
ATTEMPT, ROOT, SHARE, DEVICES = "suanlian.attempt", "suanlian.root", "suanlian.share", "suanlian.devices"
"""Labels of our containers."""
# read, emptied, and only then the command: a shell of the image is needed, but no program beside it
_SECRETS: Final = f'. {INSIDE_SECRETS} && : > {INSIDE_SECRETS} && exec "$@"'
_MIB: Final = 1024 * 1024
_LOG_GROWTH: Final = 2 * 48
"""Two streams, and the most that an engine writes for a line of one byte: what no job may exceed, looked at or not."""
_LOG_WITH_SIZE: Final = ("k8s-file", "local", "json-file")
_CPU_SPARE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Given:
    """What was found for one container: files outside, user, group, devices by number, the engine's way to log."""

    spec: Spec
    environment: ContainerEnvironment
    work: Path
    user: str
    log_driver: str
    cgroup_parent: str | None = None
    devices: tuple[int, ...] = ()
    secrets: Path | None = None
    binds: Sequence[tuple[str, str]] = ()
    """Read-only, as path outside and inside."""


def environment(work: Work, options: ContainerOptions, probe: ContainerEnvironment | None) -> ContainerEnvironment:
    """The image to run, and what stands before the command. Raises DriverError when this engine has none."""
    if work.environment == PROBE_ENVIRONMENT:
        if probe is None:
            raise DriverError("probes need the option probe_image here")
        return probe
    if work.image is not None:
        return ContainerEnvironment(work.image)
    if (found := options.environments.get(work.environment or "")) is None:
        known = ", ".join(sorted(options.environments)) or "none"
        raise DriverError(f"this engine has no environment {work.environment!r}; it has: {known}")
    return found


def spec(work: Work, options: ContainerOptions, chosen: ContainerEnvironment, key: tuple[int, str]) -> Spec:
    """What is watched of one job."""
    return Spec(
        attempt=key[1],
        index=key[0],
        command=work.command[0][:200],
        image=chosen.image,
        wall_s=work.limits.wall_time_s,
        stream_bytes=work.limits.stream_bytes,
        memory_mib=work.granted.memory,
        disk_mib=work.granted.disk or options.disk_mib_if_none,
        processes=options.max_processes,
        share=work.share,
    )


def secrets_file(values: Mapping[str, str]) -> str:
    """The secret variables for a shell to read."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(values.items()))


def container(work: Work, options: ContainerOptions, given: Given) -> dict[str, Any]:
    """The body of ``/containers/create``."""
    command = [*given.environment.launcher, *work.command]
    if given.secrets is not None:
        command = ["/bin/sh", "-c", _SECRETS, "sh", *command]
    return {
        "Image": given.environment.image,
        "Entrypoint": command[:1],
        "Cmd": command[1:],
        "Env": [f"{name}={value}" for name, value in _variables(work, given).items()],
        "User": given.user,
        "WorkingDir": INSIDE_WORK,
        "Hostname": "job",
        "Labels": {
            ATTEMPT: given.spec.attempt,
            ROOT: str(options.root),
            SHARE: work.share,
            DEVICES: ",".join(map(str, given.devices)),
        },
        "HostConfig": _host(work, options, given),
    }


def _variables(work: Work, given: Given) -> dict[str, str]:
    kept = {} if work.checkpoint is None else {"SUANLIAN_CHECKPOINT_DIR": f"{INSIDE_WORK}/{work.checkpoint.path}"}
    return {
        "HOME": INSIDE_WORK,
        "TMPDIR": "/tmp",  # noqa: S108 - the container's own
        "LANG": "C.UTF-8",
        **given.environment.env,
        **work.env,
        **kept,
        "SUANLIAN_TASK_INDEX": str(given.spec.index),
        "SUANLIAN_ATTEMPT_ID": given.spec.attempt,
    }


def _host(work: Work, options: ContainerOptions, given: Given) -> dict[str, Any]:
    memory = work.granted.memory * _MIB
    in_memory = max(1, min(given.spec.disk_mib, work.granted.memory // 2)) * _MIB
    host: dict[str, Any] = {
        "NetworkMode": options.network if work.network else "none",
        "IpcMode": "private",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "RestartPolicy": {"Name": "no"},
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": work.granted.cpu * 1_000_000,
        "PidsLimit": options.max_processes,
        "ShmSize": in_memory,
        "Tmpfs": {"/tmp": f"rw,nosuid,nodev,size={in_memory},mode=1777"},  # noqa: S108 - the container's own
        "Ulimits": _ulimits(work, options, given),
        "Mounts": _mounts(work, given),
        "LogConfig": _log(given),
    }
    if given.cgroup_parent is not None:
        host["CgroupParent"] = given.cgroup_parent
    if given.devices:
        host |= _devices(options, given.devices)
    return host


def _ulimits(work: Work, options: ContainerOptions, given: Given) -> list[dict[str, Any]]:
    """What the kernel holds each process to, also while nobody looks."""
    cores = max(1, -(-work.granted.cpu // 1000))
    bounds = {
        "core": 0,
        "fsize": given.spec.disk_mib * _MIB,
        "cpu": cores * given.spec.wall_s + _CPU_SPARE_S,
        # podman would raise these two above what an engine without that right may
        "nofile": options.open_files,
        "nproc": options.max_processes,
    }
    return [{"Name": name, "Soft": bound, "Hard": bound} for name, bound in bounds.items()]


def _mounts(work: Work, given: Given) -> list[dict[str, Any]]:
    wanted = [(str(given.work), INSIDE_WORK, False)]
    # outer ones first: an inner one would be hidden
    mounts = sorted(work.mounts, key=lambda each: each.path)
    wanted += [(str(given.work / mount.source), mount.path, False) for mount in mounts]
    wanted += [(outside, inside, True) for outside, inside in given.binds]
    if given.secrets is not None:
        wanted.append((str(given.secrets), INSIDE_SECRETS, False))
    return [
        {"Type": "bind", "Source": outside, "Target": inside, "ReadOnly": closed}
        | {"BindOptions": {"Propagation": "rprivate"}}
        for outside, inside, closed in wanted
    ]


def _log(given: Given) -> dict[str, Any]:
    bounded = {"max-size": str(given.spec.stream_bytes * _LOG_GROWTH)} if given.log_driver in _LOG_WITH_SIZE else {}
    return {"Type": given.log_driver, "Config": bounded}


def _devices(options: ContainerOptions, numbers: Sequence[int]) -> dict[str, Any]:
    files = [path for number in numbers for path in options.accelerators[number]]
    pairs = [path.partition(":") for path in dict.fromkeys((*files, *options.shared_devices))]
    devices = [
        {"PathOnHost": outside, "PathInContainer": inside or outside, "CgroupPermissions": "rw"}
        for outside, _, inside in pairs
    ]
    if not options.device_driver:
        return {"Devices": devices}
    asked = {"Driver": options.device_driver, "DeviceIDs": [str(n) for n in numbers], "Capabilities": [["gpu"]]}
    return {"Devices": devices, "DeviceRequests": [asked]}
