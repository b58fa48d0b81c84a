"""Which texts does a hub say in English, that people read? What refusals say to do, and what was wrong with a job.

They are found where they are written: the words of an error, or of the finding that it is made of. A text with values
in it becomes a template, `No platform is named {0}.`, by which `suanlian.i18n.told` knows it again.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

ADVISED_BY: Final = ("api", "model", "rules", "sdk", "services", "store")
"""Rooms whose refusals reach people: what they say is to be done is translated."""
EXPLAINED_BY: Final = (
    *("rules/chips.py", "rules/dependencies.py", "rules/stacks.py", "sdk/objects.py", "sdk/quick.py"),
    *("services/allowance.py", "services/checking.py", "services/depending.py", "services/jobs.py"),
    *("services/moving.py", "services/secrets.py"),
)
"""Files of which also what was wrong is translated: what people meet when they submit and look after jobs."""
_FINDINGS: Final = frozenset({"Never", "Unknown", "Contradiction"})
_LISTS: Final = " lists them."
_WORDS: Final = 2
Texts = Mapping[str, Sequence[str]]


def extract(package: Path) -> Iterator[tuple[str, str]]:
    """Every such text with the file that says it, relative to the package."""
    for path in sorted(chain.from_iterable((package / room).rglob("*.py") for room in ADVISED_BY)):
        name = path.relative_to(package).as_posix()
        for text in _of_module(ast.parse(path.read_text(encoding="utf-8")), explained=name in EXPLAINED_BY):
            if _is_said(text):
                yield text, name


def _is_said(text: str) -> bool:
    """Whether there are words in it besides its values; that something is listed is known by one pattern."""
    return len(text.replace("{", " {").split()) > _WORDS and not text.endswith(_LISTS)


def _of_module(module: ast.Module, *, explained: bool) -> Iterator[str]:
    shared = dict(_assigned(_own_nodes(module)))
    for scope in ast.walk(module):
        if isinstance(scope, ast.FunctionDef):
            known = {**shared, **_merged(_assigned(ast.walk(scope)))}
            for node in ast.walk(scope):
                if isinstance(node, ast.Call):
                    yield from _of_call(node, known, explained=explained)


def _own_nodes(module: ast.Module) -> Iterator[ast.AST]:
    for node in module.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            yield node


def _merged(pairs: Iterable[tuple[str, list[str]]]) -> dict[str, list[str]]:
    """A name may be given several texts, one after another."""
    found: dict[str, list[str]] = {}
    for name, texts in pairs:
        found.setdefault(name, []).extend(texts)
    return found


def _assigned(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, list[str]]]:
    """Names and the texts that they are given."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _paired(target, node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from _paired(node.target, node.value)


def _paired(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, list[str]]]:
    if isinstance(target, ast.Name):
        yield target.id, list(_texts(value, {}))
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, given in zip(target.elts, value.elts, strict=True):
            yield from _paired(one, given)


def _of_call(call: ast.Call, known: Texts, *, explained: bool) -> Iterator[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name in _FINDINGS:
        yield from chain.from_iterable(_texts(given, known) for given in call.args)
    if not name.endswith("Error"):
        return
    yield from chain.from_iterable(_texts(one.value, known) for one in call.keywords if one.arg == "todo")
    if explained and len(call.args) > 1:
        yield from _texts(call.args[1], known)


def _texts(node: ast.expr, known: Texts) -> Iterator[str]:
    """What an expression may say: one text, or each of two."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value.replace("{", "{{").replace("}", "}}") if "{" in node.value else node.value
    elif isinstance(node, ast.JoinedStr):
        yield _template(node)
    elif isinstance(node, ast.IfExp):
        yield from chain(_texts(node.body, known), _texts(node.orelse, known))
    elif isinstance(node, ast.Name):
        yield from known.get(node.id, ())


def _template(node: ast.JoinedStr) -> str:
    parts, count = [], 0
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value).replace("{", "{{").replace("}", "}}"))
        else:
            parts.append(f"{{{count}}}")
            count += 1
    return "".join(parts)
