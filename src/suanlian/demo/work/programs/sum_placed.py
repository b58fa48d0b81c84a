"""What does each digit look like on the average, wherever it stands? Reads a dataset, whole.

Usage: python sum_placed.py DIRECTORY
DIRECTORY holds files RR-CC.bin of pictures (256 bytes each, 16 rows of 16 grey levels) and labels.bin, a byte each.
Writes out/result.json: for each digit the sum of all its pictures in all files (integers, so exact), how many pictures
there were, and the SHA-256 of every file as it was read here.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

CELLS = 256
DIGITS = 10


def main() -> None:
    """Read every file once, sum by digit, write the result."""
    folder = Path(sys.argv[1])
    content = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
    labels = np.frombuffer(content["labels.bin"], dtype=np.uint8)
    sums = np.zeros((DIGITS, CELLS), dtype=np.int64)
    pictures = 0
    for name, data in content.items():
        if name != "labels.bin":
            table = np.frombuffer(data, dtype=np.uint8).reshape(-1, CELLS)
            for digit in range(DIGITS):
                sums[digit] += table[labels == digit].sum(axis=0, dtype=np.int64)
            pictures += len(table)
    sys.stdout.write(f"{pictures} pictures in {len(content) - 1} files\n")
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    Path("out").mkdir(exist_ok=True)
    result = {"pictures": pictures, "sha256": digests, "sums": sums.tolist()}
    Path("out/result.json").write_text(json.dumps(result, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
