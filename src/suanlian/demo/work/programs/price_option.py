"""What is a European or geometric-Asian option worth, by Monte-Carlo simulation of a geometric Brownian motion?

Usage: python price_option.py
Reads contract.json: style (`european`, `geometric-asian`), right (`call`, `put`), spot, strike, rate, volatility
(both a year), years, dates (averaging dates, evenly spaced), paths, seed. In an array every index uses its own stream
of random numbers. Writes out/result.json: paths, price and standard error (money of the contract).
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK_PATHS = 25_000


def final_values(contract: dict[str, Any], paths: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return what the payoff of each path looks at: the last price, or the geometric mean over the dates."""
    dates = contract["dates"] if contract["style"] == "geometric-asian" else 1
    step_years = contract["years"] / dates
    drift = (contract["rate"] - contract["volatility"] ** 2 / 2.0) * step_years
    noise = generator.standard_normal((paths, dates)) * contract["volatility"] * np.sqrt(step_years)
    logarithms = np.cumsum(drift + noise, axis=1)
    return np.asarray(contract["spot"] * np.exp(logarithms.mean(axis=1)))


def payoffs(contract: dict[str, Any], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the discounted payoff of each path."""
    sign = 1.0 if contract["right"] == "call" else -1.0
    discount = np.exp(-contract["rate"] * contract["years"])
    return np.asarray(discount * np.maximum(sign * (values - contract["strike"]), 0.0))


def main() -> None:
    """Simulate in chunks, so that memory stays small, and report after each."""
    contract = json.loads(Path("contract.json").read_text(encoding="utf-8"))
    index = int(os.environ.get("SUANLIAN_TASK_INDEX", "0"))
    generator = np.random.default_rng([contract["seed"], index])
    total = squares = 0.0
    done = 0
    while done < contract["paths"]:
        chunk = payoffs(contract, final_values(contract, min(CHUNK_PATHS, contract["paths"] - done), generator))
        total, squares, done = total + float(chunk.sum()), squares + float((chunk**2).sum()), done + len(chunk)
        price = total / done
        error = float(np.sqrt(max(squares / done - price**2, 0.0) / (done - 1)))
        sys.stdout.write(f"{done} paths: {price:.4f} +- {error:.4f}\n")
        sys.stdout.flush()
    result = {"paths": done, "price": f"{price:.9f}", "standard_error": f"{error:.9f}"}
    Path("out").mkdir(exist_ok=True)
    Path("out/result.json").write_text(json.dumps(result, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
