"""Does the matcher reach its table of targets? Each table is a module here; docs/notes/matching.md has them.

`python -m bench.matching [quality] [times] [place] [million] [more] [hours] [--sizes 100k] [--seeds N]
[--runs N] [--pdlp S]`
"""

import argparse
import importlib
import os
import time
from typing import Final

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from bench.matching.cases import Options, machine, warm_up

TABLES: Final = {
    "quality": "how far from the best possible",
    "times": "how long, in units of first come first served",
    "place": "one order at a time",
    "million": "a million demands, warm",
    "more": "further resources and quotas",
    "hours": "the next 24 hours, by the hour",
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.matching", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="table", help=", ".join(TABLES))
    parser.add_argument("--sizes", nargs="+", default=["100k"], help="1k, 10k, 100k")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--pdlp", type=float, default=120.0, help="seconds for the reference bound, 0: without it")
    said = parser.parse_args()
    unknown = set(said.tables) - set(TABLES)
    if unknown:
        parser.error(f"no such table: {', '.join(sorted(unknown))}")
    options = Options(tuple(said.sizes), said.seeds, said.runs, said.pdlp)
    print(machine())
    warm_up()
    for name in said.tables or TABLES:
        began = time.monotonic()
        print(f"\n## {name}: {TABLES[name]}", flush=True)
        importlib.import_module(f"bench.matching.{name}").main(options)
        print(f"\n({time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
