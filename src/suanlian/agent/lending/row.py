"""What does the agent know of one lent job, and what is to be done next? Rows and decisions only. Pure.

Each step is in the ledger before the act that it names is made, and each act may be made again. The law: a job's body
runs at home only when nothing of it can run elsewhere, and an end from elsewhere is told at home once.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from suanlian.drivers.lending import AtHome, LocalJob, Phase
from suanlian.model.base import LongText, Utc, Value
from suanlian.model.job import JobState
from suanlian.model.lending import LendKey, LentState

NOT_HELD: Final = "it began or ended before it was held"
AWAY: Final = "it was cancelled, released or begun at home"
PATIENCE: Final = "nothing had room for it"
TAKEN_HOME: Final = "its owner takes it home"
HUB_AWAY: Final = "the hub did not answer before anything was lent"
UNKNOWN: Final = "the hub does not know it any more, though it was lent: whether it runs elsewhere is not known"
OF_THE_LENDER: Final = frozenset({"lending_closed", "quota_exceeded"})
"""Codes of refusals that say nothing of the job."""
REST_S: Final = 600
"""So long nothing is lent after such a refusal."""
_LONGEST_WAIT_S: Final = 60
_PATIENT_TRIES: Final = 5


class Step(StrEnum):
    """How far it has come, and so what is to be done."""

    INTENDED = "intended"
    """To be held at home."""
    HELD = "held"
    """To be offered to the hub."""
    OFFERED = "offered"
    """To be looked at once more at home, and marked as lent."""
    CONFIRMING = "confirming"
    """To be confirmed; from here on it may run elsewhere."""
    LENT = "lent"
    """To be followed."""
    WITHDRAWING = "withdrawing"
    """To be ended at the hub, until it surely has."""
    FETCHING = "fetching"
    """It ended elsewhere: its streams and files are to be fetched."""
    BRINGING = "bringing"
    """Its end is to be given to the engine at home."""
    BROUGHT = "brought"
    """The engine has its end: the job at home is to tell it."""
    RELEASING = "releasing"
    """To be let go at home: it runs there."""
    STUCK = "stuck"
    """Held at home; somebody has to decide."""
    CLOSED = "closed"


class Ended(StrEnum):
    """What became of it."""

    BROUGHT = "brought"
    """It ran elsewhere, and its end was told at home."""
    HOME = "home"
    """It runs at home."""
    GONE = "gone"
    """It was ended at home while it was away."""
    DROPPED = "dropped"
    """It was never held."""


FOLLOWED: Final = frozenset({Step.LENT, Step.WITHDRAWING, Step.STUCK})
"""Steps in which the hub is asked."""


class LentRow(Value):
    """One lent job."""

    key: LendKey
    user: str
    queue: str = ""
    name: str = ""
    job: LocalJob | None = None
    """What was asked for at home; None where the ledger was lost."""
    step: Step = Step.INTENDED
    may_be_lent: bool = False
    """Whether it may have been confirmed: then only the hub's word that all has stopped lets it run at home."""
    why: LongText = ""
    ended: Ended | None = None
    intended_at: Utc
    lent_at: Utc | None = None
    closed_at: Utc | None = None
    public_id: str = ""
    where: str = ""
    state: JobState | None = None
    note: LongText = ""
    """What was written at home last."""
    end: LentState | None = None
    """The end at the hub, once it is to be brought back."""
    tries: int = 0
    not_before: Utc | None = None

    def with_(self, **changes: object) -> "LentRow":
        """The row with other values in some fields, validated."""
        return LentRow.model_validate(dict(self) | changes)

    def at(self, step: Step, **changes: object) -> "LentRow":
        """The row at its next step, to be acted upon at once."""
        return self.with_(step=step, tries=0, not_before=None, **changes)

    def closed(self, ended: Ended, now: datetime, why: str = "") -> "LentRow":
        """The row at its end."""
        return self.at(Step.CLOSED, ended=ended, closed_at=now, why=why or self.why)

    def postponed(self, now: datetime, why: str) -> "LentRow":
        """The row to be tried again: 1, 2, 4 ... seconds later, at most a minute."""
        wait_s = min(2 ** min(self.tries, 10), _LONGEST_WAIT_S)
        return self.with_(tries=self.tries + 1, not_before=now + timedelta(seconds=wait_s), note=why[:500])

    @property
    def is_refused_with_all(self) -> bool:
        """Whether it was refused for no reason of its own: another would be so, too."""
        return self.why.partition(":")[0] in OF_THE_LENDER


Change = Callable[[LentRow], LentRow]
_BACK: Final = frozenset({JobState.COMPLETE, JobState.EXECUTOR_ERROR})
"""Ends that are the program's own: they are told at home. All others are no end of the job: it runs at home."""


def held(row: LentRow, *, took: bool, now: datetime) -> LentRow:
    """After the try to hold it."""
    return row.at(Step.HELD) if took else row.closed(Ended.DROPPED, now, NOT_HELD)


def offered(row: LentRow) -> LentRow:
    """After the hub has kept the offer."""
    return row.at(Step.OFFERED)


def refused(row: LentRow, why: str) -> LentRow:
    """After the hub refused offer or confirmation: whatever it has of it is taken back first."""
    return row.at(Step.WITHDRAWING, why=why[:1000])


def unheard(row: LentRow, now: datetime, why: str) -> LentRow:
    """After the hub did not answer. What it has at most an offer of is let go before long: an offer is never placed."""
    after = row.postponed(now, why)
    if after.tries < _PATIENT_TRIES or row.may_be_lent or row.step not in (Step.HELD, Step.WITHDRAWING):
        return after
    return row.at(Step.RELEASING, why=row.why or HUB_AWAY)


def looked(row: LentRow, home: AtHome) -> LentRow:
    """After the last look at home before it is confirmed."""
    if home is AtHome.HELD:
        return row.at(Step.CONFIRMING, may_be_lent=True)
    return row.at(Step.WITHDRAWING, why=AWAY)


def confirmed(row: LentRow, state: LentState, now: datetime) -> LentRow:
    """After the hub has made the job."""
    return row.at(Step.LENT, lent_at=row.lent_at or now, public_id=state.public_id)


def followed(row: LentRow, state: LentState, home: AtHome, rules: "Patience") -> LentRow:
    """What follows from what is true at the hub and at home, of one that is lent, withdrawn or stuck.

    The hub's word comes first: what has ended elsewhere is over, whatever happened at home meanwhile.
    """
    if not state.known:
        return _unknown(row, home, rules.now)
    if state.stopped:
        return _stopped(row, state, home, rules.now)
    row = row.with_(state=state.state, where=_where(state), public_id=state.public_id or row.public_id)
    if row.step is Step.WITHDRAWING:
        return row
    if home is not AtHome.HELD:
        return row.at(Step.WITHDRAWING, why=AWAY)
    if state.attempt is None and row.lent_at is not None and rules.over(row.lent_at):
        return row.at(Step.WITHDRAWING, why=PATIENCE)
    return row if row.step is Step.LENT else row.at(Step.LENT, lent_at=row.lent_at or rules.now, why="")


class Patience(Value):
    """How long one waits for a place elsewhere, and what time it is."""

    now: Utc
    patience_s: int

    def over(self, since: datetime) -> bool:
        """Whether the wait has been long enough."""
        return self.now - since >= timedelta(seconds=self.patience_s)


def _unknown(row: LentRow, home: AtHome, now: datetime) -> LentRow:
    """A hub that knows nothing of it: harmless while it was never confirmed, else nobody here can tell."""
    if home in (AtHome.GONE, AtHome.BEGUN):
        return row.closed(Ended.GONE, now, row.why or AWAY)
    if row.step is Step.WITHDRAWING and not row.may_be_lent:
        return row.at(Step.RELEASING)
    return row if row.step is Step.STUCK else row.at(Step.STUCK, why=UNKNOWN)


def _stopped(row: LentRow, state: LentState, home: AtHome, now: datetime) -> LentRow:
    if home in (AtHome.GONE, AtHome.BEGUN):
        # a marked one that began told that it has no end here: its body has not run, and will not
        return row.closed(Ended.GONE, now, row.why or AWAY)
    if state.state in _BACK and state.attempt is not None:
        return row.at(Step.FETCHING, end=state, where=_where(state), state=state.state)
    reason = state.attempt.outcome.reason if state.attempt is not None else ""
    return row.at(Step.RELEASING, state=state.state, why=row.why or reason[:1000] or f"it ended {state.state} there")


def found(key: LendKey, phase: Phase, now: datetime) -> LentRow | None:
    """The row of a marked job that the ledger does not know, because it was lost; None where nothing is to be done."""
    row = LentRow(key=key, user="", intended_at=now, why="found by its mark, the ledger was lost")
    return {
        Phase.HELD: row.at(Step.WITHDRAWING),
        Phase.LENT: row.at(Step.LENT, may_be_lent=True, lent_at=now),
        Phase.BACK: row.at(Step.BROUGHT, may_be_lent=True),
        Phase.HOME: row.at(Step.RELEASING),
    }[phase]


def let_go(row: LentRow) -> LentRow:
    """The owner's word: a stuck one runs at home, whatever may be elsewhere; a lent one is called home."""
    if row.step is Step.STUCK:
        return row.at(Step.RELEASING, why="its owner decided")
    if row.step in (Step.HELD, Step.OFFERED, Step.CONFIRMING, Step.LENT):
        return row.at(Step.WITHDRAWING, why=TAKEN_HOME)
    return row


def told_home(row: LentRow, now: datetime) -> LentRow:
    """After the job at home has told its end."""
    return row.closed(Ended.BROUGHT, now)


def _where(state: LentState) -> str:
    return "" if state.attempt is None else state.attempt.platform


def note_of(row: LentRow) -> str:
    """What its user reads at home."""
    said: Mapping[bool, str] = {True: f"{row.state} at {row.where}" if row.where else "waits there", False: ""}
    job = f" as {row.public_id}" if row.public_id else ""
    tail = said[row.step in (Step.LENT, Step.WITHDRAWING)]
    return f"lent to suanlian{job}{', ' + tail if tail else ''}"
