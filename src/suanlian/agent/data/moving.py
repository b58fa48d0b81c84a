"""MOVE and TAKE: bring a version to a place of ours, or to another's inbox; and take over what came into an inbox.

The mover goes on where it was killed, by its journal. Bytes that come are kept apart until all are there and were read
back; a place is whole on our own word alone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Final

from suanlian.agent.data.allowed import allowed_mbps
from suanlian.agent.data.book import PlaceState
from suanlian.agent.data.faults import HaltedError
from suanlian.agent.data.granting import unchanged
from suanlian.agent.data.grants import GrantReader
from suanlian.agent.data.kit import Fields, Kit, Run, manifest
from suanlian.agent.data.places import inbox, own_place
from suanlian.agent.data.ways import web_of
from suanlian.model.data import DataFile
from suanlian.model.data_protocol import Direction, StorageTask, Window
from suanlian.model.owner import DataClauses
from suanlian.storage.contract import Code, StorageError, Writable
from suanlian.storage.ends import Source, StoredSource, StoredTarget, Target
from suanlian.storage.granted import GrantedSource, GrantedTarget, Grants
from suanlian.storage.mover import Move, Progress, move
from suanlian.storage.reading import Reading, StoppedError, verify

MOVES_AT_ONCE: Final = 2
"""So many moves go at once; each has its part of what the owner allows."""
_STEP: Final = timedelta(minutes=15)
_AHEAD: Final = timedelta(days=2)
_UNBOUND: Final = Decimal(1_000_000)


def carry(kit: Kit, run: Run) -> Fields:
    """Pull to a place of ours, or push from one into another's inbox."""
    task = run.task
    reader = GrantReader(kit, run)
    grants, web = Grants(reader.page), web_of(kit, run)
    if task.direction is Direction.WRITE:
        files = manifest(kit, run)
        place = unchanged(kit, task, task.source_place or task.place, files)
        source = StoredSource(kit.stores.open(task.storage), place)
        return _moved(kit, run, files, (source, GrantedTarget(grants, web)), journal_key(task))
    own_place(task, kit.book.place(task.storage, task.place))
    files = manifest(kit, run)
    peers = kit.stores.here(task.storage).peers
    return bring(kit, run, files, GrantedSource(grants, web, peers))


def take(kit: Kit, run: Run) -> Fields:
    """What came into our inbox moves to its place: written there, read back, compared; then the inbox goes."""
    task = run.task
    own_place(task, kit.book.place(task.storage, task.place))
    storage, box = kit.stores.writable(task.storage), inbox(task.source_place)
    files = manifest(kit, run)
    done = bring(kit, run, files, StoredSource(storage, box))
    empty_inbox(storage, task.source_place)
    return done


def empty_inbox(storage: Writable, place: str) -> None:
    """Remove what others wrote for us."""
    storage.abort_below(inbox(place))
    storage.delete_below(place)


def bring(kit: Kit, run: Run, files: Sequence[DataFile], source: Source) -> Fields:
    """Bring these files to the task's place, and note that it is whole."""
    task, storage = run.task, kit.stores.writable(run.task.storage)
    if done := _already(kit, run, files):
        return done
    free, known = kit.stores.free(task.storage), kit.book.place(task.storage, task.place)
    here = 0 if known is None else known.bytes
    if free is not None and task.bytes - here - _there(storage, task) > free:
        raise StorageError(Code.TARGET_FULL, f"{task.bytes} bytes are to come, {free} are free beside what is kept so")
    target = StoredTarget(storage, task.place, task.replica_id)
    done = _moved(kit, run, files, (source, target), journal_key(task))
    kit.whole(task, task.place, files)
    return done


def _already(kit: Kit, run: Run, files: Sequence[DataFile]) -> Fields | None:
    """Where it came before, and its journal is gone: what lies there is read again, which is cheaper than the way."""
    task = run.task
    known = kit.book.place(task.storage, task.place)
    if known is None or known.state is not PlaceState.WHOLE or kit.journal(journal_key(task)).exists():
        return None
    told = partial(_tell, run)
    try:
        found = verify(Reading(kit.stores.open(task.storage), task.place, on_progress=told, stop=run.stop), files)
    except StoppedError as error:
        raise HaltedError from error
    if not found.whole:
        return None
    kit.whole(task, task.place, files)
    return {"bytes_done": found.bytes, "files_done": found.files}


def _tell(run: Run, files: int, size: int) -> None:
    run.progress(size, files, checking=True)


def _there(storage: Writable, task: StorageTask) -> int:
    """So many bytes of it have come already, by an earlier try."""
    return sum(found.size for found in storage.files(storage.coming(task.place, task.replica_id)))


def journal_key(task: StorageTask) -> str:
    """By what the journal of a move is found: what comes to a place goes on from another source, too."""
    if task.direction is Direction.WRITE:
        return f"push {task.grant_task} {task.replica_id}"
    return f"place {task.storage} {task.place}"


def _moved(kit: Kit, run: Run, files: Sequence[DataFile], ends: tuple[Source, Target], key: str) -> Fields:
    def told(progress: Progress) -> None:
        run.progress(progress.bytes_done, progress.files_done, checking=progress.checking)

    kit.moves.mkdir(mode=0o700, parents=True, exist_ok=True)
    asked = Move(
        files=files,
        source=ends[0],
        target=ends[1],
        journal=kit.journal(key),
        key=key,
        windows=paced(run.task.windows, kit.desk.word.policy.data, kit.desk.clock()),
        on_progress=told,
        stop=run.stop,
    )
    if not move(asked):
        raise HaltedError
    size = sum(file.size for file in files)
    return {"bytes_done": size, "files_done": len(files)}


def paced(windows: Sequence[Window], clauses: DataClauses, now: datetime) -> tuple[Window, ...]:
    """The windows of the plan, nowhere faster than the owner allows; none where neither says anything.

    What the owner says is looked at for two days ahead; a move that takes longer is planned anew then.
    """
    if not windows and clauses.mbps is None and not clauses.rates:
        return ()
    if clauses.mbps is None and not clauses.rates:
        return tuple(windows)
    start = now.replace(minute=0, second=0, microsecond=0)
    marks = {start + step * _STEP for step in range(int(_AHEAD / _STEP) + 1)}
    marks |= {moment for window in windows for moment in (window.start, window.end) if moment < start + _AHEAD}
    ordered, found = sorted(marks), list[Window]()
    for begin, end in pairwise(ordered):
        owners = allowed_mbps((), clauses, begin)
        planned = allowed_mbps(windows, DataClauses(), begin)
        rates = [rate for rate in (planned, None if owners is None else owners / MOVES_AT_ONCE) if rate is not None]
        rate = min(rates, default=_UNBOUND)
        if found and found[-1].end == begin and found[-1].mbps == rate:
            found[-1] = found[-1].model_copy(update={"end": end})
        else:
            found.append(Window(start=begin, end=end, mbps=rate))
    return tuple(found)
