"""Many attempts in one Job: when, and what of it is true of one of them. Pure: objects in, objects out.

A Job in completion mode ``Indexed`` with ``backoffLimitPerIndex: 0``: each index runs once, and what becomes of one is
nothing to the others. Servers before 1.29 do not have the second, and would run an index anew, or end all for one.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from suanlian.drivers.contract import Work
from suanlian.drivers.kubernetes import names, parse
from suanlian.drivers.kubernetes.parse import Version
from suanlian.model.ids import AttemptId

Json = Mapping[str, Any]
Slots = tuple[tuple[int, AttemptId], ...]
"""Task index and attempt of each completion index, in order."""
SINCE: Final = Version(1, 29)
_LARGEST: Final = 500
"""Attempts in one Job: an annotation names them all."""


def groups(work: Work, version: Version, keys: Mapping[int, AttemptId]) -> Iterator[Slots]:
    """What is started as one: a secret is taken away when its job has begun, so those that have one stand alone."""
    ordered = sorted(keys.items())
    size = _LARGEST if can(version) and not work.secret_env else 1
    for first in range(0, len(ordered), size):
        yield tuple(ordered[first : first + size])


def can(version: Version) -> bool:
    """Whether a server has what that needs."""
    return version >= SINCE


def slots(job: Json) -> Slots:
    """Which attempts a Job of many holds; none where that cannot be read."""
    try:
        said = json.loads(parse.annotations(job)[names.ATTEMPTS])
        return tuple((int(index), AttemptId(str(key))) for index, key in said)
    except (KeyError, ValueError, TypeError):
        return ()


def held(namespace: str, job: Json) -> Iterator[tuple[names.Place, AttemptId]]:
    """Where each attempt of a Job lies, but those that are forgotten."""
    if parse.is_leaving(job):
        return
    said, name = parse.annotations(job), job["metadata"]["name"]
    if (key := said.get(names.ATTEMPT)) is not None:
        yield names.Place(namespace, name), AttemptId(key)
    for slot, (_, attempt) in enumerate(slots(job)):
        place = names.Place(namespace, name, slot)
        if place.mark(names.FORGOTTEN) not in said:
            yield place, attempt


def written(held: Slots) -> str:
    """As it stands in the annotation."""
    return json.dumps(held, separators=(",", ":"))


def slot_of(pod: Json) -> int | None:
    """The completion index of a pod; None for one of a Job of one."""
    said = parse.annotations(pod).get(names.SLOT, "")
    return int(said) if said.isdecimal() else None


def view(job: dict[str, Any], place: names.Place, pods: Sequence[Json]) -> dict[str, Any]:
    """One slot as if it was a Job of its own: its marks, and whether its index has failed or completed."""
    if place.slot is None:
        return job
    said = parse.annotations(job)
    own = {name: said[place.mark(name)] for name in (names.END, names.PAUSED) if place.mark(name) in said}
    bounds = {name: said[name] for name in (names.WALL, names.STREAM_BYTES) if name in said}
    metadata = {**job["metadata"], "annotations": {**bounds, **own}}
    if place.mark(names.FORGOTTEN) in said or place.slot >= len(slots(job)):
        metadata["deletionTimestamp"] = metadata["creationTimestamp"]
    waiting = [pod for pod in pods if not parse.is_leaving(pod)]
    spec = {**job["spec"], "parallelism": 1 if waiting else 0}
    return {"metadata": metadata, "spec": spec, "status": _status(job.get("status") or {}, place.slot)}


def _status(status: Json, slot: int) -> dict[str, Any]:
    own = {"startTime": status.get("startTime")}
    if _has(status.get("completedIndexes"), slot):
        ended = status.get("completionTime") or status.get("startTime")
        return {**own, "completionTime": ended, "conditions": [{"type": "Complete", "status": "True"}]}
    if _has(status.get("failedIndexes"), slot):
        return {**own, "conditions": [{"type": "Failed", "status": "True", "message": "its index has failed"}]}
    return {**own, "conditions": status.get("conditions") or []}


def _has(indexes: str | None, slot: int) -> bool:
    """Whether ``0,2-4`` names it."""
    for part in (indexes or "").split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and int(first) <= slot <= int(last or first):
            return True
    return False


def all_forgotten(job: Json, now: names.Place) -> bool:
    """Whether nothing of a Job is remembered any more, ``now`` being forgotten."""
    said = parse.annotations(job)
    others = (names.Place(now.namespace, now.name, slot) for slot in range(len(slots(job))) if slot != now.slot)
    return all(other.mark(names.FORGOTTEN) in said for other in others)
