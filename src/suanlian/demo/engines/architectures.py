"""One C source on four instruction sets: how it is built, where each build runs on this machine, what must come out.

The source (`demo/data/orbit.c`) is compiled by the `ziglang` wheel for x86_64, aarch64, riscv64 and wasm32. What this
machine's processor does not understand runs under Debian's `qemu-user-static`: its flavor says that it is emulated, and
counts as simulated wherever it is shown. WebAssembly runs under wasmtime.
"""

import base64
import platform as machine
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from suanlian.demo.agentfile import environments, toml
from suanlian.demo.trouble import Trouble
from suanlian.demo.work.catalogue import WASM
from suanlian.i18n import _
from suanlian.model.job import Input, JobSpec, Variant, Wants
from suanlian.model.performance import Architecture, ComputeClass
from suanlian.model.platform import Flavor, Inventory, NamedEnvironment, Share, Site
from suanlian.model.quantity import Resources

STATIC: Final = "static-linux"
"""The environment that runs one statically linked Linux program, the first word of the command."""
SOURCE: Final = "orbit.c"
_FLAGS: Final = (
    *("-O2", "-std=c11", "-ffp-contract=off", "-fno-sanitize=undefined"),
    *("-nostdlib", "-ffreestanding", "-fno-builtin", "-static"),
)
"""No fused multiply-add: it would be another result. No C library: there is nothing else to be built."""
_TARGETS: Final[Mapping[Architecture, str]] = {
    Architecture.X86_64: "x86_64-linux-musl",
    Architecture.AARCH64: "aarch64-linux-musl",
    Architecture.RISCV64: "riscv64-linux-musl",
    Architecture.WASM32: "wasm32-freestanding",
}
_START: Final = 'chmod +x "$0" && exec {runner}"./$0" "$@"'
"""An input may not be executed until it is allowed to; qemu asks for that as the kernel does, and says nothing."""
_SAME_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
_BUILD_S: Final = 300


@dataclass(frozen=True, slots=True)
class Way:
    """How one instruction set runs on this machine. ``runner`` is empty for the machine's own."""

    architecture: Architecture
    environment: str
    runner: str

    @property
    def program(self) -> str:
        """What the build is called."""
        return f"orbit.{self.architecture.value}"

    @property
    def is_emulated(self) -> bool:
        """Whether it stands for a processor that is not here; WebAssembly has none anywhere."""
        return self.runner.startswith("qemu")

    @property
    def note(self) -> str:
        """What is said of it wherever its flavor is shown."""
        if self.is_emulated:
            name = self.architecture.value
            return f"{name} is emulated by {self.runner} on {native().value}: no such processor is here."
        return f"Run by {self.runner}." if self.runner else "This machine's own instruction set."


def native() -> Architecture:
    """This machine's instruction set. Raises ValueError for one that the model does not know."""
    name = machine.machine().lower()
    return Architecture(_SAME_MACHINES.get(name, name))


def ways() -> tuple[Way, ...]:
    """The four, the machine's own first."""
    every = sorted(Architecture, key=lambda architecture: architecture is not native())
    return tuple(_way(architecture) for architecture in every)


def _way(architecture: Architecture) -> Way:
    if architecture is Architecture.WASM32:
        return Way(architecture, WASM, "wasmtime")
    runner = "" if architecture is native() else f"qemu-{architecture.value}-static"
    return Way(architecture, STATIC, runner)


def missing() -> tuple[str, ...]:
    """What is not on this machine: wheels and programs, by name."""
    wheels = [name for name in ("ziglang", "wasmtime") if find_spec(name) is None]
    programs = [way.runner for way in ways() if way.is_emulated and shutil.which(way.runner) is None]
    return (*wheels, *programs)


def build(folder: Path) -> dict[Architecture, Path]:
    """Compile the source for each instruction set into ``folder``. Raises Trouble where it cannot be."""
    source = folder / SOURCE
    source.write_bytes((files("suanlian.demo") / "data" / SOURCE).read_bytes())
    built = {}
    for way in ways():
        target = folder / way.program
        command = [sys.executable, "-m", "ziglang", "cc", "-target", _TARGETS[way.architecture]]
        command += [*_FLAGS, "-o", str(target), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_BUILD_S)
        if done.returncode:
            wrong = _("{source} cannot be compiled for {architecture}:").format(
                source=SOURCE, architecture=way.architecture.value
            )
            raise Trouble(f"{wrong}\n{done.stderr[-2000:]}", "pip install ziglang")
        built[way.architecture] = target
    return built


def job(built: Mapping[Architecture, Path], name: str = "four-architectures", **fields: object) -> JobSpec:
    """One job, a task for each instruction set, a variant for each; ``fields`` of JobSpec go before these."""
    by_architecture = {way.architecture: way for way in ways()}
    chosen = [by_architecture[architecture] for architecture in built]
    asked: dict[str, object] = {
        "name": name,
        "purpose": "one C source on every instruction set, with equal output",
        "resources": Resources.model_validate({"cpu": "0.25", "memory": "256MiB", "disk": "64MiB"}),
        "variants": tuple(
            Variant(architecture=way.architecture, environment=way.environment, command=(way.program,))
            for way in chosen
        ),
        "inputs": tuple(
            Input(path=way.program, content_base64=base64.b64encode(built[way.architecture].read_bytes()).decode())
            for way in chosen
        ),
        "array_size": len(chosen),
        "wall_time_s": 120,
        "wants": Wants(),
    }
    return JobSpec.model_validate({**asked, **fields})


def driver_environment(way: Way, tools: Path) -> dict[str, Any]:
    """How the local driver runs it: what stands before the command, and what it needs to see."""
    if way.environment == WASM:
        return dict(environments(tools)[WASM])
    if not way.runner:
        return {"launcher": ["/bin/sh", "-c", _START.format(runner="")]}
    found = shutil.which(way.runner)
    if found is None:
        raise Trouble(_("{program} is not on this machine.").format(program=way.runner), "apt install qemu-user-static")
    return {"launcher": ["/bin/sh", "-c", _START.format(runner=f"{found} ")], "binds": [found]}


def inventory(way: Way, region: str) -> Inventory:
    """What a platform publishes that has one slot of this instruction set."""
    node = Resources.model_validate({"cpu": "0.25", "memory": "256MiB", "disk": "64MiB"})
    flavor = Flavor(
        name=f"{way.architecture.value}-slot".replace("_", "-"),
        compute_class=ComputeClass.GENERAL,
        architecture=way.architecture,
        node=node,
        environments=(NamedEnvironment(name=way.environment, architecture=way.architecture, description=way.note),),
        simulated=way.is_emulated,
        note=way.note,
    )
    share = Share(name="slot", site="main", flavor=flavor.name, capacity=node)
    return Inventory(sites=(Site(name="main", region=region),), flavors=(flavor,), shares=(share,))


def agent_file(way: Way, hub: str, platform: str, *, tools: Path, region: str = "340200") -> str:
    """The whole agent.toml of a platform that has one slot of this instruction set, on the local driver."""
    rates = [{"kind": "cpu", "per_unit_hour": "0.10"}, {"kind": "memory", "per_unit_hour": "0.01"}]
    return toml(
        {
            "hub": hub,
            "platform": platform,
            "connector": f"{platform}-1",
            "poll_wait_s": 5,
            "level": "trade",
            "policy": {"allow_unisolated": True},
            "driver": {
                "name": "local",
                "environments": {way.environment: driver_environment(way, tools)},
                "options": {"grace_s": 1.0},
            },
            "inventory": inventory(way, region).model_dump(mode="json", exclude_none=True),
            "offers": [{"name": "slot", "share": "slot", "rates": rates}],
        }
    )


def equal(outputs: Sequence[str]) -> bool:
    """Whether every output is what this very machine's Python works out, to the last bit."""
    return bool(outputs) and set(outputs) == {expected()}


def expected(side: int = 96, limit: int = 200) -> str:
    """The output, worked out anew in Python: its floats are IEEE 754 doubles, its operations those of the source."""
    steps = inside = 0
    total, mixed = 0.0, 14695981039346656037
    for row in range(side):
        for column in range(side):
            cx, cy, x, y, step = -2.2 + 3.2 * column / side, -1.6 + 3.2 * row / side, 0.0, 0.0, 0
            while step < limit and x * x + y * y <= 4.0:  # noqa: PLR2004 - the radius beyond which all escape, squared
                x, y = x * x - y * y + cx, 2.0 * x * y + cy
                step += 1
            steps += step
            inside += step == limit
            total += x / (1.0 + y * y)
            for byte in struct.pack("<dd", x, y):
                mixed = (mixed ^ byte) * 1099511628211 % 2**64
    (bits,) = struct.unpack("<Q", struct.pack("<d", total))
    return f"points inside {inside}\nsteps {steps}\nbits of the sum {bits:x}\nhash of all orbits {mixed:x}\n"
