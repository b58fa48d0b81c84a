"""Loops over arrays, compiled where numba is there and plain Python where it is not: the same results, slower."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

numba: Any
try:
    import numba
except ImportError:  # a light install
    numba = None

P = ParamSpec("P")
T = TypeVar("T")

COMPILED = numba is not None
"""Whether loops are compiled here."""


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """The function compiled for one thread, kept on disk; without numba the function itself.

    One thread by design: numba's workqueue must not be entered by several threads, and sums keep their order.
    """
    if numba is None:
        return function
    made: Callable[P, T] = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return made
