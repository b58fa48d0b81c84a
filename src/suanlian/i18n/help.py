"""What does `--help` show? Commands and groups whose help comes in the language in force, in columns that Chinese fits.

Help texts stand in the sources marked with ``N_`` and are looked up when they are shown.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from shutil import get_terminal_size
from typing import Final
from unicodedata import east_asian_width

import typer

# the command, context and parameter classes under Typer's own have no public name
from typer._click import Command as AnyCommand
from typer._click import Context as AnyContext
from typer._click import Parameter
from typer.core import TyperCommand, TyperGroup

from suanlian.i18n import _

Row = tuple[str, str]

_MAX_WIDTH: Final = 100
_INDENT: Final = "  "
_WORDS: Final = re.compile(r"[!-~]+|\s|.")


def N_(message: str) -> str:  # noqa: N802 - gettext's name for "translate this where it is shown"
    """Mark a text for translation and leave it as it is."""
    return message


OPTIONS: Final = N_("[OPTIONS]")
COMMAND: Final = N_("COMMAND [ARGS]...")
_HELP: Final = N_("Show this message and exit.")


class Command(TyperCommand):
    """A command with help in the language in force."""

    def get_help(self, ctx: AnyContext) -> str:
        """The help page."""
        return page(self, ctx)


class Group(TyperGroup):
    """A noun with verbs below it, with help in the language in force."""

    def get_help(self, ctx: AnyContext) -> str:
        """The help page, with a line for each command."""
        return page(self, ctx, self.summaries())

    def summaries(self) -> Sequence[Row]:
        """Each command below with its help in the source's language."""
        return [(name, command.help or "") for name, command in self.commands.items() if not command.hidden]


def nouns() -> typer.Typer:
    """A place for the commands of one file."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)


def page(command: AnyCommand, ctx: AnyContext, commands: Iterable[Row] = ()) -> str:
    """The help of one command, in the language in force."""
    params = command.get_params(ctx)
    arguments = [(_name(param), _described(param)) for param in params if _is_argument(param)]
    options = [(_written(param), _described(param)) for param in params if not _is_argument(param)]
    lines = [
        _("Usage: {usage}").format(usage=usage_line(command, ctx)),
        "",
        *_paragraph(_translated(command.help)),
    ]
    lines += _section(_("Arguments"), arguments)
    lines += _section(_("Options"), options)
    lines += _section(_("Commands"), [(name, _(text)) for name, text in commands])
    return "\n".join(lines)


def stands_alone(command: object) -> bool:
    """Whether a noun does something without a verb too."""
    return bool(getattr(command, "invoke_without_command", False))


def usage_line(command: AnyCommand, ctx: AnyContext) -> str:
    """How the command is written: its name, options, arguments."""
    pieces = [_bracketed(param) for param in command.get_params(ctx) if _is_argument(param)]
    further = [_(COMMAND)] if isinstance(command, Group) else []
    if stands_alone(command):
        further = [f"[{word}]" for word in further]
    return " ".join([ctx.command_path, _(OPTIONS), *pieces, *further])


def options_of(command: AnyCommand, ctx: AnyContext) -> Iterator[tuple[str, str]]:
    """Each argument and option as it is written, with its help."""
    for param in command.get_params(ctx):
        yield (_name(param) if _is_argument(param) else _written(param)), _described(param)


def _bracketed(param: Parameter) -> str:
    return _name(param) if param.required else f"[{_name(param)}]"


def _is_argument(param: Parameter) -> bool:
    return param.param_type_name == "argument"


def _name(param: Parameter) -> str:
    return getattr(param, "metavar", None) or (param.name or "").upper()


def _written(param: Parameter) -> str:
    flags = ", ".join([*sorted(param.opts, key=len), *param.secondary_opts])
    takes_value = not getattr(param, "is_flag", False) and not getattr(param, "count", False)
    return f"{flags} {_name(param)}" if takes_value else flags


def _described(param: Parameter) -> str:
    text = _translated(getattr(param, "help", None))
    default = param.default
    if isinstance(default, str | int) and not isinstance(default, bool) and default != "":
        text += " " + _("[default: {default}]").format(default=default)
    return text


def _translated(text: str | None) -> str:
    return _(text) if text else ""


def _section(title: str, rows: Sequence[Row]) -> Iterator[str]:
    if rows:
        column = max(len(name) for name, _text in rows) + 2
        yield from ("", title + ":")
        for name, text in rows:
            first, *further = _wrapped(text, _room() - column) or [""]
            yield f"{_INDENT}{name.ljust(column)}{first}".rstrip()
            yield from (f"{_INDENT}{' ' * column}{line}" for line in further)


def _paragraph(text: str) -> Iterator[str]:
    return (_INDENT + line for line in _wrapped(text, _room()))


def _room() -> int:
    return max(40, min(get_terminal_size().columns, _MAX_WIDTH)) - len(_INDENT)


def _wrapped(text: str, width: int) -> list[str]:
    lines, line, used = [], "", 0
    for word in _WORDS.findall(text):
        cells = _cells(word)
        if used + cells > width and line:
            lines.append(line.rstrip())
            line, used = "", 0
        if line or not word.isspace():
            line, used = line + word, used + cells
    return [*lines, line.rstrip()] if line else lines


def _cells(text: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
