"""What Slurm's own accounting says of past jobs: the output of ``sacct -P`` (or ``-p``), read where it was made.

What is taken: ``sacct --allusers --allocations -P --starttime=...`` with any format that has JobID, Submit, Start,
Elapsed and AllocTRES (or AllocCPUS); columns are found by their names in the first line. Job steps are passed over. An
array that has not been told apart (``7_[3-9]``) has not run. A job with several records (requeued, ``sacct -D``) counts
once for each time it ran. Elapsed is what counts: it leaves out suspension, and knows no change of the clock.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Final

from suanlian.i18n import _
from suanlian.i18n.told import T_
from suanlian.twin.demand import wrong

NEEDED: Final = ("jobid", "submit", "start")
_ELAPSED: Final = ("elapsedraw", "elapsed")
_AMOUNTS: Final = ("alloctres", "alloccpus", "ncpus")
COMMAND: Final = (
    "sacct --allusers --allocations --parsable2 --starttime=now-90days "
    "--format=JobID,User,Account,Partition,State,Submit,Eligible,Start,End,Elapsed,Timelimit,AllocTRES,AllocNodes"
)
"""What to run for the file."""

_RAN: Final = frozenset(
    {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "DEADLINE", "REQUEUED"}
    | {"REVOKED", "BOOT_FAIL", "RUNNING", "SUSPENDED", "COMPLETING", "RESIZING", "STOPPED", "SIGNALING", "STAGE_OUT"}
)
_WAITS: Final = frozenset({"PENDING", "CONFIGURING", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"})
_GOES_ON: Final = frozenset({"RUNNING", "SUSPENDED", "COMPLETING"})
_NEVER: Final = frozenset({"", "unknown", "none", "n/a", "invalid"})
_SPAN: Final = re.compile(r"^(?:(?P<d>\d+)-)?(?:(?P<h>\d+):)?(?P<m>\d+):(?P<s>\d+(?:\.\d+)?)$")
_DAYS_HOURS: Final = re.compile(r"^(?P<d>\d+)-(?P<h>\d+)$")
_ARRAY: Final = re.compile(r"^(?P<job>\d+)_\[(?P<tasks>[^\]]*)\]")


@dataclass(frozen=True, slots=True)
class Record:
    """One time that one job ran. Times are seconds since 1970 by the site's clock; ``limit`` NaN: unlimited."""

    job: str
    user: str
    account: str
    partition: str
    submit: float
    eligible: float
    start: float
    elapsed: float
    limit: float
    gpus: int
    cpus: int
    nodes: int


@dataclass(frozen=True, slots=True)
class Accounting:
    """All that was read, and what was passed over and why."""

    records: tuple[Record, ...]
    notes: tuple[str, ...]
    source: str


def read_sacct(source: IO[str], name: str) -> Accounting:
    """The records of a file. Raises ``TraceError`` that names line and remedy."""
    lines = iter(enumerate(source, start=1))
    header, columns = _header(lines, name)
    seen: Counter[str] = Counter()
    records = tuple(_records(lines, header, columns, name, seen))
    if not records:
        what = _("no job in it took any time.")
        raise wrong(
            name, what, _("Widen --starttime; the file is made by: {command}").format(command=COMMAND), "trace_empty"
        )
    return Accounting(records, tuple(_notes(seen)), name)


def _header(lines: Iterator[tuple[int, str]], name: str) -> tuple[dict[str, int], int]:
    first = next(lines, (1, ""))[1].rstrip("\r\n")
    names = [cell.strip().casefold() for cell in first.split("|")]
    at = {cell: place for place, cell in enumerate(names) if cell}
    needed = [
        *NEEDED,
        *([] if set(_ELAPSED) & set(at) else ["elapsed"]),
        *([] if set(_AMOUNTS) & set(at) else ["alloctres"]),
    ]
    lacking = [column for column in needed if column not in at]
    if "|" not in first or lacking:
        what = _("the first line is no header of sacct -P with {names}.").format(names=", ".join(lacking or needed))
        raise wrong(
            _("{name}, line {line}").format(name=name, line=1),
            what,
            _("Make it by: {command}").format(command=COMMAND),
            "trace_column",
        )
    return at, len(names)


def _records(
    lines: Iterator[tuple[int, str]], at: Mapping[str, int], width: int, name: str, seen: Counter[str]
) -> Iterator[Record]:
    for line, text in lines:
        cells = text.rstrip("\r\n").split("|")
        if cells == [""]:
            continue
        where = _("{name}, line {line}").format(name=name, line=line)
        if len(cells) != width:
            what = _("there are {n} cells, the first line names {wanted}.").format(n=len(cells), wanted=width)
            todo = _("A job's name or comment may hold a |: leave such columns out of --format.")
            raise wrong(where, what, todo)
        row = {column: cells[place].strip() for column, place in at.items()}
        if why := _passed(row, where):
            seen[why] += _tasks(row["jobid"]) if why == "waiting" else 1
            continue
        record = _record(row, where)
        if record is None:
            seen["never"] += 1
            continue
        _count(record, row, seen)
        yield record


def _passed(row: Mapping[str, str], where: str) -> str:
    """Why a row is none of a job that ran; empty where it is."""
    job = row["jobid"]
    if not job or not job[0].isdigit():
        raise wrong(where, _("{value!r} is no job id.").format(value=job[:40]), _("Put it right, or take the row out."))
    if "." in job:
        return "step"
    state = row.get("state", "COMPLETED").split(" ")[0].rstrip("+").upper()
    if _ARRAY.match(job) or state in _WAITS:
        return "waiting"
    if state not in _RAN:
        what = _("state {value!r} is not one of Slurm's.").format(value=state[:40])
        raise wrong(where, what, _("Put it right, or take the row out."))
    return ""


def _record(row: Mapping[str, str], where: str) -> Record | None:
    start = moment(row["start"], where)
    elapsed = _elapsed(row, where)
    if start is None or elapsed <= 0:
        return None
    submit = moment(row["submit"], where)
    if submit is None:
        raise wrong(where, _("a job that started was never submitted."), _("Put it right, or take the row out."))
    # a requeued job's record may tell of a submission after its start, by seconds
    eligible = moment(row.get("eligible", ""), where)
    ready = min(start, max(submit, submit if eligible is None else eligible))
    gpus, cpus, nodes = amounts(row, where)
    return Record(
        job=row["jobid"],
        user=row.get("user", ""),
        account=row.get("account", ""),
        partition=row.get("partition", ""),
        submit=min(submit, start),
        eligible=ready,
        start=start,
        elapsed=elapsed,
        limit=_limit(row, where),
        gpus=gpus,
        cpus=cpus,
        nodes=nodes,
    )


def _count(record: Record, row: Mapping[str, str], seen: Counter[str]) -> None:
    state = row.get("state", "").split(" ")[0].upper()
    seen["unfinished"] += state in _GOES_ON
    seen["held"] += record.eligible > record.submit
    ends = row.get("end", "").casefold()
    if ends not in _NEVER and state not in _GOES_ON:
        end = moment(ends.upper(), "")
        seen["clock"] += end is not None and abs(end - record.start - record.elapsed) > 1


def _elapsed(row: Mapping[str, str], where: str) -> float:
    raw = row.get("elapsedraw", "")
    if raw.isdigit():
        return float(raw)
    return seconds(row.get("elapsed", raw), where)


def _limit(row: Mapping[str, str], where: str) -> float:
    raw = row.get("timelimitraw", "")
    if raw.isdigit():
        return 60.0 * float(raw)
    said = row.get("timelimit", "")
    return seconds(said, where) if said[:1].isdigit() else float("nan")


def seconds(text: str, where: str) -> float:
    """``[DD-]HH:MM:SS``, ``MM:SS``, ``DD-HH`` or plain seconds (a fraction allowed) as seconds; 0 for an empty one."""
    if text.casefold() in _NEVER:
        return 0.0
    if text.isdigit():
        return float(text)
    found = _SPAN.match(text) or _DAYS_HOURS.match(text)
    if not found:
        what = _("{value!r} is no length of time as Slurm writes it.").format(value=text[:40])
        raise wrong(where, what, _("Wanted: [days-]hours:minutes:seconds."))
    part = {key: float(value) for key, value in found.groupdict().items() if value}
    return part.get("d", 0) * 86_400 + part.get("h", 0) * 3600 + part.get("m", 0) * 60 + part.get("s", 0)


def moment(text: str, where: str) -> float | None:
    """A time of Slurm as seconds since 1970, as if the site's clock were UTC; None where there is none yet."""
    if text.casefold() in _NEVER:
        return None
    if text.isdigit():  # SLURM_TIME_FORMAT=%s
        return float(text)
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        what = _("{value!r} is no time as sacct writes it.").format(value=text[:40])
        raise wrong(where, what, _("Unset SLURM_TIME_FORMAT, or set it to %s, and make the file again.")) from None
    return (said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp()


def amounts(row: Mapping[str, str], where: str) -> tuple[int, int, int]:
    """GPUs, CPUs and nodes of a job: of AllocTRES where it is there, of AllocCPUS and AllocNodes else."""
    tres = row.get("alloctres", "")
    pairs = dict(part.split("=", 1) for part in tres.split(",") if "=" in part)
    gpus = _amount(pairs["gres/gpu"], where) if "gres/gpu" in pairs else _typed(pairs, where)
    cpus = pairs.get("cpu") or row.get("alloccpus") or row.get("ncpus") or "0"
    nodes = pairs.get("node") or row.get("allocnodes") or row.get("nnodes") or "1"
    return gpus, _amount(cpus, where), max(1, _amount(nodes, where))


def _typed(pairs: Mapping[str, str], where: str) -> int:
    """Cards that are told by their type alone; where both are told, the untyped is the sum of the typed."""
    return sum(_amount(value, where) for key, value in pairs.items() if key.startswith("gres/gpu:"))


def _amount(text: str, where: str) -> int:
    scale = {"K": 1_000, "M": 1_000_000}.get(text[-1:].upper(), 1)
    number = text[:-1] if scale > 1 else text
    try:
        return int(float(number) * scale)
    except ValueError:
        what = _("{value!r} is no amount.").format(value=text[:40])
        raise wrong(where, what, _("Put it right, or take the row out.")) from None


def _tasks(job: str) -> int:
    """How many tasks an array that was not told apart stands for: ``7_[3,5-9%2]`` is six."""
    found = _ARRAY.match(job)
    if not found:
        return 1
    total = 0
    for part in found["tasks"].split("%")[0].split(","):
        first, _dash, last = part.partition("-")
        last, _colon, step = last.partition(":")
        if first.isdigit():
            total += (int(last) - int(first)) // int(step or 1) + 1 if last.isdigit() else 1
    return max(1, total)


def _notes(seen: Counter[str]) -> Iterator[str]:
    texts = {
        "step": T_("{0} job steps passed over: their jobs count."),
        "waiting": T_("{0} jobs or tasks of arrays wait and have not run: left out."),
        "never": T_("{0} jobs ended without having run: left out."),
        "unfinished": T_("{0} jobs run still: they count with the time so far."),
        "held": T_(
            "{0} jobs could not start when submitted (dependency, begin time): their wait counts from when they could."
        ),
        "clock": T_("{0} jobs were suspended or ran across a change of the clock: their elapsed time counts."),
    }
    for key, text in texts.items():
        if seen[key]:
            yield text.format(seen[key])
