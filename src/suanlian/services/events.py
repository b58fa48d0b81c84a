"""The event journal, as people read it."""

import json

from suanlian.model.event import Event
from suanlian.model.party import Caller
from suanlian.store import journal
from suanlian.store.unit import Unit


def list_of(unit: Unit, caller: Caller, *, after: int, limit: int, kind: str | None) -> list[Event]:
    """Events in order, from the one after ``after``."""
    rows = journal.events(unit, caller, after=after, limit=limit, kind=kind)
    columns = ("number", "type", "subject", "actor", "on_behalf_of", "request_id", "source", "at")
    return [Event.model_validate({**{c: row[c] for c in columns}, "data": json.loads(row["data"])}) for row in rows]
