"""What a job's owner asks of what runs: to be moved, to stand still, to go on."""

from pydantic import Field

from suanlian.model.base import Name, Text, Utc, Value
from suanlian.model.job import MAX_ARRAY


class Which(Value):
    """One task of an array, or all of the job."""

    index: int | None = Field(default=None, ge=0, le=MAX_ARRAY)


class Move(Which):
    """Elsewhere, or to one platform."""

    to: Name | None = None
    from_zero: bool = Field(default=False, description="also where no checkpoint is declared")


class DrainAsked(Value):
    """Empty a platform by then; left out: as soon as can be."""

    by: Utc | None = None
    why: Text = ""
