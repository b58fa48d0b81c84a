"""A unit of work: one request or one task, inside a transaction that it may share with others (see ``writer``)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from suanlian.model.event import EventType
from suanlian.model.party import Caller
from suanlian.store import tables
from suanlian.store.bulk import insert_rows
from suanlian.store.dialect import lock_name

Row = Mapping[Any, Any]
"""A row as it leaves or enters the store."""


@dataclass(slots=True)
class Unit:
    """Reads and writes of one unit of work. What it ``wakes`` is woken after COMMIT, never before."""

    connection: Connection
    now: datetime
    caller: Caller | None = None
    source: str = ""
    """By which door it came, where no caller says so: ``connector ID``, ``worker NAME``, ``command``."""
    woken: list[str] = field(default_factory=list)

    @property
    def is_sqlite(self) -> bool:
        """Whether row locks are implied by the one writer."""
        return self.connection.dialect.name == "sqlite"

    def wake(self, topic: str) -> None:
        """Wake who waits for ``topic`` once this unit is durable."""
        self.woken.append(topic)

    def record(self, kind: EventType, subject: str, *, account_id: str | None = None, **data: object) -> None:
        """Write what happened, in this very transaction, and wake who follows it."""
        self.record_many(kind, [(subject, data)], account_id=account_id)

    def record_many(
        self, kind: EventType, happened: Iterable[tuple[str, Mapping[str, object]]], *, account_id: str | None = None
    ) -> None:
        """Write many events of one kind."""
        caller = self.caller
        actor = caller.principal_id if caller else "hub"
        on_behalf_of, request_id = (caller.on_behalf_of, caller.request_id) if caller else ("", "")
        source = caller.source if caller and caller.source else self.source
        rows = [
            {
                "type": kind.value,
                "subject": subject,
                "account_id": account_id,
                "actor": actor,
                "on_behalf_of": on_behalf_of,
                "request_id": request_id,
                "source": source,
                "data": json.dumps(data, default=str) if data else "{}",
                "at": self.now,
            }
            for subject, data in happened
        ]
        if rows:
            # numbers are given before COMMIT: one replica at a time, so that a reader's cursor never passes a gap
            lock_name(self.connection, "events")
            insert_rows(self.connection, tables.event, rows)
            self.wake(kind.value)
