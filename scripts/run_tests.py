"""How do the tests use two cores? In two lanes side by side, each a pytest of its own; they take about as long.

`python -m scripts.run_tests [--engines] [ARGS]`: with arguments for pytest, one run of what they name. Otherwise two
lanes that together run everything: of `make test`, or with `--engines` of `make test-engines`. What the first prints is
seen as it comes, what the second printed follows. Fails when one of them does.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_PYTEST: Final = (sys.executable, "-m", "pytest", "-p", "scripts.engines")
_ENGINES: Final = "tests/engines"
_ENGINES_FLAG: Final = "--engines"
_BESIDE: Final = ("tests/hub", "tests/rules", "tests/model", "tests/crypto", "tests/cli")
"""Half of the time of all but engines: hubs, each on two databases, and what only reckons."""
_ENGINES_BESIDE: Final = ("test_slurm*.py", "test_overflow.py")
"""Half of the time of engines: what waits for clusters of Slurm."""


def lanes(arguments: Sequence[str]) -> list[list[str]]:
    """The command lines: one where somebody says what to run, else two that together run everything."""
    engines, given = _ENGINES_FLAG in arguments, [one for one in arguments if one != _ENGINES_FLAG]
    if given:
        return [[*_PYTEST, *((_ENGINES,) if engines else (f"--ignore={_ENGINES}",)), *given]]
    if engines:
        found = sorted(path for pattern in _ENGINES_BESIDE for path in Path(_ENGINES).glob(pattern))
        first, second = [_ENGINES], [str(path) for path in found]
    else:
        first, second = [f"--ignore={_ENGINES}"], list(_BESIDE)
    apart = [f"--ignore={path}" for path in second]
    # each its own cache directory: two runs would write over one another's
    return [
        [*_PYTEST, *first, *apart, "-o", "cache_dir=.pytest_cache/first"],
        [*_PYTEST, *second, "-o", "cache_dir=.pytest_cache/second"],
    ]


def main(arguments: Sequence[str]) -> int:
    """Run all lanes at once; the first exit code that is not 0."""
    first, *others = lanes(arguments)
    with tempfile.TemporaryFile("w+") as kept:
        beside = [subprocess.Popen(command, stdout=kept, stderr=kept) for command in others]
        began = time.monotonic()
        try:
            codes = [subprocess.run(first, check=False).returncode]
            if beside:
                print(f"\n{time.monotonic() - began:.0f} s; waiting for the other lane ...", flush=True)
            codes += [process.wait() for process in beside]
        finally:
            for process in beside:
                process.terminate()
                process.wait()
        if beside:
            print(f"{time.monotonic() - began:.0f} s; the other lane:", flush=True)
        kept.seek(0)
        sys.stdout.writelines(kept)
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
