"""The shipped connector passes what a hub checks, with real processes; a hub killed in the middle begins anew."""

import json
from collections.abc import Iterator

import pytest

from suanlian.model.conformance import HUB_CHECKS, ConformanceRun, Fault
from suanlian.model.party import Role
from suanlian.testing.nodes import Slots, make_hub, make_platform
from suanlian.testing.processes import Processes, program, until
from tests.e2e.conftest import World

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """As that of the other files, but the hub's own small jobs may come."""
    with Processes() as started:
        hub = make_hub(started, "national")
        wuhu, suzhou = (make_platform(started, hub, name, Slots(cores=1)) for name in ("wuhu", "suzhou"))
        yield World(started, hub, wuhu, suzhou, hub.let_in("lab", Role.BUYER))


def runs(world: World, platform: str) -> list[ConformanceRun]:
    with world.hub.client() as operator:
        return list(operator.platforms.conformance(platform))


def test_the_shipped_connector_passes_by_the_hubs_own_command(world: World) -> None:
    command = [*program("suanlian-hub"), "conformance", "wuhu", "--home", str(world.hub.settings.hub_home), "--json"]
    done = world.processes.run(command)
    assert done.code == 0, done
    (run,) = json.loads(done.out)
    assert (run["passed"], run["holds"], run["asked_by"]) == (True, True, "command")
    assert {finding["check"] for finding in run["report"]["findings"]} == set(HUB_CHECKS)
    # nothing is held, billed, listed or left running
    until("nothing is held", lambda: not any(world.rooms().values()))
    until("every probe is forgotten", lambda: not list(world.wuhu.jobs.iterdir()))
    with world.hub.client() as operator:
        assert list(operator.jobs.list()) == []
        assert list(operator.jobs.charges()) == []
    assert world.processes.left() == []


def test_a_hub_that_is_killed_in_the_middle_breaks_the_run_off_and_begins_anew(world: World) -> None:
    with world.hub.client() as operator:
        (first,) = operator.platforms.ask_conformance("suzhou")
    until("its probes run", world.suzhou.running)
    world.hub.daemon.kill()
    world.hub.start()
    second, ended, *_before = until("the second run has ended", lambda: _ended(world, first))
    assert ended.report is not None
    assert {finding.why for finding in ended.report.findings} == {Fault.BROKE_OFF}
    assert not ended.passed
    assert second.passed, second.report
    until("nothing is held", lambda: not any(world.rooms().values()))
    until("nothing runs", lambda: not world.suzhou.running())


def _ended(world: World, first: ConformanceRun) -> list[ConformanceRun]:
    found = runs(world, "suzhou")
    is_over = found[0].id != first.id and all(run.ended_at for run in found)
    return found if is_over else []
