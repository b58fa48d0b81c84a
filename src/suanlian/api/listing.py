"""Lists, a page at a time: the cursor of the next page is opaque, None at the end."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel

T = TypeVar("T")


class Listing(BaseModel, Generic[T]):
    """One page."""

    items: list[T]
    next: str | None = None


def listed(found: Sequence[T], limit: int, cursor_of: Callable[[T], str]) -> Listing[T]:
    """A page of ``limit`` from one more than that, which only tells whether there is a next page."""
    page = list(found[:limit])
    return Listing[T](items=page, next=cursor_of(page[-1]) if len(found) > limit else None)
