"""What came of a job? Asked of the hub as its owner would, checked, and put into the report's values."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from suanlian.demo.record import BothText, JobRecord, OutputRecord, TaskRecord
from suanlian.demo.work.checks import check
from suanlian.demo.work.failure import CheckFailure
from suanlian.demo.work.job import DemoJob, JobResult, Primes, Says
from suanlian.i18n import use_language
from suanlian.i18n.reasons import reason_line
from suanlian.model.charge import Charge
from suanlian.model.job import Attempt, Job, JobState, Task
from suanlian.model.placement import Explanation
from suanlian.sdk.answers import TaskOutput
from suanlian.sdk.client import Client

_MILLI: Final = Decimal("0.001")
_SHOWN_STDERR: Final = 600
_TOLERANCE: Final = timedelta(milliseconds=50)


@dataclass(frozen=True)
class Found:
    """What the hub told of one ended job, and what its outputs were."""

    job: DemoJob
    seen: Job
    tasks: tuple[Task, ...]
    outputs: tuple[TaskOutput, ...]
    result: JobResult
    explanation: Explanation
    failures: tuple[CheckFailure, ...]

    def attempts(self) -> list[Attempt]:
        """The attempts that started, whatever became of them."""
        return [attempt for task in self.tasks for attempt in task.attempts if attempt.started_at is not None]


def collect(client: Client, job: DemoJob, seen: Job, why: Explanation | None = None) -> Found:
    """Fetch all that there is of an ended job and check it. ``why``: asked before, for what never ran."""
    tasks = tuple(client.jobs.tasks(seen.id))
    outputs = tuple(client.jobs.outputs(seen.id))
    speaks = isinstance(job.check, Primes | Says)
    result = JobResult(
        state=seen.state.value,
        outputs=_files(client, seen.id, outputs),
        stdout=_texts(client, seen.id, tasks, "stdout") if speaks else {},
        stderr=_texts(client, seen.id, tasks, "stderr") if speaks else {},
    )
    explanation = why or client.jobs.why(seen.id, _telling(tasks))
    return Found(job, seen, tasks, outputs, result, explanation, tuple(check(job, result)))


def _files(client: Client, job: str, outputs: Iterable[TaskOutput]) -> dict[int, dict[str, bytes]]:
    found: dict[int, dict[str, bytes]] = {}
    with tempfile.TemporaryDirectory(prefix="suanlian-outputs-") as place:
        for output in outputs:
            target = client.jobs.download(job, output, Path(place) / str(output.task_index))
            found.setdefault(output.task_index, {})[output.path] = target.read_bytes()
    return found


def _texts(client: Client, job: str, tasks: Iterable[Task], stream: str) -> dict[int, str]:
    ran = [task.index for task in tasks if task.attempts]
    return {index: b"".join(client.jobs.log(job, index=index, stream=stream)).decode(errors="replace") for index in ran}


def _telling(tasks: Sequence[Task]) -> int:
    """The first task that ran where most of them ran: its reason stands for the job."""
    where = {task.index: task.attempts[-1].platform for task in tasks if task.attempts}
    most = Counter(where.values()).most_common(1)
    return next((index for index, platform in where.items() if platform == most[0][0]), 0)


def uncharged(found: Iterable[Found], charges: Iterable[Charge]) -> list[str]:
    """Attempts that ran and whose run time is not yet charged to its end."""
    until: dict[str, datetime] = {}
    for charge in charges:
        until[charge.attempt_id] = max(charge.ended_at, until.get(charge.attempt_id, charge.ended_at))
    attempts = [attempt for one in found for attempt in one.attempts()]
    return [a.id for a in attempts if a.ended_at and (a.id not in until or until[a.id] < a.ended_at - _TOLERANCE)]


def job_record(found: Found, buyer: str, charges: Iterable[Charge]) -> JobRecord:
    """The job as the report shows it; ``charges`` are all of its account's."""
    mine = [charge for charge in charges if charge.job_id == found.seen.id]
    tasks = tuple(_task(task, found.seen.created_at) for task in found.tasks)
    platforms = Counter(task.platform for task in tasks if task.platform)
    reason = both(lambda: reason_line(found.explanation))
    waits = [task.waited_s for task in tasks if task.waited_s is not None]
    return JobRecord(
        name=found.job.name,
        id=found.seen.id,
        public_id=found.seen.public_id,
        kind=found.job.kind,
        buyer=buyer,
        state=found.seen.state,
        expected_state=JobState(found.job.expected_state),
        verified=not found.failures,
        failures=failure_texts(found.failures),
        platform=platforms.most_common(1)[0][0] if platforms else None,
        platforms=dict(platforms.most_common()),
        reason=reason.en,
        reason_zh=reason.zh,
        waited_s=min(waits) if waits else None,
        ran_s=sum((task.ran_s for task in tasks if task.ran_s is not None), start=Decimal(0)),
        cost=sum((charge.cost.amount for charge in mine), start=Decimal(0)),
        cost_simulated=sum((charge.cost.amount for charge in mine if charge.simulated), start=Decimal(0)),
        tasks=tasks,
        outputs=tuple(OutputRecord.model_validate(output.model_dump()) for output in found.outputs),
        checksum=checksum(found.outputs),
        stderr=_shown_stderr(found),
    )


def _task(task: Task, created_at: datetime) -> TaskRecord:
    last = task.attempts[-1] if task.attempts else None
    if last is None:
        return TaskRecord(index=task.index, state=task.state, attempts=0)
    started, ended = last.started_at, last.ended_at
    return TaskRecord(
        index=task.index,
        state=task.state,
        attempts=len(task.attempts),
        platform=last.platform,
        site=last.site,
        flavor=last.flavor,
        architecture=last.architecture,
        simulated=last.simulated,
        waited_s=None if started is None else _seconds(started - created_at),
        ran_s=None if started is None or ended is None else _seconds(ended - started),
        exit_code=last.outcome.exit_code,
        limit=last.outcome.limit,
        ended_because=last.outcome.reason,
    )


def _seconds(length: timedelta) -> Decimal:
    return Decimal(max(0, length // timedelta(milliseconds=1))) * _MILLI


def checksum(outputs: Iterable[TaskOutput]) -> str:
    """One SHA-256 over all outputs: of the lines ``index path sha256``, sorted; empty without outputs."""
    lines = sorted(f"{output.task_index} {output.path} {output.sha256}\n" for output in outputs)
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else ""


def _shown_stderr(found: Found) -> str:
    return "".join(found.result.stderr.values())[-_SHOWN_STDERR:] if isinstance(found.job.check, Says) else ""


def both(text: Callable[[], str]) -> BothText:
    """A text in both languages."""
    with use_language("en"):
        english = text()
    with use_language("zh"):
        return BothText(en=english, zh=text())


def failure_texts(failures: Iterable[CheckFailure]) -> tuple[BothText, ...]:
    """What is wrong, in both languages."""
    return tuple(both(failure.message) for failure in failures)


def by_name(found: Mapping[str, Found]) -> list[tuple[DemoJob, JobResult]]:
    """What the checks between jobs take."""
    return [(one.job, one.result) for one in found.values()]
