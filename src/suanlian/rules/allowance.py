"""How much may somebody whom nobody has checked use for nothing? Core-hours, of processors only; pure sums.

A job is counted by the larger of its cores and what its memory and disk are worth in cores, so that one core does not
carry a terabyte. What may still run is counted at its longest: cores x wall time, for each task that has not ended.
"""

from decimal import Decimal
from typing import Final

from suanlian.model.quantity import Resources

MEMORY_OF_A_CORE_MIB: Final = 8 * 1024
DISK_OF_A_CORE_MIB: Final = 64 * 1024
_MILLI: Final = 1000
_HOUR_S: Final = 3600


def counted(resources: Resources) -> int | None:
    """The millicores that one task counts for; None where it asks for what is never free: accelerators."""
    if resources.accelerator:
        return None
    by_memory = -(-resources.memory * _MILLI // MEMORY_OF_A_CORE_MIB)
    by_disk = -(-resources.disk * _MILLI // DISK_OF_A_CORE_MIB)
    return max(resources.cpu, by_memory, by_disk)


def longest(millicores: int, wall_time_s: int, tasks: int) -> int:
    """What so many tasks take at most, in millicore-seconds."""
    return millicores * wall_time_s * tasks


def core_hours(millicore_seconds: int) -> Decimal:
    """In core-hours, exactly to the third decimal, rounded up."""
    thousandths = -(-millicore_seconds // _HOUR_S)
    return Decimal(thousandths) / _MILLI


def millicore_seconds(hours: Decimal) -> int:
    """So many core-hours in the unit of the sums."""
    return int(hours * _HOUR_S * _MILLI)


def fits(asked: int, taken: int, granted: Decimal) -> bool:
    """Whether ``asked`` still fits into what is granted."""
    return taken + asked <= millicore_seconds(granted)
