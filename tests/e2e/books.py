"""Do the books of a hub agree with each other, with what the keepers saw, and with the laws? Over whole tables."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from suanlian.model.event import EventType
from suanlian.model.job import JobState
from suanlian.model.platform import Share
from suanlian.model.usage import UsageSegment
from suanlian.model.version import Subject
from suanlian.rules.pricing import QUANTITY_STEP
from suanlian.store import tables
from suanlian.store.unit import Row
from suanlian.testing.nodes import HubProcess

_AGAIN = ("PREEMPTED", "SYSTEM_ERROR")
_PER_UNIT = {"cpu": 1000, "memory": 1024}
_MICROS_PER_HOUR = 3_600_000_000
_HALF_MICRO = Decimal("0.0000005")


@dataclass(frozen=True)
class Books:
    """The tables that matter, read at one moment after everything has settled."""

    jobs: Sequence[Row]
    tasks: Sequence[Row]
    attempts: Sequence[Row]
    segments: Mapping[str, Sequence[Row]]
    charges: Sequence[Row]
    capacity: Sequence[Row]
    shares: Mapping[str, Share]
    ends: Counter[str]

    @classmethod
    def of(cls, hub: HubProcess) -> "Books":
        segments: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(hub.rows(tables.usage_segment), key=lambda row: row["sequence"]):
            segments[row["attempt_id"]].append(row)
        return cls(
            jobs=hub.rows(tables.job),
            tasks=hub.rows(tables.task),
            attempts=hub.rows(tables.attempt),
            segments=segments,
            charges=hub.rows(tables.charge),
            capacity=hub.rows(tables.capacity),
            shares={
                row["id"]: Share.model_validate_json(row["body"])
                for row in hub.rows(tables.published)
                if row["subject"] == Subject.SHARE
            },
            ends=Counter(r["subject"] for r in hub.rows(tables.event) if r["type"] == EventType.ATTEMPT_ENDED),
        )

    def check_tasks(self) -> list[str]:
        """Every task ended COMPLETE once; tallies agree. Returns why attempts were made again, where they were."""
        by_task: dict[tuple[str, int], list[Row]] = defaultdict(list)
        for row in sorted(self.attempts, key=lambda row: row["number"]):
            by_task[row["job_id"], row["idx"]].append(row)
        again = []
        for task in self.tasks:
            *before, last = by_task[task["job_id"], task["idx"]]
            assert (task["state"], last["state"]) == ("COMPLETE", "COMPLETE"), (dict(task), dict(last))
            assert (task["attempt_id"], task["attempts"]) == (last["id"], len(before) + 1)
            for row in before:
                reason = json.loads(row["outcome"])["reason"]
                assert row["state"] in _AGAIN, dict(row)
                assert reason, dict(row)
                again.append(reason)
        for job in self.jobs:
            assert json.loads(job["tally"]) == {"COMPLETE": job["tasks"]}, dict(job)
            assert (job["state"], job["queued"]) == ("COMPLETE", 0)
            assert job["ended_at"] is not None
        assert sum(job["tasks"] for job in self.jobs) == len(self.tasks)
        assert self.ends == Counter(row["id"] for row in self.attempts)  # each ended once
        return again

    def check_usage(self, seen: Mapping[str, Mapping[str, Any]]) -> None:
        """Segments cover what ran and nothing else, to the microsecond by the keepers' own records; all are rated."""
        for row in self.attempts:
            found = [UsageSegment.model_validate_json(s["body"]) for s in self.segments.get(row["id"], ())]
            assert [s.sequence for s in found] == list(range(len(found)))
            assert all(one.ended_at == other.started_at for one, other in pairwise(found)), found
            assert [s.final for s in found] == [False] * (len(found) - 1) + [True] * bool(found)
            ran = row["ended_at"] - row["started_at"] if row["started_at"] else timedelta(0)
            assert sum((s.ended_at - s.started_at for s in found), timedelta(0)) == ran, dict(row)
            if found:
                assert (found[0].started_at, found[-1].ended_at) == (row["started_at"], row["ended_at"])
            if (kept := seen.get(row["id"])) and row["state"] == JobState.COMPLETE:
                told = tuple(datetime.fromisoformat(kept[name]) for name in ("started_at", "ended_at"))
                assert told == (row["started_at"], row["ended_at"]), (row["ended_at"] - told[1], kept, found)
        assert all(s["rated_at"] for rows in self.segments.values() for s in rows)

    def check_charges(self, rates: Mapping[str, Decimal]) -> None:
        """One charge a segment and kind of resource, each a product that can be worked out again; no other."""
        segments = {(row["attempt_id"], row["sequence"]): row for rows in self.segments.values() for row in rows}
        wanted = Counter((*which, kind) for which in segments for kind in rates)
        assert wanted == Counter((c["attempt_id"], c["sequence"], c["kind"]) for c in self.charges)
        for charge in self.charges:
            segment = UsageSegment.model_validate_json(segments[charge["attempt_id"], charge["sequence"]]["body"])
            held = Decimal(getattr(segment.granted, charge["kind"])) / _PER_UNIT[charge["kind"]]
            micros = (segment.ended_at - segment.started_at) // timedelta(microseconds=1)
            assert abs(charge["quantity"] - held * micros / _MICROS_PER_HOUR) <= QUANTITY_STEP, dict(charge)
            assert abs(charge["cost"] - charge["quantity"] * rates[charge["kind"]]) <= _HALF_MICRO, dict(charge)

    def check_capacity(self) -> None:
        """Each attempt held once and let go; nothing is held now, and never was more held than there is."""
        held = Counter((row["holder_id"], row["kind"]) for row in self.capacity)
        assert set(held.values()) == {1}
        assert {holder for holder, _kind in held} == {row["id"] for row in self.attempts}
        steps: dict[tuple[str, str], list[tuple[datetime, int]]] = defaultdict(list)
        for row in self.capacity:
            assert row["end_at"] is not None, dict(row)
            assert row["start_at"] <= row["end_at"]
            # what ends goes before what begins at the same moment
            steps[row["share_id"], row["kind"]] += [
                (row["start_at"], row["quantity"]),
                (row["end_at"], -row["quantity"]),
            ]
        for (share, kind), found in steps.items():
            level = 0
            for _moment, step in sorted(found):
                level += step
                assert level <= getattr(self.shares[share].capacity, kind), (share, kind)
            assert level == 0
