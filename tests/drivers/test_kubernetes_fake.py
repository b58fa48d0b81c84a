"""The contract over a fake of Kubernetes 1.29: Jobs of many, which the real server of the recordings does not know."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from suanlian.drivers.contract import Fault, NativeId, Work
from suanlian.drivers.kubernetes import arrays, names, parse
from suanlian.drivers.kubernetes.driver import KubernetesDriver
from suanlian.model.ids import AttemptId
from suanlian.model.job import JobState
from suanlian.testing.drivers import DriverContract, running
from suanlian.testing.fake_kubernetes import FakeKubernetes
from tests.drivers.kubernetes_bench import IMAGE, MISSING, OTHER_MACHINE, KubernetesBench, bench, options

ALONE, IN_COMPANY = "alone", "in-company"


class Companionable(KubernetesDriver):
    """Nothing is started alone: whatever comes shares its Job with another."""

    def submit(self, work: Work, *, keys: Mapping[int, AttemptId]) -> Mapping[int, NativeId]:
        others = {index + 1000: AttemptId(f"{key}-other") for index, key in keys.items()}
        started = super().submit(work, keys={**keys, **others})
        return {index: started[index] for index in keys}


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeKubernetes]:
    images = frozenset({IMAGE, OTHER_MACHINE})
    made = FakeKubernetes(tmp_path / "cluster", images=images, other_machine=frozenset({OTHER_MACHINE}))
    yield made
    made.close()


def made(fake: FakeKubernetes, place: Path, kind: type[KubernetesDriver]) -> KubernetesBench:
    (place / "shared").mkdir(exist_ok=True)
    chosen = options(place / "shared", run_as_user=0)
    found = bench(chosen, place, fake)
    found.make = lambda: kind(chosen, wire=fake)
    found.driver = found.make()
    found.bad_images = {"another architecture": OTHER_MACHINE, "cannot be had": MISSING}
    return found


class TestKubernetesFake(DriverContract):
    @pytest.fixture(params=[ALONE, IN_COMPANY], name="bench")
    def _bench(self, request: pytest.FixtureRequest, fake: FakeKubernetes, tmp_path: Path) -> KubernetesBench:
        return made(fake, tmp_path, KubernetesDriver if request.param == ALONE else Companionable)

    def test_an_array_is_one_job_of_many(self, fake: FakeKubernetes, tmp_path: Path) -> None:
        bench = made(fake, tmp_path, KubernetesDriver)
        staged = dict(bench.stage() for _ in range(4))
        keys = dict(zip((3, 7, 8, 20), staged, strict=True))
        work = bench.work(("sh", "-c", "echo $SUANLIAN_TASK_INDEX >out.txt"), staged)
        native = bench.driver.submit(work, keys=keys)
        jobs = [job for at, job in fake.objects.items() if "/jobs/" in at]
        assert [(job["spec"]["completions"], job["spec"]["completionMode"]) for job in jobs] == [(4, "Indexed")]
        for index, native_id in native.items():
            assert bench.wait(native_id).state is JobState.COMPLETE
            assert isinstance(bench.driver, KubernetesDriver)
            assert (bench.driver.working_directory(native_id) / "out.txt").read_text() == f"{index}\n"
        # other company, the same attempts: found where they are
        assert bench.driver.submit(work, keys={7: keys[7], 20: keys[20]}) == {7: native[7], 20: native[20]}
        assert set(fake.starts.values()) == {1}
        for native_id in native.values():
            assert [at for at in fake.objects if "/jobs/" in at]
            bench.driver.forget(native_id)
            assert bench.driver.observe([native_id])[native_id].lost
        assert [at for at in fake.objects if "/jobs/" in at] == []

    def test_what_becomes_of_one_is_nothing_to_the_others(self, fake: FakeKubernetes, tmp_path: Path) -> None:
        bench = made(fake, tmp_path, KubernetesDriver)
        staged = dict(bench.stage() for _ in range(3))
        script = "if [ $SUANLIAN_TASK_INDEX = 0 ]; then exit 3; fi; exec sleep 60"
        native = bench.driver.submit(bench.work(("sh", "-c", script), staged), keys=dict(enumerate(staged)))
        assert bench.wait(native[0]).exit_code == 3
        bench.wait(native[1], running)
        bench.driver.cancel(native[1])
        assert bench.wait(native[1]).state is JobState.CANCELED
        seen = bench.wait(native[2], running)
        assert seen.state is JobState.RUNNING
        place = names.place(native[2])
        assert place is not None
        at = next(at for at, pod in fake.objects.items() if "/pods/" in at and arrays.slot_of(pod) == place.slot)
        fake.objects[at]["metadata"]["deletionTimestamp"] = "2026-11-26T00:00:00Z"
        seen = bench.wait(native[2])
        assert (seen.state, seen.fault) == (JobState.PREEMPTED, Fault.PREEMPTED)

    def test_secrets_stand_alone(self, fake: FakeKubernetes, tmp_path: Path) -> None:
        bench = made(fake, tmp_path, KubernetesDriver)
        staged = dict(bench.stage() for _ in range(2))
        work = bench.work(("sh", "-c", 'test "$T" = x'), staged, secret_env={"T": "x"})
        native = bench.driver.submit(work, keys=dict(enumerate(staged)))
        assert len([at for at in fake.objects if "/jobs/" in at]) == 2
        assert {bench.wait(native_id).state for native_id in native.values()} == {JobState.COMPLETE}
        assert [at for at in fake.objects if "/secrets/" in at] == []


READ = [("0,2-4", 3, True), ("0,2-4", 1, False), ("", 0, False), (None, 0, False), ("7", 7, True)]


@pytest.mark.parametrize(("indexes", "slot", "inside"), READ)
def test_indexes_are_read(indexes: str | None, slot: int, inside: bool) -> None:  # noqa: FBT001
    job = {
        "metadata": {"annotations": {names.ATTEMPTS: arrays.written(tuple((n, AttemptId(str(n))) for n in range(9)))}},
        "spec": {},
        "status": {"failedIndexes": indexes},
    }
    seen = arrays.view(job, names.Place("n", "sla", slot), [])
    assert (parse.condition(seen, "Failed") is not None) == inside
