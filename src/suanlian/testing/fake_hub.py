"""The connector's side of a hub, in this process: a real HTTP server on loopback, real signatures, and every mischief.

It keeps what connectors bring, hands out what the test wishes, and can lose, double, forge, replay and age its answers.
"""

import base64
import hashlib
import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

from suanlian.crypto.canonical import digest
from suanlian.crypto.documents import verify_document
from suanlian.crypto.errors import CryptoError
from suanlian.crypto.httpsig import SignedRequest, SignedResponse, Signer, sign_response, verify_request
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.crypto.sealing import SealingKey, seal_to
from suanlian.model.descriptor import DescriptorAnswer, DescriptorCall
from suanlian.model.ids import AttemptId, ConnectorId, HubId, PlatformId, new_id
from suanlian.model.load import ShareLoad
from suanlian.model.node import NodeAbout
from suanlian.model.owner import JoinLevel
from suanlian.model.platform import Drain
from suanlian.model.protocol import AttemptReport as Report
from suanlian.model.protocol import (
    CheckpointCall,
    CheckpointWholeCall,
    DoneAnswer,
    EnrolAnswer,
    EnrolCall,
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
    SecretsAnswer,
    SecretsCall,
    UsageAnswer,
    UsageCall,
    Verdict,
)
from suanlian.model.secret import SecretContents
from suanlian.model.usage import USAGE_TYPE, UsageSegment
from suanlian.testing.fake_data import FakeData

_LIFETIME: Final = timedelta(seconds=60)


class Mischief(StrEnum):
    """What can happen to an answer. The call itself was taken, but for REFUSED and BROKEN."""

    LOST = "lost"
    """It never arrives."""
    WRONG_KEY = "wrong-key"
    UNSIGNED = "unsigned"
    REPLAYED = "replayed"
    """It is the answer to the call before, word for word."""
    OTHER_CONNECTOR = "other-connector"
    EXPIRED = "expired"
    CHANGED = "changed"
    """A byte of the body is another."""
    REDIRECTED = "redirected"
    BROKEN = "broken"
    """503, signed."""
    REFUSED = "refused"
    """422, signed."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    headers: dict[str, str]


class FakeHub:
    """What it was told stands in public attributes; ``wish`` and ``mischief`` script what comes next."""

    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Prepare; `with` starts the server on a free port of 127.0.0.1."""
        self.clock = clock
        self.keypair = KeyPair.generate()
        self.id, self.platform_id = HubId(new_id()), PlatformId(new_id())
        self.platform = "p1"
        self.tokens = {"jt_good"}
        self.connectors: dict[str, PublicKey] = {}
        self.wishes: list[Instruction] = []
        self.accepting: list[bool] = []
        self.levels: list[JoinLevel] = []
        self.drains: list[Drain | None] = []
        self.gone: list[AttemptId] = []
        self.loads: dict[str, list[ShareLoad]] = defaultdict(list)
        self.reports: dict[str, list[Report]] = defaultdict(list)
        self.verdicts: dict[str, Verdict] = {}
        self.logs: dict[tuple[str, str], bytearray] = defaultdict(bytearray)
        self.outputs: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.objects: dict[str, bytes] = {}
        self.checkpoints: dict[str, list[dict[str, bytes]]] = defaultdict(list)
        """By attempt: every whole set, file by file."""
        self._pieces: dict[str, dict[str, bytearray]] = defaultdict(lambda: defaultdict(bytearray))
        self.secrets: dict[str, dict[str, str]] = defaultdict(dict)
        """By attempt: what each secret says, by name."""
        self.segments: dict[str, dict[int, UsageSegment]] = defaultdict(dict)
        self.inventories: list[InventoryCall] = []
        self.descriptors: list[DescriptorCall] = []
        self.calls: list[str] = []
        self.faults: list[str] = []
        """What a connector did that no connector may do."""
        self._mischief: dict[str, deque[Mischief]] = defaultdict(deque)
        self._nonces: set[str] = set()
        self._last: _Answer | None = None
        self._news = threading.Condition()
        self.data = FakeData(self._news, self.faults)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _door(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        """Start to listen."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; nothing outlives it."""
        with self._news:
            self._news.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def know(self, keypair: KeyPair) -> ConnectorId:
        """Enrol a connector without asking."""
        connector_id = ConnectorId(new_id())
        self.connectors[connector_id] = keypair.public
        return connector_id

    def wish(self, *said: Instruction) -> None:
        """Wish this from the next poll on; the same instruction may be wished again."""
        with self._news:
            self.wishes.extend(said)
            self._news.notify_all()

    def mischief(self, name: str, *what: Mischief) -> None:
        """Let this happen to the next answers of a call (``poll``, ``report`` ...), one after another."""
        self._mischief[name].extend(what)

    def last(self, attempt_id: AttemptId) -> Report:
        """The report with the highest version that it has of an attempt."""
        return max(self.reports[attempt_id], key=lambda report: report.version)

    # ------------------------------------------------------------------ the calls

    def about(self) -> bytes:
        """Who it is."""
        said = NodeAbout(
            hub_id=self.id, public_id="", name="fake", prefix="CN", provisional=True,
            public_key=self.keypair.public_text, protocol=1, version="0",
        )  # fmt: skip
        return said.model_dump_json().encode()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> _Answer | None:
        """Take a call; None when the answer is lost on its way."""
        name = path.removeprefix("/connector/v1/")
        self.calls.append(name)
        verified = verify_request(
            SignedRequest("POST", self.url + path, headers, body),
            self._key_of,
            audience=self.keypair.key_id,
            now=self.clock(),
        )
        if verified.nonce in self._nonces:
            self.faults.append(f"{name}: a nonce came twice")
        self._nonces.add(verified.nonce)
        what = self._mischief[name].popleft() if self._mischief[name] else None
        if what in _STATUS:
            status = _STATUS[what]
            problem = {"type": "about:blank", "title": "no", "status": status, "code": "field_invalid", "detail": "no"}
            return self._signed(_Answer(status, json.dumps(problem).encode(), {}), verified.nonce, self.keypair)
        said = self._take(name, verified.keyid, body)
        return self._sent(said, verified.nonce, what)

    def _key_of(self, keyid: str) -> PublicKey | None:
        return PublicKey.parse(keyid) if keyid.startswith("ed25519:") else self.connectors.get(keyid)

    def _sent(self, said: Envelope, nonce: str, what: Mischief | None) -> _Answer | None:
        if what is Mischief.LOST:
            return None
        if what is Mischief.OTHER_CONNECTOR:
            said = said.model_copy(update={"connector_id": ConnectorId(new_id())})
        if what is Mischief.EXPIRED:
            said = said.model_copy(update={"expires_at": self.clock() - timedelta(hours=1)})
        keypair = KeyPair.generate() if what is Mischief.WRONG_KEY else self.keypair
        made = self._signed(_Answer(200, said.model_dump_json().encode(), {}), nonce, keypair)
        before, self._last = self._last, made
        if what is Mischief.REPLAYED and before is not None:
            return before
        if what is Mischief.UNSIGNED:
            return _Answer(200, made.body, {})
        if what is Mischief.CHANGED:
            return _Answer(200, made.body + b" ", made.headers)
        if what is Mischief.REDIRECTED:
            return _Answer(307, b"", {"Location": self.url + "/connector/v1/poll"})
        return made

    def _signed(self, answer: _Answer, nonce: str, keypair: KeyPair) -> _Answer:
        headers = {"Content-Type": "application/json"}
        said = SignedResponse(answer.status, headers, answer.body)
        signature = sign_response(said, Signer(keypair, keypair.key_id), request_nonce=nonce, now=self.clock())
        return _Answer(answer.status, answer.body, headers | signature)

    def _take(self, name: str, keyid: str, body: bytes) -> Envelope:
        envelope: dict[str, Any] = {"connector_id": keyid, "expires_at": self.clock() + _LIFETIME}
        if name.startswith("data/"):
            return self.data.take(name, body, envelope)
        takers: dict[str, Callable[[bytes, dict[str, Any]], Envelope]] = {
            "enrol": self._enrol,
            "poll": self._poll,
            "report": self._report,
            "usage": self._usage,
            "inventory": self._inventory,
            "descriptor": self._descriptor,
            "logs": self._log,
            "outputs": self._output,
            "objects": self._object,
            "checkpoint": self._checkpoint,
            "checkpoint-whole": self._whole,
            "secrets": self._sealed,
        }
        return takers[name](body, envelope)

    def _enrol(self, body: bytes, envelope: dict[str, Any]) -> Envelope:
        call = EnrolCall.model_validate_json(body)
        if call.token not in self.tokens:
            self.faults.append("an unknown join token")
        envelope["connector_id"] = ConnectorId(new_id())
        self.connectors[envelope["connector_id"]] = PublicKey.parse(call.public_key)
        return EnrolAnswer(
            **envelope, platform_id=self.platform_id, platform=self.platform, hub_id=self.id, hub_name="fake",
            hub_public_key=self.keypair.public_text,
        )  # fmt: skip

    def _poll(self, body: bytes, envelope: dict[str, Any]) -> Envelope:
        call = PollCall.model_validate_json(body)
        with self._news:
            self._news.wait_for(lambda: len(self.wishes) > call.revision, timeout=call.wait_s)
            news = tuple(self.wishes[call.revision :])
            return PollAnswer(**envelope, revision=len(self.wishes), instructions=news)

    def _report(self, body: bytes, envelope: dict[str, Any]) -> Envelope:
        call = ReportCall.model_validate_json(body)
        self.accepting.append(call.accepting)
        self.levels.append(call.level)
        self.drains.append(call.drain)
        self.gone.extend(call.gone)
        for load in call.loads:
            self.loads[load.share].append(load)
        return ReportAnswer(**envelope, attempts=tuple(self._item(report) for report in call.attempts))

    def _item(self, report: Report) -> ItemAnswer:
        known = self.reports[report.attempt_id]
        verdict = self.verdicts.get(report.attempt_id)
        if verdict is None:
            verdict = Verdict.KNOWN if any(report.version <= old.version for old in known) else Verdict.TAKEN
        if any(report.version == old.version and report != old for old in known):
            self.faults.append(f"two reports with version {report.version}")
        known.append(report)
        return ItemAnswer(attempt_id=report.attempt_id, verdict=verdict)

    def _usage(self, body: bytes, envelope: dict[str, Any]) -> Envelope:
        call = UsageCall.model_validate_json(body)
        try:
            key = self.connectors[call.batch.connector_id]
            verify_document(call.batch.model_dump(mode="json"), call.signature, key, typ=USAGE_TYPE)
        except CryptoError as error:
            self.faults.append(f"usage: {error}")
        return UsageAnswer(**envelope, segments=tuple(self._segment(segment) for segment in call.batch.segments))

    def _segment(self, segment: UsageSegment) -> ItemAnswer:
        known = self.segments[segment.attempt_id].setdefault(segment.sequence, segment)
        if known != segment:
            self.faults.append(f"segment {segment.sequence} of {segment.attempt_id} came with other content")
        return ItemAnswer(attempt_id=segment.attempt_id, verdict=Verdict.TAKEN)

    def _inventory(self, body: bytes, envelope: dict[str, Any]) -> Envelope:
        self.inventories.append(InventoryCall.model_validate_json(body))
        return InventoryAnswer(**envelope, changed=1)

    def _descriptor(self, body: bytes, envelope: dict[str, Any]) -> Envelope:
        call = DescriptorCall.model_validate_json(body)
        if call.descriptor is not None:
            self.descriptors.append(call)
        last = self.descriptors[-1].descriptor if self.descriptors else None
        if last is not None:
            envelope |= {"version": last.version, "digest": digest(last.model_dump(mode="json"))}
        return DescriptorAnswer(**envelope, identifier="CN-P-FAKE", entity="CN-E-FAKE", issuer="CN")

    def _log(self, body: bytes, envelope: dict[str, Any]) -> Envelope:
        call = LogCall.model_validate_json(body)
        log, data = self.logs[call.attempt_id, call.stream], base64.b64decode(call.data)
        if call.offset <= len(log):
            log += data[len(log) - call.offset :]
        return LogAnswer(**envelope, length=len(log))

    def _output(self, body: bytes, envelope: dict[str, Any]) -> Envelope:
        call = OutputCall.model_validate_json(body)
        self.outputs[call.attempt_id][call.path] = base64.b64decode(call.data)
        return DoneAnswer(**envelope)

    def _object(self, body: bytes, envelope: dict[str, Any]) -> Envelope:
        call = ObjectCall.model_validate_json(body)
        data = self.objects[call.sha256][call.start :]
        return ObjectAnswer(**envelope, data=base64.b64encode(data[: call.length or None]).decode())

    def _checkpoint(self, body: bytes, envelope: dict[str, Any]) -> Envelope:
        call = CheckpointCall.model_validate_json(body)
        self._pieces[call.set_id][call.path] += base64.b64decode(call.data)
        return DoneAnswer(**envelope)

    def _whole(self, body: bytes, envelope: dict[str, Any]) -> Envelope:
        call = CheckpointWholeCall.model_validate_json(body)
        held = {file.path: bytes(self._pieces[call.set_id][file.path]) for file in call.files}
        if any(hashlib.sha256(held[file.path]).hexdigest() != file.sha256 for file in call.files):
            self.faults.append(f"a checkpoint of {call.attempt_id} is not what it says")
        self.checkpoints[call.attempt_id].append(held)
        return DoneAnswer(**envelope)

    def _sealed(self, body: bytes, envelope: dict[str, Any]) -> Envelope:
        call = SecretsCall.model_validate_json(body)
        said = {name: base64.b64encode(text.encode()).decode() for name, text in self.secrets[call.attempt_id].items()}
        bound = {"attempt": call.attempt_id, "token": str(call.token), "connector": envelope["connector_id"]}
        key = SealingKey.parse(self.inventories[-1].sealing_key)
        content = SecretContents(values=said).model_dump_json().encode()
        return SecretsAnswer(**envelope, sealed=seal_to(content, key, "suanlian-secrets-of-attempt", bound))


_STATUS: Final[dict[Mischief | None, int]] = {Mischief.BROKEN: 503, Mischief.REFUSED: 422}


def _door(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet: in two, each answer would wait 40 ms for an acknowledgement

        def do_GET(self) -> None:
            self._write(_Answer(200, hub.about(), {"Content-Type": "application/json"}))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                answer = hub.answer(self.path, dict(self.headers), body)
            except (CryptoError, KeyError, ValueError) as error:
                hub.faults.append(f"{self.path}: {error}")
                answer = _Answer(401, str(error).encode(), {})
            if answer is None:
                self.close_connection = True
                return
            self._write(answer)

        def _write(self, answer: _Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
            """Say nothing: a test that fails says what it missed."""

    return Door
