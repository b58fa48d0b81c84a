"""Does the accelerators' software of a flavor run what a variant was built against? Compatibility is data. Pure.

The version that a flavor states is the newest that its driver serves: for CUDA what `nvidia-smi` calls "CUDA Version",
for ROCm the release of the kernel driver. An owner who installed a vendor's forward-compatibility package states that
version too, as one more entry. A variant states from which version on it runs (``at_least``): for a program built with
CUDA 12.6 that keeps to what 12.0 has, that is 12.0, by NVIDIA's compatibility within a major version.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from suanlian.model.job import Variant
from suanlian.model.performance import Architecture
from suanlian.model.stack import Stack, StackNeed, StackVersion


class Reach(StrEnum):
    """Which older programs a driver still runs."""

    EVERY_OLDER = "every older version"
    SAME_MAJOR = "older ones of the same major version"
    LISTED = "as far back as the vendor lists"


@dataclass(frozen=True, slots=True)
class Compatibility:
    """What a vendor says of old programs on a new driver, and where. ``oldest``: release -> the oldest that it runs."""

    reach: Reach
    source: str
    oldest: Mapping[tuple[int, int], tuple[int, int]] | None = None


_NOT_STATED: Final = "no statement of the vendor found: our own caution"

COMPATIBILITY: Final[Mapping[Stack, Compatibility]] = {
    Stack.CUDA: Compatibility(
        Reach.EVERY_OLDER, "https://docs.nvidia.com/deploy/cuda-compatibility: the driver is backward compatible"
    ),
    Stack.ROCM: Compatibility(
        Reach.LISTED,
        "https://rocm.docs.amd.com/projects/install-on-linux/en/docs-6.3.0/reference/user-kernel-space-compat-matrix.html"
        " and, for 7.2, https://github.com/ROCm/amdgpu-docs/pull/97",
        {
            (5, 3): (5, 1),
            (5, 4): (5, 2),
            (5, 5): (5, 3),
            (5, 6): (5, 4),
            (5, 7): (5, 5),
            (6, 0): (5, 6),
            (6, 1): (5, 7),
            (6, 2): (6, 0),
            (6, 3): (6, 1),
            (7, 2): (6, 3),
        },
    ),
    Stack.CANN: Compatibility(Reach.SAME_MAJOR, _NOT_STATED),
    Stack.DTK: Compatibility(Reach.SAME_MAJOR, _NOT_STATED),
    Stack.MUSA: Compatibility(Reach.SAME_MAJOR, _NOT_STATED),
    Stack.MACA: Compatibility(Reach.SAME_MAJOR, _NOT_STATED),
}
"""How each stack treats what was built against an older version of it."""


@dataclass(frozen=True, slots=True)
class Family:
    """A chip family's own stack, and the processors beside which its vendor ships it; empty: not known."""

    stack: Stack
    architectures: frozenset[Architecture]
    source: str


_BOTH: Final = frozenset({Architecture.X86_64, Architecture.AARCH64})

FAMILIES: Final[Mapping[str, Family]] = {
    "nvidia": Family(Stack.CUDA, _BOTH, "https://developer.nvidia.com/cuda-downloads: x86_64 and arm64-sbsa"),
    "amd": Family(
        Stack.ROCM,
        frozenset({Architecture.X86_64}),
        "https://rocm.docs.amd.com/projects/install-on-linux: packages for x86_64 alone",
    ),
    "ascend": Family(
        Stack.CANN, _BOTH, "https://gitcode.com/Ascend/pytorch: torch_npu is there for x86_64 and aarch64"
    ),
    "hygon": Family(Stack.DTK, frozenset(), "the vendor's own name of its toolkit"),
    "mthreads": Family(Stack.MUSA, frozenset(), "https://github.com/vllm-project/vllm-musa"),
    "metax": Family(Stack.MACA, frozenset(), "https://github.com/MetaX-MACA/vLLM-metax"),
}
"""Chip families whose stack is one of ours. Others are not held against anything."""


def meets(had: StackVersion, need: StackNeed) -> bool:
    """Whether what is installed runs it: the same stack, not older than asked, and not too new for it."""
    if had.name is not need.name:
        return False
    if need.at_least is None:
        return True
    ours, theirs = numbers(had.version), numbers(need.at_least)
    return ours >= theirs and _reaches_back(had.name, ours, theirs)


def _reaches_back(stack: Stack, ours: tuple[int, int, int, int], theirs: tuple[int, int, int, int]) -> bool:
    known = COMPATIBILITY.get(stack)
    if known is not None and known.reach is Reach.EVERY_OLDER:
        return True
    oldest = None if known is None or known.oldest is None else known.oldest.get(ours[:2])
    return ours[0] == theirs[0] if oldest is None else theirs[:2] >= oldest


def numbers(version: str) -> tuple[int, int, int, int]:
    """The version as four numbers, those that are left out zero."""
    parts = [int(part) for part in version.split(".")]
    first, second, third, fourth = (*parts, 0, 0, 0)[:4]
    return first, second, third, fourth


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What in a variant can go together nowhere: the field at fault, what it says, what would go."""

    field: str
    wrong: str
    todo: str


def contradiction(variant: Variant) -> Contradiction | None:
    """Why this variant can run nowhere, whatever platforms publish; None where nothing is known against it."""
    family = FAMILIES.get(variant.chip_family or "")
    if family is None:
        return None
    need = variant.stack
    if need is not None and need.name not in (family.stack, Stack.NONE):
        wrong = f"Chips of the family {variant.chip_family!r} run {family.stack.value}, not {need.name.value}."
        return Contradiction("stack", wrong, f"Write the stack {family.stack.value}, or a variant for another family.")
    if family.architectures and variant.architecture not in family.architectures:
        known = " and ".join(sorted(architecture.value for architecture in family.architectures))
        wrong = f"The software of {variant.chip_family!r} chips is there for {known}, not {variant.architecture.value}."
        return Contradiction("architecture", wrong, "Build the variant for the machine that the chips are in.")
    return None
