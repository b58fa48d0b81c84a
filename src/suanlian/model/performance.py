"""How fast a flavor is: never a number without its precision, never a number without how it is known."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from suanlian.model.base import Text, Value
from suanlian.model.money import Amount


class Precision(StrEnum):
    """The number format that a performance figure holds for."""

    FP64 = "FP64"
    FP32 = "FP32"
    TF32 = "TF32"
    BF16 = "BF16"
    FP16 = "FP16"
    FP8 = "FP8"
    INT8 = "INT8"


class Grade(StrEnum):
    """How a capability is known; figures of two grades are never added up without saying so."""

    SIMULATED = "simulated"
    CLAIMED = "claimed"
    SELF_MEASURED = "self-measured"
    SEEN_IN_JOBS = "seen-in-jobs"
    VERIFIED = "verified"


class Performance(Value):
    """Dense peak or measured rate of one node of a flavor, in tera-operations per second at one precision."""

    precision: Precision
    tera_per_s: Annotated[Amount, Field(gt=0, le=Decimal(10) ** 9)]
    grade: Grade
    source: Text = ""


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody else than its owner says of one figure of a node; 0 where a test of it failed altogether.

    ``claim`` is what the owner claimed at that time: a word on another claim says nothing of this one.
    """

    precision: Precision
    grade: Grade
    tera_per_s: Decimal
    claim: Decimal | None
    source: str = ""


class ComputeClass(StrEnum):
    """The kinds of compute that supervision counts apart."""

    GENERAL = "general"
    INTELLIGENT = "intelligent"
    SUPER = "super"


class Architecture(StrEnum):
    """The instruction set that a variant is built for and a flavor runs."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"
    RISCV64 = "riscv64"
    WASM32 = "wasm32"
