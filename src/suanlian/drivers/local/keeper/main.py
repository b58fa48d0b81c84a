"""Keep jobs: one forked keeper for each directory named; the starter returns once all locks are held.

Order within a job: lock, mark ``started``, run, exit record. A keeper that finds the mark never runs the command again.
"""

import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from suanlian.drivers import tree
from suanlian.drivers.local.keeper import leftover, processes, record, verdict
from suanlian.drivers.local.keeper.spec import Spec
from suanlian.drivers.local.keeper.start import Place, make_group, start, take_place
from suanlian.drivers.local.keeper.watch import Watch


def main(jobs: list[str]) -> None:
    """Fork a keeper a job. The lock is taken before the fork and inherited: when this returns, every job is held.

    Standard input brings the values of secret variables as JSON; they are kept in memory until the command has them.
    """
    given: dict[str, str] = json.load(sys.stdin)
    for job in map(Path, jobs):
        lock = record.lock(job / record.LOCK)
        if lock is None:
            continue
        if os.fork() == 0:
            os.setsid()
            _guarded(job, given)
            os._exit(0)
        os.close(lock)


def _guarded(job: Path, given: dict[str, str]) -> None:
    """Keep one job; whatever goes wrong with us is in its record."""
    try:
        _keep(job, given)
    except Exception as error:  # noqa: BLE001 - nobody else is there to say what happened
        leftover.clear(job)
        (job / "keeper.log").write_text(_trace(error), encoding="utf-8")
        record.write(job / record.EXIT, verdict.never_ran("SYSTEM_ERROR", f"the keeper failed: {error}"))


def _trace(error: BaseException) -> str:
    """Where it happened; the module ``traceback`` would cost more time to load than all that we do."""
    lines, at = [repr(error)], error.__traceback__
    while at is not None:
        lines.append(f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}")
        at = at.tb_next
    return "\n".join(lines)


def _keep(job: Path, given: dict[str, str]) -> None:
    spec = Spec.load(job)
    if spec is None or (job / record.EXIT).exists():
        return
    spec = spec._replace(env={**spec.env, **{name: given[name] for name in spec.secret_names}})
    if (job / record.STARTED).exists():
        reason = "the job had been started before by a keeper that is gone: it is not run twice"
        record.write(job / record.EXIT, verdict.never_ran("SYSTEM_ERROR", reason))
        return
    wakeup = _signals()
    place = take_place(spec)
    own = {"pid": os.getpid(), "born": processes.born(os.getpid()), "uid": place.uid}
    record.write(job / record.KEEPER, own, durable=False)
    if (job / record.CANCEL).exists():
        record.write(job / record.EXIT, verdict.never_ran("CANCELED", "canceled before it started"))
        return
    record.write(job / record.EXIT, _run(spec, job, place, wakeup))


def _signals() -> int:
    """From here on SIGTERM asks for the end of the job; every signal wakes the one loop that there is."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    processes.adopt_orphans()
    return reading


def _prepare(spec: Spec, job: Path, place: Place) -> None:
    (job / record.TEMPORARY).mkdir(mode=0o700, exist_ok=True)
    (job / record.WORK).chmod(0o700)
    if place.uid is not None:
        processes.kill_user(place.uid)  # a keeper that was killed may have left something in this slot
        tree.give(job / record.WORK, place.uid)
        tree.give(job / record.TEMPORARY, place.uid)
        user = f"job:x:{place.uid}:{place.uid}::/job:/bin/sh\n"
        group = f"job:x:{place.uid}:\n"
    else:
        user = f"job:x:{os.getuid()}:{os.getgid()}::/job:/bin/sh\n"
        group = f"job:x:{os.getgid()}:\n"
    (job / "passwd").write_text(user, encoding="ascii")
    (job / "group").write_text(group, encoding="ascii")
    for name in ("passwd", "group"):
        (job / name).chmod(0o644)
    if place.group is not None:
        make_group(spec, place.group)


def _run(spec: Spec, job: Path, place: Place, wakeup: int) -> dict[str, Any]:
    """Run the command to its end, whatever it is, and return the exit record."""
    _prepare(spec, job, place)
    # two clocks at one moment: what is measured from here on must add up to what the machine's clock shows
    started, begun = datetime.now(UTC), time.monotonic()
    record.write(job / record.STARTED, {"started_at": started.isoformat()})
    watch = Watch(spec, job, place, start(spec, place))
    watch.until_end(wakeup)
    # first the mark: whoever looked and did not find it looked before the end
    record.write(job / record.ENDING, {}, durable=False)
    length_s = time.monotonic() - begun
    watch.end_all()
    watch.final()
    ending = _record(watch, job, (started, length_s))
    watch.streams["stdout"].finish()
    watch.streams["stderr"].finish(verdict.own_line(ending))
    _restore(job, place)
    return ending


def _record(watch: Watch, job: Path, times: tuple[datetime, float]) -> dict[str, Any]:
    seen = verdict.Seen(
        started=times[0],
        length_s=times[1],
        status=watch.status,
        told=watch.told(),
        command=watch.spec.argv[0][:200],
        hit=watch.hit,
        canceled=watch.canceled and (job / record.CANCEL).exists(),
        told_to_end=watch.canceled,
        sandboxed=bool(watch.spec.sandbox),
        cpu_s=watch.cpu_s,
        peak_mib=watch.peak_mib,
    )
    return verdict.decide(seen)


def _restore(job: Path, place: Place) -> None:
    """With everything dead: the files are the keeper's user's again, and the control group goes."""
    if place.group is not None:
        place.group.remove()
    try:
        if place.uid is not None:
            tree.give(job / record.WORK, os.getuid())
        tree.open_up(job / record.WORK)
    except tree.TooDeepError:
        pass  # the disk limit has spoken; `forget` removes any depth
    tree.remove(job / record.TEMPORARY)


if __name__ == "__main__":
    main(sys.argv[1:])
