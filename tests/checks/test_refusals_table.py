"""Does every line of the table of bad input hold: a code that exists, a test that asks for it, a trace of it?"""

import ast
import re
from pathlib import Path

import pytest

from suanlian.model.errors import CODES
from suanlian.services.refusals import Refusal

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "errors.md"
_ROW = re.compile(r"^\| (?P<what>[^|]+) \| `(?P<code>\w+)` \| `(?P<file>tests/[\w/]+\.py)::(?P<test>test_\w+)` \|$")
# the lines of the issue, each by a word that its row must have
LINES = (
    "credit code",
    "ran out",
    "name that is live",
    "forged descriptor",
    "stale descriptor",
    "lower version",
    "second time",
    "clock",
    "another issuer",
    "another audience",
    "`alg: none`",
    "negative",
    "absurd",
    "another platform",
)


def rows() -> list[re.Match[str]]:
    text = PAGE.read_text("utf-8").partition("## Bad input")[2]
    return [found for line in text.splitlines() if (found := _ROW.match(line))]


def test_every_line_has_its_row() -> None:
    said = "\n".join(row["what"] for row in rows())
    assert [line for line in LINES if line not in said] == []


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['code']}-{row['test'][:40]}")
def test_its_code_is_known_its_test_asks_for_it_and_it_is_told(row: re.Match[str]) -> None:
    assert row["code"] in CODES
    text = (ROOT / row["file"]).read_text("utf-8")
    tests = {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
    assert row["test"] in tests
    assert row["code"] in text
    assert Refusal("POST /x", row["code"], 422, None, "api").matters, "the journal would not tell of it"
