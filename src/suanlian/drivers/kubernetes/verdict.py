"""What is true of a Job and its pods, and what is to be done about it? Pure: objects in, observation and deed out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from suanlian.drivers.contract import Fault, Measured, Observation
from suanlian.drivers.kubernetes import launcher, names, parse
from suanlian.drivers.kubernetes.marks import End, end_of
from suanlian.model.job import JobState

Json = Mapping[str, Any]
UNKNOWN: Final = Observation(state=JobState.QUEUED, reason="the cluster knows no such job", lost=True)
_LAST_SIGNAL: Final = 64
_SIGNAL_BASE: Final = 128

# What a waiting container says, by whether that can pass.
_NEVER: Final = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_IMAGE: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable", *_NEVER})
_OTHER: Final = r"no match for platform|no matching manifest"
_GONE: Final = re.compile(rf"not found|manifest unknown|does not exist|{_OTHER}", re.IGNORECASE)
_OTHER_MACHINE: Final = re.compile(rf"exec format error|{_OTHER}", re.IGNORECASE)
_NO_SHELL: Final = re.compile(r"/bin/sh\S*(: stat \S+)?: (no such file|(executable file )?not found)", re.IGNORECASE)
# What the kubelet says of a pod that it ended or refused itself.
_SHUT: Final = frozenset({"Shutdown", "Terminated", "NodeShutdown", "NodeLost"})
_REFUSED: Final = re.compile(r"OutOf\w+|NodeAffinity|UnexpectedAdmissionError|AppArmor|Preempting")
_OWN_DISK: Final = re.compile(r"ephemeral|local storage usage", re.IGNORECASE)
_NOT_RUN: Final = frozenset({"StartError", "ContainerCannotRun", "ContainerStatusUnknown", ""})
_GC: Final = "DeletionByPodGC"
_SETTLE_S: Final = 5


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for what may still come, in seconds; and what time it is."""

    now: datetime
    pull_s: int
    start_s: int
    node_s: int

    def over(self, since: datetime | None, seconds: int) -> bool:
        """Whether it has lasted longer."""
        return since is not None and self.now - since > timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Seen:
    """The observation, and what follows: ``end`` ends the Job, ``began`` its program was seen to run at first."""

    observation: Observation
    end: End | None = None
    began: datetime | None = None


def judge(job: Json | None, pods: Sequence[Json], node: parse.Node | None, patience: Patience) -> Seen:
    """All of it; ``node`` is that of the running pod where the pod is not well."""
    if job is None or parse.is_leaving(job):
        return Seen(UNKNOWN)
    end = end_of(job)
    own = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
    if not own:
        return _without_pods(job, end)
    pod = own[0]
    if end is not None and end.fault is Fault.NODE:  # whatever a node says that comes back
        return Seen(_marked(end, pod))
    if has_ended(pod) or _silently_ended(job, pod, patience):
        return Seen(_judge_end(job, pod) if _by_itself(pod, end) else _marked(end, pod))
    return _alive(job, pod, node, patience)


# ------------------------------------------------------------------ no pod


def _without_pods(job: Json, end: End | None) -> Seen:
    status = job.get("status") or {}
    started, ended = parse.moment(status.get("startTime")), parse.moment(status.get("completionTime"))
    failed = parse.condition(job, "Failed")
    if ended is not None:
        return Seen(Observation(JobState.COMPLETE, started, ended, 0, reason="its pod is gone; the Job says it ended"))
    if failed is not None and end is None:
        at = parse.moment(failed.get("lastTransitionTime"))
        why = f"its pod was removed: {failed.get('message') or failed.get('reason')}"
        return Seen(Observation(JobState.PREEMPTED, started, at, reason=why, fault=Fault.PREEMPTED))
    if end is not None:
        return Seen(_marked(end, None))
    return Seen(Observation(JobState.QUEUED, reason="no pod yet"))


# ------------------------------------------------------------------ running, or on its way


def _alive(job: Json, pod: Json, node: parse.Node | None, patience: Patience) -> Seen:
    state = parse.container_state(pod)
    end = end_of(job)
    if "running" in state:
        started = parse.moment(state["running"].get("startedAt"))
        paused = names.PAUSED in parse.annotations(job)
        seen = Observation(JobState.PAUSED if paused else JobState.RUNNING, started)
        began = started if names.SEEN not in parse.annotations(pod) else None
        due = None if end is not None else _taken(pod, patience) or _silent(node, patience)
        return Seen(seen, due, began)
    if end is not None:
        return Seen(Observation(JobState.INITIALIZING, reason=end.reason))
    placed = parse.condition(pod, "PodScheduled") or {}
    if placed.get("status") != "True":
        why = " ".join(str(placed.get("message") or "no node has room yet").split())
        return Seen(Observation(JobState.QUEUED, reason=why[:500]), _taken(pod, patience))
    return _starting(pod, state.get("waiting") or {}, parse.moment(placed.get("lastTransitionTime")), patience)


def _starting(pod: Json, waiting: Json, since: datetime | None, patience: Patience) -> Seen:
    what, why = str(waiting.get("reason") or "starting"), " ".join(str(waiting.get("message") or "").split())[:500]
    seen = Observation(JobState.INITIALIZING, reason=f"{what}: {why}" if why else what)
    if taken := _taken(pod, patience):
        return Seen(seen, taken)
    if what in _IMAGE and (what in _NEVER or _GONE.search(why) or patience.over(since, patience.pull_s)):
        image = str((pod["spec"]["containers"][0]).get("image"))
        wrong = "is of another architecture" if _OTHER_MACHINE.search(why) else "cannot be had"
        return Seen(seen, _system(f"image {image} {wrong} here: {what} {why}".strip(), Fault.IMAGE, patience))
    if patience.over(since, patience.start_s):
        text = f"the pod did not start in {patience.start_s} s: {seen.reason}"
        return Seen(seen, _system(text, Fault.NODE, patience))
    return Seen(seen)


def _system(reason: str, fault: Fault, patience: Patience) -> End:
    return End(JobState.SYSTEM_ERROR, reason, patience.now, fault)


def _taken(pod: Json, patience: Patience) -> End | None:
    """Somebody else removes the pod: a drain, a more important pod, a person."""
    if not parse.is_leaving(pod):
        return None
    said = parse.condition(pod, "DisruptionTarget") or {}
    why = said.get("message") or said.get("reason") or "drained, preempted or removed by a person"
    return End(JobState.PREEMPTED, f"its pod was removed: {why}", patience.now, Fault.PREEMPTED)


def _silent(node: parse.Node | None, patience: Patience) -> End | None:
    if node is None or node.ready or not patience.over(node.silent_since, patience.node_s):
        return None
    text = f"node {node.name} was not heard of for more than {patience.node_s} s"
    return replace(_system(text, Fault.NODE, patience), at=node.silent_since or patience.now)


def unwell_on(pods: Sequence[Json]) -> str | None:
    """The node of a running pod that is said not to be ready, as is said of all pods of a silent node."""
    for pod in pods:
        ready = parse.condition(pod, "Ready") or {}
        if parse.is_running(pod) and ready.get("status") == "False":
            return (pod.get("spec") or {}).get("nodeName")
    return None


# ------------------------------------------------------------------ ended


def _silently_ended(job: Json, pod: Json, patience: Patience) -> bool:
    """Whether its program is gone by now, though the cluster goes on to say that it runs.

    A kubelet before 1.22 may tell nothing of a container that it stopped after it had called its pod Failed.
    """
    if not parse.is_running(pod) or (pod.get("status") or {}).get("phase") != "Failed":
        return False
    grace = (pod.get("spec") or {}).get("terminationGracePeriodSeconds") or 0
    return patience.over(_failed_at(job), grace + _SETTLE_S)


def has_ended(pod: Json) -> bool:
    """Whether its program has ended, or never will begin."""
    state = parse.container_state(pod)
    if "running" in state:  # a pod over its deadline says Failed while its program still has its grace
        return False
    return "terminated" in state or (pod.get("status") or {}).get("phase") in {"Failed", "Succeeded"}


def _by_itself(pod: Json, end: End | None) -> bool:
    """Whether it ended before our word reached it."""
    cut = (pod.get("status") or {}).get("reason") == "DeadlineExceeded" or parse.is_leaving(pod)
    return end is None or not cut


def _marked(end: End | None, pod: Json | None) -> Observation:
    """As the mark says, with the times and the usage that the pod tells."""
    end = end or End(JobState.SYSTEM_ERROR, "ended without a reason", datetime.now(UTC), Fault.NODE)
    state = {} if pod is None else parse.container_state(pod)
    begun = state.get("terminated") or state.get("running") or {}
    dead = {} if end.fault is Fault.NODE else state.get("terminated") or {}
    started = parse.moment(begun.get("startedAt"))
    return Observation(
        state=end.state,
        started_at=started,
        ended_at=max(parse.moment(dead.get("finishedAt")) or end.at, started or end.at),
        exit_code=dead.get("exitCode"),
        reason=end.reason,
        limit=end.limit,
        measured=parse.measured(dead.get("message")) or Measured(),
        fault=end.fault,
    )


def _judge_end(job: Json, pod: Json) -> Observation:
    status = pod.get("status") or {}
    dead = parse.container_state(pod).get("terminated") or {}
    live = parse.container_state(pod).get("running") or {}
    seen = Observation(
        state=JobState.SYSTEM_ERROR,
        started_at=parse.moment(dead.get("startedAt") or live.get("startedAt")),
        ended_at=parse.moment(dead.get("finishedAt")) or _failed_at(job) or _last_change(pod),
        exit_code=dead.get("exitCode"),
        measured=parse.measured(dead.get("message")) or Measured(),
    )
    return _by_engine(seen, status, pod) or _by_program(seen, dead)


def _by_engine(seen: Observation, status: Json, pod: Json) -> Observation | None:
    """Where the cluster ended it, or would not begin it."""
    why, said = str(status.get("reason") or ""), " ".join(str(status.get("message") or "").split())[:500]
    program = replace(seen, state=JobState.EXECUTOR_ERROR)
    if why == "DeadlineExceeded":
        return replace(program, limit="wall-time", reason="wall time limit reached; the job was ended")
    if why == "Evicted" and _OWN_DISK.search(said) and "low on resource" not in said:
        return replace(program, limit="disk", reason=f"disk limit reached; the job was ended: {said}")
    if why in {"Evicted", "Preempting"}:
        return replace(seen, state=JobState.PREEMPTED, fault=Fault.PREEMPTED, reason=f"evicted from its node: {said}")
    if why in _SHUT or _REFUSED.fullmatch(why):
        return replace(seen, fault=Fault.NODE, reason=f"the node ended it: {why} {said}".strip())
    return _by_others(seen, pod)


def _by_others(seen: Observation, pod: Json) -> Observation | None:
    """Where it had to make room, or its node went away under it."""
    target = parse.condition(pod, "DisruptionTarget") or {}
    if target.get("status") != "True" and not parse.is_leaving(pod):
        return None
    text = str(target.get("message") or "its pod was removed: drained, preempted or removed by a person")
    if target.get("reason") == _GC:
        return replace(seen, fault=Fault.NODE, reason=f"its node is gone: {text}")
    return replace(seen, state=JobState.PREEMPTED, fault=Fault.PREEMPTED, reason=text)


def _by_program(seen: Observation, dead: Json) -> Observation:
    """Where the container ended by itself: well, badly, or without having begun."""
    why, said, code = str(dead.get("reason") or ""), str(dead.get("message") or ""), dead.get("exitCode")
    used = parse.record(said)
    if used is None and (never := _never_began(seen, why, said)) is not None:
        return never
    if code == 0:
        return replace(seen, state=JobState.COMPLETE)
    if why == "OOMKilled" or (used or {}).get("oom_kills"):
        text = f"memory limit reached (peak {seen.measured.peak_memory_mib} MiB); the job was ended"
        return replace(seen, state=JobState.EXECUTOR_ERROR, limit="memory", reason=text)
    return replace(seen, state=JobState.EXECUTOR_ERROR, reason=_code(int(code if code is not None else 1)))


def _never_began(seen: Observation, why: str, said: str) -> Observation | None:
    """Where the launcher left no record because its program was not begun."""
    if said == launcher.SECOND:
        text = "its pod was removed after it had begun, and another was made in its place, which began nothing"
        return replace(seen, state=JobState.PREEMPTED, fault=Fault.PREEMPTED, reason=text, exit_code=None)
    if _NO_SHELL.search(said):
        text = f"the image has no {launcher.SHELL}: {said[:300]}"
        return replace(seen, fault=Fault.IMAGE, reason=text, exit_code=None)
    if _OTHER_MACHINE.search(said):
        text = f"the image is of another architecture than the node: {said[:300]}"
        return replace(seen, fault=Fault.IMAGE, reason=text, exit_code=None)
    if why in _NOT_RUN:
        return replace(seen, fault=Fault.NODE, reason=f"the container did not run: {why} {said[:300]}".strip())
    return None


def _code(code: int) -> str:
    if _SIGNAL_BASE < code <= _SIGNAL_BASE + _LAST_SIGNAL:
        return f"exit code {code}: ended by signal {code - _SIGNAL_BASE}"
    return f"exit code {code}"


def _failed_at(job: Json) -> datetime | None:
    return parse.moment((parse.condition(job, "Failed") or {}).get("lastTransitionTime"))


def _last_change(pod: Json) -> datetime | None:
    status = pod.get("status") or {}
    moments = [c.get("lastTransitionTime") for c in status.get("conditions") or ()]
    return max((m for m in map(parse.moment, [*moments, status.get("startTime")]) if m is not None), default=None)
