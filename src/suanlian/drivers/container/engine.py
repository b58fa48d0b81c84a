"""One engine, as far as it was found out: what it is, how it logs and measures, and what probes run in."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suanlian.drivers import probing
from suanlian.drivers.container import parse
from suanlian.drivers.container.client import EngineClient
from suanlian.drivers.container.meter import Meter
from suanlian.drivers.container.options import ContainerEnvironment, ContainerOptions
from suanlian.model.performance import Architecture
from suanlian.model.platform import Flavor

_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib64")


@dataclass(frozen=True, slots=True)
class Facts:
    """What one engine is."""

    name: str
    words: str
    architecture: Architecture | None
    flavor: Flavor | None
    log_driver: str
    meter: Meter | None
    rootless: bool
    bounds: tuple[str, ...]
    """Limits that it cannot hold containers to, in words."""


class Engine:
    """The client of one engine with its facts, which are asked for once."""

    def __init__(self, options: ContainerOptions) -> None:
        """Nothing is sent yet. Raises DriverError: an address that cannot be meant."""
        self.options, self.client = options, EngineClient(options)
        self._facts: Facts | None = None

    def facts(self) -> Facts:
        """What it is. Raises DriverError."""
        if self._facts is None:
            self._facts = self._find()
        return self._facts

    def _find(self) -> Facts:
        info = self.client.info()
        name, words = parse.engine(self.client.version())
        lacks = {"MemoryLimit": "memory", "CpuCfsQuota": "cpu", "PidsLimit": "processes"}
        return Facts(
            name=name,
            words=words,
            architecture=parse.architecture(info.get("Architecture")),
            flavor=parse.flavor(info, name),
            log_driver=parse.log_driver(info),
            meter=Meter.found(info, self.options.url, self.options.root / "jobs") if self.options.use_cgroups else None,
            rootless=any("rootless" in str(option) for option in info.get("SecurityOptions") or []),
            bounds=tuple(kind for key, kind in lacks.items() if not info.get(key, True)),
        )

    def expected(self, flavor: str) -> Architecture | None:
        """Of which architecture images have to be there: the flavor's, else the engine's own."""
        known = {each.name: each.architecture for each in self.options.flavors}
        return known.get(flavor) or self.facts().architecture

    def user(self, number: int) -> tuple[str, int | None]:
        """As whom a job runs, and whom its files are given to: never root of this machine.

        Of a rootless engine the container's root is the engine's own user, who owns the files already.
        """
        if os.geteuid() != 0:
            return ("0:0" if self.facts().rootless else f"{os.getuid()}:{os.getgid()}"), None
        uid = self.options.base_uid + number % self.options.uids
        return f"{uid}:{uid}", uid


def probe_environment(image: str) -> ContainerEnvironment:
    """This machine's interpreter and the probes' program, in any image."""
    return ContainerEnvironment(image, probing.setup().launcher)


def probe_binds() -> tuple[tuple[str, str], ...]:
    """What a probe's container sees of this machine, read-only: what the interpreter needs, and the program."""
    wanted: list[Path] = []
    for path in (*(Path(path) for path in _SYSTEM if Path(path).is_dir()), *probing.setup().binds):
        if not any(path.is_relative_to(above) for above in wanted):
            wanted.append(path)
    return tuple((str(path.resolve()), str(path)) for path in wanted)
