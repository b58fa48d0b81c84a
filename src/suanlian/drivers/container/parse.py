"""Answers of an engine, and our own records, turned into types. Pure: plain values in, types out."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from suanlian.drivers.contract import Measured
from suanlian.model.performance import Architecture, ComputeClass
from suanlian.model.platform import Flavor
from suanlian.model.quantity import Resources

_MIB: Final = 1024 * 1024
_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
_NEVER: Final = "0001-"
_ARCHITECTURES: Final = {
    "amd64": Architecture.X86_64,
    "x86_64": Architecture.X86_64,
    "arm64": Architecture.AARCH64,
    "aarch64": Architecture.AARCH64,
    "riscv64": Architecture.RISCV64,
    "wasm": Architecture.WASM32,
}
_STATES: Final = {"stopped": "exited", "dead": "exited", "configured": "created", "initialized": "created"}
"""Other words of engines for states of ours."""
_HEAD: Final = 8
_OF_THE_COMMAND: Final = ("exec:", "executable file", "command that was not found", "oci permission denied")
_NOT_FOUND: Final = ("not found", "no such file")
_EXIT_NOT_FOUND, _EXIT_CANNOT = 127, 126


@dataclass(frozen=True, slots=True)
class Seen:
    """One container. ``state``: created, running, paused, exited, or what else an engine says; times in UTC."""

    state: str
    started_at: datetime | None
    ended_at: datetime | None
    exit_code: int | None
    oom: bool
    log_path: str


def moment(text: object) -> datetime | None:
    """A time of RFC 3339 with nanoseconds; None for the year 1, by which an engine says never."""
    match = None if not isinstance(text, str) or text.startswith(_NEVER) else _MOMENT.match(text)
    if match is None:
        return None
    part = (match[2] or "0")[:6].ljust(6, "0")
    return datetime.fromisoformat(f"{match[1]}.{part}{match[3].replace('Z', '+00:00')}").astimezone(UTC)


def word(said: object) -> str:
    """An engine's word for a container's state, as ours."""
    text = str(said or "").lower()
    return _STATES.get(text, text)


def seen(container: Mapping[str, Any]) -> Seen:
    """What ``/containers/ID/json`` says."""
    state = container.get("State") or {}
    now = word(state.get("Status"))
    return Seen(
        state=now,
        started_at=moment(state.get("StartedAt")),
        ended_at=moment(state.get("FinishedAt")) if now == "exited" else None,
        exit_code=state.get("ExitCode") if now == "exited" else None,
        oom=bool(state.get("OOMKilled")),
        log_path=str(container.get("LogPath") or ""),
    )


def architecture(said: object) -> Architecture | None:
    """An engine's or image's word for an instruction set."""
    return _ARCHITECTURES.get(str(said).lower())


def payload(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What a stream of frames holds: 8 bytes (stream, three zeros, length big-endian) before each."""
    held = b""
    for piece in pieces:
        held += piece
        place = 0
        while len(held) - place >= _HEAD:
            end = place + _HEAD + int.from_bytes(held[place + 4 : place + _HEAD], "big")
            if len(held) < end:
                break
            yield held[place + _HEAD : end]
            place = end
        held = held[place:]


def cannot_start(words: str) -> tuple[int, str] | None:
    """Exit code and reason of a command that the runtime could not execute; None: it failed for another cause."""
    said = words.lower()
    if not any(key in said for key in _OF_THE_COMMAND):
        return None
    if any(key in said for key in _NOT_FOUND):
        return _EXIT_NOT_FOUND, "No such file or directory"
    return _EXIT_CANNOT, "it is no program of this machine, or may not be executed"


def usage(stats: Mapping[str, Any]) -> Measured:
    """What ``/containers/ID/stats`` says."""
    cpu = ((stats.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage") or 0
    memory = stats.get("memory_stats") or {}
    peak = max(int(memory.get("max_usage") or 0), int(memory.get("usage") or 0))
    return Measured(Decimal(int(cpu)) / 10**9, -(-peak // _MIB))


def node(info: Mapping[str, Any]) -> Resources:
    """The engine's machine."""
    return Resources.of({"cpu": int(info.get("NCPU") or 0) * 1000, "memory": int(info.get("MemTotal") or 0) // _MIB})


def flavor(info: Mapping[str, Any], runtime: str) -> Flavor | None:
    """The engine's machine as a flavor; None where its architecture is none of ours."""
    kind = architecture(info.get("Architecture"))
    if kind is None:
        return None
    return Flavor(
        name="containers",
        compute_class=ComputeClass.GENERAL,
        architecture=kind,
        node=node(info),
        image_runtime=runtime,
        note=f"{info.get('OperatingSystem') or 'Linux'}, kernel {info.get('KernelVersion') or '?'}"[:200],
    )


def engine(version: Mapping[str, Any]) -> tuple[str, str]:
    """Which engine it is: our name for it, and in words with its version and that of its runtime."""
    parts = [part for part in version.get("Components") or [] if isinstance(part, dict)]
    names = [f"{part.get('Name', '?')} {(str(part.get('Version')).splitlines() or ['?'])[0]}" for part in parts]
    podman = any("podman" in name.lower() for name in names)
    wanted = [name for name in names if any(key in name.lower() for key in ("engine", "runtime", "runc"))]
    return ("podman" if podman else "docker"), ", ".join(wanted) or f"engine {version.get('Version', '?')}"


def log_driver(info: Mapping[str, Any]) -> str:
    """The engine's way to keep output byte by byte, where it has one."""
    known = (info.get("Plugins") or {}).get("Log") or []
    return next((name for name in ("k8s-file", "local") if name in known), "json-file")


def measured(content: Mapping[str, Any] | None) -> Measured:
    """The figures of a record; zeros without one."""
    return Measured() if content is None else Measured(Decimal(content["cpu_s"]), content["peak_memory_mib"])
