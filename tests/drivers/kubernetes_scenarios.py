"""What a Kubernetes driver must tell apart besides the contract; over a real cluster and over recordings of it."""

import json
import time
from datetime import timedelta

import pytest

from suanlian.drivers.contract import DriverError, Fault, Limits, Loads
from suanlian.drivers.kubernetes import names
from suanlian.drivers.kubernetes.driver import KubernetesDriver
from suanlian.model.job import JobState
from suanlian.model.platform import Share
from suanlian.model.quantity import Resources
from suanlian.testing.drivers import DriverContract, running
from tests.drivers.kubernetes_bench import IMAGE, KubernetesBench


def driver_of(bench: KubernetesBench) -> KubernetesDriver:
    assert isinstance(bench.driver, KubernetesDriver)
    return bench.driver


def remove_pod(bench: KubernetesBench, native_id: str) -> None:
    """As a drain does, and a more important pod."""
    place = names.place(native_id)
    assert place is not None
    query = f"labelSelector={names.NAME}%3D{place.name}"
    for pod in (bench.owner("GET", f"/api/v1/namespaces/{place.namespace}/pods?{query}") or {"items": []})["items"]:
        bench.owner("DELETE", f"/api/v1/namespaces/{place.namespace}/pods/{pod['metadata']['name']}")


class KubernetesScenarios(DriverContract):
    """The contract, and what is Kubernetes' own."""

    def test_wall_time_counts_from_the_start_of_the_program(self, bench: KubernetesBench) -> None:
        _, seen = bench.run(bench.commands["long"], limits=Limits(wall_time_s=2))
        assert (seen.state, seen.limit, seen.fault) == (JobState.EXECUTOR_ERROR, "wall-time", None)
        assert seen.started_at is not None
        assert seen.ended_at is not None
        assert timedelta(seconds=1) <= seen.ended_at - seen.started_at < timedelta(seconds=30)

    def test_memory_over_its_limit_is_told(self, bench: KubernetesBench) -> None:
        _, seen = bench.run(("dd", "if=/dev/zero", "of=/dev/null", "bs=300M", "count=1"), granted={"memory": 64})
        assert (seen.state, seen.limit, seen.fault) == (JobState.EXECUTOR_ERROR, "memory", None)

    def test_output_over_its_bound_ends_the_job(self, bench: KubernetesBench) -> None:
        endless = ("sh", "-c", "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done")
        native_id, seen = bench.run(endless, limits=Limits(wall_time_s=60, stream_bytes=1000))
        assert (seen.state, seen.limit) == (JobState.EXECUTOR_ERROR, "output")
        assert driver_of(bench).read_log(native_id, "stdout", 0, 10) == b"aaaaaaaaaa"

    def test_words_reach_the_program_as_they_are(self, bench: KubernetesBench) -> None:
        script = 'printf "%s|" "$0" "$1" "$A" "$SUANLIAN_TASK_INDEX" >out.txt'
        words = ("sh", "-c", script, "$(A)", "$$(A) $$$ \u7b97\u8054", "")
        native_id, seen = bench.run(words, env={"A": "$(HOME) $$ $B"})
        assert seen.state is JobState.COMPLETE
        text = (driver_of(bench).working_directory(native_id) / "out.txt").read_text(encoding="utf-8")
        assert text == "$(A)|$$(A) $$$ \u7b97\u8054|$(HOME) $$ $B|0|"

    def test_a_program_that_is_not_there_is_the_programs_fault(self, bench: KubernetesBench) -> None:
        _, seen = bench.run(("no-such-program",))
        assert (seen.state, seen.exit_code, seen.fault) == (JobState.EXECUTOR_ERROR, 127, None)

    def test_an_image_of_an_environment_that_is_missing_is_told(self, bench: KubernetesBench) -> None:
        native_id, seen = bench.run(bench.commands["ok"], environment="nowhere")
        assert (seen.state, seen.fault) == (JobState.SYSTEM_ERROR, Fault.IMAGE)
        assert "localhost/suanlian/no:1 cannot be had here" in seen.reason
        assert bench.driver.observe([native_id])[native_id].state is JobState.SYSTEM_ERROR

    def test_who_is_removed_while_it_runs_is_preempted(self, bench: KubernetesBench) -> None:
        native_id = bench.start(bench.commands["long"])
        bench.wait(native_id, running)
        remove_pod(bench, native_id)
        seen = bench.wait(native_id)
        assert (seen.state, seen.fault) == (JobState.PREEMPTED, Fault.PREEMPTED)

    def test_a_more_important_pod_pushes_it_aside(self, bench: KubernetesBench) -> None:
        most = {"cpu": bench.driver.describe()[0].node.cpu - 400, "memory": 64}
        native_id = bench.start(bench.commands["long"], granted=most, share="humble")
        bench.wait(native_id, running)
        asked = {"requests": {"cpu": f"{most['cpu']}m"}}
        container = {
            "name": "c",
            "image": IMAGE,
            "imagePullPolicy": "Never",
            "command": ["sleep", "5"],
            "resources": asked,
        }
        spec = {"priorityClassName": "important", "restartPolicy": "Never", "containers": [container]}
        pods = "/api/v1/namespaces/default/pods"
        bench.owner("POST", pods, {"metadata": {"name": "important"}, "spec": spec})
        seen = bench.wait(native_id)
        bench.owner("DELETE", f"{pods}/important")
        assert (seen.state, seen.fault) == (JobState.PREEMPTED, Fault.PREEMPTED)

    def test_a_node_that_is_not_heard_of_is_given_up(self, bench: KubernetesBench) -> None:
        native_id = bench.start(bench.commands["long"])
        bench.wait(native_id, running)
        bench.node(False)  # noqa: FBT003 - away
        try:
            seen = bench.wait(native_id)
        finally:
            bench.node(True)  # noqa: FBT003 - and there again
        assert (seen.state, seen.fault) == (JobState.SYSTEM_ERROR, Fault.NODE)
        assert "not heard of" in seen.reason
        again = bench.driver.observe([native_id])[native_id]
        assert (again.state, again.ended_at) == (seen.state, seen.ended_at)

    def test_a_pod_in_the_place_of_another_begins_nothing(self, bench: KubernetesBench) -> None:
        native_id = bench.start(("sh", "-c", "echo once >>ran; exec sleep 60"))
        bench.wait(native_id, running)
        remove_pod(bench, native_id)
        time.sleep(8 if bench.owner("GET", "/version") else 0)  # nobody looks while the cluster makes another pod
        seen = bench.wait(native_id)
        assert (seen.state, seen.fault) == (JobState.PREEMPTED, Fault.PREEMPTED)
        assert (driver_of(bench).working_directory(native_id) / "ran").read_text() == "once\n"

    def test_what_has_no_room_waits_and_can_be_cancelled(self, bench: KubernetesBench) -> None:
        native_id = bench.start(bench.commands["ok"], granted={"cpu": 900_000})
        seen = bench.wait(native_id, lambda o: "nsufficient cpu" in o.reason)
        assert (seen.state, seen.started_at) == (JobState.QUEUED, None)
        bench.driver.cancel(native_id)
        seen = bench.wait(native_id)
        assert (seen.state, seen.started_at) == (JobState.CANCELED, None)
        bench.driver.forget(native_id)

    def test_what_is_larger_than_its_quota_can_never_run(self, bench: KubernetesBench) -> None:
        _, seen = bench.run(bench.commands["ok"], granted={"memory": 2048}, share="small")
        assert (seen.state, seen.fault) == (JobState.SYSTEM_ERROR, Fault.REQUEST)
        assert "larger than the quota" in seen.reason

    def test_a_quota_is_the_load_of_its_share(self, bench: KubernetesBench) -> None:
        assert isinstance(bench.driver, Loads)
        share = Share(name="small", site="s", flavor="amd64", capacity=Resources.of({"cpu": 1000, "memory": 1024}))
        before = bench.driver.load(share)
        native_id = bench.start(bench.commands["long"], granted={"cpu": 500, "memory": 256}, share="small")
        bench.wait(native_id, running)
        after = bench.driver.load(share)
        bench.driver.cancel(native_id)
        bench.wait(native_id)
        assert before.in_use.memory < after.in_use.memory <= 1024
        assert after.running == (before.running or 0) + 1

    def test_secrets_are_gone_when_it_runs(self, bench: KubernetesBench) -> None:
        command = ("sh", "-c", 'test "$TOKEN" = "hid"den; echo $? >out.txt; exec sleep 60')
        native_id = bench.start(command, secret_env={"TOKEN": "hidden"})
        bench.wait(native_id, running)
        place = names.place(native_id)
        assert place is not None
        left = bench.owner("GET", f"/api/v1/namespaces/{place.namespace}/secrets") or {"items": []}
        assert [each for each in left["items"] if each["metadata"]["name"] == place.name] == []
        assert "hidden" not in json.dumps(bench.owner("GET", f"/apis/batch/v1/namespaces/{place.namespace}/jobs"))
        bench.driver.cancel(native_id)
        bench.wait(native_id)
        assert (driver_of(bench).working_directory(native_id) / "out.txt").read_text() == "0\n"

    def test_without_a_shared_directory_inputs_are_refused_and_logs_come_by_the_api(
        self, bare: KubernetesBench
    ) -> None:
        with pytest.raises(DriverError, match="staging"):
            bare.start(bare.commands["ok"], {"input": b"x"})
        native_id, seen = bare.run(("sh", "-c", "echo one; echo two >&2"))
        assert seen.state is JobState.COMPLETE
        driver = driver_of(bare)
        assert sorted(driver.read_log(native_id, "stdout", 0, 100).split()) == [b"one", b"two"]
        assert driver.read_log(native_id, "stdout", 4, 2) in {b"tw", b"on"}
        assert driver.read_log(native_id, "stderr", 0, 100) == b""
        with pytest.raises(DriverError, match="staging"):
            driver.working_directory(native_id)

    def test_nodes_of_a_kind_are_a_flavor(self, bench: KubernetesBench) -> None:
        flavors = bench.driver.describe()
        assert [flavor.name for flavor in flavors] == ["amd64"]
        assert flavors[0].node.cpu >= 1000
        assert flavors[0].image_runtime == "containerd"
        _, seen = bench.run(bench.commands["ok"], flavor="amd64")
        assert seen.state is JobState.COMPLETE

    def test_what_ignores_its_end_and_forks_away_is_ended_all_the_same(self, bench: KubernetesBench) -> None:
        stubborn = "trap '' TERM; (trap '' TERM; exec sleep 60) & echo up >up; while :; do sleep 1; done"
        native_id = bench.start(("sh", "-c", stubborn))
        place = driver_of(bench).working_directory(native_id)
        bench.wait(native_id, lambda seen: running(seen) and (place / "up").is_file())
        bench.driver.cancel(native_id)
        assert bench.wait(native_id).state is JobState.CANCELED
        bench.driver.forget(native_id)
        assert not place.parent.exists()
        name = (names.place(native_id) or names.Place("", "")).name
        deadline = time.monotonic() + 60
        query = f"labelSelector={names.NAME}%3D{name}"
        while (bench.owner("GET", f"/api/v1/pods?{query}") or {"items": []})["items"]:
            assert time.monotonic() < deadline, "a pod is left"
            time.sleep(0.2)
        assert (bench.owner("GET", f"/apis/batch/v1/jobs?{query}") or {"items": []})["items"] == []

    def test_rubbish_and_endless_lines_come_as_they_are_by_the_api(self, bare: KubernetesBench) -> None:
        script = "printf '\\001\\377\\000x\\n'; i=0; while [ $i -lt 4000 ]; do printf 'abcdefghij'; i=$((i+1)); done"
        native_id, seen = bare.run(("sh", "-c", script))
        assert seen.state is JobState.COMPLETE
        expected = b"\x01\xff\x00x\n" + b"abcdefghij" * 4000
        assert driver_of(bare).read_log(native_id, "stdout", 0, 100_000) == expected
        assert driver_of(bare).read_log(native_id, "stdout", 20_000, 7) == expected[20_000:20_007]
