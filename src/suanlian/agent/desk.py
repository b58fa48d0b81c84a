"""What do the agent's moves work with, and how does a row end or wait? The one object that they share."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from suanlian.agent.config import AgentConfig, Home
from suanlian.agent.data.shelf import Shelf
from suanlian.agent.ledger import Ledger
from suanlian.agent.policy import Halt, House
from suanlian.agent.reconcile import plain, postponed
from suanlian.agent.row import Row
from suanlian.agent.stage import Sources
from suanlian.agent.vault import Vault
from suanlian.agent.word import OwnersWord, drain_of, is_down, is_paused, level_of, room_for
from suanlian.crypto.keys import KeyPair
from suanlian.drivers.contract import Driver
from suanlian.model.base import Value
from suanlian.model.errors import SuanlianError
from suanlian.model.ids import ConnectorId, HubId, PlatformId
from suanlian.model.job import JobState
from suanlian.model.load import ShareLoad
from suanlian.model.owner import JoinLevel
from suanlian.model.platform import Drain
from suanlian.rules.owner import is_open
from suanlian.sdk.connector import ConnectorClient
from suanlian.sdk.transport import Clock

log: Final = logging.getLogger("suanlian.agent")
STALE: Final = "report_stale"
_MOMENT: Final = timedelta(seconds=1)
_BRING: Final = timedelta(seconds=3)
_INVENTORY_FAULTS: Final = ("inventory_fault", "inventory_refused")
"""Flags with the reason why the inventory is not published: found here, and said by the hub."""


class Identity(Value):
    """Who this connector is at its hub, and the key by which that hub's answers are known."""

    connector_id: ConnectorId
    platform_id: PlatformId
    platform: str
    hub_id: HubId
    hub_name: str
    hub_url: str
    hub_key: str
    prefix: str = ""
    hub_recovery_key: str | None = None
    hub_key_serial: int = 0
    hub_recovery_serial: int = 0


@dataclass(frozen=True)
class Desk:
    """Everything a move works with. ``sources`` builds the places from which an attempt's inputs come."""

    home: Home
    config: AgentConfig
    identity: Identity
    ledger: Ledger
    driver: Driver
    hub: ConnectorClient
    clock: Clock
    sources: Callable[[Row], Sources]
    vault: Vault
    word: OwnersWord
    shelf: Shelf
    """What is kept of the connector's storage."""
    house: list[House] = field(default_factory=list)
    """The platform as it was last looked at; empty before the first look."""
    loads: list[ShareLoad] = field(default_factory=list)
    """The load of its shares as it was last looked at."""

    @property
    def keypair(self) -> KeyPair:
        """The connector's key, as it is now."""
        return self.hub.keypair

    @property
    def paused(self) -> bool:
        """Whether the owner takes nothing new; what was said by `pause` or `resume` stands before the file."""
        return is_paused(self.ledger, self.word.policy)

    @property
    def drain(self) -> Drain | None:
        """Whether the owner empties the platform."""
        return drain_of(self.ledger)

    @property
    def closed(self) -> bool:
        """Whether nothing new may start: paused, drained, or in a downtime."""
        return self.paused or self.drain is not None or is_down(self.word.policy.downtime, self.clock())

    def room_now(self) -> Callable[[Row], str]:
        """Why an attempt has to make room by now, by the owner's word; empty where it may stay. Read once for all."""
        return partial(room_for, drain=self.drain, downtimes=self.word.policy.downtime, now=self.clock())

    @property
    def opens(self) -> bool:
        """Whether anything new may come at this moment: not closed, and within the owner's hours."""
        now = self.clock()
        return not self.closed and is_open(self.word.policy.hours, now, now + _MOMENT)

    @property
    def level(self) -> JoinLevel:
        """How far the owner has joined."""
        return level_of(self.ledger, self.config)

    @property
    def halt(self) -> Halt:
        """By what the owner holds back attempts that have not started, as it is now."""
        return Halt(self.closed, self.level, self.word.policy)

    def change(self, row: Row, change: Callable[[Row], Row]) -> Row:
        """Change the row as it is now, durably."""
        return self.ledger.change(row.attempt_id, change, self.clock())

    def close(self, row: Row, state: JobState, reason: str) -> Row:
        """End the attempt here, to be reported with this reason."""
        now: datetime = self.clock()
        reason = self.masked(row, reason)
        log.info("attempt %s ends as %s: %s", row.attempt_id, state, reason)
        return self.change(
            row, lambda was: was.closed(state, was.outcome.model_copy(update={"reason": plain(reason)}), now)
        )

    def masked(self, row: Row, reason: str) -> str:
        """A reason without the attempt's secrets; all of it is withheld where they are here and cannot be opened."""
        if not reason:
            return reason
        try:
            self.vault.kept(row)
        except SuanlianError:
            return "the reason is withheld: the job's secrets cannot be opened here"
        redactor = self.vault.redactor(row)
        return reason if redactor is None else redactor.text(reason)

    def bring(self, row: Row, why: str) -> Row:
        """Wait until the attempt's data is here; the hub is told how far it is where that has changed."""
        soon = self.clock() + _BRING
        why = plain(why)

        def waiting(was: Row) -> Row:
            news = 0 if was.bringing == why else 1
            return was.with_(bringing=why, report_version=was.report_version + news, not_before=soon)

        return self.change(row, waiting)

    def postpone(self, row: Row, why: Exception) -> Row:
        """Try again a little later."""
        log.warning("attempt %s, %s: tried again later: %s", row.attempt_id, row.step, self.masked(row, str(why)))
        now = self.clock()
        return self.change(row, lambda was: postponed(was, now))

    def abandon(self, row: Row) -> Row:
        """The hub has another attempt or token: end it, forget it, say no more."""
        log.warning("attempt %s is no longer current at the hub: it is stopped and forgotten", row.attempt_id)
        return self.change(row, lambda was: was.with_(abandoned=True))


def note_inventory(ledger: Ledger, *, found_here: str | None = None, hub_said: str | None = None) -> None:
    """Keep why the inventory is not published, for the owner to see; empty where all is well, None where unchanged."""
    for name, text in zip(_INVENTORY_FAULTS, (found_here, hub_said), strict=True):
        if text is not None and text != (ledger.flag(name) or ""):  # most rounds change nothing
            ledger.set_flag(name, plain(text))


def inventory_faults(ledger: Ledger) -> tuple[str, str]:
    """Why the inventory is not published: what was found here, and what the hub said; empty where all is well."""
    here, hub = (ledger.flag(name) or "" for name in _INVENTORY_FAULTS)
    return here, hub


def coded(error: SuanlianError) -> str:
    """A reason that begins with the error's stable code."""
    return f"{error.code}: {error.wrong}"
