"""Which digit does each picture of a small batch show, by the nearest class centroid?

Usage: python classify_batch.py
Reads model.json (centroids: ten lists of 64 integers, in sixteenths of a grey level) and batch.json (pictures: lists
of 64 grey levels from 0 to 16). All arithmetic is on integers, so the labels are exact. Writes out/result.json:
labels, and the squared distances.
"""

import json
import sys
from pathlib import Path

import numpy as np

SCALE = 16


def main() -> None:
    """Classify the batch and write one label a picture; the smaller label wins a tie."""
    centroids = np.array(json.loads(Path("model.json").read_text(encoding="utf-8"))["centroids"], dtype=np.int64)
    pictures = np.array(json.loads(Path("batch.json").read_text(encoding="utf-8"))["pictures"], dtype=np.int64)
    distances = ((pictures[:, None, :] * SCALE - centroids[None, :, :]) ** 2).sum(axis=2)
    labels = distances.argmin(axis=1)
    for digit in range(len(centroids)):
        sys.stdout.write(f"digit {digit}: {int((labels == digit).sum())} of {len(labels)} pictures\n")
    sys.stdout.flush()
    result = {"distances": [str(value) for value in distances.min(axis=1).tolist()], "labels": labels.tolist()}
    Path("out").mkdir(exist_ok=True)
    Path("out/result.json").write_text(json.dumps(result, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
