"""Software stacks of accelerators: what a variant was built against, and what a flavor carries."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from suanlian.model.base import Value


class Stack(StrEnum):
    """The vendors' stacks by their own names; ``none`` for what needs no accelerator."""

    CUDA = "cuda"
    CANN = "cann"
    DTK = "dtk"
    MUSA = "musa"
    MACA = "maca"
    ROCM = "rocm"
    NONE = "none"


StackRelease = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}(\.[0-9]{1,4}){0,3}$")]
"""The version of a stack: up to four numbers with dots, such as ``12.4``."""


class StackVersion(Value):
    """A stack that a flavor carries."""

    name: Stack
    version: StackRelease


class StackNeed(Value):
    """A stack that a variant needs, and from which version on."""

    name: Stack
    at_least: StackRelease | None = Field(default=None, description="the same major version, this one or later")
