"""What may the platform's owner see and do? Over the ledger alone: the hub may be down, the agent may run or not."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

from suanlian.agent.agent import Agent
from suanlian.agent.build import build_driver, is_running, locked, opened, utc_now
from suanlian.agent.config import Home, read_config
from suanlian.agent.desk import inventory_faults, is_paused, set_paused
from suanlian.agent.enrol import read_identity
from suanlian.agent.journal import SentJournal
from suanlian.agent.ledger import Ledger
from suanlian.agent.row import Row, Step
from suanlian.drivers.contract import Driver
from suanlian.drivers.registry import DriverRegistry
from suanlian.i18n import _
from suanlian.model.errors import ConflictError, NotFoundError
from suanlian.model.ids import AttemptId
from suanlian.sdk.transport import Clock

_EVICT_WAIT_S: Final = 20
_LOOK_S: Final = 0.2
_ENDED: Final = frozenset({Step.ENDED, Step.CLOSED, Step.FORGOTTEN})


def pause(home: Home, *, paused: bool) -> None:
    """Accept nothing new, or accept again; a running agent sees it at its next round."""
    with closing(_ledger(home)) as ledger:
        set_paused(ledger, paused=paused)


def status_lines(home: Home) -> Iterator[str]:
    """What is here, in lines."""
    config, identity = read_config(home.config), read_identity(home)
    with closing(_ledger(home)) as ledger:
        rows, refused = ledger.rows(), ledger.refused_segments()
        paused, (here, hub) = is_paused(ledger, config), inventory_faults(ledger)
    yield _("Platform {platform} at hub {hub}").format(platform=identity.platform, hub=identity.hub_name)
    yield _("The agent runs.") if is_running(home) else _("The agent does not run.")
    yield _("Nothing new is accepted.") if paused else _("Jobs are accepted.")
    if here:
        yield _("The inventory cannot be published: {reason}").format(reason=here)
    if hub:
        yield _("The hub refused the inventory: {reason}").format(reason=hub)
    yield _("{n} attempts are here.").format(n=len(rows))
    for row in rows:
        yield f"  {row.attempt_id}  {row.step.value:<10}  {row.state.value:<14}  {row.share}  {row.entity}"
        if row.refused:
            yield "    " + _("the hub refused its report: {reason}").format(reason=row.refused)
    for attempt_id, sequence, reason in refused:
        yield _("The hub refused usage segment {sequence} of attempt {attempt}: {reason}").format(
            sequence=sequence, attempt=attempt_id, reason=reason
        )


def evict(home: Home, beginning: str, *, sleep: Callable[[float], None], driver: Driver | None = None) -> Row:
    """End an attempt, to be reported PREEMPTED "evicted by its owner". Returns it as it is then.

    A running agent does it, and is waited for; without one it is done here. Raises NotFoundError, ConflictError when
    the beginning fits several, DriverError.
    """
    with closing(_ledger(home)) as ledger:
        row = _named(ledger, beginning)
        ledger.change(row.attempt_id, lambda was: was.with_(evict=True), utc_now())
        if not is_running(home):
            return _evict_here(home, row, sleep, driver)
        return _awaited(ledger, row, sleep, lambda: None)


def _evict_here(home: Home, row: Row, sleep: Callable[[float], None], driver: Driver | None) -> Row:
    engine = driver or build_driver(read_config(home.config), home, DriverRegistry())
    with locked(home), opened(home, utc_now, engine) as desk:
        agent = Agent(desk)
        return _awaited(desk.ledger, row, sleep, lambda: agent.end_evicted(row.attempt_id))


def _awaited(ledger: Ledger, row: Row, sleep: Callable[[float], None], work: Callable[[], None]) -> Row:
    now = row
    for _round in range(int(_EVICT_WAIT_S / _LOOK_S)):
        work()
        now = ledger.row(row.attempt_id) or row
        if has_ended(now):
            break
        sleep(_LOOK_S)
    return now


def has_ended(row: Row) -> bool:
    """Whether nothing of the attempt runs any more."""
    return row.step in _ENDED


def sent_lines(home: Home, *, as_json: bool, clock: Clock = utc_now) -> Iterator[str]:
    """Everything that left this platform, in lines, with what was dropped from the record said first."""
    with closing(SentJournal(home.sent, clock, read_config(home.config).sent)) as journal:
        dropped = journal.dropped()
        if dropped is not None:
            text = _("{n} entries up to {until} were dropped to keep the journal within its bounds.")
            note = text.format(n=dropped.entries, until=dropped.until)
            yield dropped.as_json() if as_json else note
        for entry in journal.entries():
            short = f"{entry.at}  {entry.size:>9} B  {entry.sha256[:16]}  {entry.path}"
            yield entry.as_json() if as_json else short


def _ledger(home: Home) -> Ledger:
    read_identity(home)  # says what to do where there is none, and makes no file then
    return Ledger(home.ledger)


def _named(ledger: Ledger, beginning: str) -> Row:
    found = [row for row in ledger.rows() if row.attempt_id.startswith(AttemptId(beginning))]
    if not found or not beginning:
        raise NotFoundError("not_found", _("No attempt here begins with {text}.").format(text=repr(beginning[:80])))
    if len(found) > 1:
        wrong = _("{n} attempts begin with {text}.").format(n=len(found), text=repr(beginning[:80]))
        raise ConflictError("state_conflict", wrong, todo=_("Write more of it."))
    if has_ended(found[0]):
        raise ConflictError("already_done", _("The attempt has ended."))
    return found[0]
