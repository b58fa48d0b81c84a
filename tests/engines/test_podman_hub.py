"""A buyer who knows nothing of containers gets an image run on a real engine, through a hub and a connector."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from suanlian.model.job import ENDED, Job, JobSpec, JobState
from suanlian.model.party import Role
from suanlian.sdk.client import Client
from suanlian.testing.nodes import NO_PROBES, AgentProcess, Slots, agent_toml, make_hub, make_platform
from suanlian.testing.podman import Podman, missing
from suanlian.testing.processes import Processes, until
from tests.engines.containers import engine, forget_groups

pytestmark = [
    pytest.mark.engine("podman"),
    pytest.mark.e2e,
    pytest.mark.skipif(bool(missing()), reason=missing() or "is there"),
    pytest.mark.timeout(300),
]


@dataclass(frozen=True)
class Federation:
    podman: Podman
    buyer: Client
    agent: AgentProcess

    def done(self, spec: JobSpec) -> Job:
        job = self.buyer.jobs.submit(spec)

        def ended() -> Job | None:
            seen = self.buyer.jobs.get(job.id)
            return seen if seen.state in ENDED else None

        return until(f"{job.name} ends", ended, within_s=120, every_s=0.1)


@pytest.fixture(scope="module")
def federation() -> Iterator[Federation]:
    with ExitStack() as stack:
        podman = stack.enter_context(engine())
        processes = stack.enter_context(Processes())
        hub = make_hub(processes, "hub")
        driver = f"""[driver]
name = "container"
[driver.options]
url = "{podman.url}"
grace_s = 0.5
[driver.environments.python]
image = "{podman.busybox()}"
"""
        text = agent_toml(hub.url, "wuhu", Slots(cores=4, driver=driver, probes=NO_PROBES))
        flavor = 'architecture = "x86_64"\nnode'
        assert flavor in text
        file = text.replace(flavor, f'image_runtime = "podman"\n{flavor}', 1)
        agent = make_platform(processes, hub, "wuhu", file=file)
        stack.callback(forget_groups, agent.home / "driver")
        buyer = stack.enter_context(hub.client(hub.let_in("buyer", Role.BUYER)))
        yield Federation(podman, buyer, agent)


def image_job(name: str, image: str, text: str, **fields: object) -> JobSpec:
    variant = {"architecture": "x86_64", "image": image, "command": ["sh", "-c", text]}
    asked = {"name": name, "resources": {"cpu": "1", "memory": "64MiB"}, "variants": [variant], "wall_time_s": 120}
    return JobSpec.model_validate({**asked, **fields})


def test_an_array_of_an_image_brings_its_outputs_and_leaves_no_container(
    federation: Federation, tmp_path: Path
) -> None:
    text = 'cat /data/in.txt; echo "$SUANLIAN_TASK_INDEX of $SUANLIAN_ARRAY_SIZE" > /out/n.txt'
    spec = image_job(
        "array",
        federation.podman.busybox(),
        text,
        array_size=3,
        inputs=[{"path": "in/in.txt", "content": "hello\n"}],
        mounts=[{"path": "/data", "source": "in"}, {"path": "/out", "source": "out"}],
        outputs=["out/n.txt"],
    )
    done = federation.done(spec)
    assert done.state is JobState.COMPLETE
    buyer = federation.buyer
    for index in range(3):
        [output] = buyer.jobs.outputs(done.id, index)
        file = buyer.jobs.download(done.id, output, tmp_path / str(index))
        assert file.read_text() == f"{index} of 3\n"
        assert b"".join(buyer.jobs.log(done.id, index=index)) == b"hello\n"
    until("nothing is left", lambda: federation.podman.run("ps", "--all", "--quiet") == "")
    until("no directory is left", lambda: list(federation.agent.jobs.iterdir()) == [])


def test_an_image_that_is_nowhere_ends_the_job_with_the_reason(federation: Federation) -> None:
    spec = image_job("nowhere", "localhost/nothing@sha256:" + "0" * 64, "true", attempts=1)
    done = federation.done(spec)
    assert done.state is JobState.SYSTEM_ERROR
    [task] = federation.buyer.jobs.tasks(done.id)
    assert "not found: the engine has no image localhost/nothing" in task.attempts[0].outcome.reason
