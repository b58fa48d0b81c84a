"""What drivers keep of a job between a look and the next: its working directory, taken over once, and its end."""

import errno
import shutil
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from suanlian.drivers import tree
from suanlian.drivers.contract import DriverError, Fault, Measured, Observation
from suanlian.model.job import JobState


def take_over(staged: Path | None, target: Path) -> None:
    """Make the staged directory the working directory, once, whole or not at all; without one it is empty.

    From another file system it is copied under another name first, so that a crash leaves nothing half done. Raises
    DriverError when it is gone, OSError.
    """
    if target.exists():
        return
    if staged is None:
        target.mkdir()
        return
    try:
        staged.rename(target)
    except FileNotFoundError as error:
        raise DriverError(f"the staged directory {staged} is gone: stage the inputs again") from error
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = target.with_name(f"{target.name}.part")
        tree.remove(part)
        shutil.copytree(staged, part, symlinks=True)
        part.rename(target)
        shutil.rmtree(staged)


def to_record(seen: Observation) -> dict[str, Any]:
    """An observation as plain JSON."""
    return {
        "state": seen.state.value,
        "started_at": seen.started_at.isoformat() if seen.started_at else None,
        "ended_at": seen.ended_at.isoformat() if seen.ended_at else None,
        "exit_code": seen.exit_code,
        "reason": seen.reason,
        "limit": seen.limit,
        "cpu_s": str(seen.measured.cpu_s),
        "peak_memory_mib": seen.measured.peak_memory_mib,
        "fault": seen.fault.value if seen.fault else None,
    }


def from_record(content: Mapping[str, Any]) -> Observation:
    """The observation that such a record tells. Raises KeyError or ValueError when it is none of ours."""
    return Observation(
        state=JobState(content["state"]),
        started_at=moment(content["started_at"]),
        ended_at=moment(content["ended_at"]),
        exit_code=content["exit_code"],
        reason=content["reason"],
        limit=content["limit"],
        measured=Measured(cpu_s=Decimal(content["cpu_s"]), peak_memory_mib=content["peak_memory_mib"]),
        fault=Fault(content["fault"]) if content["fault"] else None,
    )


def moment(text: str | None) -> datetime | None:
    """A moment as it stands in a record."""
    return None if text is None else datetime.fromisoformat(text)
