"""What is known of how fast places are and how long jobs took: gathered from ends of attempts, asked by placement."""

import hashlib
import json
import math
from collections.abc import Sequence
from functools import cache
from typing import Final

from suanlian.data.chips import SOURCE, chips
from suanlian.model.chips import ChipModel
from suanlian.model.ids import FlavorId
from suanlian.model.job import JobSpec
from suanlian.model.performance import Performance
from suanlian.model.place import Place
from suanlian.model.throughput import Runs, Seen
from suanlian.rules.chips import index, table_figures
from suanlian.rules.normalising import Known
from suanlian.rules.performance import figures_of
from suanlian.store import capabilities, throughput
from suanlian.store.unit import Row, Unit

_EVENTS: Final = 1000
"""So many events are looked at in one unit of work."""
_MOST_RUNS: Final = 256.0
"""At so many runs those that were seen count half from then on: what was long ago gives way."""
_SHORTEST_S: Final = 0.001


def tells_apart(spec: JobSpec) -> bool:
    """Whether the job states a class or a throughput: then, and only then, its runs are kept and asked for."""
    return spec.job_class is not None or any(variant.throughput is not None for variant in spec.variants)


def scope_of_name(spec: JobSpec, account_id: str) -> str:
    """Jobs of one account, name and size belong together; neither can be read from the scope."""
    meant = json.dumps([spec.name, spec.nodes, {k.value: v for k, v in spec.resources.base().items()}], sort_keys=True)
    return f"name:{account_id}:{hashlib.sha256(meant.encode()).hexdigest()[:32]}"


def scope_of_array(job_id: str) -> str:
    """The tasks of one array."""
    return f"{throughput.ARRAY}{job_id}"


def any_ended(unit: Unit) -> bool:
    """Whether there are events that were not looked at."""
    return throughput.newest_event(unit) > throughput.seen_until(unit)


def observe(unit: Unit) -> bool:
    """Look at the next events; whether there are more. Each end counts once: the place in the journal moves with it."""
    after, newest = throughput.seen_until(unit), throughput.newest_event(unit)
    until = min(newest, after + _EVENTS)
    specs: dict[str, JobSpec] = {}
    for row in throughput.ended_between(unit, after, until):
        if row["job_id"] not in specs:
            specs[row["job_id"]] = JobSpec.model_validate_json(row["spec"])
        _count(unit, row, specs[row["job_id"]])
    throughput.read_until(unit, until)
    return until < newest


def _count(unit: Unit, row: Row, spec: JobSpec) -> None:
    """A run that went on from a checkpoint is no whole run; one of a job that does not ask tells nobody anything."""
    if not tells_apart(spec) or (spec.checkpoint is not None and row["number"] > 1):
        return
    log = math.log(max(_SHORTEST_S, (row["ended_at"] - row["started_at"]).total_seconds()))
    scopes = [scope_of_name(spec, row["account_id"])]
    if spec.array_size is not None:
        scopes.append(scope_of_array(row["job_id"]))
    known = throughput.of_scopes(unit, scopes)
    for scope in scopes:
        before = next((runs for runs in known.get(scope, ()) if runs.flavor == row["flavor_id"]), None)
        after = with_one(before or Runs(FlavorId(row["flavor_id"]), 0, 0, 0), log)
        throughput.add(unit, scope, row["account_id"], after)


def with_one(runs: Runs, log: float) -> Runs:
    """With one more run, whose seconds have this logarithm; their number stays bounded."""
    part = 0.5 if runs.count >= _MOST_RUNS else 1.0
    return Runs(runs.flavor, part * runs.count + 1, part * runs.sum_log + log, part * runs.sum_log_squared + log * log)


class Knowledge:
    """What one look at places may ask; read when it is first asked for, then kept."""

    def __init__(self, unit: Unit) -> None:
        """Nothing is read yet."""
        self._unit = unit
        self._figures: dict[FlavorId, tuple[Performance, ...]] | None = None
        self._seen: dict[tuple[str, str], Seen] = {}

    def of(self, spec: JobSpec, account_id: str, job_id: str, places: Sequence[Place]) -> Known | None:
        """What is known besides what is published; None for a job that does not tell places apart by speed."""
        if not tells_apart(spec):
            return None
        if self._figures is None:
            self._figures = _figures(self._unit, places)
        scopes = scope_of_name(spec, account_id), scope_of_array(job_id)
        if scopes not in self._seen:
            found = throughput.of_scopes(self._unit, scopes)
            named, array = (tuple(found.get(scope, ())) for scope in scopes)
            self._seen[scopes] = Seen(named, array)
        return Known(self._figures, self._seen[scopes])


def _figures(unit: Unit, places: Sequence[Place]) -> dict[FlavorId, tuple[Performance, ...]]:
    """Every word on each flavor: the hub's, the connector's, the owner's, and that of the table of chips."""
    shown, table = capabilities.words(unit), _table()
    return {
        place.flavor_id: figures_of(
            place.flavor, shown.get(place.flavor_id, ()), table_figures(place.flavor, table, SOURCE)
        )
        for place in places
        if place.flavor_id is not None
    }


@cache
def _table() -> dict[str, ChipModel]:
    return index(chips())
