"""SCAN and VERIFY: read all that lies at a place, to tell its manifest or to compare it with one."""

from typing import Final

from suanlian.agent.data.allowed import scanned
from suanlian.agent.data.book import Place, PlaceState
from suanlian.agent.data.faults import HaltedError, TaskFailedError
from suanlian.agent.data.granting import CHANGED
from suanlian.agent.data.kit import Fields, Kit, Run, manifest, tell_manifest
from suanlian.agent.data.places import first_changed, read_place, reader_of, stamps_of
from suanlian.model.data import manifest_digest
from suanlian.model.data_protocol import StorageTask
from suanlian.storage.contract import Code, StorageError
from suanlian.storage.reading import Reading, StoppedError, Verified, scan, verify

_NAMED: Final = 5


def register(kit: Kit, run: Run) -> Fields:
    """Make the manifest of a registered folder by reading all of it, and tell it. What lies there stays as it is."""
    task = run.task
    place = scanned(task)
    if not place and not kit.stores.share(task.storage).read_only:
        raise StorageError(Code.REFUSED, "the root of storage that is written is no dataset: register a folder in it")
    read_place(reader_of(task), place, kit.stores.here(task.storage), kit.book.place(task.storage, place))
    try:
        files = scan(_reading(kit, run, place))
    except StoppedError as error:
        raise HaltedError from error
    root = kit.stores.root(task.storage)
    stamps = {} if root is None else stamps_of(root / place, files)
    tell_manifest(kit, run, files)
    if root is not None and (changed := first_changed(root / place, files, stamps)):
        raise TaskFailedError(CHANGED, f"{changed!r} changed while it was read", path=changed, again=True)
    kit.whole(task, place, files)
    size = sum(file.size for file in files)
    return {
        "files": len(files), "bytes": size, "files_done": len(files), "bytes_done": size,
        "digest": manifest_digest(files),
    }  # fmt: skip


def compare(kit: Kit, run: Run) -> Fields:
    """Read all of a replica and compare it with the manifest; it is whole, or broken, on this word."""
    task = run.task
    place = task.source_place or task.place
    known = kit.book.place(task.storage, place)
    read_place(reader_of(task), place, kit.stores.here(task.storage), known)
    files = manifest(kit, run)
    try:
        found = verify(_reading(kit, run, place), files)
    except StoppedError as error:
        raise HaltedError from error
    if not found.whole:
        broken = known or _place(task, place)
        kit.book.note(broken.model_copy(update={"state": PlaceState.BROKEN}))
        raise TaskFailedError(Code.CHECKSUM_MISMATCH, _told(found), path=found.wrong[0].path)
    kit.whole(task, place, files)
    return {"files_done": found.files, "bytes_done": found.bytes}


def _place(task: StorageTask, place: str) -> Place:
    return Place(
        storage=task.storage, place=place, state=PlaceState.BROKEN, replica_id=task.replica_id,
        files=task.files, bytes=task.bytes,
    )  # fmt: skip


def _reading(kit: Kit, run: Run, place: str) -> Reading:
    return Reading(
        kit.stores.open(run.task.storage),
        place,
        on_progress=lambda files, size: run.progress(size, files),
        stop=run.stop,
    )


def _told(found: Verified) -> str:
    named = "; ".join(f"{one.path!r}: {one.why}" for one in found.wrong[:_NAMED])
    return f"{found.wrongs} of {found.files} files are not as stated: {named}"
