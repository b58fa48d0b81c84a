"""What a driver promises whose engine can lend: jobs of its own users, held at home while they run elsewhere.

The engine is the truth of what may begin at home. A held job carries our mark, which its user cannot take off, with the
phase that it is in: so a lost ledger finds its own again, and what stands at the beginning of the job's script knows
whether its body may run. That script is what makes it safe: a job with a mark never runs its body, unless its phase is
``home``.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from suanlian.model.lending import LendKey
from suanlian.model.quantity import Resources


class Phase(StrEnum):
    """How far a marked job has come; it stands in the mark at home."""

    HELD = "held"
    """Held for us; the hub has at most an offer, which is not placed."""
    LENT = "lent"
    """It may be running elsewhere."""
    BACK = "back"
    """Its end lies in the spool: when it runs at home, it tells that end."""
    HOME = "home"
    """It is given back: when it runs, it runs its own body."""


class AtHome(StrEnum):
    """What is true of a job in its own queue."""

    HELD = "held"
    """It waits, cannot begin, and the mark is ours."""
    FREE = "free"
    """It waits and may begin at any moment: somebody with power over the engine let it go."""
    BEGUN = "begun"
    GONE = "gone"
    """It has ended, was cancelled, or the engine knows it no more."""


@dataclass(frozen=True, slots=True)
class LendTerms:
    """What the owner says of lending, as far as the engine's side needs it."""

    queues: tuple[str, ...]
    """Where a job may ask to be lent."""
    lending_queues: tuple[str, ...]
    """Where every job asks for it by being there."""
    spool: Path
    """Where ends lie until they are told at home; every node sees it under this path."""
    replay_queue: str | None = None
    """Where a job tells its end; None: in its own queue."""
    cancels: bool = False
    """An end is told by cancelling the job at home, with a note: for engines without the hook."""
    variables: tuple[str, ...] = ()
    """Names of environment variables that may leave."""


@dataclass(frozen=True, slots=True)
class LocalJob:
    """A job of the platform's own user that waits. ``why_not``: why the engine's side cannot lend it, if so."""

    key: LendKey
    user: str
    queue: str
    name: str
    resources: Resources
    wall_time_s: int | None
    since: datetime
    """Since when it could have begun."""
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What its user wrote when asking to be lent: ``env``, ``in``, ``out``."""
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What has to travel: the script as its user wrote it, files beside it, variables that may leave."""

    script: bytes
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LentEnd:
    """How it ended elsewhere: the exit code from 0 to 255, its streams, and its files where it brought any."""

    exit_code: int
    stdout: Path
    stderr: Path
    outputs: Path | None = None
    note: str = ""
    """Where it ran, from when until when, in words."""


@dataclass(frozen=True, slots=True)
class Hook:
    """What is installed into the engine, so that a lent job tells its end instead of running its body."""

    files: Mapping[str, str]
    """Ours, by name: written anew."""
    starters: Mapping[str, str] = field(default_factory=dict)
    """By name; written only where nothing is, since the site may have its own."""
    advice: tuple[str, ...] = ()
    """What its owner does besides, a line each."""


class Lender(Protocol):
    """The lending side of one engine. Every call may be repeated after a crash; all raise only DriverError."""

    def hook(self, directory: Path) -> Hook:
        """What has to be installed into the engine, whose configuration lies in this directory."""
        ...

    def fault(self) -> str:
        """Why nothing can be lent here, such as a hook that is not installed; empty where it can."""
        ...

    def lendable(self, limit: int) -> tuple[LocalJob, ...]:
        """Jobs that wait and whose users ask for it, the longest waiting first; those that cannot be lent too."""
        ...

    def contents(self, key: LendKey) -> Contents:
        """What has to travel; read with the rights of the job's user. Raises DriverError where it cannot be read."""
        ...

    def hold(self, key: LendKey) -> bool:
        """Keep it from beginning, and mark it ``held``; read back. False: it began, ended, or is another's to hold.

        True again where it is held by us already. After False nothing of ours is left on it.
        """
        ...

    def at_home(self, keys: Collection[LendKey]) -> Mapping[LendKey, AtHome]:
        """What is true of each in its queue; one entry a key."""
        ...

    def mark(self, key: LendKey, phase: Phase, note: str) -> None:
        """Write phase and note where the job's user sees them. A job that is not ours any more is passed over."""
        ...

    def release(self, key: LendKey, note: str) -> None:
        """Let it run at home, by its own body. One that has begun, ended or is not ours any more is passed over."""
        ...

    def bring_back(self, key: LendKey, end: LentEnd) -> None:
        """Keep the end in the spool, whole, then let the job run to tell it. Again it changes nothing."""
        ...

    def marked(self) -> Iterator[tuple[LendKey, Phase]]:
        """Every job that waits and carries our mark."""
        ...

    def forget(self, key: LendKey) -> None:
        """Remove its end from the spool."""
        ...


@runtime_checkable
class Lends(Protocol):
    """Jobs of the platform's own users can be lent."""

    def lender(self, terms: LendTerms) -> Lender:
        """The lending side under these terms."""
        ...
