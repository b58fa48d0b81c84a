"""One round of each thing that the agent does for ever: ask, look, act, stream, tell. Threads are elsewhere."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Lock
from time import monotonic
from typing import Final

from suanlian.agent.data.roots import filesystems
from suanlian.agent.describe import Describer
from suanlian.agent.desk import STALE, Desk, coded, log, note_inventory
from suanlian.agent.host import host_of
from suanlian.agent.inventory import Told, published
from suanlian.agent.keys import Keykeeper
from suanlian.agent.ledger import Accounted
from suanlian.agent.load import loads_of
from suanlian.agent.logs import STREAMS, send_piece
from suanlian.agent.moves import SLOW, make
from suanlian.agent.outbox import Outbox
from suanlian.agent.policy import House
from suanlian.agent.probes import architecture_of, offered, written
from suanlian.agent.reconcile import Move, decide, observed
from suanlian.agent.row import Row, Step
from suanlian.agent.taking_back import noticed, notices
from suanlian.agent.together import groups, is_bare, make_all
from suanlian.drivers.contract import DriverError, Lists, NativeId
from suanlian.model.errors import InvalidError, SuanlianError, UnavailableError
from suanlian.model.ids import AttemptId
from suanlian.model.protocol import KNOWS, InventoryCall, PollCall

Apart = Callable[[Callable[[], None]], bool]
"""Takes a slow piece of work, to be done apart or at once; False when there is no room for it now."""

_MAX_PIECES_A_ROUND: Final = 8
_PLACED: Final = frozenset({Step.RECEIVED, Step.STAGING, Step.SUBMITTING, Step.STARTED})
_MANY: Final = 50
_PAUSE: Final = 1
"""Asking for many jobs is followed by a pause of so many times its length: the engine has work of its own."""


def at_once(work: Callable[[], None]) -> bool:
    """Do it here and now."""
    work()
    return True


class Agent:
    """The agent over its desk. What must not be lost is in the ledger: a new object goes on where one fell."""

    def __init__(self, desk: Desk) -> None:
        """Begin; nothing is called yet."""
        self.desk = desk
        self.outbox = Outbox(desk)
        self._describer = Describer(desk)
        self.keys = Keykeeper(desk.home, desk.hub)
        self._published: InventoryCall | None = None
        self._polled = False
        self._busy: set[str] = set()
        self._look_again_at = 0.0
        self._lock = Lock()

    def look(self) -> None:
        """Look at the platform: what its owner says, whether the engine answers, what it describes, how full it is.

        Raises DriverError, and InvalidError where no inventory can be put together; `status` shows the latter.
        """
        desk = self.desk
        self._read_policy()
        status, policy = desk.driver.probe(), desk.word.policy
        described = desk.driver.describe() if status.ready else ()
        try:
            told = Told(policy, status, filesystems(desk.config, desk.identity.hub_id))
            inventory = published(desk.config, described, told, desk.home.config)
        except InvalidError as error:
            note_inventory(desk.ledger, found_here=str(error))
            raise
        note_inventory(desk.ledger, found_here="")
        flavors = offered(inventory.flavors, architecture_of(desk.driver))
        inventory = inventory.model_copy(update={"flavors": flavors})
        desk.house[:] = [House(policy, inventory, status)]
        desk.loads[:] = loads_of(desk.driver, desk.house[-1], desk.ledger.rows(), desk.clock())
        self._take_back()

    def _take_back(self) -> None:
        """Give notice where the owner's own work wants a leftover share back; where that is not known, to nobody."""
        desk = self.desk
        loads = {load.share: load for load in desk.loads if not load.fault}
        for share in desk.house[-1].inventory.shares:
            load = loads.get(share.name)
            changed = {} if load is None else notices(share, load.owners(), desk.ledger.rows(), desk.clock())
            for attempt_id, at in changed.items():
                told = "may stay after all" if at is None else f"has to be gone by {at.isoformat()}"
                log.info("attempt %s %s: the owner's own work wants share %s", attempt_id, told, share.name)
                desk.ledger.change(attempt_id, partial(noticed, at=at), desk.clock())

    def _read_policy(self) -> None:
        desk = self.desk
        if desk.word.look(desk.clock()):
            desk.word.note(desk.ledger)
            if desk.word.fault:
                log.error("the policy in force is that of %s: %s", desk.word.read_at, desk.word.fault)
            else:
                log.info("the policy was read anew")

    def publish(self) -> bool:
        """Publish the inventory where the hub has not taken it as it is now; False when there was nothing to say.

        Raises UnavailableError, and the error of a refusal, which `status` shows.
        """
        desk = self.desk
        if not desk.house:
            return False
        house = desk.house[-1]
        call = InventoryCall(
            inventory=house.inventory,
            offers=desk.config.offers,
            level=desk.level,
            partners=house.policy.partners,
            probes=house.policy.probes,
            downtimes=house.policy.downtime,
            sealing_key=desk.vault.key.text,
            host=host_of(desk.identity.hub_id),
        )
        if call == self._published:
            return False
        try:
            desk.hub.inventory(call)
        except UnavailableError:
            raise
        except SuanlianError as error:
            note_inventory(desk.ledger, hub_said=coded(error))
            raise
        note_inventory(desk.ledger, hub_said="")
        if self._published is None:
            shares = len(call.inventory.shares)
            text = "inventory taken: %d shares published at hub %s, level %s"
            log.info(text, shares, desk.identity.hub_name, call.level)
        self._published = call
        return True

    def describe(self) -> bool:
        """Register the platform's descriptor once its inventory is taken; False when there was nothing to say.

        Raises UnavailableError.
        """
        return self._published is not None and self._describer.describe(self._published.inventory)

    def poll(self, wait_s: int) -> int:
        """Ask what should be true, and journal it; returns how many attempts it changed."""
        desk, changed, more = self.desk, 0, True
        while more:
            call = PollCall(revision=desk.ledger.revision(), wait_s=0 if changed else wait_s, knows=KNOWS)
            answer = desk.hub.poll(call).whole()
            architecture, cap = architecture_of(desk.driver), desk.word.policy.probes
            told = tuple(written(said, architecture, cap) for said in answer.instructions)
            changed += desk.ledger.take(answer.model_copy(update={"instructions": told}), desk.clock())
            more = answer.more
        self._polled = True
        return changed

    def tidy(self) -> None:
        """Drop secrets of attempts that are gone, and sealing keys that nothing needs any more."""
        live = {row.attempt_id for row in self.desk.ledger.rows() if row.step is not Step.FORGOTTEN}
        self.desk.vault.tidy(live, told=self._published.sealing_key if self._published else "")

    def sweep(self) -> int:
        """End what the engine keeps for attempts that neither the ledger nor the hub knows; returns how many there are.

        A ledger that was lost is first filled by the hub: before the first whole poll nobody can be called an orphan.
        """
        driver, orphans = self.desk.driver, 0
        if not self._polled or not isinstance(driver, Lists):
            return orphans
        for native, attempt in driver.known():
            row = self.desk.ledger.row(attempt)
            if row is None or row.step is Step.FORGOTTEN:
                orphans += 1
                log.warning("job %s belongs to no attempt: it is ended", native)
                driver.cancel(native)
                with suppress(DriverError):  # it has not ended yet: the next sweep finds it again
                    driver.forget(native)
        return orphans

    def tick(self, apart: Apart = at_once) -> bool:
        """Look at what runs, then make the next move of every attempt; False when none had one."""
        if not self.desk.house:
            return False  # nothing can be judged before the first look
        self._watch()
        due, halt = list[tuple[Move, Row]](), self.desk.halt
        room_for = self.desk.room_now()
        for known in self.desk.ledger.rows():
            row = self._with_room(known, room_for)
            move = decide(row, paused=bool(halt.why(row)), now=self.desk.clock())
            if move is not Move.WAIT and self._claim(row):
                due.append((move, row))
        moved = False
        for move, rows in groups(due):
            moved = self._start(move, rows, apart) or moved
        return moved

    def _with_room(self, row: Row, room_for: Callable[[Row], str]) -> Row:
        """The row, which from now on makes room where its owner's drain or calendar says so."""
        if row.step not in _PLACED or row.preempting or not (why := room_for(row)):
            return row
        return self.desk.change(row, lambda was: was.with_(room_for=why))

    def end_evicted(self, attempt_id: AttemptId) -> None:
        """Bring an evicted attempt to its end without the hub: its logs and report go when the agent runs again."""
        self._watch()
        row = self.desk.ledger.row(attempt_id)
        if row is None:
            return
        move = decide(row, paused=False, now=self.desk.clock())
        if move in (Move.GIVE_UP, Move.FIND, Move.STOP):
            make(move, self.desk, row)

    def stream(self) -> bool:
        """Send the next pieces of all that runs; False when there were none."""
        sent = False
        rows = [row for row in self.desk.ledger.rows() if row.step is Step.STARTED and not row.abandoned]
        for row in rows:
            # of many only those are looked at that are known to have begun: the others have no log
            if (row.started_at or len(rows) < _MANY) and self._claim(row):
                try:
                    sent = self._pieces(row) or sent
                finally:
                    self._release(row)
        return sent

    def _start(self, move: Move, rows: Sequence[Row], apart: Apart) -> bool:
        def work() -> None:
            try:
                make_all(move, self.desk, rows)
            finally:
                self._release(*rows)

        taken = apart(work) if move in SLOW and not is_bare(move, rows[0]) else at_once(work)
        if not taken:
            self._release(*rows)
        return taken

    def _watch(self) -> None:
        desk = self.desk
        rows = {row.native_id: row for row in desk.ledger.rows() if row.step is Step.STARTED and row.native_id}
        if not rows or (len(rows) >= _MANY and monotonic() < self._look_again_at):
            return
        asked_at, began = desk.clock(), monotonic()
        try:
            seen = desk.driver.observe([NativeId(native) for native in rows])
        except DriverError as error:
            log.warning("the engine cannot be asked: %s", error)
            return
        finally:
            self._look_again_at = monotonic() + _PAUSE * (monotonic() - began)
        segment_s = desk.config.usage_segment_s
        changed: list[tuple[AttemptId, Accounted]] = []
        for native, found in seen.items():
            row = rows[native]
            observation = replace(found, reason=desk.masked(row, found.reason))
            what = partial(observed, seen=observation, asked_at=asked_at, segment_s=segment_s)
            if what(row)[0] != row:  # most rounds change nothing, and cost no transaction
                changed.append((row.attempt_id, what))
        if changed:
            with desk.ledger.together():
                for attempt_id, change in changed:
                    desk.ledger.account(attempt_id, change, asked_at)

    def _pieces(self, row: Row) -> bool:
        sent = False
        try:
            for stream in STREAMS:
                for _piece in range(_MAX_PIECES_A_ROUND):
                    now = self.desk.ledger.row(row.attempt_id)
                    if now is None or not send_piece(self.desk, now, stream):
                        break
                    sent = True
        except (UnavailableError, DriverError) as error:
            log.warning("the log of attempt %s waits: %s", row.attempt_id, error)
        except SuanlianError as error:
            if error.code == STALE:
                self.desk.abandon(row)
            else:
                log.warning("the log of attempt %s is refused: %s", row.attempt_id, error)
        return sent

    def _claim(self, row: Row) -> bool:
        with self._lock:
            if row.attempt_id in self._busy:
                return False
            self._busy.add(row.attempt_id)
            return True

    def _release(self, *rows: Row) -> None:
        with self._lock:
            self._busy.difference_update(row.attempt_id for row in rows)
