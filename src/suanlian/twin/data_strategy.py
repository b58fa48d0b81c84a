"""Who decides where work runs and what stays where: the strategies that are compared, and what each reckons with."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Choice(StrEnum):
    """What decides where a job queues and runs.

    ``COMPUTE``: the price of the place and how soon it has room; the data is fetched then. ``DATA``: only where most
    of its data is, of several such places the cheapest and soonest. ``BOTH``: price, room, and what bringing its data
    costs in money and time.
    """

    COMPUTE = "compute"
    DATA = "data"
    BOTH = "both"


class Keep(StrEnum):
    """Which further copies stay. ``NONE``: none after the last job that reads it; ``LRU``: until room is wanted, the
    least recently used goes first; ``POPULAR``: the least worth goes first by ``rules/data/popular``, which also
    brings further copies where they are worth it.
    """  # noqa: D205 - one thought

    NONE = "none"
    LRU = "lru"
    POPULAR = "popular"


@dataclass(frozen=True, slots=True)
class DataStrategy:
    """``prefetch``: data of a job that waits comes while it queues, where its reserved place is."""

    name: str
    choice: Choice
    keep: Keep
    prefetch: bool = False


COMPUTE_FIRST: Final = DataStrategy("compute first", Choice.COMPUTE, Keep.NONE)
COMPUTE_LRU: Final = DataStrategy("compute first, LRU", Choice.COMPUTE, Keep.LRU)
TO_DATA: Final = DataStrategy("to the data", Choice.DATA, Keep.NONE)
TO_DATA_LRU: Final = DataStrategy("to the data, LRU", Choice.DATA, Keep.LRU)
OURS_NONE: Final = DataStrategy("ours, no copies", Choice.BOTH, Keep.NONE, prefetch=True)
OURS_LRU: Final = DataStrategy("ours, LRU", Choice.BOTH, Keep.LRU, prefetch=True)
OURS_LATE: Final = DataStrategy("ours, no prefetch", Choice.BOTH, Keep.POPULAR)
OURS: Final = DataStrategy("ours", Choice.BOTH, Keep.POPULAR, prefetch=True)
STRATEGIES: Final = (COMPUTE_FIRST, COMPUTE_LRU, TO_DATA, TO_DATA_LRU, OURS_NONE, OURS_LRU, OURS_LATE, OURS)
