"""How does a job run in an image? The command by the flavor's runtime, and what its failures mean. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

INSIDE: Final = "/work"


@dataclass(frozen=True, slots=True)
class Contained:
    """What is to run in an image. ``mounts``: path inside to path in the working directory."""

    image: str
    command: Sequence[str]
    names: Sequence[str] = ()
    """Variables that go in by name; their values stand in the environment, never in a command line."""
    mounts: Sequence[tuple[str, str]] = ()
    network: bool = False
    accelerators: int = 0


def podman(job: Contained) -> list[str]:
    """By podman, within the job's own control group: Slurm's limits hold."""
    said = ["podman", "run", "--rm", "--cgroups=disabled", f"--network={'host' if job.network else 'none'}"]
    said += [f"--volume=.:{INSIDE}", f"--workdir={INSIDE}"]
    said += [f"--volume=./{source}:{path}" for path, source in job.mounts]
    said += [f"--env={name}" for name in job.names]
    return [*said, *(["--device=nvidia.com/gpu=all"] if job.accelerators else []), job.image, *job.command]


def apptainer(job: Contained) -> list[str]:
    """By Apptainer, which takes an image of a registry as it is."""
    said = ["apptainer", "exec", "--containall", "--no-eval", f"--bind=.:{INSIDE}", f"--pwd={INSIDE}"]
    said += [f"--bind=./{source}:{path}" for path, source in job.mounts]
    said += [] if job.network else ["--net", "--network=none"]
    said += ["--nv"] if job.accelerators else []
    # Apptainer hands a variable in by another of this prefix
    return ["sh", "-c", _FOR_APPTAINER, " ".join(job.names), *said, f"docker://{job.image}", *job.command]


_FOR_APPTAINER: Final = 'for name in $0; do eval "export APPTAINERENV_$name=\\"\\$$name\\""; done; exec "$@"'


def enroot(job: Contained) -> list[str]:
    """By enroot: the image becomes a file beside the job, and is removed with it."""
    mounts = " ".join(f"--mount=./{source}:{path}" for path, source in job.mounts)
    envs = " ".join(f"--env={name}" for name in job.names)
    script = (
        'image="$TMPDIR/image.sqsh"; enroot import --output "$image" "docker://$0" >&2 || exit 125; '
        f'exec enroot start --rw --mount=.:{INSIDE} {mounts} {envs} "$image" "$@"'
    )
    return ["sh", "-c", script, job.image, *job.command]


RUNTIMES: Final[Mapping[str, Callable[[Contained], list[str]]]] = {
    "podman": podman,
    "apptainer": apptainer,
    "enroot": enroot,
}

_OWN_FAILURES: Final = frozenset({125, 126, 127, 255})
"""Exit codes by which the runtimes tell that the program never ran."""
_WRONG_ARCHITECTURE: Final = (
    "exec format error",
    "does not match the expected platform",
    "no image found in manifest list",
)
_MISSING: Final = (
    "manifest unknown",
    "name unknown",
    "repository does not exist",
    "no such image",
    "image not known",
    "unable to find image",
    "reading manifest",
    "requested access to the resource is denied",
    "404 not found",
)


def fault(code: int | None, said: str) -> str:
    """Why an image could not be used, by the runtime's exit code and its last words; empty where it could."""
    words = said.lower()
    if code not in _OWN_FAILURES and code != 1:
        return ""
    if any(word in words for word in _WRONG_ARCHITECTURE):
        return "the image is of another architecture than the node"
    if code in _OWN_FAILURES and any(word in words for word in _MISSING):
        return "the image is not there, or may not be read"
    return ""
