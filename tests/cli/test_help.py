"""Is every command's help there at once, in both languages, and is the reference page as the program?"""

import re
import subprocess
import sys

import pytest
import typer

from scripts import make_cli_reference
from scripts.surface import leaves
from suanlian.cli.main import COMMANDS, app

from .conftest import Suanlian

LEAVES = sorted(name.split()[1:] for name in leaves("suanlian", typer.main.get_command(app)))
PASSED_ON = (["demo"], ["up"])
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def is_chinese(page: str) -> set[bool]:
    """Whether the lines that explain something are in Chinese: {True} or {False}, both when mixed."""
    return {CHINESE.search(line) is not None for line in page.splitlines() if line.startswith("  ")}


def test_every_group_and_command_is_known() -> None:
    assert {leaf[0] for leaf in LEAVES} == set(COMMANDS)
    assert ["platform", "go-live"] in LEAVES
    assert ["report", "supervision"] in LEAVES


@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if leaf not in PASSED_ON], ids=" ".join)
def test_help_is_in_the_language_in_force(
    suanlian: Suanlian, monkeypatch: pytest.MonkeyPatch, leaf: list[str], lang: str
) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    code, out, err = suanlian(*leaf, "--help")
    assert (code, err) == (0, "")
    assert out.startswith("用法：suanlian " if lang == "zh" else "Usage: suanlian ")
    assert "--json" in out
    assert is_chinese(out) == {lang == "zh"}


def test_every_command_has_one_line_in_the_help(suanlian: Suanlian, monkeypatch: pytest.MonkeyPatch, lang: str) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    _code, out, _err = suanlian("--help")
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\S", out, re.MULTILINE)
    assert is_chinese(out) == {lang == "zh"}


def test_the_line_in_the_help_is_that_of_the_command() -> None:
    program = typer.main.get_command(app)
    loaded = getattr(program, "commands")  # noqa: B009 - Typer's group has it, its common base has not
    assert {name: command.help for name, command in loaded.items()} == {
        name: text for name, (_file, text) in COMMANDS.items()
    }


def test_chinese_help_fits_its_columns(suanlian: Suanlian, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", "zh")
    monkeypatch.setenv("COLUMNS", "60")
    _code, out, _err = suanlian("logs", "--help")
    widths = [sum(2 if ord(char) > 0x2E80 else 1 for char in line) for line in out.splitlines()]
    assert 40 < max(widths) <= 60


def test_no_command_shows_the_help(suanlian: Suanlian) -> None:
    code, _out, err = suanlian()
    assert code == 2
    assert err.startswith("Usage: suanlian ")


@pytest.mark.parametrize(
    ("arguments", "english", "chinese"),
    [
        (["jobz"], "There is no command 'jobz'. Did you mean 'jobs'", "没有命令 'jobz'。"),
        (["jobs", "--loud"], "There is no option --loud.", "没有选项 --loud。"),
        (["show"], "'JOB' is missing.", "缺少 'JOB'。"),
        (["jobs", "--state", "odd"], "'--state' cannot be that: one of 'QUEUED'", "可选：'QUEUED'"),
    ],
)
def test_a_command_written_wrongly_says_how_and_exits_2(
    suanlian: Suanlian, monkeypatch: pytest.MonkeyPatch, arguments: list[str], english: str, chinese: str
) -> None:
    code, out, err = suanlian(*arguments)
    assert (code, out) == (2, "")
    assert english in err
    monkeypatch.setenv("SUANLIAN_LANG", "zh")
    assert chinese in suanlian(*arguments)[2]


def test_the_reference_page_is_as_the_program() -> None:
    assert make_cli_reference.PAGE.read_text("utf-8") == make_cli_reference.page(), (
        "python -m scripts.make_cli_reference"
    )


def test_help_comes_at_once() -> None:
    """What costs time is what is loaded: half of a call's needs (HTTP, keys, tables) are no need of help."""
    program = "import sys; from suanlian.cli.main import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = done.stderr.split()
    assert "suanlian.cli.main" in loaded
    assert not set(loaded) & {
        "httpx2",
        "anyio",
        "sqlalchemy",
        "cryptography",
        "joserfc",
        "rich",
        "yaml",
        "stamina",
        "numpy",
    }
    assert len(loaded) < 500
