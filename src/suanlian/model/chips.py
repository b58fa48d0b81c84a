"""What is known of an accelerator by its vendor's word: a peak a precision, never one for all. Unknown stays so."""

from datetime import date
from typing import Annotated

from pydantic import Field

from suanlian.model.base import Name, Text, Value
from suanlian.model.money import Amount
from suanlian.model.performance import Precision

_Positive = Annotated[Amount, Field(gt=0)]


class Peak(Value):
    """The dense peak of one chip at one precision, in tera-operations per second: nobody reaches it."""

    precision: Precision
    tera_per_s: _Positive


class ChipModel(Value):
    """One accelerator as a public table has it."""

    name: Text
    vendor: Text = ""
    family: Name | None = Field(default=None, description="as a job's variant and a flavor's chip name it")
    released: date | None = None
    peaks: tuple[Peak, ...] = Field(default=(), max_length=16)
    memory_gb: _Positive | None = None
    memory_gb_per_s: _Positive | None = None
    tdp_w: _Positive | None = None
    aliases: tuple[Text, ...] = ()
    note: Text = ""

    def peak(self, precision: Precision) -> Peak | None:
        """The peak at this precision; None where nobody states one."""
        return next((peak for peak in self.peaks if peak.precision is precision), None)
