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
    """A loop that Python calls: compiled for one thread and kept on disk; without numba the function itself.

    One thread by design: numba's workqueue must not be entered by several threads, and sums keep their order. What is
    kept is known by its own file alone: after a change in another file of this room, remove what was kept (make clean).
    """
    return _made(function, cache=True)


def inner(function: Callable[P, T]) -> Callable[P, T]:
    """A loop that compiled loops call, and nobody else: it gets no door to Python, which takes longest to compile."""
    return _made(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def within(function: Callable[P, T]) -> Callable[P, T]:
    """As ``inner``, for small functions that make no array: always part of the loop that calls them.

    Without ``_nrt`` arrays would be counted in and out at every access, which costs more than the arithmetic.
    """
    return _made(function, forceinline=True, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _made(function: Callable[P, T], **options: bool) -> Callable[P, T]:
    if numba is None:
        return function
    made: Callable[P, T] = numba.njit(nogil=True, error_model="numpy", **options)(function)
    return made
