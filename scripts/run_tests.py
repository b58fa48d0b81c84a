"""How does `make test` use two cores? The tests of the hub run beside all others, each by a pytest of its own.

`python -m scripts.run_tests [ARGS]`: with arguments for pytest, one run of what they name. Otherwise two lanes; what
the first prints is seen as it comes, what the second printed follows. Fails when one of them does.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Final

_PYTEST: Final = (sys.executable, "-m", "pytest", "-p", "scripts.engines")
_ENGINES: Final = "--ignore=tests/engines"
_HUB: Final = "tests/hub"


def lanes(arguments: Sequence[str]) -> list[list[str]]:
    """The command lines: one where somebody says what to run, else two that together run everything."""
    if arguments:
        return [[*_PYTEST, _ENGINES, *arguments]]
    # each its own cache directory: two runs would write over one another's
    return [
        [*_PYTEST, _ENGINES, f"--ignore={_HUB}", "-o", "cache_dir=.pytest_cache/others"],
        [*_PYTEST, _HUB, "-o", "cache_dir=.pytest_cache/hub"],
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
                print(f"\n{time.monotonic() - began:.0f} s; waiting for the tests of the hub ...", flush=True)
            codes += [process.wait() for process in beside]
        finally:
            for process in beside:
                process.terminate()
                process.wait()
        kept.seek(0)
        sys.stdout.writelines(kept)
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
