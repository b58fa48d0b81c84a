"""The connector's side of the protocol: each call signed, each answer believed only if the pinned hub signed it.

An answer counts when all of this holds: the signature is by the key pinned at enrolment, over status, digest and the
nonce of this very call; it is in its time; its envelope names this connector and has not expired; the version is ours.
Whatever fails that test changes nothing here and is ``UntrustedError``; it passes, the real hub may answer next time.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

import httpx2
import stamina

from suanlian.crypto.errors import CryptoCode, SignatureError
from suanlian.crypto.httpsig import (
    DEFAULT_SKEW_S,
    SignedRequest,
    SignedResponse,
    Signer,
    sign_request,
    verify_response,
)
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.model.audit import AuditAnswer, AuditCall
from suanlian.model.base import Wire
from suanlian.model.data_protocol import (
    MAX_SEALED_GRANT_CHARS,
    DataFilesAnswer,
    DataFilesCall,
    DataGrantsAnswer,
    DataGrantsCall,
    DataPollAnswer,
    DataPollCall,
    DataReportAnswer,
    DataReportCall,
)
from suanlian.model.descriptor import DescriptorAnswer, DescriptorCall
from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.model.ids import ConnectorId
from suanlian.model.lending import (
    LendAnswer,
    LendCall,
    LendConfirmCall,
    LentAnswer,
    LentCall,
    LentCancelCall,
    LentLogAnswer,
    LentLogCall,
    LentOutputAnswer,
    LentOutputCall,
)
from suanlian.model.lineage import NodeKeys
from suanlian.model.measurement import MeasurementAnswer, MeasurementCall
from suanlian.model.node import NodeAbout
from suanlian.model.protocol import (
    PROTOCOL_VERSION,
    Call,
    CheckpointCall,
    CheckpointWholeCall,
    DoneAnswer,
    EnrolAnswer,
    EnrolCall,
    Envelope,
    InventoryAnswer,
    InventoryCall,
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
)
from suanlian.model.rekey import (
    DelegationAnswer,
    DelegationCall,
    RecoverCall,
    RekeyAnswer,
    RekeyCall,
)
from suanlian.model.report import ReportUpAnswer, ReportUpCall
from suanlian.sdk.transport import CONNECT_TIMEOUT_S, Clock, Reply, UncertifiedError, exchange, refusal

A = TypeVar("A", bound=Envelope)
W = TypeVar("W", bound=Wire)

MAX_ANSWER_BYTES: Final = 1024 * 1024
MAX_POLL_BYTES: Final = 128 * 1024 * 1024
"""200 instructions with specs of half a mebibyte each, and their frames."""
MAX_OBJECT_BYTES: Final = 23 * 1024 * 1024
"""16 MiB in base64, and its frame."""
MAX_DATA_BYTES: Final = 16 * 1024 * 1024
"""All open tasks with their windows, or a page of a manifest."""
ANSWER_TIMEOUT_S: Final = 30.0
_OK: Final = 200
_ENTERING: Final = frozenset({"enrol", "recover"})
_NONCE_BYTES: Final = 24
_JSON: Final = "application/json"


class UntrustedError(UnavailableError):
    """An answer that the pinned hub did not give to this call; nothing of it was used."""


@dataclass(frozen=True, slots=True)
class Departure:
    """What is about to leave this machine: the path called and the body, byte for byte."""

    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call that failed in passing is made again, and how long between (seconds, with jitter)."""

    attempts: int = 3
    first_wait_s: float = 0.2
    longest_wait_s: float = 2.0

    def caller(self) -> stamina.RetryingCaller:
        """The retries as stamina does them."""
        first, longest = self.first_wait_s, self.longest_wait_s
        return stamina.RetryingCaller(
            attempts=self.attempts, timeout=None, wait_initial=first, wait_max=longest, wait_jitter=first
        )


@dataclass(frozen=True, slots=True)
class Link:
    """One hub and who calls it: ``keyid`` is the connector id, at enrolment the public key's text."""

    url: str
    hub_key: PublicKey
    keypair: KeyPair
    keyid: str


def random_nonce() -> str:
    """A fresh nonce of 192 random bits."""
    return secrets.token_urlsafe(_NONCE_BYTES)


def keep_nothing(_departure: Departure) -> None:
    """Journal nothing; for callers who keep no journal of what they send."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the client works with; ``on_send`` sees every try of every call before it leaves."""

    http: httpx2.Client
    clock: Clock
    on_send: Callable[[Departure], None] = keep_nothing
    patience: Patience = Patience()
    nonce: Callable[[], str] = random_nonce


class ConnectorClient:
    """The calls of protocol 1.

    Each may be repeated: the hub takes a doubled call as one. Raises UnavailableError when the hub is not there,
    its subclass UntrustedError when the answer is not the pinned hub's, and the error of a signed refusal.
    """

    def __init__(self, link: Link, means: Means) -> None:
        """Speak over ``link`` by ``means``."""
        self._link = link
        self._means = means
        self.hub_has_moved = False
        """Whether the hub said, or seemed to say, that it has another key than the one that is pinned."""

    @property
    def keypair(self) -> KeyPair:
        """The key that signs the calls."""
        return self._link.keypair

    def relink(self, *, hub_key: PublicKey | None = None, keypair: KeyPair | None = None) -> None:
        """Sign by another key, or trust another key of the hub's, from the next call on."""
        link = self._link
        self._link = replace(link, hub_key=hub_key or link.hub_key, keypair=keypair or link.keypair)

    def hub_keys(self) -> NodeKeys:
        """The documents of the hub's keys; unsigned as an answer, because each of them proves itself."""
        url = self._link.url.rstrip("/") + "/v1/node/keys"
        self._means.on_send(Departure("/v1/node/keys", b""))
        request = self._means.http.build_request("GET", url, timeout=ANSWER_TIMEOUT_S)
        reply = exchange(self._means.http, request, max_bytes=MAX_ANSWER_BYTES)
        if reply.status != _OK:
            raise refusal(reply)
        return _parsed(reply.body, NodeKeys)

    def rekey(self, call: RekeyCall) -> RekeyAnswer:
        """Introduce the next key, by the one in use."""
        return self._retried("rekey", call, RekeyAnswer)

    def recover(self, call: RecoverCall) -> EnrolAnswer:
        """Take a connector up with a fresh key, which signs this call."""
        return self._retried("recover", call, EnrolAnswer)

    def delegation(self, call: DelegationCall) -> DelegationAnswer:
        """What leads from the root to us, a hub below."""
        return self._retried("delegation", call, DelegationAnswer)

    def enrol(self, call: EnrolCall) -> EnrolAnswer:
        """Enter with a join token. Raises UntrustedError when the answer states another key than the pinned one."""
        answer = self._retried("enrol", call, EnrolAnswer)
        if answer.hub_public_key != self._link.hub_key.text:
            raise _untrusted("the hub states another key than the one that is pinned")
        return answer

    def poll(self, call: PollCall) -> PollAnswer:
        """Ask what should be true; waits up to ``call.wait_s``. Made once: whoever polls comes again anyway."""
        return self._call("poll", call, PollAnswer)

    def report(self, call: ReportCall) -> ReportAnswer:
        """Report what is true."""
        return self._retried("report", call, ReportAnswer)

    def usage(self, call: UsageCall) -> UsageAnswer:
        """Hand in a signed batch of usage."""
        return self._retried("usage", call, UsageAnswer)

    def inventory(self, call: InventoryCall) -> InventoryAnswer:
        """Publish what the platform has."""
        return self._retried("inventory", call, InventoryAnswer)

    def descriptor(self, call: DescriptorCall) -> DescriptorAnswer:
        """Register a descriptor, or ask what is registered."""
        return self._retried("descriptor", call, DescriptorAnswer)

    def lend(self, call: LendCall) -> LendAnswer:
        """Offer a job that is held at home."""
        return self._retried("lend", call, LendAnswer)

    def lend_confirm(self, call: LendConfirmCall) -> LendAnswer:
        """It cannot begin at home: place it."""
        return self._retried("lend-confirm", call, LendAnswer)

    def lent(self, call: LentCall) -> LentAnswer:
        """What has become of what was lent."""
        return self._retried("lent", call, LentAnswer)

    def lent_cancel(self, call: LentCancelCall) -> LendAnswer:
        """Take an offer back, or end a lent job."""
        return self._retried("lent-cancel", call, LendAnswer)

    def lent_log(self, call: LentLogCall) -> LentLogAnswer:
        """Bytes of a lent job's output."""
        return self._retried("lent-log", call, LentLogAnswer)

    def lent_output(self, call: LentOutputCall) -> LentOutputAnswer:
        """One output file of a lent job."""
        return self._retried("lent-output", call, LentOutputAnswer)

    def log(self, call: LogCall) -> LogAnswer:
        """Append bytes of a stream. Made once: the next round starts from where the hub stands."""
        return self._call("logs", call, LogAnswer)

    def output(self, call: OutputCall) -> DoneAnswer:
        """Bring one output file back."""
        return self._retried("outputs", call, DoneAnswer)

    def checkpoint(self, call: CheckpointCall) -> DoneAnswer:
        """Send a piece of a checkpoint."""
        return self._retried("checkpoint", call, DoneAnswer)

    def checkpoint_whole(self, call: CheckpointWholeCall) -> DoneAnswer:
        """Say that all of a checkpoint is sent."""
        return self._retried("checkpoint-whole", call, DoneAnswer)

    def fetch_object(self, call: ObjectCall) -> ObjectAnswer:
        """Get an uploaded input."""
        return self._retried("objects", call, ObjectAnswer)

    def secrets(self, call: SecretsCall) -> SecretsAnswer:
        """Get the secrets of an attempt's job, sealed to the key that was published."""
        return self._retried("secrets", call, SecretsAnswer)

    def measurements(self, call: MeasurementCall) -> MeasurementAnswer:
        """Hand in what was measured here."""
        return self._retried("measurements", call, MeasurementAnswer)

    def supervision(self, call: ReportUpCall) -> ReportUpAnswer:
        """Hand a supervision report to the hub above."""
        return self._retried("supervision", call, ReportUpAnswer)

    def audit(self, call: AuditCall) -> AuditAnswer:
        """Hand a head of the audit log to the hub above, or ask which one it holds."""
        return self._retried("audit", call, AuditAnswer)

    def data_poll(self, call: DataPollCall) -> DataPollAnswer:
        """Ask what should be done with storage; waits up to ``call.wait_s``. Made once, as ``poll``."""
        return self._call("data/poll", call, DataPollAnswer)

    def data_report(self, call: DataReportCall) -> DataReportAnswer:
        """Report how far tasks of storage are."""
        return self._retried("data/report", call, DataReportAnswer)

    def data_files(self, call: DataFilesCall) -> DataFilesAnswer:
        """Ask for a page of a manifest, or tell one."""
        return self._retried("data/files", call, DataFilesAnswer)

    def data_grants(self, call: DataGrantsCall) -> DataGrantsAnswer:
        """Ask for a sealed page of a grant, or tell one."""
        return self._retried("data/grants", call, DataGrantsAnswer)

    def _retried(self, name: str, call: Call, kind: type[A]) -> A:
        return self._means.patience.caller()(_passes, self._call, name, call, kind)

    def _call(self, name: str, call: Call, kind: type[A]) -> A:
        nonce, path, link = self._means.nonce(), f"/connector/v1/{name}", self._link
        request = self._signed(link, path, call, nonce)
        self._means.on_send(Departure(path, request.content))
        reply = exchange(self._means.http, request, max_bytes=_most_bytes(name))
        self._check_signature(link, reply, nonce)
        if reply.status != _OK:
            raise refusal(reply)
        answer = _parsed(reply.body, kind)
        # before enrolment no identity is known that the answer could be held against
        expected = None if name in _ENTERING else ConnectorId(link.keyid)
        check_envelope(answer, expected, self._means.clock())
        if answer.hub_key and answer.hub_key != link.hub_key.key_id:
            self.hub_has_moved = True
        return answer

    def _signed(self, link: Link, path: str, call: Call, nonce: str) -> httpx2.Request:
        body = call.model_dump_json().encode()
        url, headers = link.url.rstrip("/") + path, {"Content-Type": _JSON}
        signer = Signer(link.keypair, link.keyid)
        said = SignedRequest("POST", url, headers, body)
        signature = sign_request(said, signer, audience=link.hub_key.key_id, now=self._means.clock(), nonce=nonce)
        wait_s = call.wait_s if isinstance(call, (PollCall, DataPollCall)) else 0
        timeout = httpx2.Timeout(ANSWER_TIMEOUT_S + wait_s, connect=CONNECT_TIMEOUT_S)
        return self._means.http.build_request("POST", url, headers=headers | signature, content=body, timeout=timeout)

    def _check_signature(self, link: Link, reply: Reply, nonce: str) -> None:
        said = SignedResponse(reply.status, reply.headers, reply.body)
        pinned = link.hub_key
        try:
            verify_response(said, lambda _keyid: pinned, request_nonce=nonce, now=self._means.clock())
        except SignatureError as error:
            # it may have another key now: its documents tell, whoever it was that answered
            self.hub_has_moved = True
            raise _distrust(error, reply) from error


def about(client: httpx2.Client, url: str) -> NodeAbout:
    """Who the hub at ``url`` says it is; unsigned, so a person compares a key read here before it is pinned."""
    request = client.build_request("GET", url.rstrip("/") + "/v1/node", timeout=ANSWER_TIMEOUT_S)
    reply = exchange(client, request, max_bytes=MAX_ANSWER_BYTES)
    if reply.status != _OK:
        raise refusal(reply)
    return _parsed(reply.body, NodeAbout)


def check_envelope(answer: Envelope, connector_id: ConnectorId | None, now: datetime) -> None:
    """Refuse an answer that is meant for another connector, is too old, or speaks another version."""
    if connector_id is not None and answer.connector_id != connector_id:
        raise _untrusted(f"the answer is meant for connector {answer.connector_id}")
    if answer.expires_at + timedelta(seconds=DEFAULT_SKEW_S) <= now:
        raise _untrusted(f"the answer expired at {answer.expires_at.isoformat()}", code="signature_expired")
    if answer.protocol < PROTOCOL_VERSION:
        raise SuanlianError(
            "protocol_downgrade",
            f"The hub speaks protocol {answer.protocol}, and spoke {PROTOCOL_VERSION} before.",
            todo="If the hub was not put back on purpose, ask its operator.",
        )
    if answer.protocol != PROTOCOL_VERSION:
        raise SuanlianError(
            "protocol_unsupported",
            f"The hub speaks protocol {answer.protocol}, this connector {PROTOCOL_VERSION}.",
            todo="Bring the older of the two up to date.",
        )


def _passes(error: Exception) -> bool:
    return isinstance(error, UnavailableError) and not isinstance(error, (UntrustedError, UncertifiedError))


def _most_bytes(name: str) -> int:
    return _MOST_BYTES.get(name, MAX_ANSWER_BYTES)


_MOST_BYTES: Final = {
    "poll": MAX_POLL_BYTES,
    "objects": MAX_OBJECT_BYTES,
    "lent-output": MAX_OBJECT_BYTES,
    "data/poll": MAX_DATA_BYTES,
    "data/files": MAX_DATA_BYTES,
    "data/grants": MAX_SEALED_GRANT_CHARS + MAX_ANSWER_BYTES,
}


def _parsed(body: bytes, kind: type[W]) -> W:
    try:
        return kind.model_validate_json(body)
    except ValueError as error:
        raise _untrusted(f"the answer is not a {kind.__name__}: {error}", code="field_invalid") from error


def _distrust(error: SignatureError, reply: Reply) -> UntrustedError:
    code = "signature_expired" if error.code == CryptoCode.SIGNATURE_EXPIRED.value else "signature_invalid"
    if reply.status == _OK:
        return _untrusted(error.message, code=code)
    said = refusal(reply)
    return _untrusted(
        f"it was HTTP status {reply.status}, unsigned or badly signed, saying {said.wrong!r}", code=said.code
    )


def _untrusted(why: str, *, code: str = "signature_invalid") -> UntrustedError:
    return UntrustedError(
        code,
        f"The answer is not believed: {why}.",
        todo="If the hub's key was changed on purpose, enrol again; else something stands between here and the hub.",
    )
