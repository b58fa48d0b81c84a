"""What hubs that live for one test each need not do again, nor wait for. What they answer stays as it is."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

import pytest
from sqlalchemy import Engine, create_engine

from suanlian.store import engine


class Statements(dict[tuple[Any, ...], Any]):
    """Compiled statements by the name of the dialect: each engine has a dialect of its own, all of a kind are alike."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:  # noqa: ANN401 - of SQLAlchemy
        """As a dictionary does."""
        return super().get((key[0].name, *key[1:]), default)

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:  # noqa: ANN401
        super().__setitem__((key[0].name, *key[1:]), value)


_STATEMENTS: Final[MutableMapping[Any, Any]] = Statements()


def _create(url: str, **arguments: Any) -> Engine:  # noqa: ANN401 - of SQLAlchemy
    return create_engine(url, execution_options={"compiled_cache": _STATEMENTS}, **arguments)


@contextmanager
def in_a_hurry() -> Iterator[None]:
    """Statements are compiled once a process; no database need survive a power cut, SQLite's as little as the other."""
    if vars(engine)["create_engine"] is _create:  # somebody else is already
        yield
        return
    asked = tuple(pragma.replace("=FULL", "=OFF") for pragma in engine.SQLITE_PRAGMAS)
    assert asked != engine.SQLITE_PRAGMAS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "SQLITE_PRAGMAS", asked)
        patch.setattr(engine, "create_engine", _create)
        yield
