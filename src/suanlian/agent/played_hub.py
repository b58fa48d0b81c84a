"""A hub that is played in this process, for the owner's own selftest: it wishes probes and keeps what it is told.

To the agent it is the client of its hub, to the checks the connector under test. It sends nothing anywhere.
"""

import base64
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from suanlian.conformance.contract import Wanted
from suanlian.crypto.documents import verify_document
from suanlian.crypto.keys import KeyPair
from suanlian.model.conformance import Room, Seen, Staged
from suanlian.model.errors import InvalidError, NotFoundError, UnavailableError
from suanlian.model.ids import AttemptId, ConnectorId, JobId, new_id
from suanlian.model.job import ENDED, JobState, Outcome
from suanlian.model.platform import Flavor, Share
from suanlian.model.probe import ProbeCap, Purpose
from suanlian.model.protocol import (
    PROTOCOL_VERSION,
    AttemptReport,
    Call,
    DoneAnswer,
    Envelope,
    Instruction,
    InventoryAnswer,
    InventoryCall,
    ItemAnswer,
    LogAnswer,
    LogCall,
    ObjectAnswer,
    ObjectCall,
    OutputCall,
    PollAnswer,
    PollCall,
    ReportAnswer,
    ReportCall,
    UsageAnswer,
    UsageCall,
    Verdict,
    Wish,
)
from suanlian.model.usage import USAGE_TYPE, UsageSegment
from suanlian.sdk.connector import ConnectorClient, check_envelope
from suanlian.sdk.transport import Clock

A = TypeVar("A", bound=Envelope)

_LIFE: Final = timedelta(seconds=60)
_TOKEN: Final = 2
_LATE: Final = 1_000_000
ENTITY: Final = "selftest"
"""For whom its probes are."""


@dataclass(slots=True)
class _Probe:
    """One probe: what is wished of it since which revision, and what was told of it."""

    said: Instruction
    revision: int
    made_at: datetime
    state: JobState = JobState.QUEUED
    last: AttemptReport | None = None
    logs: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    pieces: int = 0
    segments: dict[int, UsageSegment] = field(default_factory=dict)


@dataclass(slots=True)
class _Staged:
    protocol: int | None
    instructions: tuple[Instruction, ...]
    told: int | None = None
    asked: int | None = None


@dataclass(frozen=True, slots=True)
class Who:
    """The connector that is tested: its id and key, and where its probes go."""

    connector_id: ConnectorId
    keypair: KeyPair
    share: Share
    flavor: Flavor
    cap: ProbeCap


class PlayedHub(ConnectorClient):
    """See the module. ``restarting`` ends the agent and begins it again."""

    def __init__(self, who: Who, clock: Clock, restarting: Callable[[], None]) -> None:
        """Nothing is wished yet. There is no link: a call that is not played here is refused (``_retried``)."""
        self.hub_has_moved = False
        self._who = who
        self._clock = clock
        self._restarting = restarting
        self._probes: dict[str, _Probe] = {}
        self._staged: dict[str, _Staged] = {}
        self._revision = 0

    @property
    def keypair(self) -> KeyPair:
        """The key of the connector that is tested."""
        return self._who.keypair

    @property
    def room(self) -> Room:
        """Where the run is made."""
        who = self._who
        return Room(share=who.share.name, capacity=who.share.capacity, node=who.flavor.node, cap=who.cap)

    # ------------------------------------------------------------------ what the checks ask

    def now(self) -> datetime:
        """The machine's clock: the hub is played on it too."""
        return self._clock()

    def start(self, wanted: Wanted) -> AttemptId | None:
        """Wish a probe. The agent itself says whether there is room."""
        attempt_id = AttemptId(new_id())
        said = Instruction(
            attempt_id=attempt_id,
            token=_TOKEN,
            version=1,
            wish=Wish.RUN,
            job_id=JobId(new_id()),
            task_index=0,
            share=self._who.share.name,
            flavor=self._who.flavor.name,
            variant=0,
            granted=wanted.granted,
            entity=ENTITY,
            probe=Purpose.CONFORMANCE,
            task=wanted.task,
        )
        self._probes[attempt_id] = _Probe(said, self._next(), self._clock())
        if wanted.cancelled:
            self.cancel(attempt_id)
        return attempt_id

    def cancel(self, attempt_id: AttemptId) -> None:
        """Wish it cancelled."""
        self._wish(self._probes[attempt_id], Wish.CANCEL)

    def tell_again(self, attempt_id: AttemptId) -> None:
        """Deliver the very same instruction once more."""
        self._probes[attempt_id].revision = self._next()

    def tell_stale(self, attempt_id: AttemptId) -> str:
        """Deliver, once, an instruction to cancel it that carries an older fencing token."""
        said = self._probes[attempt_id].said
        changes = {"token": said.token - 1, "version": said.version + _LATE, "wish": Wish.CANCEL, "task": None}
        self._next()
        return self._stage(_Staged(None, (said.model_copy(update=changes),)))

    def answer_in(self, protocol: int) -> str:
        """Let the next answer that brings instructions say that it speaks this version."""
        return self._stage(_Staged(protocol, ()))

    def staged(self, answer: str) -> Staged:
        """What became of such an answer."""
        found = self._staged[answer]
        return Staged(told_revision=found.told, asked_revision=found.asked)

    def look(self, attempt_id: AttemptId) -> Seen:
        """What is known of a probe now."""
        probe = self._probes[attempt_id]
        last = probe.last
        return Seen(
            at=self._clock(),
            attempt_id=attempt_id,
            state=probe.state,
            made_at=probe.made_at,
            started_at=None if last is None else last.started_at,
            ended_at=None if last is None else last.ended_at,
            outcome=Outcome() if last is None else last.outcome,
            stdout=bytes(probe.logs["stdout"]),
            pieces=probe.pieces,
            segments=tuple(probe.segments[number] for number in sorted(probe.segments)),
        )

    def restart(self) -> None:
        """End the agent at once and begin it again over the same state."""
        self._restarting()

    def _next(self) -> int:
        self._revision += 1
        return self._revision

    def _wish(self, probe: _Probe, wish: Wish) -> None:
        changes = {"wish": wish, "version": probe.said.version + 1, "task": None}
        probe.said, probe.revision = probe.said.model_copy(update=changes), self._next()
        if wish is Wish.CANCEL:
            probe.state = JobState.CANCELING

    def _stage(self, answer: _Staged) -> str:
        name = new_id()
        self._staged[name] = answer
        return name

    # ------------------------------------------------------------------ what the agent asks

    def _retried(self, name: str, call: Call, kind: type[A]) -> A:
        del call, kind
        raise UnavailableError("hub_unavailable", f"The hub is played here, and takes no call {name!r}.")

    def _frame(self) -> dict[str, Any]:
        return {"connector_id": self._who.connector_id, "expires_at": self._clock() + _LIFE}

    def poll(self, call: PollCall) -> PollAnswer:
        """What is wished since a revision; an answer that is to be refused is refused as the client refuses it."""
        for staged in self._staged.values():
            if staged.told is not None and staged.asked is None:
                staged.asked = call.revision
        news = sorted(
            (p for p in self._probes.values() if p.revision > call.revision), key=lambda probe: probe.revision
        )
        instructions = tuple(probe.said for probe in news)
        answer = PollAnswer(**self._frame(), revision=self._revision, instructions=instructions)
        wrong = next((staged for staged in self._staged.values() if staged.told is None), None)
        if wrong is not None and (instructions or wrong.protocol is None):
            wrong.told = answer.revision
            said = {
                "instructions": (*instructions, *wrong.instructions),
                "protocol": wrong.protocol or PROTOCOL_VERSION,
            }
            answer = answer.model_copy(update=said)
        check_envelope(answer, self._who.connector_id, self._clock())
        return answer

    def report(self, call: ReportCall) -> ReportAnswer:
        """Keep what is told of each attempt."""
        return ReportAnswer(**self._frame(), attempts=tuple(self._take(item) for item in call.attempts))

    def _take(self, item: AttemptReport) -> ItemAnswer:
        probe = self._probes.get(item.attempt_id)
        if probe is None or item.token != probe.said.token:
            return ItemAnswer(attempt_id=item.attempt_id, verdict=Verdict.STALE, reason="another attempt is current")
        if probe.state in ENDED or (probe.last is not None and item.version <= probe.last.version):
            return ItemAnswer(attempt_id=item.attempt_id, verdict=Verdict.KNOWN)
        probe.last = item
        is_ending = probe.state is JobState.CANCELING and item.state not in ENDED
        probe.state = probe.state if is_ending else item.state
        if probe.state in ENDED:
            self._wish(probe, Wish.FORGET)
        return ItemAnswer(attempt_id=item.attempt_id, verdict=Verdict.TAKEN)

    def usage(self, call: UsageCall) -> UsageAnswer:
        """Keep the segments of a batch that is signed by the connector's key. Raises CryptoError."""
        verify_document(call.batch.model_dump(mode="json"), call.signature, self._who.keypair.public, typ=USAGE_TYPE)
        return UsageAnswer(**self._frame(), segments=tuple(self._segment(part) for part in call.batch.segments))

    def _segment(self, part: UsageSegment) -> ItemAnswer:
        known = self._probes[part.attempt_id].segments.setdefault(part.sequence, part)
        verdict = Verdict.TAKEN if known == part else Verdict.REFUSED
        return ItemAnswer(attempt_id=part.attempt_id, verdict=verdict)

    def inventory(self, call: InventoryCall) -> InventoryAnswer:
        """Nothing is published anywhere."""
        return InventoryAnswer(**self._frame(), changed=len(call.inventory.shares))

    def log(self, call: LogCall) -> LogAnswer:
        """Append what is new."""
        probe, data = self._probes[call.attempt_id], base64.b64decode(call.data)
        stream = probe.logs[call.stream]
        fresh = data[len(stream) - call.offset :] if call.offset <= len(stream) else b""
        probe.pieces += bool(fresh) and call.stream == "stdout"
        stream += fresh
        return LogAnswer(**self._frame(), length=len(stream))

    def output(self, call: OutputCall) -> DoneAnswer:
        """Its probes bring none."""
        raise InvalidError("field_invalid", f"No output {call.path!r} was asked for.", field="path")

    def fetch_object(self, call: ObjectCall) -> ObjectAnswer:
        """Its probes have none."""
        raise NotFoundError("not_found", f"There is no object {call.sha256}.", field="sha256")
