"""Multiply what a hub seeded, say which product it is, and only then hand it in.

When the product is there, one line on standard output commits to it, ``{"commitment": SHA-256, ...}``: the hub's clock
stops when that line arrives. Then the product is written to the file ``product`` in the working directory.
"""

import hashlib
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from suanlian.probe.accelerators import found
from suanlian.probe.hold import written
from suanlian.probe.workload import BASES, LEFT, PRODUCTS, RIGHT, Chains, base, diagonals

PRODUCT: Final = "product"
"""The output file."""
KINDS: Final = {"FP64": np.float64, "FP32": np.float32}
"""What numpy multiplies by BLAS."""
CPU: Final = "cpu"
"""The device that every machine has; another one is the name of an entry point (``accelerators``)."""
_NO_DEVICE: Final = 3


def multiplied(work: Chains) -> npt.NDArray[Any]:
    """The product, by BLAS, in the work's precision. Raises KeyError for one that numpy does not multiply by BLAS."""
    kind = KINDS[work.precision]
    bases = [base(work, index).astype(kind) for index in range(BASES)]
    total = np.zeros((work.n, work.n), dtype=kind)
    for segment in range(work.segments):
        drawn = diagonals(work, segment).astype(kind)
        moved = drawn[LEFT][:, None] * bases[segment % BASES]
        for place in range(1, PRODUCTS + 1):
            moved *= drawn[place]
            moved = moved @ bases[(segment + place) % BASES]
        moved *= drawn[RIGHT]
        total += moved
    return total


def run(values: Mapping[str, Any]) -> int:
    """Multiply, commit, hand in. Exit 3 where this machine has no such device or it cannot do the precision."""
    began = time.monotonic()
    kept = [written() for _ in range(values.get("memory_mib", 0))]
    work = Chains(values["seed"], values["precision"], values["n"], values["segments"])
    try:
        data = _by(values["device"], work)
    except (LookupError, NotImplementedError) as error:
        sys.stderr.write(f"cannot multiply {work.precision} on {values['device']}: {error}\n")
        return _NO_DEVICE
    said = {"commitment": hashlib.sha256(data).hexdigest(), "own_s": round(time.monotonic() - began, 6)}
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    Path(PRODUCT).write_bytes(data)
    time.sleep(max(0.0, began + values.get("hold_ms", 0) / 1000 - time.monotonic()))
    kept.clear()
    return 0


def _by(device: str, work: Chains) -> bytes:
    if device == CPU:
        return np.ascontiguousarray(multiplied(work)).tobytes()
    return found()[0][device].multiplied(work)
