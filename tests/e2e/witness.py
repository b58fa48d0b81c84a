"""What the keepers wrote, kept apart: their records go when the hub has heard of the end."""

import contextlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from suanlian.testing.nodes import AgentProcess

_LOOK_S: Final = 0.01


class Witness:
    """Looks at the jobs directories again and again, beside the test."""

    def __init__(self, agents: Sequence[AgentProcess]) -> None:
        self.begun: dict[str, set[str]] = {}
        """Attempt -> every different mark ``started`` that was seen."""
        self.ended: dict[str, dict[str, Any]] = {}
        """Attempt -> its keeper's exit record."""
        self._agents = agents
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_S):
            for agent in self._agents:
                for job in _directories(agent.jobs):
                    self._look(job)

    def _look(self, job: Path) -> None:
        if job.name in self.ended:
            return
        with contextlib.suppress(FileNotFoundError):
            self.begun.setdefault(job.name, set()).add((job / "started").read_text())
        with contextlib.suppress(FileNotFoundError):
            self.ended[job.name] = json.loads((job / "exit.json").read_text())


def _directories(jobs: Path) -> list[Path]:
    try:
        return list(jobs.iterdir())
    except FileNotFoundError:
        return []
