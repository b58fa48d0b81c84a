"""The command line of a job's sandbox (bubblewrap). Pure: the host's layout and the job's needs in, arguments out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

INSIDE_WORK = "/job"
"""The working directory as a job sees it."""
_INSIDE_LAUNCHER = "/run/suanlian/launcher.py"
_MIB = 1024 * 1024
_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "ssl", "ca-certificates")
_ETC_NETWORK = ("resolv.conf", "hosts", "nsswitch.conf", "services", "protocols", "gai.conf")
_RUN = "/run/suanlian"
SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Directories of the system beside /usr; on merged systems links into it."""
KEPT = ("/usr", "/etc", "/proc", "/sys", "/dev", _RUN, INSIDE_WORK, *SYSTEM)
"""Paths that no mount of a job may cover, nor lie in."""


@dataclass(frozen=True, slots=True)
class Host:
    """What of this machine a sandbox is made of."""

    bwrap: Path
    python: Path
    """The interpreter that runs the launcher, links resolved."""
    python_prefix: Path
    launcher: Path
    links: Mapping[str, str | None]
    """Which of ``SYSTEM`` exist: a link's target, or None for a directory."""
    own_user_namespace: bool
    """Needed by whoever is not root."""


@dataclass(frozen=True, slots=True)
class Room:
    """What one job gets."""

    work: Path
    passwd: Path
    group: Path
    binds: Sequence[Path]
    tmp_mib: int
    network: bool
    shared: Sequence[Path] = ()
    """Directories of the owner's that the job may write."""
    mounts: Sequence[tuple[str, Path]] = ()
    """Parts of the working directory that are seen under another path, too: path inside, and where it lies."""


def tmp_mib(memory_mib: int, disk_mib: int) -> int:
    """The private /tmp lies in memory: it may hold what the disk grant allows, at most half of the memory."""
    return max(1, min(disk_mib, memory_mib // 2))


def arguments(host: Host, room: Room) -> list[str]:
    """The sandbox's command line up to and with the launcher."""
    return [
        str(host.bwrap),
        *_namespaces(host, network=room.network),
        *_system(host),
        # before what is bound: an environment that lies below the machine's /tmp must not be covered
        *("--perms", "1777", "--size", str(room.tmp_mib * _MIB), "--tmpfs", "/tmp"),  # noqa: S108 - the sandbox's own
        *_parents([Path("/etc/passwd"), Path(_INSIDE_LAUNCHER), host.python_prefix, *room.binds, *_inside(room)]),
        *_readable([host.python_prefix, *room.binds]),
        *_etc(room),
        *_own(host, room),
        "--",
        *(str(host.python), "-I", "-S", _INSIDE_LAUNCHER),
    ]


def _namespaces(host: Host, *, network: bool) -> list[str]:
    names = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "job"]
    names += [] if network else ["--unshare-net"]
    names += ["--unshare-user"] if host.own_user_namespace else []
    names += ["--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    if not host.own_user_namespace:  # root: just what the launcher needs to become somebody else
        names += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return names


def _system(host: Host) -> list[str]:
    found = ["--ro-bind", "/usr", "/usr"]
    for name, target in host.links.items():
        found += ["--ro-bind", name, name] if target is None else ["--symlink", target, name]
    return found


def _parents(paths: Iterable[Path]) -> list[str]:
    """Directories above what is bound: bubblewrap by itself would make them for root only."""
    above = {parent for path in paths for parent in path.parents if len(parent.parts) > 1 and parent.parts[1] != "usr"}
    return [word for path in sorted(above) for word in ("--perms", "0755", "--dir", str(path))]


def _readable(paths: Iterable[Path]) -> list[str]:
    found: list[str] = []
    for path in dict.fromkeys(paths):
        if path != Path("/usr") and Path("/usr") not in path.parents:
            found += ["--ro-bind", str(path), str(path)]
    return found


def _inside(room: Room) -> list[Path]:
    return [*room.shared, *(Path(path) for path, _ in room.mounts)]


def _etc(room: Room) -> list[str]:
    found = ["--ro-bind", str(room.passwd), "/etc/passwd", "--ro-bind", str(room.group), "/etc/group"]
    for name in (*_ETC, *(_ETC_NETWORK if room.network else ())):
        found += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return found


def _own(host: Host, room: Room) -> list[str]:
    size = str(room.tmp_mib * _MIB)
    return [
        *("--proc", "/proc", "--dev", "/dev"),
        *("--perms", "1777", "--size", size, "--tmpfs", "/dev/shm"),  # noqa: S108 - the sandbox's own; semaphores live here
        *("--ro-bind", str(host.launcher), _INSIDE_LAUNCHER),
        *("--bind", str(room.work), INSIDE_WORK),
        *(word for path in room.shared for word in ("--bind", str(path), str(path))),
        *(word for path, source in room.mounts for word in ("--bind", str(source), path)),
        *("--remount-ro", "/dev", "--remount-ro", "/"),
    ]
