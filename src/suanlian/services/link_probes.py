"""Measurements of links between storage: asked for, taken, given up.

The source's connector lets the target's read one object of its own (8 MiB), by a grant that the hub cannot read; the
target's says how long answers took and how much came. Only from S3 storage: from anything else no other site can read.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from suanlian.model.data import StorageKind
from suanlian.model.data_protocol import StorageTask, TaskKind, TaskReport, TaskState
from suanlian.model.link import LinkSample
from suanlian.model.transfer_plan import StoragePlace
from suanlian.rules.data.reach import Reach, reach
from suanlian.rules.data.states import wait_after
from suanlian.rules.data.ways import ready
from suanlian.store import links, storage_tasks
from suanlian.store.storages import Storages
from suanlian.store.unit import Row, Unit

EVERY: Final = timedelta(hours=1)
"""A pair of sites is measured so often at most."""
LONGEST: Final = timedelta(minutes=10)
"""A measurement of which nothing came for so long is given up."""
MOST_TRIES: Final = 3
PLACE: Final = ".probe"
"""Where the connector of an S3 storage keeps the object that is read."""
_LAST: Final = 20


@dataclass(frozen=True, slots=True)
class Probe:
    """A pair of sites, and storage at each, between which is measured."""

    pair: links.Pair
    source_id: str
    target_id: str


def due(unit: Unit, asked: dict[links.Pair, datetime], limit: int) -> list[Probe]:
    """Pairs that were not measured for an hour, those of which nothing is known first, then the oldest.

    ``asked``: when each was asked for last. A connector measures one link at a time, and lets one be measured.
    """
    places = sorted((one for one in Storages(unit).open() if ready(one)), key=lambda one: one.ref)
    sources = [one for one in places if one.share.kind is StorageKind.S3]
    before = unit.now - EVERY
    known = _measured(unit) | {pair: at for pair, at in asked.items() if at > before}
    found = dict[links.Pair, Probe]()
    for source in sources:
        for target in places:
            pair = source.where, target.where
            if pair[0] != pair[1] and pair not in found and reach(source.share, target.share) is Reach.PULL:
                found[pair] = Probe(pair, source.id, target.id)
    late = [one for pair, one in found.items() if pair not in known or known[pair] <= before]
    late.sort(key=lambda one: (known[one.pair].timestamp() if one.pair in known else 0.0, one.pair))
    return _apart(late, {place.id: place for place in places}, _busy(unit), limit)


def _measured(unit: Unit) -> dict[links.Pair, datetime]:
    """When each pair was measured last: a move tells its rate alone."""
    samples = links.newest_samples(unit, each=_LAST)
    probes = {pair: [one.at for one in some if one.loss is not None] for pair, some in samples.items()}
    return {pair: max(at) for pair, at in probes.items() if at}


def _busy(unit: Unit) -> set[str]:
    return {str(row["connector_id"]) for row in storage_tasks.probes(unit)}


def _apart(probes: Sequence[Probe], places: dict[str, StoragePlace], busy: Collection[str], limit: int) -> list[Probe]:
    """The first of them of which no two have a connector in common."""
    taken, found = set(busy), list[Probe]()
    for one in probes:
        both = {places[one.source_id].connector_id, places[one.target_id].connector_id}
        if len(found) < limit and not both & taken:
            found.append(one)
            taken |= both
    return found


def ask(unit: Unit, probe: Probe) -> bool:
    """Let it be measured; whether both sides are still there."""
    storages = Storages(unit).by_id
    source, target = storages.get(probe.source_id), storages.get(probe.target_id)
    if source is None or target is None or not ready(source) or not ready(target):
        return False
    leave = StorageTask(
        id="",
        kind=TaskKind.GRANT,
        token=0,
        storage=source.share.name,
        source_place=PLACE,
        sealing_key=target.sealing_key,
        other=target.ref,
        other_endpoint=target.share.endpoint,
    )
    grant = storage_tasks.add(unit, source.connector_id, source.id, leave)
    read = StorageTask(
        id="",
        kind=TaskKind.PROBE,
        token=0,
        storage=target.share.name,
        other=source.ref,
        other_endpoint=source.share.endpoint,
        grant_task=grant,
    )
    storage_tasks.add(unit, target.connector_id, target.id, read)
    return True


def granted(unit: Unit, _version: Row, task: Row, report: TaskReport) -> None:
    """The source's connector gave leave, or will not."""
    if report.state is not TaskState.FAILED:
        storage_tasks.heard(unit, task, state=report.state.value)
    elif report.again and task["tries"] + 1 < MOST_TRIES:
        tries = task["tries"] + 1
        storage_tasks.again(unit, task, tries=tries, not_before=unit.now + wait_after(tries), code=report.code)
    else:
        _end(unit, task["id"])


def probed(unit: Unit, _version: Row, task: Row, report: TaskReport) -> None:
    """The target's connector has measured, or could not; that no answer came is known of a link, too."""
    if report.state not in (TaskState.DONE, TaskState.FAILED):
        storage_tasks.heard(unit, task, state=report.state.value)
        return
    storages = Storages(unit)
    target = storages.by_id.get(task["storage_id"])
    source = storages.by_ref.get(str(storage_tasks.value_of({**task, "grant_token": 0}).other))
    if source is not None and target is not None and source.where != target.where:
        sample = _sample(unit, report)
        if sample is not None:
            links.add_sample(unit, (source.where, target.where), sample)
    _end(unit, task["grant_task"])


def _sample(unit: Unit, report: TaskReport) -> LinkSample | None:
    if report.state is TaskState.DONE:
        known = {name: getattr(report, name) for name in ("rtt_ms", "jitter_ms", "loss", "mbps")}
        told = {name: value for name, value in known.items() if value is not None}
        return LinkSample.model_validate({"at": unit.now, "bytes": report.bytes_done, **told}) if told else None
    return LinkSample.model_validate({"at": unit.now, "loss": 1}) if report.code == "unreachable" else None


def over(unit: Unit) -> list[str]:
    """Grants of measurements of which nothing came for too long."""
    late = [row for row in storage_tasks.probes(unit) if row["created_at"] <= unit.now - LONGEST]
    return [str(row["grant_task"]) for row in late if row["grant_task"] is not None]


def give_up(unit: Unit, grant_task: str) -> bool:
    """Forget a measurement; False: nothing more is to be done at once."""
    _end(unit, grant_task)
    return False


def _end(unit: Unit, grant_task: str) -> None:
    for row in storage_tasks.waiting_for(unit, grant_task):
        storage_tasks.end(unit, row)
    grant = storage_tasks.lock(unit, grant_task)
    if grant is not None:
        storage_tasks.end(unit, grant)
