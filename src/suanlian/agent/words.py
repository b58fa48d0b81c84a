"""How does help come in the language in force? Texts are marked in the source and looked up when they are shown."""

import copy

from typer._click import Context as AnyContext

# the formatter, context and parameter classes under Typer's own have no public name
from typer._click import HelpFormatter, Parameter
from typer.core import TyperCommand, TyperGroup

from suanlian.i18n import _


def N_(message: str) -> str:  # noqa: N802 - gettext's name for "translate this where it is shown"
    """Mark a text for translation and leave it as it is."""
    return message


class Command(TyperCommand):
    """A command whose help is looked up when it is shown."""

    def format_help(self, ctx: AnyContext, formatter: HelpFormatter) -> None:
        """Write the help page."""
        shown = copy.copy(self)
        shown.help = _(self.help) if self.help else ""
        super(Command, shown).format_help(ctx, formatter)

    def get_short_help_str(self, limit: int = 100) -> str:
        """The line in the list of commands."""
        text = _(self.help) if self.help else ""
        return text if len(text) <= limit else text[: limit - 3] + "..."

    def get_params(self, ctx: AnyContext) -> list[Parameter]:
        """The parameters, each with its help in the language in force."""
        return [_shown(param) for param in super().get_params(ctx)]


class Group(TyperGroup):
    """A command with commands below it, its help looked up when it is shown."""

    def format_help(self, ctx: AnyContext, formatter: HelpFormatter) -> None:
        """Write the help page."""
        shown = copy.copy(self)
        shown.help = _(self.help) if self.help else ""
        super(Group, shown).format_help(ctx, formatter)

    def get_params(self, ctx: AnyContext) -> list[Parameter]:
        """The parameters, each with its help in the language in force."""
        return [_shown(param) for param in super().get_params(ctx)]


def _shown(param: Parameter) -> Parameter:
    shown = copy.copy(param)
    if text := getattr(param, "help", None):
        shown.help = _(text)  # type: ignore[attr-defined]  # options and arguments both have it
    return shown
