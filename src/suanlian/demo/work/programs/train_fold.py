"""How well does a small network classify the rows of one fold after training on the other folds?

Usage: python train_fold.py DATASET HIDDEN_UNITS EPOCHS
DATASET is `breast-cancer` or `digits` (read from the files that ship inside scikit-learn). HIDDEN_UNITS 0 is softmax
regression, more is one layer of rectified units; both are trained by mini-batch gradient descent with momentum, in
numpy alone. The array index is the fold, the array size the number of folds: row i is tested in fold i mod folds.
Writes out/result.json (accuracy, loss, predictions of the fold's rows in ascending order) and out/weights.npz.
"""

import gzip
import json
import os
import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SEED = 20260102
BATCH_ROWS = 64
LEARNING_RATE = 0.1
MOMENTUM = 0.9
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


def with_bias(matrix: Matrix) -> Matrix:
    """Return the matrix with a last column of ones."""
    return np.hstack([matrix, np.ones((len(matrix), 1))])


def forward(layers: list[Matrix], rows: Matrix) -> tuple[list[Matrix], Matrix]:
    """Return the input of every layer (with bias) and the class probabilities (rows x classes)."""
    inputs = [with_bias(rows)]
    for layer in layers[:-1]:
        inputs.append(with_bias(np.maximum(inputs[-1] @ layer, 0.0)))
    scores = inputs[-1] @ layers[-1]
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return inputs, exponentials / exponentials.sum(axis=1, keepdims=True)


def gradients(layers: list[Matrix], rows: Matrix, targets: Matrix) -> list[Matrix]:
    """Return the gradient of the mean cross-entropy for every layer, by back-propagation."""
    inputs, probabilities = forward(layers, rows)
    error = (probabilities - targets) / len(rows)
    found: list[Matrix] = []
    for layer, incoming in zip(reversed(layers), reversed(inputs), strict=True):
        found.insert(0, incoming.T @ error)
        error = (error @ layer.T * (incoming > 0.0))[:, :-1]
    return found


def initial_layers(sizes: list[int], generator: np.random.Generator) -> list[Matrix]:
    """Return one (inputs + 1) x outputs matrix a layer, by the rule of He et al. (2015); biases start at zero."""
    layers = []
    for incoming, outgoing in pairwise(sizes):
        layer = generator.standard_normal((incoming + 1, outgoing)) * np.sqrt(2.0 / incoming)
        layer[-1] = 0.0
        layers.append(layer)
    return layers


def train(rows: Matrix, targets: Matrix, hidden: int, epochs: int) -> list[Matrix]:
    """Return the trained layers; one line of progress every fifth of the epochs."""
    generator = np.random.default_rng(SEED)
    sizes = [rows.shape[1], *([hidden] if hidden else []), targets.shape[1]]
    layers = initial_layers(sizes, generator)
    velocity = [np.zeros_like(layer) for layer in layers]
    for epoch in range(1, epochs + 1):
        for batch in np.array_split(generator.permutation(len(rows)), len(rows) // BATCH_ROWS):
            for layer, moved, slope in zip(
                layers, velocity, gradients(layers, rows[batch], targets[batch]), strict=True
            ):
                moved *= MOMENTUM  # noqa: PLW2901 - in place: numpy changes the array itself
                moved -= LEARNING_RATE * slope  # noqa: PLW2901 - in place, as above
                layer += moved  # noqa: PLW2901 - in place, as above
        if epoch % max(1, epochs // 5) == 0:
            sys.stdout.write(f"epoch {epoch}/{epochs}: loss {loss(layers, rows, targets):.4f}\n")
            sys.stdout.flush()
    return layers


def loss(layers: list[Matrix], rows: Matrix, targets: Matrix) -> float:
    """Return the mean cross-entropy in nats."""
    return float(-np.log((forward(layers, rows)[1] * targets).sum(axis=1) + 1e-300).mean())


def main() -> None:
    """Train on the other folds, test on this one, write result and weights."""
    dataset, hidden, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    fold, folds = int(os.environ["SUANLIAN_TASK_INDEX"]), int(os.environ["SUANLIAN_ARRAY_SIZE"])
    features, labels = read_dataset(dataset)
    tested = np.arange(len(labels)) % folds == fold
    mean, deviation = features[~tested].mean(axis=0), features[~tested].std(axis=0)
    deviation[deviation == 0.0] = 1.0
    scaled = (features - mean) / deviation
    targets = np.eye(int(labels.max()) + 1)
    layers = train(scaled[~tested], targets[labels[~tested]], hidden, epochs)
    predictions = forward(layers, scaled[tested])[1].argmax(axis=1)
    result = {
        "accuracy": f"{float((predictions == labels[tested]).mean()):.6f}",
        "dataset": dataset,
        "fold": fold,
        "folds": folds,
        "loss": f"{loss(layers, scaled[tested], targets[labels[tested]]):.6f}",
        "predictions": predictions.tolist(),
    }
    sys.stdout.write(f"fold {fold} of {folds}: accuracy {result['accuracy']} on {int(tested.sum())} rows\n")
    Path("out").mkdir(exist_ok=True)
    np.savez("out/weights.npz", *layers)
    Path("out/result.json").write_text(json.dumps(result, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
