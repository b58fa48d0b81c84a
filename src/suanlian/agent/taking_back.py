"""Which of the hub's jobs make room when the owner's own work wants a leftover share back, and when? Pure.

What the owner's work takes or waits for is known by the load. What the hub's jobs hold beyond the rest is too much: of
them the least urgent go, of these the newest, no more than are needed. Each has the share's notice before it ends; when
the owner needs the room no longer before that, it stays.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from suanlian.agent.row import HOLDING, UNSTARTED, Row
from suanlian.model.ids import AttemptId
from suanlian.model.platform import Share, ShareMode
from suanlian.model.quantity import ResourceKind, Resources, total
from suanlian.rules.owner import REFUSED

TAKEN_BACK: Final = f"{REFUSED}: taken-back"
"""The reason that is told: the share rests for the task, as after a refusal, so that the two do not circle."""


def notices(share: Share, others: Resources, rows: Sequence[Row], now: datetime) -> dict[AttemptId, datetime | None]:
    """When each attempt of the share has to be gone, of those for which that changes; None: it may stay after all."""
    mine = [row for row in rows if row.share == share.name and row.step in HOLDING]
    chosen = _chosen(share, others, mine) if share.mode is ShareMode.LEFTOVER else frozenset()
    changed: dict[AttemptId, datetime | None] = {}
    for row in mine:
        if row.attempt_id in chosen and row.taken_back_at is None:
            wait_s = 0 if row.step in UNSTARTED else share.notice_s
            changed[row.attempt_id] = now + timedelta(seconds=wait_s)
        elif row.attempt_id not in chosen and row.taken_back_at is not None and not row.room_for:
            changed[row.attempt_id] = None
    return changed


def noticed(row: Row, *, at: datetime | None) -> Row:
    """The row after that."""
    return row if row.room_for else row.with_(taken_back_at=at)


def _chosen(share: Share, others: Resources, mine: Sequence[Row]) -> frozenset[AttemptId]:
    held, left = total(row.granted for row in mine), share.capacity.minus(others)
    over = {kind: amount for kind, amount in held.minus(left).base().items() if amount}
    chosen = set[AttemptId]()
    for row in sorted(mine, key=_urgency):
        if not over:
            break
        gives = row.granted.base()
        if not any(gives[kind] for kind in over):
            continue
        chosen.add(row.attempt_id)
        over = _less(over, gives)
    return frozenset(chosen)


def _urgency(row: Row) -> tuple[bool, int, float, str]:
    """The first to go: what is told to go already, so that nobody is exchanged; then by priority, then the newest."""
    started = 0.0 if row.started_at is None else row.started_at.timestamp()
    newest = -started if row.started_at is not None else float("-inf")
    return not (row.preempting or row.taken_back_at), row.priority, newest, row.attempt_id


def _less(over: Mapping[ResourceKind, int], gives: Mapping[ResourceKind, int]) -> dict[ResourceKind, int]:
    return {kind: amount - gives[kind] for kind, amount in over.items() if amount > gives[kind]}
