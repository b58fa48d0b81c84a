"""Rows of the table of who may do what: of data, with what its calls bring, and of connectors."""

from typing import Any, Final

from suanlian.crypto.sealing import SealingPair

BUYERS: Final = "403 403 403 403 200 200 401"
OWNER: Final = "403 403 403 403 200 404 401"
FILE: Final = {"path": "a", "size": 1, "sha256": "0" * 64}
KEY: Final = SealingPair.generate().public.text
DATA: Final = {
    "POST /v1/datasets": BUYERS,
    "GET /v1/datasets": "200 200 403 403 200 200 401",
    # the dataset is the buyer's; its one version is open and empty
    "GET /v1/datasets/{ref}": "200 200 403 403 200 404 401",
    "GET /v1/datasets/{ref}/versions": "200 200 403 403 200 404 401",
    "POST /v1/datasets/{ref}/versions": OWNER,
    "POST /v1/datasets/{ref}/files": OWNER,
    "GET /v1/datasets/{ref}/files": OWNER,
    "GET /v1/datasets/{ref}/replicas": "200 200 403 403 200 404 401",
    "POST /v1/datasets/{ref}/replicas": "403 403 403 403 404 404 401",
    "POST /v1/datasets/{ref}/seal": "403 403 403 403 409 404 401",
    "POST /v1/datasets/{ref}/verify": "403 403 403 403 404 404 401",
    "POST /v1/datasets/{ref}/uploads": "403 403 403 403 404 404 401",
    "POST /v1/datasets/{ref}/downloads": "403 403 403 403 404 404 401",
    "POST /v1/datasets/{ref}/replicas/{replica}/pin": "403 403 403 403 404 404 401",
    "DELETE /v1/datasets/{ref}/replicas/{replica}": "403 403 403 403 404 404 401",
    "GET /v1/grants/{grant}": "403 403 403 403 404 404 401",
    "GET /v1/grants/{grant}/pages/{page}": "403 403 403 403 404 404 401",
    "DELETE /v1/grants/{grant}": "403 403 403 403 404 404 401",
    "GET /ga4gh/drs/v1/service-info": "200 200 200 200 200 200 200",
    # the dataset has no version that is sealed
    "GET /ga4gh/drs/v1/objects/{object_id}": "403 403 403 403 404 404 401",
    "GET /ga4gh/drs/v1/objects/{object_id}/access/{access_id}": "403 403 403 403 404 404 401",
    "GET /v1/transfers": "200 200 403 403 200 200 401",
    "GET /v1/transfers/{ref}": "404 404 403 403 404 404 401",
    "POST /v1/transfers/{ref}/cancel": "403 403 403 403 404 404 401",
    "POST /v1/transfers/{ref}/retry": "403 403 403 403 404 404 401",
    "POST /v1/copy-rules": OWNER,
    "GET /v1/copy-rules": "200 200 403 403 200 200 401",
    "DELETE /v1/copy-rules/{ref}": "403 403 403 403 404 404 401",
    "DELETE /v1/datasets/{ref}": "403 403 403 403 204 404 401",
}
"""Each route's status, as in test_access.TABLE; the dataset is the buyer's, and its one version open."""

SIGNED: Final = "401 401 401 401 401 401 401"
CONNECTORS: Final = {
    f"POST /connector/v1/{name}": SIGNED
    for name in (
        "enrol",
        "poll",
        "report",
        "usage",
        "inventory",
        "logs",
        "outputs",
        "checkpoint",
        "checkpoint-whole",
        "objects",
        "secrets",
        "supervision",
        "descriptor",
        "rekey",
        "recover",
        "delegation",
        "audit",
        "measurements",
        "lend",
        "lend-confirm",
        "lent",
        "lent-log",
        "lent-output",
        "lent-cancel",
        "data/poll",
        "data/report",
        "data/files",
        "data/grants",
    )
}


def data_bodies(who: str) -> dict[str, Any]:
    """What is sent to each route."""
    return {
        "/v1/datasets": {"name": f"new-{who}"},
        "/v1/datasets/{ref}/versions": {},
        "/v1/datasets/{ref}/files": {"start": 0, "files": [FILE]},
        "/v1/datasets/{ref}/replicas": {"to": "a/b"},
        "/v1/datasets/{ref}/replicas/{replica}/pin": {},
        "/v1/datasets/{ref}/verify": {},
        "/v1/datasets/{ref}/uploads": {"storage": "a/b", "sealing_key": KEY},
        "/v1/datasets/{ref}/downloads": {"sealing_key": KEY},
        "/v1/copy-rules": {"dataset": "private", "rule": {}},
    }
