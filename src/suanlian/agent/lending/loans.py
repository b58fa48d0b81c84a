"""One round of lending: what is marked but not known, what goes on, what is lent anew. Decisions are in ``row``."""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from suanlian.agent.desk import coded, log
from suanlian.agent.ledger import Ledger
from suanlian.agent.lending.book import KEPT_DAYS, LentBook
from suanlian.agent.lending.fetching import Shelf
from suanlian.agent.lending.row import (
    FOLLOWED,
    REST_S,
    Ended,
    LentRow,
    Patience,
    Step,
    confirmed,
    followed,
    found,
    held,
    looked,
    note_of,
    offered,
    refused,
    told_home,
    unheard,
)
from suanlian.agent.lending.spec import spec_of
from suanlian.agent.lending.terms import Away, Lending, why_not
from suanlian.drivers.contract import DriverError
from suanlian.drivers.lending import AtHome, Lender, LocalJob, Phase
from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.model.lending import MAX_LENT, LendCall, LendConfirmCall, LendKey, LentCall, LentCancelCall, LentState
from suanlian.sdk.connector import ConnectorClient

CHOOSE_S: Final = 10
"""So often it is looked for jobs to lend, in seconds."""
MAX_A_ROUND: Final = 20
LOOKED_AT: Final = 500
"""So many waiting jobs are looked at."""
_SALT: Final = "lending_salt"
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Doors:
    """What lending works with: the engine's side, the hub, and where fetched ends lie."""

    home: Lender
    hub: ConnectorClient
    shelf: Shelf


class Loans:
    """Everything that is lent, over the ledger: a new object goes on where one fell."""

    def __init__(self, terms: Lending, doors: Doors, ledger: Ledger, clock: Clock) -> None:
        """Begin; nothing is called yet."""
        self.terms, self.book = terms, LentBook(ledger, clock)
        self._doors, self._ledger, self._clock = doors, ledger, clock
        self._chosen_at: datetime | None = None

    def round(self, *, opens: bool = True) -> bool:
        """Go on with all that is lent, then choose what is lent anew, where ``opens``; False when nothing changed."""
        before = {row.key: row for row in self.book.open_rows()}
        due = self._chosen_at is None or self._clock() - self._chosen_at >= timedelta(seconds=CHOOSE_S)
        if due:
            self._adopt()
        for row in self.book.open_rows():
            self._go_on(row)
        self._follow([row for row in self.book.open_rows() if row.step in FOLLOWED or row.step is Step.BROUGHT])
        if due:
            self._chosen_at = self._clock()
            if opens:
                self._choose()
        return {row.key: row for row in self.book.open_rows()} != before

    def judged(self) -> list[tuple[LocalJob, str]]:
        """Every waiting job that asks to be lent, with why it is not; empty: it is the next. Raises DriverError."""
        fault = self._doors.home.fault()
        away = [row.user for row in self.book.open_rows()]
        judged: list[tuple[LocalJob, str]] = []
        for job in self._doors.home.lendable(LOOKED_AT):
            why = self._known(job.key) or fault or why_not(job, self.terms, Away(away), self._clock())
            if not why:
                away.append(job.user)
            judged.append((job, why))
        return judged

    def prune(self) -> None:
        """Remove ends that were told long ago, and rows that nobody asks for any more. Raises DriverError."""
        for row in self.book.old(self.terms.spool_days):
            if row.ended is Ended.BROUGHT:
                self._doors.home.forget(row.key)
        for row in self.book.old(KEPT_DAYS):
            self._doors.shelf.drop(row.key)
            self.book.drop(row.key)

    def _known(self, key: LendKey) -> str:
        row = self.book.row(key)
        if row is None:
            return ""
        return f"it was lent before: {row.why or row.ended}" if row.step is Step.CLOSED else f"it is {row.step.value}"

    def _rests(self, row: LentRow) -> bool:
        return row.closed_at is None or self._clock() - row.closed_at < timedelta(seconds=REST_S)

    def _may_choose(self) -> bool:
        """Whether the hub is there, and has refused nothing lately that another job would be refused for as well."""
        lately = [*self.book.open_rows(), *self.book.closed_rows(MAX_A_ROUND)]
        if any(row.is_refused_with_all and self._rests(row) for row in lately):
            return False
        try:
            self._doors.hub.lent(LentCall(keys=()))
        except UnavailableError as error:
            log.warning("nothing more is lent while the hub is away: %s", error)
            return False
        return True

    def _adopt(self) -> None:
        """Jobs with our mark that no row knows: the ledger was lost, the mark tells how far they had come."""
        for key, phase in self._doors.home.marked():
            if self.book.row(key) is None and (row := found(key, phase, self._clock())) is not None:
                log.warning("job %s carries our mark (%s) and is not in the ledger: it is taken up", key.text, phase)
                self.book.add(row)

    def _choose(self) -> None:
        if not self._may_choose():
            return
        for job, why in self.judged():
            if why:
                continue
            if len(self.book.open_rows()) >= self.terms.max:
                return
            row = LentRow(
                key=job.key, user=job.user, queue=job.queue, name=job.name, job=job, intended_at=self._clock()
            )
            self.book.add(row)
            self._go_on(row)
            if (after := self.book.row(job.key)) is not None and after.is_refused_with_all:
                return

    def _go_on(self, row: LentRow) -> None:
        """Make the acts that need nobody's news, one after another until one waits."""
        now = self._clock()
        while (act := _ACTS.get(row.step)) is not None and (row.not_before is None or row.not_before <= now):
            before = row
            try:
                row = act(self, row)
            except UnavailableError as error:
                row = self._change(row, partial(unheard, now=now, why=str(error)))
            except (DriverError, OSError) as error:
                log.warning("lent job %s, %s: tried again later: %s", row.key.text, row.step, error)
                row = self._change(row, partial(LentRow.postponed, now=now, why=str(error)))
            if row.step is before.step:
                return

    def _change(self, row: LentRow, change: Callable[[LentRow], LentRow]) -> LentRow:
        """Make the change, unless the row went another way meanwhile, as by its owner's word: then that holds."""
        after = self.book.change(row.key, lambda was: change(was) if was.step is row.step else was)
        if after.step is not row.step:
            log.info("lent job %s: %s%s", after.key.text, after.step, f", {after.why}" if after.why else "")
        return after

    def _hold(self, row: LentRow) -> LentRow:
        took = self._doors.home.hold(row.key)
        return self._change(row, lambda was: held(was, took=took, now=self._clock()))

    def _offer(self, row: LentRow) -> LentRow:
        if row.job is None:
            return self._change(row, lambda was: refused(was, "the ledger does not know what it is"))
        try:
            spec = spec_of(row.job, self._doors.home.contents(row.key), self.terms)
            self._doors.hub.lend(LendCall(key=row.key, user=self._pseudonym(row.user), spec=spec))
        except UnavailableError:
            raise
        except DriverError as error:
            if error.transient:
                raise
            return self._change(row, partial(refused, why=str(error)))
        except SuanlianError as error:
            return self._change(row, partial(refused, why=coded(error)))
        return self._change(row, offered)

    def _look(self, row: LentRow) -> LentRow:
        """The mark says ``lent`` before the hub may place it, and is read back: from here on its body runs nowhere."""
        self._doors.home.mark(row.key, Phase.LENT, note_of(row))
        at = self._doors.home.at_home([row.key])[row.key]
        return self._change(row, lambda was: looked(was, at))

    def _confirm(self, row: LentRow) -> LentRow:
        try:
            state = self._doors.hub.lend_confirm(LendConfirmCall(key=row.key)).job
        except UnavailableError:
            raise
        except SuanlianError as error:
            return self._change(row, partial(refused, why=coded(error)))
        return self._change(row, lambda was: confirmed(was, state, self._clock()))

    def _fetch(self, row: LentRow) -> LentRow:
        """Fetch and hand over in one go: what was fetched is found again after a crash, and handed over again."""
        if row.end is None:
            raise DriverError("the ledger does not know how it ended", transient=True)
        end = self._doors.shelf.fetch(self._doors.hub, row.end)
        row = self._change(row, lambda was: was.at(Step.BRINGING, note=end.note))
        self._doors.home.bring_back(row.key, end)
        return self._change(row, lambda was: was.at(Step.BROUGHT))

    def _release(self, row: LentRow) -> LentRow:
        self._doors.home.release(row.key, row.why)
        return self._change(row, lambda was: was.closed(Ended.HOME, self._clock()))

    def _follow(self, rows: Sequence[LentRow]) -> None:
        if not rows:
            return
        try:
            home = self._doors.home.at_home([row.key for row in rows])
            self._tell_home(rows, home)
            states = self._states([row for row in rows if row.step is not Step.BROUGHT])
        except UnavailableError as error:
            log.warning("lent jobs are not followed now: %s", error)
            for row in rows:
                if row.step is Step.WITHDRAWING and (row.not_before is None or row.not_before <= self._clock()):
                    self._go_on(self._change(row, partial(unheard, now=self._clock(), why=str(error))))
            return
        except (DriverError, SuanlianError) as error:
            log.warning("lent jobs are not followed now: %s", error)
            return
        rules = Patience(now=self._clock(), patience_s=self.terms.patience_s)
        for row in rows:
            if row.key in states:
                after = self._change(row, partial(followed, state=states[row.key], home=home[row.key], rules=rules))
                self._note(after)
                self._go_on(after)

    def _tell_home(self, rows: Iterable[LentRow], home: Mapping[LendKey, AtHome]) -> None:
        for row in rows:
            if row.step is Step.BROUGHT and home[row.key] is AtHome.GONE:
                self._doors.shelf.drop(row.key)
                self._change(row, lambda was: told_home(was, self._clock()))

    def _states(self, rows: Sequence[LentRow]) -> dict[LendKey, LentState]:
        """What is true at the hub; what is to end there is told so each time."""
        states = {}
        for row in rows:
            if row.step is Step.WITHDRAWING:
                states[row.key] = self._doors.hub.lent_cancel(LentCancelCall(key=row.key)).job
        asked = [row.key for row in rows if row.step is not Step.WITHDRAWING]
        for first in range(0, len(asked), MAX_LENT):
            answer = self._doors.hub.lent(LentCall(keys=tuple(asked[first : first + MAX_LENT])))
            states |= {state.key: state for state in answer.jobs}
        return states

    def _note(self, row: LentRow) -> None:
        """Let its user read at home where it is; that this fails harms nothing."""
        note = note_of(row)
        if row.step is not Step.LENT or note == row.note:
            return
        try:
            self._doors.home.mark(row.key, Phase.LENT, note)
        except DriverError as error:
            log.warning("lent job %s: its note cannot be written: %s", row.key.text, error)
            return
        self.book.change(row.key, lambda was: was.with_(note=note) if was.step is Step.LENT else was)

    def _pseudonym(self, user: str) -> str:
        """A name for the hub that says nothing of the user outside of this platform."""
        salt = self._ledger.flag(_SALT)
        if salt is None:
            salt = secrets.token_hex(16)
            self._ledger.set_flag(_SALT, salt)
        return f"u{hashlib.sha256(f'{salt}:{user}'.encode()).hexdigest()[:12]}"


_ACTS: Final[Mapping[Step, Callable[[Loans, LentRow], LentRow]]] = {
    Step.INTENDED: Loans._hold,  # noqa: SLF001 - the table of the class's own acts
    Step.HELD: Loans._offer,  # noqa: SLF001
    Step.OFFERED: Loans._look,  # noqa: SLF001
    Step.CONFIRMING: Loans._confirm,  # noqa: SLF001
    Step.FETCHING: Loans._fetch,  # noqa: SLF001
    Step.BRINGING: Loans._fetch,  # noqa: SLF001
    Step.RELEASING: Loans._release,  # noqa: SLF001
}
