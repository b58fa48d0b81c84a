"""The Kubernetes driver's words and rules, without a cluster."""

import contextlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.drivers.contract import DriverError, Fault, Observation
from suanlian.drivers.kubernetes import inventory, launcher, marks, names, parse, probing, verdict
from suanlian.drivers.kubernetes.inventory import Used
from suanlian.drivers.kubernetes.marks import End
from suanlian.drivers.kubernetes.options import FlavorSetup, KubernetesOptions, Staging
from suanlian.drivers.kubernetes.verdict import Patience
from suanlian.model.ids import AttemptId, new_id
from suanlian.model.job import ENDED, JobState
from suanlian.model.platform import Share
from suanlian.model.quantity import Resources

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
PATIENCE = Patience(NOW, pull_s=300, start_s=900, node_s=120)


def expanded(text: str) -> str:
    """What Kubernetes makes of a word of a command or a value, where no variable is known."""
    out, at = "", 0
    while at < len(text):
        if text[at] == "$" and text[at + 1 : at + 2] == "$":
            out, at = out + "$", at + 2
        elif text[at] == "$" and text[at + 1 : at + 2] == "(" and ")" in text[at:]:
            raise AssertionError(f"a reference in {text!r}")
        else:
            out, at = out + text[at], at + 1
    return out


@given(st.text(alphabet="$()aA "))
def test_what_is_escaped_comes_out_as_it_was(text: str) -> None:
    assert expanded(launcher.escaped(text)) == text


@given(st.text(max_size=80))
def test_a_name_is_one_of_kubernetes_and_each_attempts_own(key: str) -> None:
    name = names.job_name(AttemptId(key))
    place = names.place(f"suanlian/{name}")
    assert place is not None
    assert place.native == f"suanlian/{name}"
    assert len(name) <= 57  # its pods get six letters more
    assert name != names.job_name(AttemptId(key + "x"))


@pytest.mark.parametrize("native", ["", "x", "../../etc", "ns/other", "ns/sl-", "NS/sl-a", "ns/sl-a/b", "ns/sl-a?x=1"])
def test_a_native_id_that_is_none_of_ours_is_no_path(native: str) -> None:
    assert names.place(native) is None


@pytest.mark.parametrize(
    ("said", "amount"),
    [
        ("250m", "0.25"),
        ("1", "1"),
        ("1.5Gi", 1.5 * 2**30),
        ("1e3", "1000"),
        ("5G", 5 * 10**9),
        ("100n", "1e-7"),
        (".5", ".5"),
    ],
)
def test_quantities(said: str, amount: str | float) -> None:
    assert parse.quantity(said) == Decimal(amount)


@given(st.integers(0, 2**40), st.sampled_from(["", "k", "Ki", "M", "Mi", "G", "Gi"]))
def test_a_quantity_is_its_number_times_its_unit(number: int, unit: str) -> None:
    factor = 1024 if unit.endswith("i") else 1000
    power = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3}[unit.rstrip("i")]
    assert parse.quantity(f"{number}{unit}") == number * factor**power


@given(st.text(max_size=12))
def test_no_word_of_a_server_breaks_the_reading_of_quantities(said: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse.quantity(said).is_finite()


@given(st.sampled_from(sorted(ENDED)), st.text(), st.sampled_from([None, *Fault]), st.sampled_from([None, "output"]))
def test_a_mark_says_what_was_meant(state: JobState, reason: str, fault: Fault | None, limit: str | None) -> None:
    end = End(state, reason, NOW, fault, limit)
    assert marks.end_of({"metadata": {"annotations": {names.END: end.text()}}}) == end


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"state":"X"}', '{"state":"CANCELED","reason":"","at":"?"}'])
def test_a_mark_that_somebody_broke_is_none(text: str) -> None:
    assert marks.end_of({"metadata": {"annotations": {names.END: text}}}) is None


@given(
    st.text(max_size=60)
    | st.dictionaries(st.sampled_from(["cpu_us", "peak_bytes", "oom_kills"]), st.integers()).map(json.dumps)
)
def test_a_programs_own_termination_message_is_never_believed_blindly(message: str) -> None:
    used = parse.record(message)
    assert used is None or all(0 <= n <= 2**53 for n in used.values())


# ------------------------------------------------------------------ verdicts on what 1.20 cannot show


def a_job(**status: Any) -> dict[str, Any]:  # noqa: ANN401
    limits = {names.WALL: "60", names.STREAM_BYTES: "1000"}
    return {"metadata": {"name": "sl-a", "annotations": limits}, "spec": {"parallelism": 1}, "status": status}


def a_pod(state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:  # noqa: ANN401
    statuses = [] if state is None else [{"state": state}]
    spec = {"containers": [{"image": "img"}], "nodeName": "n", "activeDeadlineSeconds": 960}
    return {"metadata": {"name": "p"}, "spec": spec, "status": {**status, "containerStatuses": statuses}}


def stamp(**before: float) -> str:
    return (NOW - timedelta(**before)).strftime("%Y-%m-%dT%H:%M:%SZ")


PLACED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp(seconds=400)}
DEAD = {
    "terminated": {"exitCode": 137, "reason": "Error", "startedAt": stamp(seconds=50), "finishedAt": stamp(seconds=9)}
}


def disrupted(reason: str) -> dict[str, Any]:
    return {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": f"words of {reason}"}


@pytest.mark.parametrize(
    ("reason", "state", "fault"),
    [
        ("PreemptionByScheduler", JobState.PREEMPTED, Fault.PREEMPTED),
        ("EvictionByEvictionAPI", JobState.PREEMPTED, Fault.PREEMPTED),
        ("DeletionByTaintManager", JobState.PREEMPTED, Fault.PREEMPTED),
        ("DeletionByPodGC", JobState.SYSTEM_ERROR, Fault.NODE),
    ],
)
def test_a_disrupted_pod_is_told_by_who_disrupted_it(reason: str, state: JobState, fault: Fault) -> None:
    seen = verdict.judge(a_job(), [a_pod(DEAD, phase="Failed", conditions=[disrupted(reason)])], None, PATIENCE)
    assert (seen.observation.state, seen.observation.fault) == (state, fault)
    assert f"words of {reason}" in seen.observation.reason


@pytest.mark.parametrize(
    ("why", "message", "state", "limit", "fault"),
    [
        ("Evicted", "The node was low on resource: memory.", JobState.PREEMPTED, None, Fault.PREEMPTED),
        ("Evicted", "The node was low on resource: ephemeral-storage.", JobState.PREEMPTED, None, Fault.PREEMPTED),
        ("Evicted", "Pod ephemeral local storage usage exceeds the total limit", JobState.EXECUTOR_ERROR, "disk", None),
        ("Preempting", "to admit a critical pod", JobState.PREEMPTED, None, Fault.PREEMPTED),
        ("Shutdown", "Node is shutting, evicting pods", JobState.SYSTEM_ERROR, None, Fault.NODE),
        ("OutOfcpu", "Node didn't have enough resource", JobState.SYSTEM_ERROR, None, Fault.NODE),
        ("UnexpectedAdmissionError", "Allocate failed", JobState.SYSTEM_ERROR, None, Fault.NODE),
    ],
)
def test_what_the_kubelet_did_is_not_the_programs_fault(
    why: str, message: str, state: JobState, limit: str | None, fault: Fault | None
) -> None:
    pod = a_pod(DEAD if why == "Evicted" else None, phase="Failed", reason=why, message=message, conditions=[PLACED])
    seen = verdict.judge(a_job(), [pod], None, PATIENCE).observation
    assert (seen.state, seen.limit, seen.fault) == (state, limit, fault)
    assert seen.ended_at is not None


@pytest.mark.parametrize(
    ("what", "message", "word"),
    [
        ("ErrImagePull", 'rpc error: ... "x": failed to resolve reference: not found', "cannot be had"),
        ("ErrImagePull", "no match for platform in manifest: not found", "another architecture"),
        ("ImagePullBackOff", 'Back-off pulling image "x"', "cannot be had"),
        ("InvalidImageName", "couldn't parse image reference", "cannot be had"),
    ],
)
def test_an_image_that_never_comes_is_given_up(what: str, message: str, word: str) -> None:
    pod = a_pod({"waiting": {"reason": what, "message": message}}, phase="Pending", conditions=[PLACED])
    seen = verdict.judge(a_job(), [pod], None, PATIENCE)
    assert seen.observation.state is JobState.INITIALIZING
    assert seen.end is not None
    assert (seen.end.state, seen.end.fault) == (JobState.SYSTEM_ERROR, Fault.IMAGE)
    assert word in seen.end.reason


def test_a_registry_that_is_away_is_waited_for() -> None:
    placed = {**PLACED, "lastTransitionTime": stamp(seconds=100)}
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "dial tcp: connection refused"}}
    assert verdict.judge(a_job(), [a_pod(waiting, phase="Pending", conditions=[placed])], None, PATIENCE).end is None


@pytest.mark.parametrize(("silent_s", "is_given_up"), [(60, False), (180, True)])
def test_a_node_is_given_up_after_a_while(silent_s: int, is_given_up: bool) -> None:  # noqa: FBT001
    ready = {"type": "Ready", "status": "Unknown", "lastTransitionTime": stamp(seconds=silent_s)}
    node = parse.node({"metadata": {"name": "n"}, "status": {"conditions": [ready]}})
    unwell = {"type": "Ready", "status": "False"}
    pod = a_pod({"running": {"startedAt": stamp(seconds=500)}}, phase="Running", conditions=[PLACED, unwell])
    assert verdict.unwell_on([pod]) == "n"
    seen = verdict.judge(a_job(), [pod], node, PATIENCE)
    assert (seen.end is not None and seen.end.fault is Fault.NODE) == is_given_up
    if seen.end is not None:  # marked so, it has ended for us, though the node may never say so
        job = a_job()
        job["metadata"]["annotations"][names.END] = seen.end.text()
        told = verdict.judge(job, [pod], node, PATIENCE).observation
        assert (told.state, told.fault) == (JobState.SYSTEM_ERROR, Fault.NODE)
        assert told.ended_at == node.silent_since


def test_a_job_that_failed_by_its_policy_was_preempted() -> None:
    failed = {"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "lastTransitionTime": stamp(seconds=1)}
    seen = verdict.judge(a_job(conditions=[failed], startTime=stamp(seconds=9)), [], None, PATIENCE).observation
    assert (seen.state, seen.fault) == (JobState.PREEMPTED, Fault.PREEMPTED)


def test_a_kubelet_that_tells_no_end_is_waited_for_no_longer_than_its_grace() -> None:
    failed = {"type": "Failed", "status": "True", "lastTransitionTime": stamp(seconds=60)}
    running = {"running": {"startedAt": stamp(seconds=500)}}
    pod = a_pod(running, phase="Failed", reason="DeadlineExceeded")
    pod["spec"]["terminationGracePeriodSeconds"] = 30
    seen = verdict.judge(a_job(conditions=[failed]), [pod], None, PATIENCE).observation
    assert (seen.state, seen.limit) == (JobState.EXECUTOR_ERROR, "wall-time")
    pod["spec"]["terminationGracePeriodSeconds"] = 60
    assert verdict.judge(a_job(conditions=[failed]), [pod], None, PATIENCE).observation.state is JobState.RUNNING


def test_the_deadline_is_made_shorter_only() -> None:
    pod = a_pod({"running": {}}, startTime=stamp(seconds=30))
    assert marks.deadline_s(a_job(), pod, NOW - timedelta(seconds=10)) == 80
    pod["spec"]["activeDeadlineSeconds"] = 1
    assert marks.deadline_s(a_job(), pod, NOW - timedelta(seconds=10)) is None


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (
            "exceeded quota: all, requested: requests.cpu=2, used: requests.cpu=0, limited: requests.cpu=1",
            True,
        ),
        ("exceeded quota: all, requested: cpu=500m, used: cpu=750m, limited: cpu=1", False),
        ("exceeded quota: all, requested: ?, used: ?, limited: ?", False),
    ],
)
def test_a_quota_that_is_used_up_is_waited_for(said: str, fault: bool) -> None:  # noqa: FBT001
    seen, end = marks.without_pod(Observation(JobState.QUEUED), [said], NOW)
    assert (end is not None and end.fault is Fault.REQUEST) == fault
    assert seen.reason == ("" if fault else said)


# ------------------------------------------------------------------ nodes and load


def a_node(name: str, cpu: str, cards: int = 0, **labels: str) -> parse.Node:
    allocatable = {"cpu": cpu, "memory": "4Gi", **({"nvidia.com/gpu": str(cards)} if cards else {})}
    ready = [{"type": "Ready", "status": "True"}]
    status = {
        "allocatable": allocatable,
        "conditions": ready,
        "nodeInfo": {"containerRuntimeVersion": "containerd://1"},
    }
    return parse.node({"metadata": {"name": name, "labels": {parse.ARCH_LABEL: "amd64", **labels}}, "status": status})


def test_cards_make_a_kind_of_their_own() -> None:
    product = {"nvidia.com/gpu.product": "NVIDIA-H100"}
    nodes = [a_node("a", "8"), a_node("b", "4"), a_node("c", "32", 8, **product)]
    found = {flavor.name: flavor for flavor in inventory.flavors(nodes, KubernetesOptions())}
    assert set(found) == {"amd64", "amd64-nvidia-h100-nvidia"}
    assert found["amd64"].node.cpu == 4000
    cards = found["amd64-nvidia-h100-nvidia"]
    assert cards.chip is not None
    assert (cards.node.accelerator, cards.chip.family, cards.chip.model) == (8, "nvidia", "NVIDIA-H100")
    with pytest.raises(DriverError, match="no flavor"):
        inventory.setup("other", nodes, KubernetesOptions())
    assert inventory.setup("ours", nodes[:2], KubernetesOptions()).selector == {parse.ARCH_LABEL: "amd64"}
    made = inventory.setup(cards.name, nodes, KubernetesOptions())
    assert (made.resource, dict(made.selector)["nvidia.com/gpu.product"]) == ("nvidia.com/gpu", "NVIDIA-H100")


@given(st.lists(st.integers(0, 9000), max_size=6), st.integers(0, 20_000), st.integers(0, 8000) | st.none())
def test_a_load_is_within_its_share_and_counts_everybody(held: list[int], capacity: int, quota: int | None) -> None:
    pods = [
        {
            "metadata": {"namespace": "other"},
            "spec": {"nodeName": "a", "containers": [{"resources": {"requests": {"cpu": f"{cpu}m"}}}]},
        }
        for cpu in held
    ]
    quotas = (
        [] if quota is None else [{"status": {"hard": {"requests.cpu": "8"}, "used": {"requests.cpu": f"{quota}m"}}}]
    )
    share = Share(name="s", site="x", flavor="amd64", capacity=Resources.of({"cpu": capacity}))
    told = inventory.load(share, FlavorSetup(), [a_node("a", "8")], Used("own", pods, quotas))
    left = min(max(0, 8000 - sum(held)), 8000 if quota is None else 8000 - quota)
    assert told.in_use.fits(share.capacity)
    assert told.in_use.cpu == max(0, capacity - left)


def test_options_that_cannot_be_meant_are_refused(tmp_path: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match="exactly one"):
        Staging(tmp_path)
    with pytest.raises(ValueError, match="relative"):
        Staging(tmp_path, claim="c", sub_path="../x")
    with pytest.raises(ValueError, match="no name"):
        KubernetesOptions(namespace="Not one")
    assert names.job_name(AttemptId(new_id())).startswith("sl-")


def test_the_program_of_probes_travels_in_the_command(tmp_path: Any) -> None:  # noqa: ANN401
    made = probing.environment("img")
    assert all(len(word) < 128 * 1024 for word in made.launcher)  # what one word of a command may have
    values = json.dumps({"lines": 2, "interval_ms": 1})
    command = [sys.executable, *made.launcher[1:], "tick", values]
    own = {"TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=own, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["tick 1", "tick 2"]
