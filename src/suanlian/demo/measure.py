"""How fast is one thread of this machine? A matrix product in numpy, timed; run as a process of its own.

Writes JSON: giga-operations per second by precision. Two operations for each of the n^3 multiply-and-add.
"""

import json
import sys
import time
from typing import Final

import numpy as np

_SIZE: Final = 384
_FOR_S: Final = 0.15


def giga_per_s(kind: str) -> float:
    """The best rate of several products within a fraction of a second."""
    left = np.random.default_rng(1).random((_SIZE, _SIZE)).astype(np.dtype(kind))
    best, until = float("inf"), time.perf_counter() + _FOR_S
    while time.perf_counter() < until:
        began = time.perf_counter()
        left @ left
        best = min(best, time.perf_counter() - began)
    return 2 * _SIZE**3 / best / 1e9


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"FP64": giga_per_s("float64"), "FP32": giga_per_s("float32")}))
