"""How far from the best possible: first come first served beside the matcher, cold and a tick later, warm.

Targets: excess over the reference bound at most 1/20 of G's on each instance, median 1/30; the certified gap (what the
matcher itself proves) 0.5 % in the median, 1.0 % at most.
"""

import statistics
from importlib.util import find_spec

from bench.matching.cases import FAMILIES, Case, Options, case, excess, timed
from bench.matching.reference import Reference, reference
from suanlian.rules.matching.arrays import Match
from suanlian.rules.matching.matching import bound, first_come_match, match


def main(options: Options) -> None:
    """The table, by size."""
    pdlp_s = options.pdlp_s if find_spec("ortools") else 0.0
    if not find_spec("ortools"):
        print("OR-Tools is not installed (pip install 'suanlian[bench]'): the reference is our own dual, cooled longer")
    for size in options.sizes:
        print(
            f"\n{size}\n\n| instance | reference | G above it | G s | cold above it | of G's | gap | x G |"
            " warm above | of G's | gap | x G |\n|" + "---|" * 12
        )
        rows = [_row(case(size, family, seed), pdlp_s) for family in FAMILIES for seed in range(options.seeds)]
        for name, at in (("cold", 0), ("warm", 1)):
            parts = [row[at][0] for row in rows]
            gaps = [row[at][1] for row in rows]
            print(
                f"\n{name}: 1/{1 / max(parts):.0f} of G's excess at most, 1/{1 / statistics.median(parts):.0f} in the"
                f" median; gap {statistics.median(gaps):.2%} in the median, {max(gaps):.2%} at most"
            )


def _row(of: Case, pdlp_s: float) -> tuple[tuple[float, float], ...]:
    g, g_s = timed(lambda: first_come_match(of.demands, of.pools), 1)
    made, cold_s = timed(lambda: match(of.demands, of.pools), 1)
    cold_reference = reference(of.demands, of.pools, made, pdlp_s)
    later, warm_s = timed(lambda: match(*of.later, prices=made.prices), 1)
    cold, cold_text = _compared(made, g, cold_reference.bound)
    # a dual at prices of a tick before: a bound, somewhat low, so that the excess is somewhat too much
    warm_bound = max(later.bound, bound(*of.later, cold_reference.prices))
    warm, warm_text = _compared(later, first_come_match(*of.later), warm_bound)
    print(
        f"| {of.name} | {cold_reference.bound:,.0f} | {excess(g, cold_reference.bound):.2%} | {g_s:.2f} | {cold_text} |"
        f" {cold_s / g_s:.1f} | {warm_text} | {warm_s / g_s:.1f} |",
        flush=True,
    )
    if pdlp_s > 0:
        _told(cold_reference)
    return cold, warm


def _compared(made: Match, g: Match, least: float) -> tuple[tuple[float, float], str]:
    part = excess(made, least) / excess(g, least)
    return (part, made.gap), f"{excess(made, least):.3%} | 1/{1 / part:.0f} | {made.gap:.2%}"


def _told(of: Reference) -> None:
    print(
        f"<!-- bound at our prices {of.refined:,.0f}, at PDLP's {of.pdlp:,.0f}; PDLP of the smaller program: primal"
        f" {of.primal:,.0f}, dual {of.dual:,.0f}, {of.reason} -->",
        flush=True,
    )
