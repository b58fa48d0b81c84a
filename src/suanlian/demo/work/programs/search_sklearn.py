"""Which setting of one scikit-learn model is best on one data set, by five-fold cross-validation?

Usage: python search_sklearn.py DATASET MODEL [ROWS]
DATASET is `breast-cancer` or `digits` (both ship inside scikit-learn), MODEL a key of GRIDS, ROWS how many first rows
to use. In an array every index searches its own part of the grid: points[index], points[index + size], ... Writes
out/result.json: the best point, its accuracy and its out-of-fold predictions, and the accuracy of every point.
"""

import json
import os
import sys
from itertools import product
from pathlib import Path
from typing import Any

from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

SEED = 20260101
FOLDS = 5
DATASETS = {"breast-cancer": load_breast_cancer, "digits": load_digits}
MODELS = {
    "logistic": LogisticRegression(max_iter=1000),
    "svc": SVC(kernel="rbf"),
    "tree": DecisionTreeClassifier(random_state=SEED),
    "bayes": GaussianNB(),
}
GRIDS: dict[str, dict[str, list[Any]]] = {
    "logistic": {"C": [0.01, 0.1, 1.0, 10.0]},
    "svc": {"C": [1.0, 10.0], "gamma": [0.003, 0.01, 0.03]},
    "tree": {"max_depth": [2, 3, 5, 8], "min_samples_leaf": [1, 5]},
    "bayes": {"var_smoothing": [1e-9, 1e-6, 1e-3, 1e-2]},
}


def grid_points(model: str) -> list[dict[str, Any]]:
    """Return the grid points that this array index has to try."""
    names = sorted(GRIDS[model])
    points = [dict(zip(names, values, strict=True)) for values in product(*(GRIDS[model][name] for name in names))]
    index = int(os.environ.get("SUANLIAN_TASK_INDEX", "0"))
    size = int(os.environ.get("SUANLIAN_ARRAY_SIZE", "1"))
    return points[index::size]


def search(dataset: str, model: str, rows: int | None) -> dict[str, Any]:
    """Try every point and keep the best; the first of equals wins."""
    features, labels = DATASETS[dataset](return_X_y=True)
    features, labels = features[:rows], labels[:rows]
    splits = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    best: dict[str, Any] = {"accuracy": -1.0}
    tried = []
    for point in grid_points(model):
        pipeline = make_pipeline(StandardScaler(), MODELS[model].set_params(**point))
        predictions = cross_val_predict(pipeline, features, labels, cv=splits)
        accuracy = round(float((predictions == labels).mean()), 6)
        sys.stdout.write(f"{dataset} {model} {point}: accuracy {accuracy:.4f}\n")
        sys.stdout.flush()
        tried.append({"accuracy": f"{accuracy:.6f}", "point": point})
        if accuracy > best["accuracy"]:
            best = {"accuracy": accuracy, "point": point, "predictions": predictions.tolist()}
    best["accuracy"] = f"{best['accuracy']:.6f}"
    return best | {"dataset": dataset, "folds": FOLDS, "model": model, "rows": len(labels), "tried": tried}


def main() -> None:
    """Read the command line, search, write the result."""
    rows = int(sys.argv[3]) if len(sys.argv) > 3 else None  # noqa: PLR2004 - the third argument, as the usage says
    result = search(sys.argv[1], sys.argv[2], rows)
    Path("out").mkdir(exist_ok=True)
    Path("out/result.json").write_text(json.dumps(result, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
