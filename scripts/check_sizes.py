"""Do functions and files keep to a size that fits a screen? The bars of the house style.

`python -m scripts.check_sizes` prints the figures and every breach, and exits 1 on any. The distribution is measured
over the package; the hard limits hold for tests and scripts too.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "src"
FOLDERS = (PACKAGE, "tests", "scripts", "bench")
# a revision is generated, a statement for each table, and never edited again
GENERATED = "src/suanlian/store/migrations/versions/"

FUNCTION_MEDIAN, FUNCTION_P90, FUNCTION_MAX = 10, 30, 60
FILE_P90, FILE_MAX = 300, 500

# Words that say nothing of a file's subject, and those that mean three things in this field when they stand alone.
BANNED_WORDS = frozenset({"backend", "manager", "handler", "helper", "util", "common", "misc"})
BANNED_ALONE = frozenset({"resource", "cluster"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class SourceFile:
    """One Python file: its path from the root, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """Length in lines, all of them."""
        return len(self.text.splitlines())

    def functions(self) -> Iterator[tuple[str, int]]:
        """Yield name and length in lines of every function, docstring included, decorators not."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def parse(path: str, text: str) -> SourceFile:
    """Return the file with its syntax tree; raises SyntaxError."""
    return SourceFile(path, text, ast.parse(text, path))


def p90(values: Sequence[int]) -> int:
    """Return the smallest value that at least nine tenths of the values do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[-(-9 * len(ordered) // 10) - 1] if ordered else 0


def breaches(file: SourceFile) -> Iterator[str]:
    """Yield what one file does against the hard limits."""
    if file.lines > FILE_MAX:
        yield f"{file.path}: {file.lines} lines, {FILE_MAX} at most"
    for name, length in file.functions():
        if length > FUNCTION_MAX:
            yield f"{file.path}: {name} has {length} lines, {FUNCTION_MAX} at most"
    yield from _hidden_imports(file)
    yield from _banned_names(file)


def _hidden_imports(file: SourceFile) -> Iterator[str]:
    for node in ast.walk(file.tree):
        if isinstance(node, Function | ast.Lambda):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    yield f"{file.path}:{inner.lineno}: an import inside a function"
        elif isinstance(node, ast.Name | ast.Attribute) and _name(node) == "TYPE_CHECKING":
            yield f"{file.path}:{node.lineno}: an import hidden behind TYPE_CHECKING"


def _name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _banned_names(file: SourceFile) -> Iterator[str]:
    for part in Path(file.path).with_suffix("").parts:
        words = {word.removesuffix("s") for word in part.lower().split("_")}
        if words & BANNED_WORDS or part.lower().removesuffix("s") in BANNED_ALONE:
            yield f"{file.path}: the name {part!r} does not say what is inside"


def distribution(files: Sequence[SourceFile]) -> tuple[str, list[str]]:
    """Return the figures of the package in one line, and those that are over their bar."""
    functions = [length for file in files for _, length in file.functions()]
    figures = (
        ("function median", median(functions or [0]), FUNCTION_MEDIAN),
        ("function p90", p90(functions), FUNCTION_P90),
        ("file p90", p90([file.lines for file in files]), FILE_P90),
    )
    shown = ", ".join(f"{name} {value:g} (at most {bar})" for name, value, bar in figures)
    line = f"{len(files)} files, {len(functions)} functions; lines: {shown}"
    return line, [f"package: {name} is {value:g}, {bar} at most" for name, value, bar in figures if value > bar]


def main() -> int:
    """Print figures and breaches; 1 if there is any."""
    paths = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    names = [(path, path.relative_to(ROOT).as_posix()) for path in paths]
    files = [parse(name, path.read_text("utf-8")) for path, name in names if not name.startswith(GENERATED)]
    line, over = distribution([file for file in files if file.path.startswith(f"{PACKAGE}/")])
    over += [breach for file in files for breach in breaches(file)]
    print(line, *over, sep="\n")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
