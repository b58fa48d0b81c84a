"""A million demands, 2,000 pools, warm: at most the time of G with at most a tenth of its excess; and the memory.

The bound is the matcher's own, so what it says of the excess is too much, if anything.
"""

from bench.matching.cases import FAMILIES, Options, case, excess, machine, peak_gib, timed
from suanlian.rules.matching.matching import bound, first_come_match, match


def main(options: Options) -> None:
    """The table; ``sizes`` does not matter here. Runs once each: a run is half a minute."""
    print(f"\n1M x 2000, warm ({machine()})\n")
    print("| instance | effort | G s | warm x G | G above the bound | warm above it | of G's | gap | peak GiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for family in FAMILIES[: max(1, min(options.seeds, 2))]:
        of = case("1M", family, 0)
        prices = match(of.demands, of.pools, effort="balanced", certify=False).prices
        g, g_s = timed(lambda of=of: first_come_match(*of.later), 1)
        for effort in ("fast", "balanced"):
            made, warm = timed(lambda of=of, e=effort, at=prices: match(*of.later, prices=at, effort=e), 1)
            least = max(made.bound, bound(*of.later, made.prices))
            part = excess(made, least) / excess(g, least)
            print(
                f"| {of.name} | {effort} | {g_s:.1f} | {warm / g_s:.2f} | {excess(g, least):.2%} |"
                f" {excess(made, least):.2%} | 1/{1 / part:.0f} | {made.gap:.2%} | {peak_gib():.1f} |",
                flush=True,
            )
