"""What may the platform's owner see and do? Over the ledger alone: the hub may be down, the agent may run or not."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Final

from suanlian.agent.agent import Agent
from suanlian.agent.build import build_driver, is_running, locked, opened, utc_now
from suanlian.agent.config import Home, read_config, read_policy
from suanlian.agent.data.book import DataBook
from suanlian.agent.data.shown import storage_lines
from suanlian.agent.desk import inventory_faults
from suanlian.agent.enrol import read_identity
from suanlian.agent.journal import SentJournal
from suanlian.agent.ledger import Ledger
from suanlian.agent.policy import Halt
from suanlian.agent.row import Row, Step
from suanlian.agent.word import drain_of, is_down, is_paused, level_of, policy_fault, set_drain, set_level, set_paused
from suanlian.drivers.contract import Driver
from suanlian.drivers.registry import DriverRegistry
from suanlian.i18n import _
from suanlian.model.errors import ConflictError, NotFoundError, SuanlianError
from suanlian.model.ids import AttemptId
from suanlian.model.owner import JoinLevel, OwnerPolicy
from suanlian.model.platform import Drain
from suanlian.rules.owner import is_open
from suanlian.sdk.transport import Clock

_EVICT_WAIT_S: Final = 20
_LOOK_S: Final = 0.2
_ENDED: Final = frozenset({Step.ENDED, Step.CLOSED, Step.FORGOTTEN})


def pause(home: Home, *, paused: bool) -> None:
    """Accept nothing new, or accept again; a running agent sees it at its next round."""
    with closing(_ledger(home)) as ledger:
        set_paused(ledger, paused=paused)


def drain(home: Home, drain: Drain | None) -> Iterator[str]:
    """Empty the platform from now on, or no more; says what follows. The hub is not needed: it hears of it later."""
    with closing(_ledger(home)) as ledger:
        set_drain(ledger, drain)
        if drain is None:
            set_paused(ledger, paused=False)
            yield _("Resumed: jobs are accepted again.")
            return
        yield from _drain_lines(ledger, drain)
    if not is_running(home):
        yield _("The agent does not run: what runs is moved when it does (suanlian-agent run).")


def _drain_lines(ledger: Ledger, drain: Drain) -> Iterator[str]:
    """Who drains since when, why, until when, and what still runs."""
    rows = [row for row in ledger.rows() if row.step in (Step.SUBMITTING, Step.STARTED)]
    since = drain.since.astimezone().isoformat(sep=" ", timespec="minutes")
    yield _("Drained since {since}: {why}").format(since=since, why=drain.why or _("no reason was given"))
    if drain.by is not None:
        yield _("All is out by {by}.").format(by=drain.by.astimezone().isoformat(sep=" ", timespec="minutes"))
    yield _("{n} still run: {which}").format(n=len(rows), which=", ".join(row.attempt_id for row in rows[:20]) or "-")


def choose_level(home: Home, level: JoinLevel) -> Iterator[str]:
    """Join so far from now on; says what follows. A running agent sees it at its next round, the hub is not needed."""
    config = read_config(home.config)
    with closing(_ledger(home)) as ledger:
        set_level(ledger, level)
        running = [row for row in ledger.rows() if row.step in (Step.SUBMITTING, Step.STARTED)]
        policy = _policy_or_file(home, config.policy)
    yield level_text(level)
    if level is JoinLevel.RUN and policy.own_entity is None and not policy.partners:
        yield _("The policy names no own_entity and no partners, so nobody's jobs run at this level.")
    if left := sum(_admits_no_more(level, policy, row) for row in running):
        text = _("{n} attempts that this level admits no more run on; end them: suanlian-agent evict ATTEMPT")
        yield text.format(n=left)


def _admits_no_more(level: JoinLevel, policy: OwnerPolicy, row: Row) -> bool:
    return bool(Halt(paused=False, level=level, policy=policy).why(row))


def current_level(home: Home) -> JoinLevel:
    """How far the owner has joined."""
    config = read_config(home.config)
    with closing(_ledger(home)) as ledger:
        return level_of(ledger, config)


def level_text(level: JoinLevel) -> str:
    """What a level means, in a sentence."""
    return {
        JoinLevel.OBSERVE: _("Level observe: inventory and load are shown, nothing is dispatched here."),
        JoinLevel.RUN: _("Level run: jobs of the own entity and of partners run here, without a price."),
        JoinLevel.TRADE: _("Level trade: what the offers say is sold to whomever the policy accepts."),
    }[level]


def probes_text(policy: OwnerPolicy) -> str:
    """What the hub may use for its own small jobs."""
    cap = policy.probes
    text = _("The hub's own probes may take {cpu} cores for {seconds} s each, {n} a day (policy: probes).")
    return text.format(cpu=format(cap.cpu.normalize(), "f"), seconds=cap.seconds, n=cap.per_day)


def _policy_or_file(home: Home, otherwise: OwnerPolicy) -> OwnerPolicy:
    """The policy as it is written, for what is only said; where it cannot be read, what is told is the other."""
    try:
        return read_policy(home)
    except SuanlianError:
        return otherwise


def policy_lines(home: Home, ledger: Ledger) -> Iterator[str]:
    """What is wrong with the policy as it is written now, if anything is."""
    fault, read_at = policy_fault(ledger) if is_running(home) else (_unreadable(home), "")
    if fault and read_at:
        text = _("THE POLICY IS NOT IN FORCE AS IT IS WRITTEN; the one read at {when} is: {fault}")
        yield text.format(when=read_at, fault=fault)
    elif fault:
        yield _("THE POLICY CANNOT BE READ, the agent will not start: {fault}").format(fault=fault)


def _unreadable(home: Home) -> str:
    try:
        read_policy(home)
    except SuanlianError as error:
        return str(error)
    return ""


def status_lines(home: Home, clock: Clock = utc_now) -> Iterator[str]:
    """What is here, in lines."""
    config, identity = read_config(home.config), read_identity(home)
    policy = _policy_or_file(home, config.policy)
    with closing(_ledger(home)) as ledger:
        yield from policy_lines(home, ledger)
        rows, refused = ledger.rows(), ledger.refused_segments()
        paused, (here, hub) = is_paused(ledger, policy), inventory_faults(ledger)
        level, probes = level_of(ledger, config), ledger.probes_since(clock() - timedelta(days=1))
        drain = drain_of(ledger)
        drained = () if drain is None else tuple(_drain_lines(ledger, drain))
        storage = tuple(storage_lines(config, DataBook(ledger, clock)))
    yield _("Platform {platform} at hub {hub}").format(platform=identity.platform, hub=identity.hub_name)
    yield level_text(level)
    yield _("The agent runs.") if is_running(home) else _("The agent does not run.")
    now = clock()
    closed = not is_open(policy.hours, now, now + timedelta(seconds=1))
    shut = paused or closed or bool(drained) or is_down(policy.downtime, now) or level is JoinLevel.OBSERVE
    yield _("Nothing new is accepted.") if shut else _("Jobs are accepted.")
    if closed:
        yield _("It is outside the hours of the policy.")
    yield from drained
    yield _("{n} of the hub's own probes ran here in the last day, {most} may.").format(
        n=len(probes), most=policy.probes.per_day
    )
    if here:
        yield _("The inventory cannot be published: {reason}").format(reason=here)
    if hub:
        yield _("The hub refused the inventory: {reason}").format(reason=hub)
    yield _("{n} attempts are here.").format(n=len(rows))
    for row in rows:
        yield f"  {row.attempt_id}  {row.step.value:<10}  {row.state.value:<14}  {row.share}  {row.entity}"
        if row.refused:
            yield "    " + _("the hub refused its report: {reason}").format(reason=row.refused)
    yield from storage
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
