"""What the owner of a machine sets for the local driver; handed down as values, read by nobody here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from suanlian.drivers.contract import EnvironmentSetup
from suanlian.model.platform import Flavor

_FIRST_UID: Final = 10_000
"""Below are the system's users and people: with a job end all processes of its user, whoever started them."""


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """The local driver's settings. Sizes in MiB, times in seconds."""

    root: Path
    """Where jobs live, on a disk with room; private to the agent and, as staging place, on the same file system."""
    flavors: tuple[Flavor, ...] = ()
    environments: Mapping[str, EnvironmentSetup] = field(default_factory=dict)
    base_uid: int = 200_000
    """As root, the job in slot N runs as user ``base_uid + N``: a range that nobody else uses."""
    user_locks: Path = Path("/run/suanlian/users")
    """As root, the directory of locks by which all agents of this machine share those users."""
    slots: int = 1000
    """How many jobs can run at once at most."""
    isolation: Literal["auto", "none"] = "auto"
    cgroup_parent: Path | None = None
    """A version 2 control group delegated to the agent; None: below the agent's own, where that is possible."""
    use_cgroups: bool = True
    max_processes: int = 512
    """Processes and threads of one job."""
    disk_mib_if_none: int = 1024
    """The working directory's bound for jobs that were granted no disk."""
    grace_s: float = 2.0
    """Between SIGTERM and SIGKILL when a job is cancelled."""

    def __post_init__(self) -> None:
        """Refuse users that are not jobs' alone. Raises ValueError."""
        if self.base_uid < _FIRST_UID:
            msg = f"base_uid is {self.base_uid}: take {_FIRST_UID} or more, as all that a job's user runs is killed"
            raise ValueError(msg)
