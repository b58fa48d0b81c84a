"""A unit of work: one request or one task, inside a transaction that it may share with others (see ``writer``)."""

import json
from collections.abc import Iterable, Mapping, Sequence
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
    happened: list[dict[str, Any]] = field(default_factory=list)
    """Events that are to be written at the end, see ``write_events``."""

    @property
    def is_sqlite(self) -> bool:
        """Whether row locks are implied by the one writer."""
        return self.connection.dialect.name == "sqlite"

    def wake(self, topic: str) -> None:
        """Wake who waits for ``topic`` once this unit is durable."""
        self.woken.append(topic)

    @property
    def source_now(self) -> str:
        """By which door the act comes: the caller's where one is known."""
        return self.caller.source if self.caller and self.caller.source else self.source

    @property
    def actor(self) -> str:
        """Who acts: a principal, a connector by its id, a worker or a command by its name, else the hub itself."""
        if self.caller is not None:
            return self.caller.principal_id
        if self.source.startswith("api"):
            return "nobody"
        return self.source.removeprefix("connector ") or "hub"

    def record(self, kind: EventType, subject: str, *, account_id: str | None = None, **data: object) -> None:
        """Write what happened, in this very transaction, and wake who follows it.

        Where something was changed, ``before`` and ``after`` say from what to what. Never a secret, a key, a job's
        content or a person's data.
        """
        self.record_many(kind, [(subject, data)], account_id=account_id)

    def record_many(
        self, kind: EventType, happened: Iterable[tuple[str, Mapping[str, object]]], *, account_id: str | None = None
    ) -> None:
        """Write many events of one kind."""
        caller, before = self.caller, len(self.happened)
        actor, source = self.actor, self.source_now
        on_behalf_of, request_id = (caller.on_behalf_of, caller.request_id) if caller else ("", "")
        self.happened += [
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
        if len(self.happened) > before:
            self.wake(kind.value)


def write_events(connection: Connection, happened: Sequence[Row]) -> None:
    """Write the events of the units that share a transaction, as the last thing that it does.

    Numbers are given before COMMIT: one replica at a time, so that a reader's cursor never passes a gap. Taken last,
    the lock is never held while another one is waited for, and no longer than the COMMIT.
    """
    if happened:
        lock_name(connection, "events")
        insert_rows(connection, tables.event, happened)
