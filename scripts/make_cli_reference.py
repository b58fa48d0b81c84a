"""What does docs/reference/cli.md say? Every command of `suanlian` with its options, read off the program.

`python -m scripts.make_cli_reference` writes the page; with `--check` it only compares, and exits 1 when
the page is old. The page depends on nothing but the sources: not on the terminal, the language or the machine.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer
from typer._click import Command, Context

from suanlian.cli.main import app
from suanlian.i18n import use_language
from suanlian.i18n.help import options_of, stands_alone, usage_line
from suanlian.settings import PersonSettings

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "cli.md"

_HEAD: Final = """# The command `suanlian`

For people: buyers, providers, operators, supervisors. Written by `python -m scripts.make_cli_reference`; do not edit.

Every command takes `--json` for output that programs read, and `--help`. Texts come in Chinese or English. Times are
shown in the local zone with their offset, money with its currency, quantities with their units; what is simulated says
so. A job may be named by its public identifier, its UUID, its name, or the beginning of any of these that no other has.

Exit codes: `0` done; `1` the hub refused (what was wrong, where and what to do stand on standard error); `2` the
command was written wrongly or a file cannot be read; `3` the job that was waited for did not end COMPLETE;
`130` interrupted.
"""

# a setting without its meaning here is a KeyError, so none is forgotten
_MEANINGS: Final = {
    "SUANLIAN_HUB": "address of the hub; goes before the one that was logged in to",
    "SUANLIAN_KEY": "API key; goes before the one that was logged in with",
    "SUANLIAN_LANG": "`zh` or `en`; goes before the locale",
    "LC_ALL": "the locale, before `LC_MESSAGES` and `LANG`",
    "LC_MESSAGES": "the locale of texts, before `LANG`",
    "LANG": "the locale",
    "XDG_CONFIG_HOME": "where the login is kept, in `suanlian/login.json`; `~/.config` if left out",
}


def page() -> str:
    """Return the whole page."""
    with use_language("en"):
        root = typer.main.get_command(app)
        context = Context(root, info_name="suanlian")
        parts = [_HEAD, *_environment(), *_commands(root, context)]
    return "\n".join(parts).rstrip() + "\n"


def _environment() -> Iterator[str]:
    yield "## Environment\n"
    yield "| variable | meaning |\n|---|---|"
    for name, field in PersonSettings.model_fields.items():
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"SUANLIAN_{name.upper()}"
        yield f"| `{variable}` | {_MEANINGS[variable]} |"
    yield ""


def _commands(command: Command, context: Context) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if children is None:
        yield from _leaf(command, context)
        return
    if stands_alone(command):
        yield from _leaf(command, context)
    for name, child in children.items():
        yield from _commands(child, Context(child, info_name=name, parent=context))


def _leaf(command: Command, context: Context) -> Iterator[str]:
    yield f"## {context.command_path}\n"
    yield f"`{usage_line(command, context)}`\n"
    yield f"{command.help}\n"
    yield "| argument or option | meaning |\n|---|---|"
    for written, meaning in options_of(command, context):
        yield f"| `{written}` | {meaning} |"
    yield ""


def main(arguments: list[str]) -> int:
    """Write the page, or compare it."""
    text = page()
    if "--check" in arguments:
        same = PAGE.exists() and PAGE.read_text("utf-8") == text
        print("the page is as the program" if same else "run `python -m scripts.make_cli_reference`")
        return 0 if same else 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, "utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
