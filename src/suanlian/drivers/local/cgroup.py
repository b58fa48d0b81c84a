"""Control groups of a local job, version 1 or 2: create with limits, read usage, kill all, remove.

Standard library only: the keeper imports it. Sources: kernel documentation, admin-guide/cgroup-v1 and cgroup-v2.
"""

import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_V1 = ("memory", "cpu", "cpuacct", "pids")
_FREEZER = "freezer"
"""Of version 1, and not everywhere: without it processes are stopped one by one."""
_V2 = ("cpu", "memory", "pids")
_PERIOD_US = 100_000
_MIB = 1024 * 1024


class Parents(NamedTuple):
    """Where groups can be made: version 1 or 2, and each controller's parent directory (v2: one, named ``all``)."""

    version: int
    directories: Mapping[str, str]

    def children(self, name: str) -> "Group":
        """The group called ``name`` below these parents, made or not."""
        return Group(self.version, {kind: f"{parent}/{name}" for kind, parent in self.directories.items()})


class Bounds(NamedTuple):
    """What a group holds its processes to."""

    cpu_millicores: int
    memory_mib: int
    processes: int


class Reading(NamedTuple):
    """What a group has used: CPU seconds, peak MiB (page cache and tmpfs count), OOM kills, forks refused."""

    cpu_s: float = 0.0
    peak_mib: int = 0
    oom_kills: int = 0
    forks_refused: int = 0


def flat_keyed(text: str) -> dict[str, int]:
    """The numbers of a ``key value`` file such as ``memory.events``; other lines are left out."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}  # noqa: PLR2004 - a pair


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _number(text: str) -> int:
    return int(text) if text.strip().isdecimal() else 0


class Group(NamedTuple):
    """The group of one job: one directory a controller (version 1), or one for all (version 2)."""

    version: int
    directories: Mapping[str, str]

    def _at(self, controller: str, name: str) -> Path:
        return Path(self.directories["all" if self.version == 2 else controller]) / name  # noqa: PLR2004 - the version

    def create(self, bounds: Bounds) -> None:
        """Make the group with its limits. Raises OSError; then call ``remove``."""
        for directory in self.directories.values():
            Path(directory).mkdir(exist_ok=True)
        quota = max(1000, bounds.cpu_millicores * _PERIOD_US // 1000)
        memory = str(bounds.memory_mib * _MIB)
        if self.version == 1:
            self._at("memory", "memory.limit_in_bytes").write_text(memory)
            with contextlib.suppress(OSError):  # swap accounting may be off
                self._at("memory", "memory.memsw.limit_in_bytes").write_text(memory)
            self._at("cpu", "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            self._at("cpu", "cpu.cfs_quota_us").write_text(str(quota))
        else:
            self._at("memory", "memory.max").write_text(memory)
            with contextlib.suppress(OSError):  # no swap, no file
                self._at("memory", "memory.swap.max").write_text("0")
            self._at("cpu", "cpu.max").write_text(f"{quota} {_PERIOD_US}")
        self._at("pids", "pids.max").write_text(str(bounds.processes))

    def enter(self) -> None:
        """Move the calling process in; its children follow. Raises OSError."""
        for directory in self.directories.values():
            (Path(directory) / "cgroup.procs").write_text("0")

    def read(self) -> Reading:
        """What was used so far; zeros once it is gone."""
        refused = flat_keyed(_read(self._at("pids", "pids.events"))).get("max", 0)
        if self.version == 1:
            kills = flat_keyed(_read(self._at("memory", "memory.oom_control"))).get("oom_kill", 0)
            peak = _number(_read(self._at("memory", "memory.max_usage_in_bytes")))
            cpu_s = _number(_read(self._at("cpuacct", "cpuacct.usage"))) / 1e9
        else:
            kills = flat_keyed(_read(self._at("memory", "memory.events"))).get("oom_kill", 0)
            # memory.peak came with Linux 5.19: without it the current use is the best there is
            peak = _number(_read(self._at("memory", "memory.peak")) or _read(self._at("memory", "memory.current")))
            cpu_s = flat_keyed(_read(self._at("cpu", "cpu.stat"))).get("usage_usec", 0) / 1e6
        return Reading(cpu_s, -(-peak // _MIB), kills, refused)

    def freezes(self) -> bool:
        """Whether all inside can be stopped at once."""
        return self.version == 2 or _FREEZER in self.directories  # noqa: PLR2004 - the version

    def freeze(self, *, wanted: bool) -> None:
        """Stop all inside where they are, or let them go on; where that works it has begun. Raises OSError."""
        if self.version == 2:  # noqa: PLR2004 - the version
            self._at("all", "cgroup.freeze").write_text(str(int(wanted)))
        elif self.freezes():
            self._at(_FREEZER, "freezer.state").write_text("FROZEN" if wanted else "THAWED")

    def frozen(self) -> bool:
        """Whether all inside have stopped."""
        if self.version == 2:  # noqa: PLR2004 - the version
            return flat_keyed(_read(self._at("all", "cgroup.events"))).get("frozen", 0) == 1
        return self.freezes() and _read(self._at(_FREEZER, "freezer.state")).strip() == "FROZEN"

    def pids(self) -> set[int]:
        """The processes inside."""
        text = " ".join(_read(Path(directory) / "cgroup.procs") for directory in self.directories.values())
        return {int(word) for word in text.split()}

    def kill(self) -> bool:
        """Kill what is inside now; True when there was nothing. Call again until it is."""
        inside = self.pids()
        if not inside:
            return True
        with contextlib.suppress(OSError):  # frozen, they would not die (version 1)
            self.freeze(wanted=False)
        with contextlib.suppress(OSError):  # version 2 from Linux 5.14 on: all at once
            if self.version == 2:  # noqa: PLR2004 - the version
                self._at("all", "cgroup.kill").write_text("1")
        for pid in inside:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        return False

    def remove(self) -> bool:
        """Remove the emptied group; True when it is gone. A group that was never there is gone."""
        for directory in self.directories.values():
            with contextlib.suppress(OSError):
                Path(directory).rmdir()
        return not any(Path(directory).exists() for directory in self.directories.values())


def own_paths(text: str) -> dict[str, str]:
    """Controller -> path, from the text of /proc/self/cgroup; version 2 is the empty controller."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def mount_points(text: str) -> dict[str, str]:
    """Controller -> mount point, from the text of /proc/self/mounts; version 2 is the empty controller."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, where, kind, options, *_ = line.split(" ")
        if kind == "cgroup":
            found.update({name: where for name in options.split(",") if name in (*_V1, _FREEZER)})
        elif kind == "cgroup2":
            found[""] = where
    return found


def candidates(mounts: Mapping[str, str], own: Mapping[str, str]) -> list[Parents]:
    """Where groups might be made, best first: below our own groups, so that what bounds us bounds the jobs as well."""
    found = []
    if all(name in mounts and name in own for name in _V1):
        ways = [(*_V1, _FREEZER), _V1] if _FREEZER in mounts and _FREEZER in own else [_V1]
        found += [Parents(1, {name: (mounts[name] + own[name]).rstrip("/") for name in way}) for way in ways]
    if "" in mounts and "" in own:
        found.append(Parents(2, {"all": (mounts[""] + own[""]).rstrip("/")}))
    return found


def _trouble(parents: Parents, name: str) -> str:
    """Why no group can be made there, found by making one; empty when it works."""
    group = parents.children(name)
    try:
        if parents.version == 2:  # noqa: PLR2004 - the version
            root = Path(parents.directories["all"])
            missing = set(_V2) - set(_read(root / "cgroup.controllers").split())
            if missing:
                return f"v2 lacks {', '.join(sorted(missing))} in {root}"
            (root / "cgroup.subtree_control").write_text(" ".join(f"+{kind}" for kind in _V2))
        group.create(Bounds(1000, 64, 16))
    except OSError as error:
        return f"v{parents.version}: {error.strerror} ({error.filename})"
    finally:
        group.remove()
    return ""


def detect(parent: Path | None = None) -> tuple[Parents | None, str]:
    """Where groups can really be made, or None and why not. ``parent``: a version 2 directory delegated to us."""
    if parent is not None:
        tried = [Parents(2, {"all": str(parent)})]
    else:
        tried = candidates(mount_points(_read(Path("/proc/self/mounts"))), own_paths(_read(Path("/proc/self/cgroup"))))
    troubles = []
    for parents in tried:
        trouble = _trouble(parents, f"suanlian-probe-{os.getpid()}")
        if not trouble:
            return parents, ""
        troubles.append(trouble)
    return None, "; ".join(troubles) or "no cgroup file system is mounted"
