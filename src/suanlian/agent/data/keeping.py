"""KEEP: what a job left, and was set aside before its end was reported, becomes a replica of a new version."""

import shutil
from pathlib import Path

from suanlian.agent.data.faults import HaltedError, TaskFailedError
from suanlian.agent.data.kit import Fields, Kit, Run, tell_manifest
from suanlian.agent.data.moving import bring
from suanlian.agent.data.places import own_place
from suanlian.agent.data.saving import kept_path
from suanlian.model.data import manifest_digest
from suanlian.model.data_protocol import StorageTask
from suanlian.storage.contract import Code, PosixAt, StorageError
from suanlian.storage.ends import StoredSource
from suanlian.storage.reading import Reading, StoppedError, scan
from suanlian.storage.registry import open_storage


def keep(kit: Kit, run: Run) -> Fields:
    """Read all of it, write it to its place, read it back, tell its manifest."""
    task = run.task
    own_place(task, kit.book.place(task.storage, task.place))
    folder = kept_of(kit, task)
    if not folder.is_dir():
        text = f"what attempt {task.attempt_id[:40]!r} left at {task.path!r} is not here"
        raise TaskFailedError(Code.SOURCE_GONE, text)
    left = open_storage(PosixAt(folder, read_only=True))
    try:
        files = scan(Reading(left, "", stop=run.stop))
        run.task = task.model_copy(update={"files": len(files), "bytes": sum(file.size for file in files)})
        done = bring(kit, run, files, StoredSource(left, ""))
    except StoppedError as error:
        raise HaltedError from error
    finally:
        left.close()
    tell_manifest(kit, run, files)
    return done | {"files": len(files), "bytes": run.task.bytes, "digest": manifest_digest(files)}


def kept_of(kit: Kit, task: StorageTask) -> Path:
    """Where what it is about was set aside."""
    try:
        return kept_path(kit.desk.home.kept, task.attempt_id, task.path or "")
    except ValueError as error:
        raise StorageError(Code.REFUSED, str(error)) from error


def forget_kept(kit: Kit, task: StorageTask) -> None:
    """It is a replica by now, or nobody's: what was set aside goes."""
    folder = kept_of(kit, task)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.rmdir()
    except OSError:  # something else of the attempt is still here
        return
