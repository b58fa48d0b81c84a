"""How long, in units of G: cold, warm, certified and not, by effort. Targets: cold at most 10, warm at most 5."""

from bench.matching.cases import FAMILIES, Options, case, machine, timed
from suanlian.rules.matching.matching import PLANS, first_come_match, match


def main(options: Options) -> None:
    """The table, by size; medians of runs in one process."""
    for size in options.sizes:
        print(f"\n{size}, medians of {options.runs} runs ({machine()})\n")
        print("| instance | effort | G s | cold x G | gap | warm x G | gap |\n|---|---|---|---|---|---|---|")
        for family in FAMILIES:
            of = case(size, family, 0)
            _, g_s = timed(lambda of=of: first_come_match(of.demands, of.pools), options.runs)
            for effort in PLANS:
                made, cold = timed(lambda of=of, e=effort: match(of.demands, of.pools, effort=e), options.runs)
                later, warm = timed(
                    lambda of=of, e=effort, at=made.prices: match(*of.later, prices=at, effort=e), options.runs
                )
                print(
                    f"| {of.name} | {effort} | {g_s:.2f} | {cold / g_s:.1f} | {made.gap:.2%} | {warm / g_s:.1f} |"
                    f" {later.gap:.2%} |",
                    flush=True,
                )
