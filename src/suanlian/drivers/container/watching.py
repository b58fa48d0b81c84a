"""What becomes of a started container: its limits of time, disk and output, its log, its end.

There is no thread of ours: whoever looks, by `observe` or by reading a log, is the watch. What the kernel bounds
(memory, processors, processes, the size of a file, processor time) holds also while nobody looks.
"""

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from suanlian.drivers import kept, tree
from suanlian.drivers.container import parse, place, starting, verdict
from suanlian.drivers.container.client import RefusedError
from suanlian.drivers.container.engine import Engine
from suanlian.drivers.container.parse import Seen
from suanlian.drivers.container.place import Place, Spec
from suanlian.drivers.contract import Measured, Observation
from suanlian.model.job import JobState

_MIB: Final = 1024 * 1024
_DISK_SHARE: Final = 20
"""Looking at a directory takes at most one part in so many of the time."""
_UNSEEN_LOG_S: Final = 5.0
"""So often at most a log is counted whose file cannot be seen from here."""
_LOG_TRIES: Final = 10
"""So often an engine may refuse the log of an ended job before it ends without."""
STREAMS: Final = ("stdout", "stderr")


class Watch:
    """The watch over the jobs of one driver. What it remembers is only when to look again."""

    def __init__(self, engine: Engine) -> None:
        """Over one engine."""
        self._engine, self._client = engine, engine.client
        self._disk_due: dict[str, float] = {}
        self._log_seen: dict[str, tuple[int, float]] = {}

    # ------------------------------------------------------------------ running

    def running(self, here: Place, spec: Spec, container: Seen) -> Observation:
        """What is true of a job that runs or is paused; one that is over a limit, or was cancelled, is ended."""
        measured, reached = self._measure(here, spec)
        if container.state == "running":
            reached = reached or self._reached(here, spec, container)
            canceled = here.read(place.CANCEL)
            late = canceled is not None and _since_s(canceled["at"]) >= self._engine.options.grace_s
            if reached and not here.has(place.HIT):
                here.write(place.HIT, {"limit": reached[0], "detail": reached[1]})
            if reached or late or here.has(place.HIT):
                self._client.kill(starting.name_of(here.attempt))
        state = JobState.PAUSED if container.state == "paused" else JobState.RUNNING
        return Observation(state=state, started_at=container.started_at, measured=measured)

    def _reached(self, here: Place, spec: Spec, container: Seen) -> tuple[str, str] | None:
        """The limit that it is over, with a detail, among those that the engine does not hold."""
        now = datetime.now(UTC)
        paused_s = verdict.stood_s(here.read(place.PAUSE), now)
        if container.started_at and (now - container.started_at).total_seconds() - paused_s >= spec.wall_s:
            return "wall-time", ""
        return self._disk(here, spec) or self._output(here, spec, container)

    def _disk(self, here: Place, spec: Spec) -> tuple[str, str] | None:
        begun = time.monotonic()
        if begun < self._disk_due.get(here.attempt, 0.0):
            return None
        try:
            used = here.used_bytes()
        except tree.TooDeepError:
            return "disk", "by directories that are nested too deep"
        self._disk_due[here.attempt] = begun + _DISK_SHARE * (time.monotonic() - begun)
        if used >= spec.disk_mib * _MIB:
            return "disk", f"({-(-used // _MIB)} MiB in the working directory)"
        return None

    def _output(self, here: Place, spec: Spec, container: Seen) -> tuple[str, str] | None:
        size = _size(container.log_path)
        if size is not None and size <= spec.stream_bytes:
            return None  # both streams and what the engine writes beside them
        over = [name for name in STREAMS if not self.fetch(here, spec, name, container)]
        return ("output", f"on {over[0]}") if over else None

    def _measure(self, here: Place, spec: Spec) -> tuple[Measured, tuple[str, str] | None]:
        """What is used, and whether the kernel tells of a limit."""
        meter = self._engine.facts().meter
        reading = meter.read(here.attempt) if meter is not None else None
        if reading is None:
            measured = parse.usage(self._client.usage(starting.name_of(here.attempt)))
            here.write(place.LIVE, {"cpu_s": str(measured.cpu_s), "peak_memory_mib": measured.peak_memory_mib})
            return measured, None
        if reading.oom_kills:
            return reading.measured, ("memory", "")
        return reading.measured, ("processes", "") if reading.processes >= spec.processes else None

    # ------------------------------------------------------------------ the log

    def fetch(self, here: Place, spec: Spec, stream: str, container: Seen | None) -> bool:
        """Bring our copy of a stream up to what the engine has; False when there is more than the bound.

        The engine tells a log from its beginning only: nothing is asked while its file has not grown.
        """
        key, now = f"{here.attempt}.{stream}", time.monotonic()
        size = _size(container.log_path) if container is not None else None
        before, at = self._log_seen.get(key, (-1, -_UNSEEN_LOG_S))
        if container is not None and (size == before if size is not None else now - at < _UNSEEN_LOG_S):
            return not here.has(f"{stream}.over")
        with here.locked():
            fits = self._append(here, spec, stream)
        self._log_seen[key] = (-1 if size is None else size, now)
        return fits

    def _append(self, here: Place, spec: Spec, stream: str) -> bool:
        file = here.directory / stream
        have = file.stat().st_size if file.exists() else 0
        skip, room = have, spec.stream_bytes - have
        with file.open("ab") as copy:
            for piece in parse.payload(self._client.log(starting.name_of(here.attempt), stream)):
                new = piece[skip:]
                skip -= len(piece) - len(new)
                copy.write(new[:room])
                if len(new) > room:
                    (here.directory / f"{stream}.over").touch()
                    return False
                room -= len(new)
        # a log that shrank was cut by the engine at its own bound, which is far above ours
        return skip == 0

    # ------------------------------------------------------------------ the end

    def finish(self, here: Place, spec: Spec, container: Seen) -> Observation:
        """Write down how it ended, with all that it said; from then on the engine is not asked."""
        over, silent = self._last_words(here, spec)
        hit = here.read(place.HIT) or ({"limit": "output", "detail": f"on {over[0]}"} if over else {})
        with here.locked():
            if (content := here.read(place.EXIT)) is not None:
                return kept.from_record(content)
            end = verdict.decide(spec, container, self._facts(here, hit, container))
            here.take_back(chown=os.geteuid() == 0)
            if line := silent + verdict.own_line(end):
                _say(here.directory / "stderr", line)
            here.write(place.EXIT, kept.to_record(end))
        self.dismiss(here.attempt)
        return end

    def _last_words(self, here: Place, spec: Spec) -> tuple[list[str], str]:
        """Bring the log to its end: which streams went over their bound, and a line where the engine tells nothing.

        Raises RefusedError to be asked again, some times.
        """
        try:
            return [name for name in STREAMS if not self.fetch(here, spec, name, None)], ""
        except RefusedError as error:
            tries = int((here.read("log-tries.json") or {}).get("tries", 0)) + 1
            here.write("log-tries.json", {"tries": tries})
            if tries < _LOG_TRIES:
                raise
            return [], f"suanlian: the rest of the log could not be read: {error.words}\n"

    def _facts(self, here: Place, hit: Mapping[str, Any], container: Seen) -> verdict.Facts:
        meter = self._engine.facts().meter
        reading = meter.read(here.attempt) if meter is not None else None
        return verdict.Facts(
            hit=hit.get("limit"),
            detail=hit.get("detail", ""),
            canceled=here.has(place.CANCEL),
            paused_s=verdict.stood_s(here.read(place.PAUSE), container.ended_at or datetime.now(UTC)),
            oom=bool(reading and reading.oom_kills),
            measured=reading.measured if reading else parse.measured(here.read(place.LIVE)),
        )

    def dismiss(self, attempt: str) -> None:
        """Forget when to look again."""
        for key in (attempt, *(f"{attempt}.{name}" for name in STREAMS)):
            self._disk_due.pop(key, None)
            self._log_seen.pop(key, None)


def _since_s(moment: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def _size(path: str) -> int | None:
    try:
        return Path(path).stat().st_size if path else None
    except OSError:
        return None


def _say(file: Path, line: str) -> None:
    with file.open("ab") as stream:
        stream.write(line.encode())
