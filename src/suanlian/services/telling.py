"""Telling the end of a job to an address that its owner chose: what is told, signed, to whom, how often it is tried.

Told is a CloudEvent (1.0, structured JSON): who gets it learns what ``suanlian show`` says of the end, nothing that the
job wrote. What the receiver answers is seen by nobody: a status is all that is kept.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from suanlian.crypto.errors import SealError
from suanlian.crypto.sealing import open_at_rest
from suanlian.crypto.webhooks import signature_headers
from suanlian.model.errors import InvalidError
from suanlian.model.job import JobSpec
from suanlian.model.secret import AT_REST, bound_to
from suanlian.rules.addresses import refused_address
from suanlian.services.ports import Aside, Node, Secrets
from suanlian.store import edges, jobs, secrets
from suanlian.store.unit import Row, Unit

EVENT_TYPE: Final = "suanlian.job.ended"
CONTENT_TYPE: Final = "application/cloudevents+json"
MIN_SECRET_BYTES: Final = 32
"""A shorter one could be guessed offline from one signed delivery."""
WAITS: Final = (10, 60, 300, 1800, 7200)
"""Seconds before each further try; after the last it is given up."""
_USUAL_PORTS: Final = {"http": 80, "https": 443}
DELIVERED, WAITING = "delivered", "waiting"


@dataclass(frozen=True, slots=True)
class Told:
    """One end that is to be told: the consequence's row, where to, and what."""

    row: Row
    job_id: str
    account_id: str
    url: str
    event_id: str
    body: bytes
    secret: str | None
    """The secret's name."""
    sealed: str | None
    """The secret as it is kept."""


def check(spec: JobSpec, allowed: frozenset[str]) -> None:
    """Refuse an address that can be seen to be none. Raises InvalidError ``input_origin_refused``."""
    if spec.webhook is None:
        return
    reason = refused_url(spec.webhook.url, allowed)
    if reason:
        wrong = f"The end of a job is not told to this address: {reason}."
        todo = "Give a public address with the usual port; the operator can list another origin."
        raise InvalidError("input_origin_refused", wrong, todo=todo, field="webhook.url")


def refused_url(url: str, allowed: frozenset[str]) -> str:
    """Why an address, as written, is no receiver; empty when it may be one."""
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        return "it holds a password"
    if origin(url) in allowed:
        return ""
    if (parts.port or _USUAL_PORTS.get(parts.scheme)) != _USUAL_PORTS.get(parts.scheme):
        return "its port is not the usual one"
    reason = refused_address(parts.hostname or "")
    return "" if reason is None else f"it is {reason}"


def origin(url: str) -> str:
    """``scheme://host:port`` as written, in lower case, without the usual port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower().removesuffix(f":{_USUAL_PORTS.get(parts.scheme)}")


def due(unit: Unit, node: Node, aside: Aside, limit: int) -> list[Told]:
    """Ends to be told now, the longest due first."""
    rows = edges.owed(unit, edges.WEBHOOK, limit, jobs=aside.jobs, accounts=aside.accounts)
    return [_told(unit, node, row, job) for row in rows if (job := jobs.by_id(unit, row["job_id"])) is not None]


def _told(unit: Unit, node: Node, row: Row, job: Row) -> Told:
    hook = JobSpec.model_validate_json(job["spec"]).webhook
    name = None if hook is None else hook.secret
    kept = None if name is None else secrets.find(unit, job["account_id"], name)
    event = event_of(node, job)
    return Told(
        row=row,
        job_id=job["id"],
        account_id=job["account_id"],
        url="" if hook is None else hook.url,
        event_id=str(event["id"]),
        body=json.dumps(event, ensure_ascii=False).encode(),
        secret=name,
        sealed=None if kept is None else kept["sealed"],
    )


def event_of(node: Node, job: Row) -> dict[str, object]:
    """The end of a job as a CloudEvent. Its id is the same at each try."""
    ended = job["ended_at"]
    data = {
        "id": job["id"],
        "public_id": job["public_id"],
        "name": job["name"],
        "state": job["state"],
        "tally": json.loads(job["tally"]),
        "tasks": job["tasks"],
        "reason": job["reason"],
        "created_at": job["created_at"].isoformat(),
        "ended_at": ended.isoformat(),
    }
    return {
        "specversion": "1.0",
        "id": f"{job['id']}-ended",
        "source": f"{node.url}/v1/jobs",
        "type": EVENT_TYPE,
        "subject": job["public_id"],
        "time": ended.isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }


def signed(told: Told, node: Node, own: Secrets, clock: Callable[[], datetime]) -> Mapping[str, str] | str:
    """The headers of a delivery now; or why there is none, in a word that its owner may read."""
    secret = None
    if told.secret is not None:
        if told.sealed is None:
            return "its secret was removed"
        try:
            secret = open_at_rest(told.sealed, own.at_rest, AT_REST, bound_to(told.account_id, told.secret))
        except SealError:
            return "its secret cannot be read"
        if len(secret) < MIN_SECRET_BYTES:
            return f"its secret has fewer than {MIN_SECRET_BYTES} bytes"
    headers = signature_headers(told.event_id, clock(), told.body, keypair=node.keypair, secret=secret)
    return {**headers, "Content-Type": CONTENT_TYPE, "User-Agent": "suanlian-webhook"}


def settle(unit: Unit, told: Told, outcome: str, *, final: bool) -> None:
    """What became of a try: it is over, or owed again after a while, a bounded number of times."""
    job = jobs.lock(unit, told.row["job_id"])
    tries = int(told.row["tries"])
    over = final or tries >= len(WAITS)
    if over:
        edges.done(unit, told.row["job_id"], edges.WEBHOOK)
    else:
        edges.owe_again(unit, told.row, unit.now + timedelta(seconds=WAITS[tries]))
    if job is not None:
        jobs.change(unit, job["id"], {"webhook": outcome if over else f"{WAITING}: {outcome}"})
