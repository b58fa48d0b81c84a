"""How is what belongs to us named and marked in the cluster? An attempt has one name, so a repeat finds it."""

import hashlib
import re
from collections.abc import Iterable
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

ARRAY: Final = "suanlian-array"
"""The label of a Job that holds many attempts, each at one completion index (a slot)."""
ATTEMPTS: Final = "suanlian-attempts"
"""The annotation that says which: task index and attempt of each slot, as JSON."""
FORGOTTEN: Final = "suanlian-forgotten"
"""The annotation of a slot of which nothing is remembered, while others of its Job are."""
SLOT: Final = "batch.kubernetes.io/job-completion-index"

_PLAIN: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_SPACE: Final = r"(?P<space>[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)"
_NATIVE: Final = re.compile(
    rf"{_SPACE}/(?:(?P<one>sl-[a-z0-9](?:[a-z0-9-]{{0,58}}[a-z0-9])?)|(?P<many>sla-[0-9a-f]{{40}})/(?P<slot>[0-9]{{1,5}}))"
)


class Place(NamedTuple):
    """Where an attempt lies: a Job, or one slot of a Job of many."""

    namespace: str
    name: str
    slot: int | None = None

    @property
    def native(self) -> NativeId:
        """As the agent keeps it."""
        return NativeId("/".join((self.namespace, self.name, *(() if self.slot is None else (str(self.slot),)))))

    @property
    def folder(self) -> str:
        """What its directory is called."""
        return self.name if self.slot is None else f"{self.name}.{self.slot}"

    def mark(self, annotation: str) -> str:
        """An annotation of the attempt on its Job."""
        return annotation if self.slot is None else f"{annotation}-{self.slot}"


def job_name(key: AttemptId) -> str:
    """The Job's name: the attempt's own where Kubernetes can take it, else a digest of it."""
    return f"sl-{key if _PLAIN.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()[:40]}"


def array_name(keys: Iterable[AttemptId]) -> str:
    """The name of a Job of many: a digest of all its attempts."""
    return f"sla-{hashlib.sha256(chr(10).join(sorted(keys)).encode()).hexdigest()[:40]}"


def place(native_id: str) -> Place | None:
    """Where a native id points; None for what is none of ours."""
    found = _NATIVE.fullmatch(native_id)
    if found is None:
        return None
    if found["one"] is not None:
        return Place(found["space"], found["one"])
    return Place(found["space"], found["many"], int(found["slot"]))
