"""What the checks need of a connector and of whoever plays its hub."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from suanlian.model.conformance import Check, Finding, Room, Seen, Staged
from suanlian.model.ids import AttemptId
from suanlian.model.probe import Hold, Tick
from suanlian.model.quantity import Resources


@dataclass(frozen=True, slots=True)
class Wanted:
    """A probe to be started: what it does and gets. ``cancelled``: before it can start. ``overcommit``: too much."""

    task: Tick | Hold
    granted: Resources
    cancelled: bool = False
    overcommit: bool = False


class ConnectorUnderTest(Protocol):
    """One connector at one share, through the hub that it speaks with. Each call returns at once.

    What is wished is durable when a call returns; what became of it is seen by looking.
    """

    def now(self) -> datetime:
        """The hub's clock."""
        ...

    def start(self, wanted: Wanted) -> AttemptId | None:
        """Wish a probe; None when the share has no room for it now."""
        ...

    def cancel(self, attempt_id: AttemptId) -> None:
        """Wish it cancelled."""
        ...

    def tell_again(self, attempt_id: AttemptId) -> None:
        """Deliver the very same instruction once more."""
        ...

    def tell_stale(self, attempt_id: AttemptId) -> str:
        """Deliver, once, an instruction to cancel it that carries an older token; names the answer."""
        ...

    def answer_in(self, protocol: int) -> str:
        """Let the next answer that brings instructions say that it speaks this version; names the answer."""
        ...

    def staged(self, answer: str) -> Staged:
        """What became of such an answer."""
        ...

    def look(self, attempt_id: AttemptId) -> Seen:
        """What is known of a probe now."""
        ...


@runtime_checkable
class Restarts(Protocol):
    """The connector can be ended and begun again over the same state, as after a crash."""

    def restart(self) -> None:
        """End it at once and begin it again; what runs at its engine goes on."""
        ...


Course = Generator[None, None, tuple[Finding, ...]]
"""A trial under way: it goes on at each ``next`` and ends with a finding for each of its checks."""


class Trial(Protocol):
    """One or more checks over the same probes."""

    def __call__(self, under: ConnectorUnderTest, room: Room) -> Course:
        """Begin."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """A trial and the checks that it makes."""

    checks: tuple[Check, ...]
    trial: Trial
