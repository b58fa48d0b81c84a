"""Compiles the matcher's loops once, so that the first batch of a hub, a benchmark or a test need not wait for it.

`python -m scripts.compile_matcher`: what is compiled is kept beside the sources (numba's cache), for this machine.
"""

import time

from suanlian.testing.matching import small_problem
from suanlian.workers.matching_process import MatchingProcess


def main() -> None:
    """One small batch, cold and warm."""
    began = time.monotonic()
    process = MatchingProcess()
    try:
        for warm in (False, True):
            process.solve(small_problem(warm=warm), deadline_s=900, alive=lambda: None)
    finally:
        process.close()
    print(f"the matcher's loops are compiled ({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    main()
