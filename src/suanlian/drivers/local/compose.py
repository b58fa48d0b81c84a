"""From what the agent asks to what a keeper does: its spec, and where it takes its slot."""

import os
from pathlib import Path

from suanlian.drivers import probing
from suanlian.drivers.contract import DriverError, EnvironmentSetup, Work
from suanlian.drivers.local import inside, sandbox
from suanlian.drivers.local.keeper import leftover, record
from suanlian.drivers.local.keeper.spec import Bounded, Spec
from suanlian.drivers.local.machine import Machine
from suanlian.drivers.local.options import LocalOptions
from suanlian.model.probe import PROBE_ENVIRONMENT

_SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")


def setup_of(work: Work, options: LocalOptions) -> EnvironmentSetup:
    """The setup of the environment that the work names. Raises DriverError when this machine has none."""
    if work.image is not None:
        raise DriverError(f"this machine runs no images (wanted {work.image}): use a platform with a container engine")
    if work.environment is None:
        return EnvironmentSetup()
    if work.environment == PROBE_ENVIRONMENT:  # ours alone: what the owner wrote under this name counts for nothing
        return probing.setup()
    if (setup := options.environments.get(work.environment)) is None:
        known = ", ".join(sorted(options.environments)) or "none"
        raise DriverError(f"this machine has no environment {work.environment!r}; it has: {known}")
    return setup


def bounded(work: Work, options: LocalOptions) -> Bounded:
    """The limits, in the keeper's units."""
    return Bounded(
        cpu_millicores=work.granted.cpu,
        memory_mib=work.granted.memory,
        disk_mib=work.granted.disk or options.disk_mib_if_none,
        processes=options.max_processes,
        wall_s=work.limits.wall_time_s,
        stream_bytes=work.limits.stream_bytes,
        grace_s=options.grace_s,
    )


def environment(work: Work, setup: EnvironmentSetup, places: tuple[str, str], key: tuple[int, str]) -> dict[str, str]:
    """The whole environment of the command; ``places``: home and temporary directory; ``key``: index and attempt."""
    index, attempt = key
    kept = {} if work.checkpoint is None else {"SUANLIAN_CHECKPOINT_DIR": f"{places[0]}/{work.checkpoint.path}"}
    return {
        "PATH": ":".join([*map(str, setup.path), *_SYSTEM_PATH]),
        "HOME": places[0],
        "TMPDIR": places[1],
        "LANG": "C.UTF-8",
        **setup.env,
        **work.env,
        **kept,
        "SUANLIAN_TASK_INDEX": str(index),
        leftover.MARK: attempt,
    }


def compose(work: Work, options: LocalOptions, machine: Machine, key: tuple[int, str]) -> Spec:
    """The keeper's spec of one task. Raises DriverError for an environment or image that is not here."""
    setup, limits = setup_of(work, options), bounded(work, options)
    job = options.root.resolve() / "jobs" / key[1]
    shown = inside.mounts(work, machine.host, (*setup.binds, *setup.shared), job / record.WORK)
    directory, temporary, command_line = str(job / record.WORK), str(job / record.TEMPORARY), list[str]()
    if machine.host is not None:
        room = sandbox.Room(
            work=job / record.WORK,
            passwd=job / "passwd",
            group=job / "group",
            binds=setup.binds,
            shared=setup.shared,
            tmp_mib=sandbox.tmp_mib(limits.memory_mib, limits.disk_mib),
            network=work.network,
            mounts=shown,
        )
        directory, temporary = sandbox.INSIDE_WORK, "/tmp"  # noqa: S108 - the sandbox's own
        command_line = sandbox.arguments(machine.host, room)
    return Spec(
        attempt=key[1],
        argv=[*setup.launcher, *work.command],
        env=environment(work, setup, (directory, temporary), key),
        cwd=directory,
        sandbox=command_line,
        bounded=limits,
        group_version=machine.groups.version if machine.groups else 0,
        group_parents=dict(machine.groups.directories) if machine.groups else {},
        base_uid=options.base_uid if machine.root else None,
        slots=str(slot_locks(options)),
        slot_count=options.slots,
        secret_names=tuple(sorted(work.secret_env)),
    )


def slot_locks(options: LocalOptions) -> Path:
    """Where slots are locked: as root for the whole machine, as a slot is a user and others may run agents."""
    return options.user_locks if os.geteuid() == 0 else options.root.resolve() / "slots"
