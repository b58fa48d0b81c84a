"""What does the accelerator of this machine do? Measured, verified, and printed as JSON.

    PYTHONPATH=src python3 -m scripts.measure_accelerator > accelerator.json

Needs the standard library, numpy and PyTorch, no other package. For each precision: dense products at several sizes,
and the seeded chains of a verification, whose product is checked by Freivalds' method and, as a counter-proof, refused
where the next lower precision made it.
"""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from suanlian.probe.accelerators import Accelerator
from suanlian.probe.torch_accelerator import TorchAccelerator
from suanlian.probe.workload import BITS, Chains, segments_for
from suanlian.rules.freivalds import SECRET_BYTES, SECRETS, check

SIZES: Final = (2048, 4096, 8192)
SAMPLES: Final = 5
CHAIN_N: Final = 2048
CHAIN_S: Final = 3.0
TRIAD_NUMBERS: Final = 2**28
LOWER: Final[Mapping[str, str]] = {"FP64": "FP32", "FP32": "TF32", "TF32": "BF16", "FP16": "BF16"}
"""What a product must be told from."""


def dense(accelerator: Accelerator, precision: str) -> list[dict[str, Any]]:
    """Dense products at each size; a size that cannot be done says why."""
    rows: list[dict[str, Any]] = []
    for n in SIZES:
        try:
            samples_s = accelerator.product_s(precision, n, SAMPLES)
        except NotImplementedError as error:
            rows.append({"n": n, "not_measured": str(error)})
            continue
        rates = [2 * n**3 / s / 1e12 for s in samples_s]
        rows.append({"n": n, "tera_per_s": [round(r, 3) for r in rates], "median": round(statistics.median(rates), 3)})
    return rows


def verified(accelerator: TorchAccelerator, precision: str, rate: float) -> dict[str, Any]:
    """The chains: how long they took in all, and what the check says of them and of a cheaper product."""
    segments = segments_for(rate * 1e12 * CHAIN_S, CHAIN_N)
    accelerator.multiplied(Chains("warm", precision, CHAIN_N, 1))
    work = Chains(os.urandom(16).hex(), precision, CHAIN_N, segments)
    began = time.perf_counter()
    product = accelerator.multiplied(work)
    took_s = time.perf_counter() - began
    report: dict[str, Any] = {"n": work.n, "segments": segments, "took_s": round(took_s, 3)}
    report["tera_per_s"] = round(work.operations / took_s / 1e12, 3)
    began = time.perf_counter()
    finding = check(work, product, secrets(work.n))
    report |= {"fits": finding.fits, "residual": finding.residual, "worst_row": finding.worst_row}
    report |= {"tolerance": finding.tolerance, "why": finding.why, "check_s": round(time.perf_counter() - began, 3)}
    if precision in LOWER:
        report["cheaper"] = cheaper(accelerator, precision)
    return report


def cheaper(accelerator: TorchAccelerator, precision: str) -> dict[str, Any]:
    """What the check says of a product that the next lower precision made. It must not fit."""
    lower = LOWER[precision]
    work = Chains(os.urandom(16).hex(), precision, CHAIN_N, 4)
    finding = check(work, accelerator.multiplied(work, lower), secrets(work.n))
    return {"made_in": lower, "fits": finding.fits, "residual": finding.residual}


def secrets(n: int) -> list[bytes]:
    """Secret vectors, drawn now."""
    return [os.urandom(n * SECRET_BYTES) for _ in range(SECRETS)]


def main(arguments: Sequence[str]) -> int:
    """Measure and print; exit 1 where there is no device or an honest product was refused."""
    del arguments
    accelerator = TorchAccelerator()
    if not accelerator.devices():
        print("PyTorch sees no device here", file=sys.stderr)
        return 1
    report: dict[str, Any] = {
        "environment": {"python": platform.python_version(), "numpy": np.__version__, **accelerator.environment()},
        "method": f"dense: median of {SAMPLES}, random numbers, warm; chains: as a hub verifies",
    }
    triad_s = accelerator.triad_s(TRIAD_NUMBERS, SAMPLES)
    report["triad_gb_per_s"] = [round(24 * TRIAD_NUMBERS / s / 1e9, 1) for s in triad_s]
    report["precisions"] = {}
    for precision in accelerator.precisions():
        rows = dense(accelerator, precision)
        report["precisions"][precision] = {"dense": rows}
        rate = next((row["median"] for row in rows if row["n"] == CHAIN_N and "median" in row), None)
        if precision in BITS and rate:
            report["precisions"][precision]["chains"] = verified(accelerator, precision, rate)
    print(json.dumps(report, indent=1))
    chains = [entry["chains"] for entry in report["precisions"].values() if "chains" in entry]
    cheated = any(entry.get("cheaper", {}).get("fits") for entry in chains)
    return 0 if all(entry["fits"] for entry in chains) and not cheated else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
