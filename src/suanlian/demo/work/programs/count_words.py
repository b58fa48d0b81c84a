"""How often does each word occur in a text?

Usage: python count_words.py
Reads corpus.txt (UTF-8). A word is a run of the letters a to z after lower-casing. In an array every index counts its
own lines: those whose number, from 0, leaves the remainder `index` when divided by the array size. Writes
out/result.json: lines, words, distinct, top (the 20 most frequent, then alphabetical); and out/counts.json: every
word's count.
"""

import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

TOP = 20
PROGRESS_LINES = 10_000
WORD = re.compile("[a-z]+")


def count(lines: list[str]) -> Counter[str]:
    """Return how often each word occurs; one line of progress every ten thousand lines."""
    counts: Counter[str] = Counter()
    for number, line in enumerate(lines, start=1):
        counts.update(WORD.findall(line.lower()))
        if number % PROGRESS_LINES == 0:
            sys.stdout.write(f"{number} lines: {counts.total()} words, {len(counts)} distinct\n")
            sys.stdout.flush()
    return counts


def main() -> None:
    """Count this index's lines and write both results."""
    index = int(os.environ.get("SUANLIAN_TASK_INDEX", "0"))
    size = int(os.environ.get("SUANLIAN_ARRAY_SIZE", "1"))
    lines = Path("corpus.txt").read_text(encoding="utf-8").split("\n")[index::size]
    counts = count(lines)
    top = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:TOP]
    result = {"distinct": len(counts), "lines": len(lines), "top": top, "words": counts.total()}
    sys.stdout.write(f"{result['words']} words, {result['distinct']} distinct; most frequent: {top[0][0]}\n")
    Path("out").mkdir(exist_ok=True)
    Path("out/counts.json").write_text(json.dumps(counts, sort_keys=True) + "\n", encoding="utf-8")
    Path("out/result.json").write_text(json.dumps(result, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
