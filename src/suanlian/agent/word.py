"""What is the owner's word just now? The policy as it was last read, and the level, over files that may be changed.

A policy that cannot be read never opens anything: the last good one stays in force, and that is said. At the start of
the agent there is no last good one, so it does not start.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from suanlian.agent.config import AgentConfig, Home, read_policy
from suanlian.agent.ledger import Ledger
from suanlian.agent.row import Row
from suanlian.agent.taking_back import TAKEN_BACK
from suanlian.model.errors import SuanlianError
from suanlian.model.owner import JoinLevel, OwnerPolicy
from suanlian.model.platform import LEAD_S, Downtime, Drain

_PAUSED: Final = "paused"
_LEVEL: Final = "level"
_DRAIN: Final = "drain"
_POLICY_FAULT: Final = "policy_fault"
_POLICY_READ: Final = "policy_read_at"


class OwnersWord:
    """The policy in force. ``fault`` says why the files as they are now are not."""

    def __init__(self, home: Home, now: datetime) -> None:
        """Read it. Raises InvalidError: without a policy nothing runs."""
        self.home = home
        self._own_file = home.policy.exists()
        self.policy: OwnerPolicy = read_policy(home)
        self.read_at = now
        self.fault = ""

    def look(self, now: datetime) -> bool:
        """Read it again; whether something is otherwise than at the last look. Raises nothing."""
        before = (self.policy, self.fault)
        try:
            policy = read_policy(self.home)
        except SuanlianError as error:
            self.fault = str(error)
        else:
            if self._own_file and not self.home.policy.exists():
                self.fault = f"{self.home.policy} is gone: start the agent again to go without it"
            else:
                self._own_file = self.home.policy.exists()
                self.policy, self.fault, self.read_at = policy, "", now
        return before != (self.policy, self.fault)

    def note(self, ledger: Ledger) -> None:
        """Keep what is said of it, for `status` to tell from another process."""
        ledger.set_flag(_POLICY_FAULT, self.fault)
        ledger.set_flag(_POLICY_READ, self.read_at.isoformat(timespec="seconds"))


def policy_fault(ledger: Ledger) -> tuple[str, str]:
    """Why a running agent does not go by the policy as it is written now, and when the one in force was read."""
    return ledger.flag(_POLICY_FAULT) or "", ledger.flag(_POLICY_READ) or ""


def level_of(ledger: Ledger, config: AgentConfig) -> JoinLevel:
    """How far the owner has joined: what was said by `level` stands before the file."""
    said = ledger.flag(_LEVEL)
    return config.level if said is None else JoinLevel(said)


def set_level(ledger: Ledger, level: JoinLevel) -> None:
    """Keep the owner's word, also over a restart."""
    ledger.set_flag(_LEVEL, level.value)


def drain_of(ledger: Ledger) -> Drain | None:
    """Whether the owner empties the platform, from when on and by when."""
    said = ledger.flag(_DRAIN)
    return Drain.model_validate_json(said) if said else None


def set_drain(ledger: Ledger, drain: Drain | None) -> None:
    """Keep the owner's word, also over a restart."""
    ledger.set_flag(_DRAIN, "" if drain is None else drain.model_dump_json())


def room_for(row: Row, drain: Drain | None, downtimes: Sequence[Downtime], now: datetime) -> str:
    """Why this attempt has to make room by now; empty where it may stay.

    All is to be out at the time that was said: moving begins its grace and a minute before.
    """
    lead = timedelta(seconds=LEAD_S + (row.checkpoint.grace_s if row.checkpoint else 0))
    if drain is not None and (drain.by is None or now >= drain.by - lead):
        return f"the platform is drained{f': {drain.why}' if drain.why else ''}"
    if row.taken_back_at is not None and now >= row.taken_back_at - lead + timedelta(seconds=LEAD_S):
        return TAKEN_BACK
    for down in downtimes:
        if down.start - lead <= now < down.end:
            return f"downtime from {down.start.isoformat(timespec='minutes')}{f': {down.note}' if down.note else ''}"
    return ""


def is_down(downtimes: Sequence[Downtime], now: datetime) -> bool:
    """Whether the calendar says that the platform is off now."""
    return any(down.start <= now < down.end for down in downtimes)


def is_paused(ledger: Ledger, policy: OwnerPolicy) -> bool:
    """Whether nothing new is accepted."""
    said = ledger.flag(_PAUSED)
    return policy.paused if said is None else said == "1"


def set_paused(ledger: Ledger, *, paused: bool) -> None:
    """Keep the owner's word, also over a restart."""
    ledger.set_flag(_PAUSED, "1" if paused else "0")
