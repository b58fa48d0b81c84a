"""Looking at this machine: only what is read or asked without changing anything, each within seconds."""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from suanlian.agent.discover import parse
from suanlian.agent.discover.found import Cards, Engine, Found, Machine
from suanlian.model.performance import Architecture

Run = Callable[[Sequence[str]], str | None]
"""Runs a command; its output, or None where it is not there, fails or takes too long."""

_MACHINES: Final = {
    "x86_64": Architecture.X86_64,
    "amd64": Architecture.X86_64,
    "aarch64": Architecture.AARCH64,
    "arm64": Architecture.AARCH64,
    "riscv64": Architecture.RISCV64,
}
_TIMEOUT_S: Final = 10
_MIB: Final = 1024 * 1024
_MAX_OUTPUT: Final = 4 * _MIB
_SOCKETS: Final = (
    "/run/podman/podman.sock",
    "/var/run/docker.sock",
)


def by_command(command: Sequence[str]) -> str | None:
    """Run a command of this machine, found on PATH or among the system's."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/local/sbin"
    program = shutil.which(command[0], path=path)
    if program is None:
        return None
    plain = {name: value for name, value in os.environ.items() if name != "SLURM_JWT"}
    try:
        done = subprocess.run(  # noqa: S603 - a fixed list of tools
            [program, *command[1:]],
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**plain, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout[:_MAX_OUTPUT].decode("utf-8", "replace") if done.returncode == 0 else None


def look(run: Run = by_command, root: Path = Path("/"), environment: Mapping[str, str] | None = None) -> Found:
    """All that is found here. Where nothing else answers, the driver ``local`` is what is left."""
    told = os.environ if environment is None else environment
    found = (slurm(run), ray(told), kubernetes(run, root, told), container(root), local())
    return Found(machine(run, root), tuple(engine for engine in found if engine is not None))


def machine(run: Run, root: Path) -> Machine:
    """This machine's own hardware."""
    return Machine(
        architecture=_MACHINES.get(platform.machine().lower()),
        cores=os.cpu_count() or 1,
        memory_mib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MIB,
        disk_mib=shutil.disk_usage(root).free // _MIB,
        product=_product(root),
        cards=cards(run),
    )


def cards(run: Run) -> tuple[Cards, ...]:
    """What the vendors' own tools tell; of vendors whose tool is not there, what the bus tells."""
    told: list[Cards] = []
    listing = run(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"])
    if listing is not None:
        told += parse.nvidia(listing, run(["nvidia-smi"]) or "")
    if (table := run(["npu-smi", "info"])) is not None:
        told += parse.npu(table)
    named = {found.family for found in told}
    seen = parse.pci(run(["lspci", "-mm", "-n"]) or "")
    return (*told, *(found for found in seen if found.family not in named))


def _product(root: Path) -> str:
    words = []
    for name in ("sys_vendor", "product_name"):
        try:
            words.append((root / "sys/class/dmi/id" / name).read_text(errors="replace").strip()[:60])
        except OSError:
            continue
    return " ".join(word for word in words if word)


def slurm(run: Run) -> Engine | None:
    """A Slurm cluster that this machine may ask."""
    config = run(["scontrol", "show", "config"])
    if config is None:
        return None
    values = dict(_pairs(config))
    listing = run(["sinfo", "-h", "-e", "-o", "%R|%a|%D|%c|%m|%G"]) or ""
    evidence = f"Slurm {values.get('SLURM_VERSION', '?')}, cluster {values.get('ClusterName', '?')}"
    return Engine("slurm", evidence, queues=tuple(parse.queues(listing)), missing=("root", "users"))


def _pairs(config: str) -> Iterator[tuple[str, str]]:
    for line in config.splitlines():
        name, sign, value = line.partition("=")
        if sign:
            yield name.strip(), value.strip()


def ray(environment: Mapping[str, str]) -> Engine | None:
    """A Ray cluster whose dashboard the environment names; nothing is guessed by trying ports."""
    address = environment.get("RAY_API_SERVER_ADDRESS", "")
    if not address.startswith(("http://", "https://")):
        return None
    return Engine("ray", f"RAY_API_SERVER_ADDRESS is {address}", {"address": address}, missing=("root", "token_file"))


def kubernetes(run: Run, root: Path, environment: Mapping[str, str]) -> Engine | None:
    """A Kubernetes cluster that this user has a configuration for, or in which this process runs."""
    inside = root / "var/run/secrets/kubernetes.io/serviceaccount/token"
    if inside.exists():
        return Engine("kubernetes", "a service account of a pod")
    home = environment.get("HOME")
    named = environment.get("KUBECONFIG") or (f"{home}/.kube/config" if home else "")
    if not named or not (root / named.lstrip("/")).is_file():
        return None
    told = run(["kubectl", "version", "-o", "json"])
    answers = "its API answers" if told else "kubectl is not here or its API did not answer"
    return Engine("kubernetes", f"{named}; {answers}", missing=("staging",))


def container(root: Path) -> Engine | None:
    """A container engine with a socket of the Docker-compatible API."""
    for name in _SOCKETS:
        socket = root / name.lstrip("/")
        if socket.exists():
            runtime = "podman" if "podman" in name else "docker"
            return Engine("container", f"{runtime}, socket {name}", {"url": f"unix://{name}"})
    return None


def local() -> Engine:
    """This machine itself."""
    return Engine("local", "this machine itself, without an engine")
