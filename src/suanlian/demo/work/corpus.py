"""Which texts are delivered by URL? The docstrings of installed wheels, read from their sources without an import."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from suanlian.demo.work.datasets import package_folder

# a part is a folder below the package; whole packages would cost the demo seconds of reading
CORPORA = {
    "numpy-docstrings": ("numpy", ("lib", "linalg", "ma", "polynomial")),
    "sklearn-docstrings": ("sklearn", ("ensemble", "linear_model", "model_selection", "neighbors", "svm", "tree")),
    "pillow-docstrings": ("PIL", (".",)),
}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def corpus_keys() -> tuple[str, ...]:
    """Return the keys of all corpora."""
    return tuple(CORPORA)


@cache
def corpus(key: str) -> bytes:
    """Return the corpus as UTF-8, the same bytes for the same installed wheel.

    Raises:
        KeyError: there is no such corpus.
        LookupError: its wheel is not installed.

    """
    package, parts = CORPORA[key]
    sources = (source for part in parts for source in _sources(package_folder(package) / part))
    return "\n\n".join(text for source in sources for text in docstrings(source.read_bytes())).encode() + b"\n"


def docstrings(source: bytes) -> Iterator[str]:
    """Yield the docstrings of a module, its classes and its functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED):
            text = ast.get_docstring(node)
            if text:
                yield text


def _sources(folder: Path) -> list[Path]:
    """Return the modules of the folder and below in a fixed order, tests left out: they may not be installed."""
    return sorted(path for path in folder.rglob("*.py") if "tests" not in path.parts)
