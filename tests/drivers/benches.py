"""Where and how the tests of drivers run: each way in which the local driver can hold a job on this machine."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from suanlian.drivers.contract import EnvironmentSetup
from suanlian.drivers.local.driver import LocalDriver
from suanlian.drivers.local.options import LocalOptions
from suanlian.testing.drivers import POSIX, DriverBench

COMMANDS = POSIX


@dataclass(frozen=True)
class Way:
    """One way to hold jobs."""

    isolation: str
    use_cgroups: bool

    def __str__(self) -> str:
        return f"{'sandbox' if self.isolation == 'auto' else 'bare'}-{'groups' if self.use_cgroups else 'polling'}"


SANDBOX_GROUPS = Way("auto", use_cgroups=True)
SANDBOX_POLLING = Way("auto", use_cgroups=False)
BARE_POLLING = Way("none", use_cgroups=False)

ORDINARY = os.geteuid() != 0
# an ordinary user has no control groups unless somebody delegated one
SANDBOX = SANDBOX_POLLING if ORDINARY else SANDBOX_GROUPS
WAYS = [SANDBOX, BARE_POLLING]
ALL_WAYS = WAYS if ORDINARY else [SANDBOX_GROUPS, SANDBOX_POLLING, BARE_POLLING, Way("none", use_cgroups=True)]


def options(place: Path, way: Way, **changes: object) -> LocalOptions:
    place.mkdir(exist_ok=True)
    # jobs of another user walk through these
    for directory in (place, *place.parents):
        if directory.is_relative_to("/tmp") and directory != Path("/tmp"):  # noqa: S108 - pytest's own directories
            directory.chmod(directory.stat().st_mode | 0o011)
    prefixes = tuple(dict.fromkeys((Path(sys.prefix), Path(sys.base_prefix))))
    values: dict[str, object] = {
        "root": place / "root",
        "environments": {"python": EnvironmentSetup(path=(Path(sys.prefix) / "bin",), binds=prefixes)},
        "isolation": way.isolation,
        "use_cgroups": way.use_cgroups,
        "grace_s": 0.3,
        "max_processes": 64,
    }
    return LocalOptions(**{**values, **changes})  # type: ignore[arg-type]


def local_bench(place: Path, way: Way, **changes: object) -> DriverBench:
    chosen = options(place, way, **changes)
    make: Callable[[], LocalDriver] = lambda: LocalDriver(chosen)  # noqa: E731 - a typed factory
    return DriverBench(make=make, staging=chosen.root / "staging", commands=COMMANDS, environment="python")


def processes_with(mark: str) -> list[int]:
    """Processes whose command line has this text, zombies (which have none) left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                text = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in text and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found
