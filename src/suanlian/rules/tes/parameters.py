"""What do the resources, zones and backend parameters of a task say of the job?"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from math import ceil
from typing import Any, Final

from suanlian.model.findings import first_finding
from suanlian.model.job import JobSpec, Wants
from suanlian.model.performance import Architecture
from suanlian.model.quantity import Resources
from suanlian.model.tes import PARAMETERS, TesResources
from suanlian.rules.images import nearest
from suanlian.rules.tes.errors import bad

CPU_CORES: Final = 1
RAM_MIB: Final = 2048
WALL_S: Final = 24 * 3600
_GB: Final = 10**9
_MIB: Final = 1024**2
_PLACE: Final = "resources.backend_parameters"
_MAX_REGION: Final = 6


@dataclass(frozen=True, slots=True)
class Where:
    """Names that a zone may be: platforms and sites that there are."""

    platforms: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()


@dataclass(slots=True)
class Terms:
    """What was read: fields of the job, of its ``wants``, and what bears on the variants."""

    spec: dict[str, Any] = field(default_factory=dict)
    wants: dict[str, Any] = field(default_factory=dict)
    cards: int = 0
    chip_family: str | None = None
    architectures: tuple[Architecture, ...] = ()
    kept: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def terms(asked: TesResources, where: Where) -> Terms:
    """Read them all. Raises BadTaskError for a key that is not known, where that is to be strict, or a bad value."""
    found = Terms(spec={"wall_time_s": WALL_S, "network": True})
    _zones(found, asked.zones or (), where)
    for key, value in (asked.backend_parameters or {}).items():
        known = key.lower()
        if known in PARAMETERS:
            found.kept[key] = value
            _READERS[known](found, value, f"{_PLACE}.{key}")
            continue
        wrong = f"The backend parameter {key!r} is not known here."
        if asked.backend_parameters_strict:
            todo = f"Known are: {', '.join(nearest(key, PARAMETERS))}; service-info lists them all."
            raise bad(f"{_PLACE}.{key}", wrong, todo, "parameter_unknown")
        found.warnings.append(f"{wrong} It was dropped.")
    found.spec["resources"] = _resources(asked, found.cards)
    _check(found)
    return found


def _resources(asked: TesResources, cards: int) -> Resources:
    base = {
        "cpu": (asked.cpu_cores or CPU_CORES) * 1000,
        "memory": _mebibytes(asked.ram_gb) or RAM_MIB,
        "disk": _mebibytes(asked.disk_gb),
        "accelerator": cards,
    }
    return Resources.of(base)


def _mebibytes(gigabytes: float | None) -> int:
    return ceil(Decimal(str(gigabytes)) * _GB / _MIB) if gigabytes else 0


def _zones(found: Terms, zones: tuple[str, ...], where: Where) -> None:
    regions = [zone for zone in zones if zone.isdigit() and len(zone) <= _MAX_REGION]
    names = [zone for zone in zones if zone not in regions]
    if regions:
        found.wants["residency"] = tuple(regions)
    if len(names) > 1:
        wrong = f"The zones {', '.join(names)[:200]} are several platforms or sites."
        raise bad("resources.zones", wrong, "Name one of them, or regions by their GB/T 2260 codes.")
    for name in names:
        kinds = [kind for kind, known in (("platform", where.platforms), ("site", where.sites)) if name in known]
        if not kinds:
            known = ", ".join(nearest(name, where.platforms | where.sites)) or "none"
            todo = f"A zone is a platform, a site or a region by its GB/T 2260 code; the nearest known: {known}."
            raise bad("resources.zones", f"No platform or site is named {name!r}.", todo)
        found.wants[kinds[0]] = name


def _check(found: Terms) -> None:
    """Hold single values against the very fields that they become, so that the parameter is named, not the field."""
    variant = {"architecture": "x86_64", "environment": "any", "command": ["any"], "chip_family": found.chip_family}
    try:
        wants = Wants.model_validate(found.wants)
        JobSpec.model_validate({"name": "any", "variants": [variant], **found.spec, "wants": wants})
    except ValueError as error:
        last, wrong = first_finding(error)
        last = "accelerators" if last == "chip_family" else last
        key = next((key for key in found.kept if key.lower().endswith(f".{last}")), "resources")
        at = f"{_PLACE}.{key}" if key in found.kept else "resources"
        raise bad(at, f"{found.kept.get(key, last)!r}: {wrong}.", _todo(key)) from error


def _todo(key: str) -> str:
    return f"It is {PARAMETERS[key.lower()]}." if key.lower() in PARAMETERS else "Ask for an amount that there can be."


def _accelerators(found: Terms, value: str, place: str) -> None:
    family, _, count = value.rpartition(":")
    if not count.isdigit() or int(count) < 1:
        raise bad(place, f"{value!r} is no number of cards.", _todo("suanlian.accelerators"))
    found.cards, found.chip_family = int(count), family or None


def _architectures(found: Terms, value: str, place: str) -> None:
    try:
        found.architectures = tuple(Architecture(word.strip()) for word in value.split(","))
    except ValueError as error:
        known = ", ".join(Architecture)
        raise bad(place, f"{value!r} is no architecture that is known here.", f"Known are: {known}.") from error


def _network(found: Terms, value: str, place: str) -> None:
    if value.lower() not in ("yes", "no", "true", "false"):
        raise bad(place, f"{value!r} is neither yes nor no.", _todo("suanlian.network"))
    found.spec["network"] = value.lower() in ("yes", "true")


def _residency(found: Terms, value: str, place: str) -> None:
    if found.wants.get("residency"):
        raise bad(place, "Regions are named by zones too.", "Name them in one of both.")
    found.wants["residency"] = tuple(word.strip() for word in value.split(","))


def _words(part: str, name: str) -> Callable[[Terms, str, str], None]:
    def read(found: Terms, value: str, place: str) -> None:
        fields = found.spec if part == "spec" else found.wants
        if fields.get(name, value) != value and part == "wants":
            raise bad(place, f"A zone says {fields[name]!r}, this says {value!r}.", "Say it in one of both.")
        fields[name] = value

    return read


def _number(part: str, name: str, kind: type[int | Decimal]) -> Callable[[Terms, str, str], None]:
    def read(found: Terms, value: str, place: str) -> None:
        try:
            (found.spec if part == "spec" else found.wants)[name] = kind(value)
        except (ValueError, InvalidOperation) as error:
            raise bad(place, f"{value!r} is no number.", _todo(f"suanlian.{name}")) from error

    return read


_READERS: Final[Mapping[str, Callable[[Terms, str, str], None]]] = {
    "suanlian.accelerators": _accelerators,
    "suanlian.architecture": _architectures,
    "suanlian.attempts": _number("spec", "attempts", int),
    "suanlian.data_level": _number("wants", "data_level", int),
    "suanlian.flavor": _words("wants", "flavor"),
    "suanlian.job_class": _words("spec", "job_class"),
    "suanlian.max_cost": _number("wants", "max_cost", Decimal),
    "suanlian.network": _network,
    "suanlian.platform": _words("wants", "platform"),
    "suanlian.priority": _number("spec", "priority", int),
    "suanlian.residency": _residency,
    "suanlian.site": _words("wants", "site"),
    "suanlian.wall_time_s": _number("spec", "wall_time_s", int),
}


def kept(asked: TesResources, found: Terms) -> TesResources:
    """The resources as they are shown: without parameters that are not known."""
    if asked.backend_parameters is None:
        return asked
    return asked.model_copy(update={"backend_parameters": found.kept})


def unread() -> Iterator[str]:
    """Parameters that are documented and that nobody reads: a test holds that there are none."""
    yield from PARAMETERS.keys() ^ _READERS.keys()
