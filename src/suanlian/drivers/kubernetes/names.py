"""How is what belongs to us named and marked in the cluster? An attempt has one name, so a repeat finds it."""

import hashlib
import re
from typing import Final, NamedTuple

from suanlian.drivers.contract import NativeId
from suanlian.model.ids import AttemptId

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "suanlian"
INSTANCE: Final = "suanlian-instance"
NAME: Final = "suanlian-job"
"""The label by which the pods of a Job are found; its value is the Job's name."""
NETWORK: Final = "suanlian-network"
CLOSED: Final = "closed"
CLOSED_POLICY: Final = "suanlian-closed"
ATTEMPT: Final = "suanlian-attempt"
"""The annotation that says the attempt as it was given."""
END: Final = "suanlian-end"
"""The annotation of a Job that is to end, or has: how and why, as JSON."""
PAUSED: Final = "suanlian-paused"
SEEN: Final = "suanlian-seen"
"""The annotation of a pod whose start was seen: its wall time is counted from there."""
SECRET: Final = "suanlian-secret"  # noqa: S105 - the annotation of a Job that has one
WALL: Final = "suanlian-wall-s"
STREAM_BYTES: Final = "suanlian-stream-bytes"
"""Annotations of a Job: the bounds that this driver itself sees to."""
CONTAINER: Final = "job"

_PLAIN: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_NATIVE: Final = re.compile(r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)/(sl-[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?)")


class Place(NamedTuple):
    """Where a Job lies."""

    namespace: str
    name: str

    @property
    def native(self) -> NativeId:
        """As the agent keeps it."""
        return NativeId(f"{self.namespace}/{self.name}")


def job_name(key: AttemptId) -> str:
    """The Job's name: the attempt's own where Kubernetes can take it, else a digest of it."""
    return f"sl-{key if _PLAIN.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()[:40]}"


def place(native_id: str) -> Place | None:
    """Where a native id points; None for what is none of ours."""
    found = _NATIVE.fullmatch(native_id)
    return Place(found[1], found[2]) if found else None
