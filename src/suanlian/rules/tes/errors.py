"""What is wrong with a task, as one error with the field at fault."""

from suanlian.model.errors import BadTaskError


def bad(field: str, wrong: str, todo: str, code: str = "field_invalid") -> BadTaskError:
    """The error of a task that cannot be meant, or not be run."""
    return BadTaskError(code, wrong, todo=todo, field=field)
