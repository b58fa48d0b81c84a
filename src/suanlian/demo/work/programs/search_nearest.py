"""How many neighbours are best for a nearest-neighbour classifier, by five-fold cross-validation, in numpy alone?

Usage: python search_nearest.py DATASET METRIC K [K ...]
DATASET is `breast-cancer` or `digits` (read from the files that ship inside scikit-learn), METRIC `euclidean` or
`cosine`. Row i is tested in fold i mod 5; features are scaled by mean and deviation of the training rows only. Writes
out/result.json: the best K, its accuracy and its out-of-fold predictions, and the accuracy of every K.
"""

import gzip
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
MOST_NEIGHBOURS = 32
Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]


def read_dataset(name: str) -> tuple[Matrix, Labels]:
    """Return features (rows x columns) and labels; the package is located, not imported: that would cost a second."""
    spec = find_spec("sklearn")
    if spec is None or spec.submodule_search_locations is None:
        sys.exit("scikit-learn is not installed in this environment: its data files are the input")
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "data"
    if name == "digits":
        lines = gzip.decompress((folder / "digits.csv.gz").read_bytes()).decode().splitlines()
    else:
        lines = (folder / "breast_cancer.csv").read_text(encoding="utf-8").splitlines()[1:]
    table = np.array([line.split(",") for line in lines], dtype=np.float64)
    return table[:, :-1], table[:, -1].astype(np.int64)


def distances(test: Matrix, train: Matrix, metric: str) -> Matrix:
    """Return a (test x training rows) matrix that orders like the metric: squared distance, or minus the cosine."""
    if metric == "cosine":
        lengths = np.linalg.norm(test, axis=1)[:, None] * np.linalg.norm(train, axis=1)[None, :]
        return np.asarray(-(test @ train.T) / lengths)
    squares = (test**2).sum(axis=1)[:, None] + (train**2).sum(axis=1)[None, :]
    return np.asarray(squares - 2.0 * test @ train.T)


def nearest_labels(features: Matrix, labels: Labels, fold: int, metric: str) -> Labels:
    """Return, for every row of the fold, the labels of the training rows from near to far."""
    tested = np.arange(len(labels)) % FOLDS == fold
    train, test = features[~tested], features[tested]
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation == 0.0] = 1.0
    apart = distances((test - mean) / deviation, (train - mean) / deviation, metric)
    order = np.argsort(np.round(apart, 9), axis=1, kind="stable")
    return np.asarray(labels[~tested][order[:, :MOST_NEIGHBOURS]])


def vote(neighbours: Labels, count: int) -> Labels:
    """Return the most frequent of the first `count` labels of each row; the smaller label wins a tie."""
    return np.array([np.bincount(row[:count]).argmax() for row in neighbours])


def search(dataset: str, metric: str, counts: list[int]) -> dict[str, Any]:
    """Try every number of neighbours and keep the best; the first of equals wins."""
    features, labels = read_dataset(dataset)
    ordered = [nearest_labels(features, labels, fold, metric) for fold in range(FOLDS)]
    predictions = np.empty((len(counts), len(labels)), dtype=np.int64)
    tried = []
    for number, count in enumerate(counts):
        for fold in range(FOLDS):
            predictions[number, fold::FOLDS] = vote(ordered[fold], count)
        accuracy = float((predictions[number] == labels).mean())
        sys.stdout.write(f"{dataset} {metric} {count} neighbours: accuracy {accuracy:.4f}\n")
        sys.stdout.flush()
        tried.append({"accuracy": f"{accuracy:.6f}", "point": {"neighbours": count}})
    best = int(np.argmax((predictions == labels).mean(axis=1)))
    return tried[best] | {
        "dataset": dataset,
        "folds": FOLDS,
        "metric": metric,
        "predictions": predictions[best].tolist(),
        "rows": len(labels),
        "tried": tried,
    }


def main() -> None:
    """Read the command line, search, write the result."""
    result = search(sys.argv[1], sys.argv[2], [int(count) for count in sys.argv[3:]])
    Path("out").mkdir(exist_ok=True)
    Path("out/result.json").write_text(json.dumps(result, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
