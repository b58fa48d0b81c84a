"""Which engines do the tests in tests/engines run against? Installs those that are no Python package of ours.

`python -m scripts.install_engines` puts them below .cache/engines, which git ignores; what is there stays as it is.
Slurm and podman come from Debian's packages, and only where this runs as root beside apt-get. An engine whose tool is
not on this machine is told and left out, and its tests then skip themselves.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
ENGINES: Final = ROOT / ".cache" / "engines"
OIDC_PROVIDER: Final = "oidc-provider@9.13.3"
RAY: Final = "ray[default]==2.60.0"
RAY_BINARIES: Final = ENGINES / "ray-2.60.0" / "bin"
SNAKEMAKE: Final = (
    "snakemake>=9.27,<10",
    "snakemake-executor-plugin-tes>=0.1.3,<0.2",
    "snakemake-storage-plugin-fs>=1.1,<2",
    "six>=1.17",
)
SNAKEMAKE_BINARIES: Final = ENGINES / "snakemake-9" / "bin"
OIDC_LIBRARY: Final = ENGINES / OIDC_PROVIDER / "node_modules" / "oidc-provider" / "lib" / "index.js"
COMPILER: Final = "ziglang>=0.17,<0.18"
EMULATORS: Final = ("qemu-aarch64-static", "qemu-riscv64-static")
SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SLURM_PROGRAMS: Final = ("munged", "slurmctld", "slurmd", "slurmrestd", "sbatch")
SLURM_PACKAGES: Final = (
    "slurmctld",
    "slurmd",
    "slurm-client",
    "slurmrestd",
    "slurm-wlm-jwt-plugin",
    "slurm-wlm-basic-plugins",
    "munge",
)
ACCOUNTING_PROGRAMS: Final = ("slurmdbd", "mariadbd", "mariadb-install-db")
ACCOUNTING_PACKAGES: Final = ("slurmdbd", "slurm-wlm-mysql-plugin", "mariadb-server-core", "mariadb-client-core")
PODMAN_PROGRAMS: Final = ("podman", "runc", "conmon", "busybox")
PODMAN_PACKAGES: Final = ("podman", "runc", "conmon", "containernetworking-plugins", "busybox-static")


def install_oidc_provider() -> str:
    """Install the npm package, if it is not there; what became of it, in a line."""
    if OIDC_LIBRARY.exists():
        return f"{OIDC_PROVIDER}: there"
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return f"{OIDC_PROVIDER}: left out, there is no node and npm on this machine"
    folder = ENGINES / OIDC_PROVIDER
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", OIDC_PROVIDER]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        return f"{OIDC_PROVIDER}: left out, npm failed: {done.stderr.strip()[-300:]}"
    return f"{OIDC_PROVIDER}: installed"


def install_apart(program: Path, *wanted: str) -> str:
    """Install packages of PyPI apart from ours, since their pins shall not bind us, if ``program`` is not there."""
    if program.exists():
        return f"{wanted[0]}: there"
    folder, python = program.parent.parent, str(program.parent / "python")
    made = subprocess.run([sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"{wanted[0]}: left out, no environment could be made: {made.stderr.strip()[-300:]}"
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        return f"{wanted[0]}: left out, pip failed: {done.stderr.strip()[-300:]}"
    return f"{wanted[0]}: installed"


def install_compiler() -> str:
    """Install the wheel that cross-compiles C into this environment, if it is not there: 411 MB, extra `engines`."""
    if find_spec("ziglang") is not None:
        return f"{COMPILER}: there"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", COMPILER]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        return f"{COMPILER}: left out, pip failed: {done.stderr.strip()[-300:]}"
    return f"{COMPILER}: installed"


def install_debian(name: str, programs: Sequence[str], packages: Sequence[str]) -> str:
    """Install Debian's packages where one of the programs is lacking; what became of it, in a line.

    Daemons that a package would start do not start: tests run their own.
    """
    if all(shutil.which(program, path=SYSTEM_PATH) for program in programs):
        return f"{name}: there"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return f"{name}: left out, it takes root and apt-get to install {' '.join(packages)}"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "--quiet"], install):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900, env=environment)
        if done.returncode:
            return f"{name}: left out, {' '.join(command[:2])} failed: {done.stderr.strip()[-300:]}"
    return f"{name}: installed"


def main() -> int:
    """Install all; an engine that is left out is no failure."""
    print(install_oidc_provider())
    print(install_apart(RAY_BINARIES / "ray", RAY))
    print(install_apart(SNAKEMAKE_BINARIES / "snakemake", *SNAKEMAKE))
    print(install_debian("slurm", SLURM_PROGRAMS, SLURM_PACKAGES))
    print(install_debian("slurmdbd", ACCOUNTING_PROGRAMS, ACCOUNTING_PACKAGES))
    print(install_debian("podman", PODMAN_PROGRAMS, PODMAN_PACKAGES))
    print(install_compiler())
    print(install_debian("emulators", EMULATORS, ("qemu-user-static",)))
    print(install_debian("rsync (Snakemake's storage)", ("rsync",), ("rsync",)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
