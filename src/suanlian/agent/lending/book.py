"""The lent jobs in the agent's ledger: one row each, every change one transaction."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from suanlian.agent.ledger import Ledger
from suanlian.agent.lending.row import Change, LentRow, Step
from suanlian.model.lending import LendKey

KEPT_DAYS: Final = 30
"""How long a closed one is remembered."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS lent (
  key TEXT PRIMARY KEY, step TEXT NOT NULL, body TEXT NOT NULL, changed_at TEXT NOT NULL
) STRICT
"""


class LentBook:
    """What is lent, over the ledger's one connection."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        """Make the table where it is not there."""
        self._ledger, self._clock = ledger, clock
        with ledger.unit() as db:
            db.execute(_SCHEMA)

    def open_rows(self) -> list[LentRow]:
        """All that are not closed, in the order in which they came."""
        return self._where("step != ?", Step.CLOSED.value)

    def closed_rows(self, limit: int) -> list[LentRow]:
        """The last that were closed, newest first."""
        return self._where("step = ?", Step.CLOSED.value, tail=f" DESC LIMIT {int(limit)}")

    def row(self, key: LendKey) -> LentRow | None:
        """One of them, closed or not."""
        return next(iter(self._where("key = ?", key.text)), None)

    def add(self, row: LentRow) -> None:
        """Keep a new one; one that is here already stays as it is."""
        with self._ledger.unit() as db:
            values = (row.key.text, row.step.value, row.model_dump_json(), self._clock().isoformat())
            db.execute("INSERT OR IGNORE INTO lent (key, step, body, changed_at) VALUES (?, ?, ?, ?)", values)

    def change(self, key: LendKey, change: Change) -> LentRow:
        """Change one as it is now, durably. Raises KeyError if absent."""
        with self._ledger.unit() as db:
            found = db.execute("SELECT body FROM lent WHERE key = ?", (key.text,)).fetchone()
            if found is None:
                raise KeyError(key.text)
            before = LentRow.model_validate_json(found[0])
            after = change(before)
            if after != before:
                values = (after.step.value, after.model_dump_json(), self._clock().isoformat(), key.text)
                db.execute("UPDATE lent SET step = ?, body = ?, changed_at = ? WHERE key = ?", values)
        return after

    def old(self, days: int) -> list[LentRow]:
        """Closed ones that nobody needs any more after so many days."""
        before = (self._clock() - timedelta(days=days)).isoformat()
        return self._where("step = ? AND changed_at < ?", Step.CLOSED.value, before)

    def drop(self, key: LendKey) -> None:
        """Forget one."""
        with self._ledger.unit() as db:
            db.execute("DELETE FROM lent WHERE key = ?", (key.text,))

    def _where(self, which: str, *values: str, tail: str = "") -> list[LentRow]:
        query = f"SELECT body FROM lent WHERE {which} ORDER BY rowid{tail}"  # noqa: S608 - our own words
        with self._ledger.unit() as db:
            return [LentRow.model_validate_json(body) for (body,) in db.execute(query, values).fetchall()]
