"""One of each thing that a hub answers to people, as documents, for tests of clients."""

from collections.abc import Mapping
from typing import Final

from suanlian.model.ids import SCHEME, Identifier, Kind

Document = dict[str, object]

UUID: Final = "019a0000-0000-7000-8000-000000000001"
MOMENT: Final = "2026-03-01T08:00:00.000000Z"
LATER: Final = "2026-03-01T08:00:30.500000Z"
DIGEST: Final = "0" * 64


def public_id(kind: Kind, uuid: str = UUID, prefix: str = "CN.YRD") -> str:
    """A well-formed public identifier."""
    return SCHEME.format(Identifier(prefix, kind, uuid))


def _with(document: Document, fields: Mapping[str, object]) -> Document:
    return {**document, **fields}


def spec(**fields: object) -> Document:
    """A job spec, as a file holds it."""
    document: Document = {
        "name": "pi",
        "resources": {"cpu": "0.5", "memory": "128MiB"},
        "variants": [{"architecture": "x86_64", "environment": "python", "command": ["python", "pi.py"]}],
    }
    return _with(document, fields)


def job(**fields: object) -> Document:
    """A job that is done."""
    document: Document = {
        "id": UUID,
        "public_id": public_id(Kind.JOB, str(fields.get("id", UUID))),
        "account_id": "a",
        "project_id": "p",
        "name": "pi",
        "state": "COMPLETE",
        "tally": {"COMPLETE": 1},
        "tasks": 1,
        "created_at": MOMENT,
        "ended_at": LATER,
    }
    return _with(document, fields)


def task(**attempt: object) -> Document:
    """A task with one attempt."""
    tried: Document = {
        "id": "t",
        "task_index": 0,
        "number": 1,
        "token": 1,
        "state": "COMPLETE",
        "platform": "wuhu",
        "site": "wuhu-1",
        "share": "open",
        "flavor": "slice",
        "architecture": "x86_64",
        "simulated": True,
        "created_at": MOMENT,
        "started_at": MOMENT,
        "ended_at": LATER,
        "outcome": {"exit_code": 0},
    }
    return {"index": 0, "state": "COMPLETE", "attempts": [_with(tried, attempt)]}


def explanation() -> Document:
    """One place that won."""
    candidate: Document = {
        "share_id": "s",
        "platform": "wuhu",
        "site": "wuhu-1",
        "share": "open",
        "flavor": "slice",
        "variant": 0,
        "architecture": "x86_64",
        "simulated": False,
        "terms": [{"term": "rent", "amount": "0.0125", "how": "0.5 core x 0.05 CNY/core-hour x 0.5 h"}],
        "cost": "0.0125",
    }
    return {"at": MOMENT, "candidates": [candidate], "winner": 0}


def charge(**fields: object) -> Document:
    """Half a core for an hour."""
    document: Document = {
        "id": "c",
        "account_id": "a",
        "project_id": "p",
        "platform_id": "w",
        "job_id": UUID,
        "attempt_id": "t",
        "sequence": 0,
        "kind": "cpu",
        "quantity": "0.5",
        "rate": "0.05",
        "cost": {"amount": "0.025", "currency": "CNY"},
        "offer": {"subject": "offer", "id": "o", "version": 3, "name": "open-cpu"},
        "simulated": False,
        "started_at": MOMENT,
        "ended_at": LATER,
        "written_at": LATER,
    }
    return _with(document, fields)


def platform(**fields: object) -> Document:
    """A live platform."""
    document: Document = {
        "id": UUID,
        "public_id": public_id(Kind.PLATFORM),
        "entity_id": "e",
        "name": "wuhu",
        "title": "Wuhu cluster",
        "title_zh": "芜湖集群",
        "state": "live",
        "applied_at": MOMENT,
        "state_since": MOMENT,
        "documents_at": MOMENT,
        "live_at": LATER,
    }
    return _with(document, fields)


def published(body: Document) -> Document:
    """A thing as published, in its second version."""
    return {
        "id": UUID,
        "public_id": public_id(Kind.SHARE),
        "platform_id": "w",
        "version": 2,
        "valid_from": MOMENT,
        "body": body,
    }


SITE: Final[Document] = {
    "name": "wuhu-1",
    "title_zh": "芜湖",
    "region": "340200",
    "green_share": "0.35",
    "latencies": [{"region": "310000", "one_way_ms": "4.5", "grade": "claimed"}],
}
FLAVOR: Final[Document] = {
    "name": "slice",
    "compute_class": "general",
    "architecture": "x86_64",
    "node": {"cpu": "2", "memory": "1GiB"},
    "performance": [{"precision": "FP64", "tera_per_s": "0.05", "grade": "self-measured"}],
    "simulated": True,
}
SHARE: Final[Document] = {
    "name": "open",
    "site": "wuhu-1",
    "flavor": "slice",
    "capacity": {"cpu": "4", "memory": "2GiB"},
}
OFFER: Final[Document] = {"name": "open-cpu", "share": "open", "rates": [{"kind": "cpu", "per_unit_hour": "0.05"}]}
CAPACITY: Final[Document] = {
    "share_id": "s",
    "platform": "wuhu",
    "site": "wuhu-1",
    "share": "open",
    "capacity": {"cpu": "4", "memory": "2GiB"},
    "used": {"cpu": "1", "memory": "512MiB"},
    "draining": False,
    "simulated": True,
}
STATES: Final[Document] = {
    "items": [
        {
            "share_id": UUID,
            "platform_id": "w",
            "platform": "wuhu",
            "share": "open",
            "level": "trade",
            "capacity": {"cpu": "4", "memory": "2GiB"},
            "in_use": {"cpu": "1", "memory": "512MiB"},
            "ours": {"cpu": "1"},
            "observed_at": MOMENT,
            "age_s": "200.4",
            "ttl_s": 90,
            "stale": True,
            "faulty": True,
        }
    ],
    "utilisation": {"cpu": "0.25", "fresh": 1, "shares": 2, "oldest_s": "12.0"},
}
CONNECTOR: Final[Document] = {
    "id": "k",
    "platform_id": "w",
    "name": "first",
    "public_key": "ed25519:abc",
    "revision": 7,
    "accepting": True,
    "enrolled_at": MOMENT,
}
PRINCIPAL: Final[Document] = {"id": "x", "name": "ling", "role": "buyer", "entity_id": "e", "account_id": "a"}
KEY: Final[Document] = {
    "prefix": "abc",
    "label": "nightly",
    "scopes": ["read", "jobs"],
    "created_at": LATER,
    "expires_at": LATER,
    "revoked_at": None,
}
LEFT: Final[Document] = {"core_hours": "10", "used": "2.5", "reserved": "1", "left": "6.5"}
ME: Final[Document] = {**PRINCIPAL, "entity": "anhui", "key": KEY, "allowance": LEFT}
INVITATION: Final[Document] = {"link": "iv_1", "entity": "anhui", "role": "buyer", "expires_at": LATER}
MINTED: Final[Document] = {"principal": PRINCIPAL, "key": "sl_abc_def", "expires_at": LATER}
ENTITY: Final[Document] = {
    "id": "e",
    "public_id": public_id(Kind.ENTITY),
    "name": "anhui",
    "title": "Anhui Compute",
    "created_at": MOMENT,
}
NODE: Final[Document] = {
    "hub_id": UUID,
    "public_id": public_id(Kind.HUB),
    "name": "yrd",
    "prefix": "CN.YRD",
    "provisional": False,
    "public_key": "ed25519:abc",
    "protocol": 1,
    "version": "0.1.0",
}
EVENT: Final[Document] = {
    "number": 1,
    "type": "job.ended",
    "subject": UUID,
    "actor": "x",
    "data": {"state": "COMPLETE"},
    "at": MOMENT,
}
RECEIPT: Final[Document] = {
    "id": "r",
    "public_id": public_id(Kind.REPORT, prefix="CN"),
    "hub": "national",
    "digest": "sha256:abc",
    "received_at": LATER,
}
REPORT: Final[Document] = {
    "hub_id": UUID,
    "hub": "yrd",
    "prefix": "CN.YRD",
    "since": MOMENT,
    "until": LATER,
    "made_at": LATER,
    "capacity": [
        {"compute_class": "general", "precision": "FP64", "by_grade": {"simulated": "3", "self-measured": "0.1"}}
    ],
    "platforms": [
        {
            "platform": "wuhu",
            "title": "Wuhu",
            "title_zh": "芜湖",
            "region": "340200",
            "west": False,
            "jobs": 4,
            "tasks_ended": 5,
            "tasks_failed": 1,
            "cores": "4",
            "used_core_s": "12",
            "offered_core_s": "120",
            "utilisation": "0.1",
            "green_share": "0.35",
            "waited_s_mean": "0.4",
            "waited_s_p95": None,
            "cost": "1.25",
            "cost_simulated": "0",
        }
    ],
    "flows": [],
    "jobs": 4,
    "jobs_by_state": {"COMPLETE": 3, "EXECUTOR_ERROR": 1},
    "core_s": "12",
    "core_s_east_to_west": "3",
    "core_s_green": "4.2",
    "cost": "1.25",
    "cost_simulated": "0",
}


def resolution(standing: str = "found", **fields: object) -> Document:
    """The answer to resolve."""
    document: Document = {
        "identifier": public_id(Kind.PLATFORM),
        "standing": standing,
        "kind": "P",
        "issuer": "CN.YRD",
        "name": "wuhu",
        "state": "live",
        "by": "CN.YRD",
    }
    return _with(document, fields)


def resolved(standing: str = "found", **fields: object) -> Document:
    """The answer of a hub that asks others."""
    return {"resolution": resolution(standing, **fields), "asked": ["https://hub.example"]}


POLICY: Final[Document] = {
    "version": 1,
    "policy": {"fair_s": 43200.0, "detour": "0.05"},
    "at": "2026-03-02T00:00:00Z",
    "by": "op (national)",
    "why": "fairer",
}
