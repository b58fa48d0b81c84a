"""What a hub answers besides the values of `suanlian.model`: unknown fields are ignored, so that versions can meet."""

from suanlian.model.base import Name, Sha256, Wire
from suanlian.model.errors import SuanlianError
from suanlian.model.ids import JobId, ShareId
from suanlian.model.job import Path
from suanlian.model.load import ShareState, Utilisation
from suanlian.model.quantity import Resources
from suanlian.model.report import Receipt, SupervisionReport
from suanlian.model.supply import Shown


class StoredObject(Wire):
    """Bytes that the hub keeps for a job's inputs; ``size`` in bytes."""

    sha256: Sha256
    size: int


class JobRef(Wire):
    """One job of a batch, in the order of the batch."""

    id: JobId
    public_id: str
    name: Name


class JobRefs(Wire):
    """What a batch became."""

    jobs: tuple[JobRef, ...]


class TaskOutput(Wire):
    """One file that a task brought back; ``size`` in bytes."""

    task_index: int
    path: Path
    size: int
    sha256: Sha256


class ShareCapacity(Wire):
    """What a share has and what of it is held now. ``draining``: more is held than its owner offers."""

    share_id: ShareId
    platform: Name
    site: Name
    share: Name
    capacity: Resources
    used: Resources
    draining: bool
    simulated: bool
    seen_in_jobs: Shown | None = None
    shown_free: Shown | None = None


class ShareStates(Wire):
    """The states of shares, and how much is in use over all of them that are fresh."""

    items: tuple[ShareState, ...]
    utilisation: Utilisation


class SentReport(Wire):
    """A supervision report that goes up by so many ``uplinks``, and what the hubs above have answered so far."""

    report: SupervisionReport
    receipts: tuple[Receipt, ...]
    uplinks: int = 0


class LogPiece(Wire):
    """Bytes of an attempt's log from some offset. ``ended``: no more will come."""

    data: bytes
    next_offset: int
    ended: bool
    attempt: str = ""


class JobNotEndedError(SuanlianError):
    """The job did not end within the time that the caller was ready to wait; it runs on."""

    transient = True
