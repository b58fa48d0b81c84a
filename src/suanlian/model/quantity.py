"""Amounts of compute: people write ``0.5`` cores and ``256MiB``; inside they are whole base units, so sums are exact.

Base units: cpu in millicores, memory and disk in MiB, accelerators in cards.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer

from suanlian.model.base import Value

_MAX_CORES: Final = 1_000_000
_MIB_OF: Final[Mapping[str, int]] = {"MiB": 1, "GiB": 1024, "TiB": 1024 * 1024}
_MAX_CARDS: Final = 1_000_000
_CORES: Final = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,3})?")
_SIZE: Final = re.compile(r"([0-9]{1,16})(MiB|GiB|TiB)")
_CARDS: Final = re.compile(r"[0-9]{1,7}")
MAX_BASE: Final = 2**53
"""No amount exceeds this many base units: larger is absurd, and JSON numbers stay exact below it."""


class ResourceKind(StrEnum):
    """What is measured, held and priced."""

    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"
    ACCELERATOR = "accelerator"


UNIT: Final[Mapping[ResourceKind, str]] = {
    ResourceKind.CPU: "core",
    ResourceKind.MEMORY: "GiB",
    ResourceKind.DISK: "GiB",
    ResourceKind.ACCELERATOR: "card",
}
"""The unit that people read and prices name, by kind of resource."""

BASE_PER_UNIT: Final[Mapping[ResourceKind, int]] = {
    ResourceKind.CPU: 1000,
    ResourceKind.MEMORY: 1024,
    ResourceKind.DISK: 1024,
    ResourceKind.ACCELERATOR: 1,
}
"""How many base units make one unit."""


def _millicores(given: object) -> object:
    if isinstance(given, bool) or not isinstance(given, str | int):
        msg = 'cores are written as text with at most three decimals, such as "0.5"'
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns only ValueError into a field's fault
    millis = _exact_millis(given)
    if millis is None:
        msg = (
            f'{given!r:.60} is not a number of cores from 0 to {_MAX_CORES} with at most three decimals, such as "0.5"'
        )
        raise ValueError(msg)
    return millis


def _exact_millis(given: str | int) -> int | None:
    if isinstance(given, str) and _CORES.fullmatch(given) is None:
        return None
    cores = Decimal(given)
    return int(cores * 1000) if 0 <= cores <= _MAX_CORES else None


def _cores(millicores: int) -> str:
    return format((Decimal(millicores) / 1000).normalize(), "f")


def _mebibytes(given: object) -> object:
    match = _SIZE.fullmatch(given) if isinstance(given, str) else None
    mebibytes = 0 if match is None else int(match[1]) * _MIB_OF[match[2]]
    if match is None or mebibytes > MAX_BASE:
        msg = (
            f"{given!r:.60} is not a size of at most 2^53 MiB: "
            'write a whole number and MiB, GiB or TiB, such as "256MiB"'
        )
        raise ValueError(msg)
    return mebibytes


def _size(mebibytes: int) -> str:
    for unit, factor in (("TiB", 1024 * 1024), ("GiB", 1024)):
        if mebibytes and mebibytes % factor == 0:
            return f"{mebibytes // factor}{unit}"
    return f"{mebibytes}MiB"


def _cards(given: object) -> object:
    is_whole = (isinstance(given, int) and not isinstance(given, bool)) or (
        isinstance(given, str) and _CARDS.fullmatch(given) is not None
    )
    if not is_whole or not 0 <= int(given) <= _MAX_CARDS:  # type: ignore[call-overload]  # an int or a text of digits
        msg = f'{given!r:.60} is not a whole number of cards from 0 to {_MAX_CARDS}, such as "1"'
        raise ValueError(msg)
    return int(given)  # type: ignore[call-overload]  # as above


Cores = Annotated[
    int, Field(ge=0, le=_MAX_CORES * 1000), BeforeValidator(_millicores, str), PlainSerializer(_cores, str)
]
"""Millicores inside, ``"0.5"`` on the wire."""

Size = Annotated[int, Field(ge=0, le=MAX_BASE), BeforeValidator(_mebibytes, str), PlainSerializer(_size, str)]
"""MiB inside, ``"256MiB"`` on the wire."""

Cards = Annotated[int, Field(ge=0, le=_MAX_CARDS), BeforeValidator(_cards, str), PlainSerializer(str, str)]
"""Whole cards; a text on the wire."""


class Resources(Value):
    """An amount of each kind. ``Resources.of({"cpu": 500})`` takes base units, the constructor what people write."""

    model_config = ConfigDict(validate_default=False)

    cpu: Cores = Field(default=0, description="cores, at most three decimals")
    memory: Size = Field(default=0, description="a whole number of MiB, GiB or TiB")
    disk: Size = Field(default=0, description="a whole number of MiB, GiB or TiB")
    accelerator: Cards = Field(default=0, description="whole cards")

    @classmethod
    def of(cls, base: Mapping[str, int]) -> "Resources":
        """Build from base units by kind (mcore, MiB, MiB, cards), others zero. Raises ValueError below zero."""
        amounts = {kind.value: base.get(kind.value, 0) for kind in ResourceKind}
        if min(amounts.values()) < 0:
            msg = f"an amount is below zero: {amounts}"
            raise ValueError(msg)
        return Resources.model_construct(None, **amounts)

    def base(self) -> dict[ResourceKind, int]:
        """Base units by kind, every kind present."""
        # written out: it is asked of every place for every job
        return {
            ResourceKind.CPU: self.cpu,
            ResourceKind.MEMORY: self.memory,
            ResourceKind.DISK: self.disk,
            ResourceKind.ACCELERATOR: self.accelerator,
        }

    def plus(self, other: "Resources") -> "Resources":
        """The sum, kind by kind."""
        mine, theirs = self.base(), other.base()
        return Resources.of({kind: mine[kind] + theirs[kind] for kind in ResourceKind})

    def minus(self, other: "Resources") -> "Resources":
        """The difference, never below zero."""
        mine, theirs = self.base(), other.base()
        return Resources.of({kind: max(0, mine[kind] - theirs[kind]) for kind in ResourceKind})

    def times(self, count: int) -> "Resources":
        """So many times as much."""
        return Resources.of({kind: amount * count for kind, amount in self.base().items()})

    def count_in(self, within: "Resources", most: int) -> int:
        """How often this fits into the other, at most so often."""
        has = within.base()
        return min([most, *(has[kind] // amount for kind, amount in self.base().items() if amount)])

    def fits(self, within: "Resources") -> bool:
        """Whether every kind is within the other's."""
        return (
            self.cpu <= within.cpu
            and self.memory <= within.memory
            and self.disk <= within.disk
            and self.accelerator <= within.accelerator
        )

    def short_of(self, within: "Resources") -> tuple[ResourceKind, ...]:
        """The kinds of which ``within`` has too little."""
        if self.fits(within):
            return ()
        theirs = within.base()
        return tuple(kind for kind, amount in self.base().items() if amount > theirs[kind])


def total(amounts: Iterable[Resources]) -> Resources:
    """The sum of all."""
    result = Resources()
    for amount in amounts:
        result = result.plus(amount)
    return result


def shown(kind: ResourceKind, base: int) -> str:
    """What people read: ``0.5 core``, ``256 MiB``, ``2 card``."""
    if kind is ResourceKind.CPU:
        return f"{_cores(base)} core"
    if kind is ResourceKind.ACCELERATOR:
        return f"{base} card"
    text = _size(base)
    return f"{text[:-3]} {text[-3:]}"
