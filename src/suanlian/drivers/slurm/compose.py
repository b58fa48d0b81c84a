"""From what the agent asks to what Slurm is asked. Pure, but for nothing."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from suanlian.drivers import probing
from suanlian.drivers.contract import DriverError, EnvironmentSetup, Work
from suanlian.drivers.slurm import images, script
from suanlian.drivers.slurm.book import NAME, Extra, Owner
from suanlian.drivers.slurm.options import SlurmOptions
from suanlian.drivers.slurm.records import Request
from suanlian.drivers.slurm.supply import place_of
from suanlian.model.ids import AttemptId
from suanlian.model.probe import PROBE_ENVIRONMENT

_ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
"""What Slurm is told; the job's own variables stand in its script, where Slurm reads no options in them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is decided of a submission, but its place on the disk."""

    user: str
    owner: Owner
    request: Request
    program: script.Program
    extra: Extra
    secret_names: tuple[str, ...]


def plan(work: Work, options: SlurmOptions, users: Mapping[str, Owner]) -> Plan:
    """What the work becomes. Raises DriverError for what this cluster does not do."""
    user = _user(work, options)
    for key in work.staged:
        if not NAME.match(key):
            raise DriverError(f"attempt {key[:100]!r} cannot name a directory")
    setup = _setup(work, options)
    kept = () if work.checkpoint is None else (work.checkpoint.path,)
    # each task reads its own index
    env = {name: value for name, value in {**setup.env, **work.env}.items() if name != "SUANLIAN_TASK_INDEX"}
    return Plan(
        user=user,
        owner=users[user],
        request=_request(work, options),
        program=script.Program(
            here="",
            command=_command(work, setup, env),
            env=env,
            path=tuple(map(str, setup.path)),
            nodes=work.nodes,
            secrets=bool(work.secret_env),
            checkpoint=(_inside(work), *kept) if kept else (),
            grace_s=work.checkpoint.grace_s if work.checkpoint else 0,
        ),
        extra=Extra(_secrets(work), (*(mount.source for mount in work.mounts), *kept)),
        secret_names=tuple(work.secret_env),
    )


def script_text(planned: Plan, here: str) -> str:
    """The script of a plan whose batch lies ``here``."""
    program = planned.program
    return script.text(
        script.Program(**{name: getattr(program, name) for name in script.Program.__slots__} | {"here": here})
    )


def _user(work: Work, options: SlurmOptions) -> str:
    """The site's user of the entity; the hub's own small jobs may have one of their own, whoever asks for them."""
    own = options.probe_user if work.environment == PROBE_ENVIRONMENT else None
    user = own or options.users.get(work.entity)
    if user is None:
        raise DriverError(
            f"entity {work.entity!r} has no user on this cluster: its owner has to map it under users of the driver"
        )
    return user


def _setup(work: Work, options: SlurmOptions) -> EnvironmentSetup:
    if work.image is not None:
        if work.image_runtime not in images.RUNTIMES:
            known = ", ".join(sorted(images.RUNTIMES))
            raise DriverError(f"flavor {work.flavor!r} declares no runtime of images that is known here ({known})")
        return EnvironmentSetup()
    if work.mounts:
        raise DriverError("paths from the root on take an image here: Slurm runs programs on the node itself")
    if work.environment is None:
        return EnvironmentSetup()
    if work.environment == PROBE_ENVIRONMENT:  # ours alone: what the owner wrote under this name counts for nothing
        return _probes(options)
    if (found := options.environments.get(work.environment)) is None:
        known = ", ".join(sorted(options.environments)) or "none"
        raise DriverError(f"this cluster has no environment {work.environment!r}; it has: {known}")
    return found


def _probes(options: SlurmOptions) -> EnvironmentSetup:
    try:
        return probing.carried(options.root, options.probe_python)
    except OSError as error:
        raise DriverError(
            f"the probes' program cannot be copied below {options.root}: {error}", transient=True
        ) from error


def _command(work: Work, setup: EnvironmentSetup, env: Mapping[str, str]) -> Sequence[str]:
    if work.image is None:
        return (*setup.launcher, *work.command)
    kept = ("SUANLIAN_CHECKPOINT_DIR",) if work.checkpoint else ()
    names = (*kept, *env, *work.secret_env, "SUANLIAN_TASK_INDEX", "SUANLIAN_ATTEMPT_ID")
    return images.RUNTIMES[work.image_runtime or ""](
        images.Contained(
            image=work.image,
            command=work.command,
            names=names if work.nodes == 1 else (*names, *script.RENDEZVOUS),
            mounts=tuple((mount.path, mount.source) for mount in work.mounts),
            network=work.network or work.nodes > 1,
            accelerators=work.granted.accelerator,
        )
    )


def _inside(work: Work) -> str:
    """The working directory as the program sees it; empty where that is where it is."""
    return images.INSIDE if work.image else ""


def _request(work: Work, options: SlurmOptions) -> Request:
    place = place_of(options, work.share)
    gres = f"{options.gres.get(work.flavor, 'gpu')}:{work.granted.accelerator}" if work.granted.accelerator else ""
    return Request(
        name="",
        comment=f"suanlian {work.entity} {work.share}",
        script="",
        directory="",
        output="",
        cpus=max(1, math.ceil(work.granted.cpu / 1000)),
        memory_mib=max(1, work.granted.memory),
        time_limit_s=work.limits.wall_time_s,
        gres=gres,
        nodes=work.nodes,
        partition=place.partition,
        qos=place.qos,
        account=place.account,
        reservation=place.reservation,
        constraint=place.constraint,
        nice=max(0, -work.priority),  # a user may step back in Slurm's queue, never forward
        environment=_ENVIRONMENT,
    )


def _secrets(work: Work) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in work.secret_env.items())


def parts(keys: Mapping[int, AttemptId], most: int) -> Iterator[Sequence[tuple[int, AttemptId]]]:
    """The keys in order of their index, in batches of at most ``most``."""
    ordered = sorted(keys.items())
    for start in range(0, len(ordered), most):
        yield ordered[start : start + most]


def span(places: Sequence[int]) -> str:
    """``0-3,7`` for 0, 1, 2, 3, 7."""
    runs: list[list[int]] = []
    for place in sorted(places):
        if runs and place == runs[-1][1] + 1:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
