"""Many small things at once, a bounded number of them under way, their results in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AHEAD: Final = 4
"""So many a thread are handed over at most."""


def each(work: Callable[[T], R], things: Iterable[T], threads: int) -> Iterator[R]:
    """What comes of each thing, in their order. The first error is raised; what was not begun then never is."""
    rest = iter(things)
    with ThreadPoolExecutor(threads) as pool:
        under_way = deque[Future[R]](pool.submit(work, thing) for thing in islice(rest, threads * _AHEAD))
        try:
            while under_way:
                result = under_way.popleft().result()
                under_way.extend(pool.submit(work, thing) for thing in islice(rest, 1))
                yield result
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
