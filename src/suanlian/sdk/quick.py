"""A job of one command, with as little said as is needed: the rest is what most would have written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from suanlian.model.errors import InvalidError, NotFoundError
from suanlian.model.job import JobSpec
from suanlian.model.performance import Architecture
from suanlian.model.reading import read
from suanlian.sdk.catalogue import Catalogue

CPU: Final = "1"
MEMORY: Final = "1GiB"
WALL_TIME_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Software:
    """In what a command runs: a named environment, or an image by its digest; neither: the one that there is.

    ``architectures``: only these; empty: every one that the environment is declared for, x86_64 for an image.
    """

    environment: str | None = None
    image: str | None = None
    architectures: tuple[Architecture, ...] = ()
    chip_family: str | None = None


ANY: Final = Software()
"""The one environment that there is, wherever it is declared."""


def variants(catalogue: Catalogue, command: Sequence[str], software: Software) -> list[dict[str, object]]:
    """The command once for each architecture. Raises InvalidError, NotFoundError ``no_such_environment``."""
    if software.environment is not None and software.image is not None:
        raise InvalidError("field_invalid", "Give an environment or an image, not both.", field="variants")
    shared: dict[str, object] = {"command": list(command), "chip_family": software.chip_family}
    if software.image is not None:
        wanted = software.architectures or (Architecture.X86_64,)
        return [{**shared, "architecture": one.value, "image": software.image} for one in wanted]
    declared = declared_by(catalogue)
    name = software.environment or _only(declared)
    if name not in declared:
        raise _unknown(name, declared)
    wanted = tuple(one for one in declared[name] if one in (software.architectures or declared[name]))
    return [{**shared, "architecture": one.value, "environment": name} for one in wanted or software.architectures]


def declared_by(catalogue: Catalogue) -> dict[str, tuple[Architecture, ...]]:
    """Each environment that some flavor declares, with the architectures that it is declared for."""
    found: dict[str, list[Architecture]] = {}
    for flavor in catalogue.flavors():
        for declared in flavor.body.environments:
            of = found.setdefault(declared.name, [])
            if declared.architecture not in of:
                of.append(declared.architecture)
    return {name: tuple(sorted(of)) for name, of in sorted(found.items())}


def _only(declared: dict[str, tuple[Architecture, ...]]) -> str:
    names = [name for name in declared if not name.startswith("suanlian-")]
    if len(names) != 1:
        shown = ", ".join(names[:20]) or "none"
        raise InvalidError(
            "field_invalid",
            f"In which environment? The platforms declare {shown}.",
            todo="Name one, or an image by its digest.",
            field="environment",
        )
    return names[0]


def _unknown(name: str, declared: dict[str, tuple[Architecture, ...]]) -> NotFoundError:
    shown = ", ".join(list(declared)[:20]) or "none"
    wrong = f"No platform declares the environment {name!r}; there is {shown}."
    return NotFoundError("no_such_environment", wrong, todo="suanlian flavors lists them.", field="environment")


def quick_spec(catalogue: Catalogue, command: Sequence[str], software: Software = ANY, **fields: object) -> JobSpec:
    """A whole spec: one core, one GiB and one hour, but for what ``fields`` of a job say otherwise.

    Raises InvalidError, NotFoundError ``no_such_environment``.
    """
    usual: dict[str, object] = {
        "name": "run",
        "resources": {"cpu": CPU, "memory": MEMORY},
        "wall_time_s": WALL_TIME_S,
        "variants": variants(catalogue, command, software),
    }
    return read(JobSpec, {**usual, **fields})
