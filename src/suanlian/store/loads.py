"""The newest load of each share, and what of a share the market may hold by it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from suanlian.model.load import ShareLoad, ToldLoad, for_the_market
from suanlian.model.platform import Share
from suanlian.model.quantity import Resources
from suanlian.store import published
from suanlian.store import tables as t
from suanlian.store.unit import Unit


def told(unit: Unit) -> dict[str, ToldLoad]:
    """What is kept of every share, by its id."""
    rows = unit.connection.execute(select(t.share_state)).mappings().all()
    return {row["share_id"]: _value(row) for row in rows}


def room_of(unit: Unit, share_id: str) -> Resources | None:
    """What jobs of this hub may hold of a share at this moment; None where it is published no more."""
    row = published.find(unit, share_id)
    if row is None or row["withdrawn"]:
        return None
    query = select(t.share_state).where(t.share_state.c.share_id == share_id)
    found = unit.connection.execute(query).mappings().one_or_none()
    return for_the_market(Share.model_validate_json(row["body"]), None if found is None else _value(found), unit.now)


def _value(row: Mapping[Any, Any]) -> ToldLoad:
    load = None if row["body"] is None else ShareLoad.model_validate_json(row["body"])
    return ToldLoad(load, row["fault"], row["ttl_s"], row["told_at"])
