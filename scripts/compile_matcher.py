"""Compiles the loops of matcher and queue once, so that the first job of a hub, a benchmark or a test need not wait.

`python -m scripts.compile_matcher`: what is compiled is kept beside the sources (numba's cache), for this machine.
"""

import time

from suanlian.testing.matching import small_problem
from suanlian.testing.queueing import small_line
from suanlian.workers.matching_process import MatchingProcess


def main() -> None:
    """One small queue; one small batch, cold and warm."""
    began = time.monotonic()
    small_line()
    print(f"the queue's loops are compiled ({time.monotonic() - began:.0f} s)")
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
