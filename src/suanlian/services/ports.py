"""What services ask of the world, as protocols and values; the composition root hands them in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from suanlian.crypto.keys import KeyPair
from suanlian.model.audit import AuditAnswer, AuditCall
from suanlian.model.report import ReportUpAnswer, ReportUpCall

Clock = Callable[[], datetime]
"""The time now, UTC."""

RandomBytes = Callable[[int], bytes]
"""So many bytes that nobody can guess."""


@dataclass(frozen=True, slots=True)
class Node:
    """This hub, as its services need to know it. ``prefixes`` are all that it issues or issued under."""

    id: str
    name: str
    url: str
    prefix: str
    prefixes: frozenset[str]
    provisional: bool
    keypair: KeyPair


@dataclass(frozen=True, slots=True)
class Secrets:
    """What keyed hashes and fresh tokens are made with."""

    pepper: bytes
    random_bytes: RandomBytes


class Upstream(Protocol):
    """The hub above, by one uplink."""

    def send_report(self, call: ReportUpCall) -> ReportUpAnswer:
        """Send a report up; the answer's signature is checked. Raises SuanlianError, transient when worth a repeat."""
        ...

    def send_head(self, call: AuditCall) -> AuditAnswer:
        """Send a head of the audit log up, or ask which one is held there. Raises as ``send_report``."""
        ...
