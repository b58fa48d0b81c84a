"""A two-dimensional Ising model by the Metropolis algorithm, which goes on elsewhere from where it was.

``ising.py SIZE SWEEPS TEMPERATURE SEED``. The same four give the same result, wherever and in however many parts it
runs: spins, energy and the state of the random numbers lie in the checkpoint. It is written beside, then renamed into
its place, when the signal comes and every few seconds. Standard library alone.
"""

import hashlib
import json
import math
import os
import random
import signal
import sys
import time
from pathlib import Path

EVERY_S = 2.0


class Lattice:
    """Spins on a torus."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.sweep = size, 0
        self.random = random.Random(seed)
        self.spins = [self.random.choice((-1, 1)) for _ in range(size * size)]
        self.energies: list[int] = []

    def go(self, beta: float) -> None:
        """One sweep: as many tries to flip a spin as there are spins."""
        n, spins, draw = self.size, self.spins, self.random.random
        for _ in range(n * n):
            at = int(draw() * n * n)
            row, column = divmod(at, n)
            around = (
                spins[row * n + (column + 1) % n]
                + spins[row * n + (column - 1) % n]
                + spins[(row + 1) % n * n + column]
                + spins[(row - 1) % n * n + column]
            )
            change = 2 * spins[at] * around
            if change <= 0 or draw() < math.exp(-beta * change):
                spins[at] = -spins[at]
        self.sweep += 1
        self.energies.append(self.energy())

    def energy(self) -> int:
        """The energy, each bond counted once."""
        n, spins = self.size, self.spins
        return -sum(
            spins[r * n + c] * (spins[r * n + (c + 1) % n] + spins[(r + 1) % n * n + c])
            for r in range(n)
            for c in range(n)
        )

    def save(self, directory: Path) -> None:
        """Write all of it beside, then put it in its place: whoever reads finds a whole one, the old or the new."""
        directory.mkdir(parents=True, exist_ok=True)
        kept = {name: getattr(self, name) for name in ("size", "sweep", "spins", "energies")}
        kept["random"] = self.random.getstate()
        fresh = directory.parent / f"{directory.name}.new"
        fresh.write_text(json.dumps(kept))
        fresh.replace(directory / "lattice.json")

    @classmethod
    def load(cls, directory: Path) -> "Lattice":
        """As it was saved."""
        kept = json.loads((directory / "lattice.json").read_text())
        made = cls(kept["size"], 0)
        for name in ("sweep", "spins", "energies"):
            setattr(made, name, kept[name])
        version, internal, gauss = kept["random"]
        made.random.setstate((version, tuple(internal), gauss))
        return made


def main() -> None:
    """Run to the end, or until the signal."""
    size, sweeps, temperature, seed = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    directory = Path(os.environ.get("SUANLIAN_CHECKPOINT_DIR", "state"))
    told: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _frame: told.append(number))
    is_there = (directory / "lattice.json").exists()
    lattice = Lattice.load(directory) if is_there else Lattice(size, seed)
    attempt, restored = os.environ.get("SUANLIAN_ATTEMPT", "1"), os.environ.get("SUANLIAN_RESTORED", "0")
    print(f"attempt {attempt} restored {restored} begins at sweep {lattice.sweep}", flush=True)
    saved_at = time.monotonic()
    while lattice.sweep < sweeps:
        lattice.go(1 / temperature)
        if told:
            lattice.save(directory)
            print(f"attempt {attempt} saved at sweep {lattice.sweep}", flush=True)
            return
        if time.monotonic() - saved_at > EVERY_S:
            lattice.save(directory)
            saved_at = time.monotonic()
    text = json.dumps([lattice.spins, lattice.energies])
    mean = sum(lattice.energies[sweeps // 2 :]) / (sweeps - sweeps // 2) / size**2
    Path("result.txt").write_text(f"{hashlib.sha256(text.encode()).hexdigest()} energy per spin {mean:.6f}\n")
    print(f"attempt {attempt} done, energy per spin {mean:.6f}", flush=True)


if __name__ == "__main__":
    main()
