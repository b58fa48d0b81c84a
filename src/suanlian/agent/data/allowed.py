"""May this be done with the owner's storage? The owner's word, asked at the platform whatever a hub says. Pure.

As with jobs, a hub is told the clause that refuses, never what the policy says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from suanlian.agent.data.terms import StorageHere, may_register
from suanlian.model.data import StorageShare
from suanlian.model.data_protocol import Direction, StorageTask, TaskKind, Window
from suanlian.model.owner import ANYBODY, DataClauses, JoinLevel, OwnerPolicy
from suanlian.model.platform import Site
from suanlian.rules.levels import lies_within
from suanlian.rules.owner import REFUSED, is_open, level_admits

_MOMENT: Final = timedelta(seconds=1)
_BRINGS: Final = frozenset({TaskKind.TAKE, TaskKind.KEEP, TaskKind.SCAN})
"""Kinds after which data lies here that did not, or was nobody's."""


class DataClause(StrEnum):
    """What a task must pass, by the name that is told to the hub."""

    LEVEL = "level"
    ENTITY = "entity"
    DATA_LEVEL = "data-level"
    RESIDENCY = "residency"
    READ_ONLY = "read-only"
    REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a task is held against: the storage, what the owner wrote of it, where it is, and the owner's word now."""

    share: StorageShare
    here: StorageHere
    site: Site
    policy: OwnerPolicy
    level: JoinLevel


def refusal(task: StorageTask, ground: Ground) -> str:
    """Why the task is not done, as the hub is told; empty where the owner admits it.

    What reads for others, too, is held against entity and level: a policy that was narrowed lets nothing out any more.
    Deleting and ending is always admitted.
    """
    if task.kind in (TaskKind.DELETE, TaskKind.PROBE) or (task.kind is TaskKind.GRANT and not task.version_id):
        return ""
    policy, share = ground.policy, ground.share
    highest = policy.max_data_level if policy.data.max_level is None else policy.data.max_level
    checks = (
        (DataClause.LEVEL, level_admits(ground.level, task.entity, policy.own_entity, policy.partners)),
        (DataClause.ENTITY, _entity(task.entity, policy)),
        (DataClause.DATA_LEVEL, task.level <= highest),
        (DataClause.RESIDENCY, not _brings(task) or lies_within(ground.site.region, task.residency)),
        (DataClause.READ_ONLY, not _writes(task) or not share.read_only),
        (DataClause.REGISTER, task.kind is not TaskKind.SCAN or may_register(ground.here, task.entity, scanned(task))),
    )
    return next((f"{REFUSED}: {clause}" for clause, passed in checks if not passed), "")


def scanned(task: StorageTask) -> str:
    """The folder that is to be registered."""
    return task.place or task.source_place or task.path or ""


def _brings(task: StorageTask) -> bool:
    is_pull = task.kind is TaskKind.MOVE and task.direction is Direction.READ
    is_put = task.kind is TaskKind.GRANT and task.direction is Direction.WRITE
    return task.kind in _BRINGS or is_pull or is_put


def _writes(task: StorageTask) -> bool:
    return task.kind is not TaskKind.SCAN and _brings(task)


def _entity(entity: str, policy: OwnerPolicy) -> bool:
    if entity == policy.own_entity:
        return True
    said = policy.entities if policy.data.entities is None else policy.data.entities
    return entity not in policy.refused and (ANYBODY in said or entity in said or entity in policy.partners)


def rate_now(clauses: DataClauses, now: datetime) -> Decimal | None:
    """At most so many megabits per second now, by the owner's word; None: as fast as it goes."""
    for rate in clauses.rates:
        if is_open((rate.hours,), now, now + _MOMENT):
            return rate.mbps
    return clauses.mbps


def allowed_mbps(windows: Sequence[Window], clauses: DataClauses, now: datetime) -> Decimal | None:
    """The lower of what was planned and what the owner allows just now; None: as fast as it goes, 0: not now."""
    planned = None
    if windows:
        planned = next((window.mbps for window in windows if window.start <= now < window.end), Decimal(0))
    rates = [rate for rate in (planned, rate_now(clauses, now)) if rate is not None]
    return min(rates) if rates else None
