"""A real platform multiplies for a real hub, in its sandbox, and is timed and checked."""

import time

import pytest

from suanlian.model.supply import SupplyCheck, SupplyOutcome
from suanlian.model.verification import RunOutcome, VerificationRun
from suanlian.testing.nodes import AgentProcess, HubProcess, Slots, make_hub, make_platform
from suanlian.testing.processes import Processes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

_MODEST = '[{ precision = "FP64", tera_per_s = "0.01", grade = "claimed" }]'


def verified(hub: HubProcess, agent: AgentProcess, *, patience_s: float = 90) -> VerificationRun:
    deadline = time.monotonic() + patience_s
    with hub.client() as operator:
        operator.platforms.verify(agent.platform)
        while time.monotonic() < deadline:
            (run, *_) = operator.platforms.verifications(agent.platform)
            if run.ended_at is not None:
                return run
            time.sleep(0.2)
    raise AssertionError(f"{agent.platform} is not through: {run}")


def test_a_claim_is_verified_by_a_hub_and_measured_by_its_platform(processes: Processes) -> None:
    hub = make_hub(processes, "national", env={"SUANLIAN_PROBE_SECONDS": "2"})
    modest = make_platform(processes, hub, "modest", Slots(performance=_MODEST))
    run = verified(hub, modest)
    assert run.outcome is RunOutcome.HELD, run
    assert run.overhead_s is not None
    assert all(trial.residual is not None for trial in run.probes)
    with hub.client() as operator:
        (shown,) = [row for row in operator.catalogue.capabilities("modest") if row.verified]
        assert shown.verified is not None
        assert shown.verified.held
    done = modest.command("measure", "--sample-s", "0.02")
    assert done.code == 0, done
    assert "matmul FP64" in done.out
    with hub.client() as operator:
        assert any(row.self_measured for row in operator.catalogue.capabilities("modest"))


def test_what_a_platform_reports_as_free_is_claimed_and_held(processes: Processes) -> None:
    hub = make_hub(processes, "national", env={"SUANLIAN_SUPPLY_PERIOD": "12", "SUANLIAN_SUPPLY_HOLD": "0.5"})
    agent = make_platform(processes, hub, "honest")
    deadline = time.monotonic() + 90
    held: list[SupplyCheck] = []
    with hub.client() as operator:
        while time.monotonic() < deadline and not held:
            checks = list(operator.supply.checks(agent.platform))
            assert not [check for check in checks if check.phantom], checks
            held = [check for check in checks if check.outcome is SupplyOutcome.HELD]
            time.sleep(0.5)
        assert held, checks
        (row,) = [row for row in operator.catalogue.capacity() if row.platform == agent.platform]
        assert row.shown_free is not None
        assert row.shown_free.cores == held[0].asked_cores
