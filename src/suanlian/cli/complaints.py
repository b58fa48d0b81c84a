"""How is an error told? What was wrong, where, what to do, and its stable code."""

import re
from collections.abc import Iterator
from typing import Final

from typer._click.exceptions import BadParameter, MissingParameter, NoArgsIsHelpError, NoSuchOption
from typer.exceptions import TyperException

from suanlian.cli.visible import visible
from suanlian.i18n import _
from suanlian.model.errors import SuanlianError

_MAX_FAULTS: Final = 20
# Typer says these two in English only; what they name is picked out and said in the language in force
_CHOICES: Final = re.compile(r" is not one of (.+)\.$")
_NO_COMMAND: Final = re.compile(r"^No such command ('.*?')\.?(?: Did you mean (.+)\?)?$")


def problem_text(error: SuanlianError) -> str:
    """A refusal in lines that people read."""
    return visible("\n".join(_lines(error)))


def _lines(error: SuanlianError) -> Iterator[str]:
    yield _("Refused ({code}): {wrong}").format(code=error.code, wrong=error.wrong)
    for fault in error.faults[:_MAX_FAULTS]:
        if fault.wrong == error.wrong:
            yield "  " + _("where: {field}").format(field=fault.field)
        else:
            yield f"  {fault.field}: {fault.wrong} {fault.todo}".rstrip()
    if error.todo:
        yield "  " + _("what to do: {todo}").format(todo=error.todo)


def usage_text(error: TyperException) -> str:
    """What was wrong with the command as it was written."""
    if isinstance(error, NoArgsIsHelpError):
        return error.message
    return visible(
        _("{wrong}\nTo see how it is written, add --help.").format(wrong=_usage_fault(error)),
    )


def _usage_fault(error: TyperException) -> str:
    if isinstance(error, NoSuchOption):
        return _("There is no option {name}.").format(name=error.option_name)
    if isinstance(error, MissingParameter):
        name = error.param.get_error_hint() if error.param else error.param_hint
        return _("{name} is missing.").format(name=name)
    if isinstance(error, BadParameter):
        name = error.param.get_error_hint() if error.param else (error.param_hint or "")
        return _("{name} cannot be that: {wrong}").format(name=name, wrong=_wrong_value(error))
    message = error.format_message()
    match = _NO_COMMAND.match(message)
    if match is None:
        return message
    told = _("There is no command {name}.").format(name=match[1])
    meant = _("Did you mean {names}?").format(names=match[2])
    return f"{told} {meant}" if match[2] else told


def _wrong_value(error: BadParameter) -> str:
    """Typer's own words, but for the commonest: not one of the choices."""
    match = _CHOICES.search(error.message)
    return _("one of {choices}").format(choices=match[1]) if match else error.message
