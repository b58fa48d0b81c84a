"""Does the log of this run hold, and is an edit of one field found? Both are tried, the edit on a copy."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from suanlian.demo.onboarding import Hub
from suanlian.demo.processes import Fleet, program
from suanlian.demo.record import AuditRecord
from suanlian.demo.trouble import Trouble
from suanlian.i18n import _
from suanlian.model.audit import Verdict

_DATABASE: Final = "hub.db"
_KEPT: Final = ("hub.key", "pepper")


def audited(fleet: Fleet, hub: Hub, scratch: Path) -> AuditRecord:
    """Verify the hub's log against the head that the hub above holds; then a copy in which one row was edited.

    Raises Trouble when the log does not hold, or when the edited row is not the one that is named.
    """
    code, text = fleet.outcome(fleet.begin("audit-verify", _verify(hub.home, "--from-above")))
    if code != 0:
        wrong = _("The audit log of the hub {name} does not hold.").format(name=hub.name)
        raise Trouble(wrong, _("See the logs of both hubs."), text)
    verdict = Verdict.model_validate_json(text)
    home = _copied(hub.home, scratch)
    edited = _edit(home / _DATABASE)
    code, text = fleet.outcome(fleet.begin("audit-verify-edited", _verify(home)))
    found = Verdict.model_validate_json(text).findings
    if code == 0 or not found or found[0].number != edited:
        wrong = _("Row {number} of a copy of the audit log was edited, and the check did not name it.")
        raise Trouble(wrong.format(number=edited), _("See its log."), text)
    return AuditRecord(
        rows=verdict.rows,
        rows_above=verdict.above,
        heads=verdict.heads,
        edited_row=edited,
        found_row=found[0].number,
        found_fault=found[0].fault,
    )


def _verify(home: Path, *more: str) -> list[str]:
    return [*program("suanlian-hub"), "audit", "verify", "--home", str(home), "--json", *more]


def _copied(home: Path, scratch: Path) -> Path:
    """A copy of the hub's state that shares nothing with it; the database by its own means, since the hub runs."""
    copy = scratch / "edited-hub"
    copy.mkdir(mode=0o700)
    for name in _KEPT:
        shutil.copy2(home / name, copy / name)
    with closing(sqlite3.connect(home / _DATABASE)) as source, closing(sqlite3.connect(copy / _DATABASE)) as target:
        source.backup(target)
    return copy


def _edit(database: Path) -> int:
    """Make another actor responsible for the row in the middle; the row's number."""
    with closing(sqlite3.connect(database)) as store, store:
        (number,) = store.execute("SELECT number FROM event ORDER BY number LIMIT 1 OFFSET 20").fetchone()
        store.execute("UPDATE event SET actor = 'somebody-else' WHERE number = ?", (number,))
    return int(number)
