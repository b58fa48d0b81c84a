"""How is the environment of the hub's own small jobs made here? This interpreter, and the program beside this package.

The program is started by its path: a driver imports nothing of it, and the sandbox has nothing else of ours.
"""

import hashlib
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Final

from suanlian.drivers.contract import EnvironmentSetup
from suanlian.model.performance import Architecture

_SOURCE: Final = Path(__file__).resolve().parents[2]
_PROGRAM: Final = _SOURCE / "suanlian" / "probe"
_BOOT: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from suanlian.probe.main import run; sys.exit(run(sys.argv[1:]))"
)
_PACKAGES: Final = ("site-packages", "dist-packages")
_MACHINES: Final = {
    "x86_64": Architecture.X86_64,
    "amd64": Architecture.X86_64,
    "aarch64": Architecture.AARCH64,
    "arm64": Architecture.AARCH64,
    "riscv64": Architecture.RISCV64,
}


def architecture() -> Architecture | None:
    """Of which architecture probes are here; None where they cannot run."""
    return _MACHINES.get(platform.machine().lower()) if (_PROGRAM / "main.py").is_file() else None


def setup() -> EnvironmentSetup:
    """The environment of probes: it reads the interpreter, its packages (numpy, where it is there) and the program."""
    prefixes = tuple(dict.fromkeys((Path(sys.prefix), Path(sys.base_prefix))))
    program = (_SOURCE / "suanlian" / "__init__.py", _PROGRAM)
    return EnvironmentSetup(
        launcher=(sys.executable, "-I", "-B", "-c", _BOOT, str(_SOURCE)),
        binds=(*prefixes, *_outside(prefixes), *program),
    )


def carried(root: Path, python: str | None) -> EnvironmentSetup:
    """The environment of probes where jobs belong to other users or run on other machines.

    The program is copied below ``root``, which they all see; ``python`` is an interpreter that they may start, with
    numpy where the larger probes are to run; None: this very one. Raises OSError.
    """
    files = {path.relative_to(_SOURCE): path.read_bytes() for path in _program_files()}
    digest = hashlib.sha256(b"".join(str(name).encode() + content for name, content in sorted(files.items())))
    place = root / f"probes-{digest.hexdigest()[:16]}"
    if not place.is_dir():
        fresh = root / f"{place.name}.{os.getpid()}"
        for name, content in files.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).write_bytes(content)
        for directory in (fresh, *(path for path in fresh.rglob("*") if path.is_dir())):
            directory.chmod(0o755)
        try:
            fresh.rename(place)
        except OSError:  # somebody else was first
            shutil.rmtree(fresh)
            if not place.is_dir():
                raise
    return EnvironmentSetup(launcher=(python or sys.executable, "-I", "-B", "-c", _BOOT, str(place)))


def _program_files() -> list[Path]:
    return [_SOURCE / "suanlian" / "__init__.py", *sorted(_PROGRAM.glob("*.py"))]


def _outside(prefixes: tuple[Path, ...]) -> tuple[Path, ...]:
    """Directories of packages that do not lie below the interpreter, such as a person's own."""
    found = [Path(path) for path in sys.path if Path(path).name in _PACKAGES]
    return tuple(path for path in found if path.is_dir() and not any(path.is_relative_to(p) for p in prefixes))
