"""What further resources and anti-affinity cost: the same demands plain, with CPU and memory, with quotas, with both.

Target: at most twice the time of the plain problem.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from bench.matching.cases import FAMILIES, Options, case, machine, timed
from suanlian.rules.matching.arrays import AT_SITE, MEMBERS, Demands, Pools, Quotas
from suanlian.rules.matching.matching import first_come_match, match

GROUPS: Final = 200


def main(options: Options) -> None:
    """The table, by size."""
    for size in options.sizes:
        print(f"\n{size}, medians of {options.runs} runs ({machine()})\n")
        print("| instance | problem | G s | cold s | x plain | gap | warm s | x plain | gap |\n|" + "---|" * 9)
        for family in FAMILIES:
            of = case(size, family, 0)
            wide = further(of.demands, of.pools, 0)
            kinds = {
                "plain": (of.demands, of.pools),
                "with CPU and memory": wide,
                "with quotas": (grouped(of.demands, 0), of.pools),
                "with all of them": (grouped(wide[0], 0), wide[1]),
            }
            plain: tuple[float, float] | None = None
            for name, (demands, pools) in kinds.items():
                plain = _row(f"{of.name} | {name}", demands, pools, options.runs, plain)


def _row(
    name: str, demands: Demands, pools: Pools, runs: int, plain: tuple[float, float] | None
) -> tuple[float, float]:
    _, g_s = timed(lambda: first_come_match(demands, pools), 1)
    made, cold = timed(lambda: match(demands, pools), runs)
    later, warm = timed(lambda: match(demands, pools, prices=made.prices, quota_prices=made.quota_prices), runs)
    least = plain or (cold, warm)
    print(
        f"| {name} | {g_s:.2f} | {cold:.2f} | {cold / least[0]:.2f} | {made.gap:.2%} | {warm:.2f} |"
        f" {warm / least[1]:.2f} | {later.gap:.2%} |",
        flush=True,
    )
    return least


def further(demands: Demands, pools: Pools, seed: int) -> tuple[Demands, Pools]:
    """CPU and memory: 4 to 16 cores and 32 to 256 GB a unit; a pool has 0.8 to 1.6 times the mean of it."""
    draw = np.random.default_rng((seed, 77))
    need = np.column_stack(
        [draw.choice([4.0, 8.0, 16.0], len(demands)), draw.choice([32.0, 64, 128, 256], len(demands))]
    )
    mean = need.mean(axis=0)
    tight = pools.capacity * mean * draw.uniform(0.8, 1.6, (len(pools), 2))
    price = np.tile([0.01, 0.001], (len(pools), 1)) * draw.uniform(0.5, 1.5, (len(pools), 2))
    return replace(demands, need=need), replace(
        pools, capacity=np.column_stack([pools.capacity, tight]), price=np.column_stack([pools.price, price])
    )


def grouped(demands: Demands, seed: int) -> Demands:
    """A tenth of the demands in groups that may have few members at one site."""
    draw = np.random.default_rng((seed, 78))
    group = np.where(draw.random(len(demands)) < 0.1, draw.integers(0, GROUPS, len(demands)), -1)
    limit = np.full(GROUPS, max(2.0, np.ceil(len(demands) / 10 / GROUPS / 10)))
    quotas = Quotas(scope=np.full(GROUPS, AT_SITE), measure=np.full(GROUPS, MEMBERS), limit=limit)
    return replace(demands, group=group, quotas=quotas)
