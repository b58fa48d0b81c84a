"""How is a long list read? Page by page, with the cursor that each page hands on."""

import json
from collections.abc import Iterator
from typing import Final, TypeVar
from urllib.parse import quote

from suanlian.model.base import Value
from suanlian.sdk.people import Call, Query, Transport
from suanlian.sdk.problems import not_understood

V = TypeVar("V", bound=Value)
Plain = dict[str, object]
"""An item whose form is not fixed yet."""

PAGE: Final = 200
"""The hub gives at most this many items a page."""


def part(text: str) -> str:
    """One part of a path: whatever it holds, it stays one part."""
    return quote(text, safe="")


def items(transport: Transport, kind: type[V], path: str, query: Query | None = None) -> Iterator[V]:
    """Every item of a list, in the hub's order; a page is fetched when it is needed. Raises as ``Transport.send``."""
    for item in plain_items(transport, path, query):
        try:
            yield kind.model_validate(item)
        except ValueError as error:
            raise not_understood(error) from error


def plain_items(transport: Transport, path: str, query: Query | None = None) -> Iterator[Plain]:
    """Every item of a list as it came, from the ``cursor`` of the query on where there is one."""
    first = (query or {}).get("cursor")
    cursor = None if first is None else str(first)
    while True:
        asked = {**(query or {}), "limit": PAGE, "cursor": cursor}
        page, following = _page(transport.send(Call("GET", path, asked)).content)
        if following is not None and following == cursor:
            raise not_understood(ValueError(f"the list {path} does not move on from its cursor {cursor!r}"))
        yield from page
        if following is None:
            return
        cursor = following


def _page(body: bytes) -> tuple[list[Plain], str | None]:
    try:
        document = json.loads(body)
        page, following = document["items"], document.get("next")
        return [dict(item) for item in page], None if following is None else str(following)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise not_understood(error) from error
