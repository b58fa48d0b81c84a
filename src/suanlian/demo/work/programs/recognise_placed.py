"""Which digit does each picture show, wherever in it the digit stands? Reads a dataset, whole.

Usage: python recognise_placed.py DIRECTORY ROWS
DIRECTORY holds files RR-CC.bin of pictures (256 bytes each, 16 rows of 16 grey levels) and labels.bin, a byte each.
Each picture is cut to the 8 x 8 corner where it begins to show something. The model is the mean of the first ROWS
pictures of each digit in 00-00.bin, in sixteenths of a grey level; all arithmetic is on integers, so the labels are
exact. Writes out/result.json: for every file the labels of the pictures after these, as one text of digits, and the
SHA-256 of every file as it was read here.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIDE = 16
SMALL = 8
SCALE = 16
DIGITS = 10
Table = NDArray[np.int64]


def corners(data: bytes) -> Table:
    """Return (pictures x 64) grey levels, each picture cut where its first row and first column show something."""
    pictures = np.frombuffer(data, dtype=np.uint8).reshape(-1, SIDE, SIDE)
    top, left = pictures.any(axis=2).argmax(axis=1), pictures.any(axis=1).argmax(axis=1)
    wide = np.pad(pictures, ((0, 0), (0, SMALL), (0, SMALL)))
    rows = top[:, None, None] + np.arange(SMALL)[None, :, None]
    columns = left[:, None, None] + np.arange(SMALL)[None, None, :]
    cut = wide[np.arange(len(pictures))[:, None, None], rows, columns]
    return np.asarray(cut.reshape(len(pictures), SMALL * SMALL), dtype=np.int64)


def centroids(pictures: Table, labels: NDArray[np.uint8]) -> Table:
    """Return each digit's mean picture, rounded to sixteenths of a grey level, halves up."""
    found = np.empty((DIGITS, pictures.shape[1]), dtype=np.int64)
    for digit in range(DIGITS):
        mine = pictures[labels == digit]
        found[digit] = (2 * SCALE * mine.sum(axis=0) + len(mine)) // (2 * len(mine))
    return found


def main() -> None:
    """Learn from one file, recognise in all, write the result."""
    folder, rows = Path(sys.argv[1]), int(sys.argv[2])
    content = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
    labels = np.frombuffer(content["labels.bin"], dtype=np.uint8)
    model = centroids(corners(content["00-00.bin"])[:rows], labels[:rows])
    found = {}
    for name, data in content.items():
        if name != "labels.bin":
            asked = corners(data)[rows:] * SCALE
            apart = np.stack([((asked - mean) ** 2).sum(axis=1) for mean in model], axis=1)
            nearest = apart.argmin(axis=1)
            found[name] = "".join(str(label) for label in nearest)
            sys.stdout.write(f"{name}: {int((nearest == labels[rows:]).sum())} of {len(nearest)} right\n")
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    Path("out").mkdir(exist_ok=True)
    result = {"labels": found, "sha256": digests}
    Path("out/result.json").write_text(json.dumps(result, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
