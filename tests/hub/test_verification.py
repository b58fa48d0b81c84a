"""Verified means that the hub knows: what holds is believed, what does not is shown with its figures."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from suanlian.model.performance import Grade, Performance, Precision
from suanlian.model.platform import Inventory
from suanlian.model.probe import Multiply, ProbeCap, Purpose
from suanlian.model.protocol import Instruction
from suanlian.probe.matmul import multiplied
from suanlian.probe.workload import Chains
from suanlian.store import tables
from suanlian.store.unit import Unit
from suanlian.testing.hub import InProcessHub
from suanlian.workers.verify import Verifier
from tests.hub.laws import all_laws
from tests.hub.probing import Multiplies, Probed, honestly
from tests.hub.world import World, inventory

WUHU = "wuhu-cluster"
RUNS = f"/v1/platforms/{WUHU}/verifications"
CLAIM = Decimal("0.0004")
"""Of a node of four cores: a probe on one core for five seconds has then only 5e8 operations to do."""


def claiming(tera: Decimal = CLAIM, precision: Precision = Precision.FP64, **changes: object) -> Inventory:
    made = inventory()
    claim = Performance(precision=precision, tera_per_s=tera, grade=Grade.CLAIMED)
    flavors = tuple(flavor.model_copy(update={"performance": (claim,), **changes}) for flavor in made.flavors)
    return made.model_copy(update={"flavors": flavors})


@pytest.fixture
def probed(world: World) -> Probed:
    found = Probed(world)
    found.publish(claiming())
    return found


def run(probed: Probed, by: str = "operator") -> dict[str, Any]:
    probed.world.ok(by, "POST", RUNS)
    probed.until_done()
    return newest(probed.world)


def newest(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.ok("operator", "GET", RUNS)["items"][0]
    return found


def capability(world: World) -> dict[str, Any]:
    rows = world.ok("buyer", "GET", f"/v1/capabilities?platform={WUHU}")["items"]
    found: dict[str, Any] = rows[0]["verified"]
    return found


def operations(said: Sequence[Any]) -> list[int]:
    return [Chains("", "FP64", one.task.n, one.task.segments).operations for one in said]


def test_a_claim_that_holds_is_verified_with_its_date_and_what_it_was_measured_on(probed: Probed) -> None:
    shown = run(probed)
    assert (shown["outcome"], shown["number"], len(shown["probes"])) == ("held", 1, 5)
    # one of four cores did 5e8 operations in five seconds: the node would do four times as much
    assert Decimal(shown["rate"]) >= CLAIM
    assert (shown["measured"], shown["of"]) == ("1", "4")
    found = capability(probed.world)
    assert (found["held"], found["grade"], found["value"]) == (True, "verified", shown["rate"])
    assert (found["measured"], found["of"]) == ("1", "4")
    all_laws(probed.world.hub)


def test_the_report_counts_a_figure_as_verified_while_it_is_the_one_that_held(probed: Probed) -> None:
    def grades() -> dict[str, str]:
        probed.world.clock.advance(1)
        report = probed.world.ok("supervisor", "GET", "/v1/supervision/report")
        (row,) = [row for row in report["capacity"] if row["precision"] == "FP64"]
        return dict(row["by_grade"])

    # what an owner calls verified is a claim
    boast = Performance(precision=Precision.FP64, tera_per_s=CLAIM, grade=Grade.VERIFIED)
    probed.publish(claiming(performance=(boast,)))
    assert list(grades()) == ["claimed"]
    run(probed)
    assert list(grades()) == ["verified"]
    probed.publish(claiming(CLAIM * 2))
    assert list(grades()) == ["claimed"]


def test_the_work_is_fixed_beforehand_and_no_two_probes_are_alike(probed: Probed) -> None:
    run(probed)
    tasks = [said.task for said in probed.seen]
    assert len(tasks) == 6
    assert all(isinstance(task, Multiply) for task in tasks)
    assert len({task.seed for task in tasks if isinstance(task, Multiply)}) == 6
    baseline, *five = operations(probed.seen)
    assert len(set(five)) == 1
    assert baseline < five[0] / 500
    assert all(said.probe is Purpose.VERIFICATION for said in probed.seen)
    assert all(said.granted.cpu == 1000 for said in probed.seen)


def test_seeds_are_nobodys_to_know_before_the_run_has_ended(probed: Probed) -> None:
    probed.world.ok("operator", "POST", RUNS)
    probed.world.hub.settle()
    assert {one["seed"] for one in newest(probed.world)["probes"]} == {""}
    probed.until_done()
    assert "" not in {one["seed"] for one in newest(probed.world)["probes"]}


def test_one_probe_runs_at_a_time(probed: Probed) -> None:
    probed.world.ok("operator", "POST", RUNS)
    for _ in range(6):
        probed.world.hub.settle()
        assert len(probed.told()) == 1
        assert probed.go_on()
    probed.world.hub.settle()
    assert probed.told() == []


def test_the_median_counts_and_not_the_best(probed: Probed) -> None:
    shown = run(replace(probed, took_s=(0.01, 5, 5, 50, 50, 50)))
    assert shown["outcome"] == "below-claim"
    assert Decimal(shown["rate"]) == sorted(Decimal(one["rate"]) for one in shown["probes"])[2]
    found = capability(probed.world)
    assert (found["held"], found["outcome"], found["value"]) == (False, "below-claim", shown["rate"])


def test_a_probe_that_is_given_back_counts_nothing(probed: Probed) -> None:
    shown = run(replace(probed, refuses=(1, 2)))
    assert shown["outcome"] == "held"
    assert [one["rate"] for one in shown["probes"][:2]] == [None, None]
    assert "the owner says no" in shown["probes"][0]["why"]


def test_three_that_are_given_back_are_most_of_them(probed: Probed) -> None:
    shown = run(replace(probed, refuses=(1, 2, 3)))
    assert (shown["outcome"], Decimal(shown["rate"])) == ("failed", Decimal(0))
    assert capability(probed.world)["held"] is False


def lazily(work: Chains) -> bytes:
    return np.ones((work.n, work.n)).tobytes()


def in_fp32(work: Chains) -> bytes:
    cheap = Chains(work.seed, "FP32", work.n, work.segments)
    return multiplied(cheap).astype(np.float64).tobytes()


def with_less(work: Chains) -> bytes:
    return multiplied(Chains(work.seed, work.precision, work.n, max(1, work.segments - 1))).tobytes()


@pytest.mark.parametrize("multiply", [lazily, in_fp32, with_less])
def test_a_product_that_was_not_multiplied_counts_nothing_however_fast_it_came(
    probed: Probed, multiply: Multiplies
) -> None:
    shown = run(replace(probed, multiply=multiply, took_s=(0.01,)))
    assert shown["outcome"] == "failed"
    assert all(one["rate"] is None and one["why"] for one in shown["probes"])


class TwoFaced(Probed):
    """Commits at once to a product that it has not, and hands another one in later."""

    def commit(self, said: Instruction, digest: str) -> None:
        super().commit(said, "0" * 64 if digest else digest)


def test_who_commits_before_having_the_product_is_found(world: World) -> None:
    cheat = TwoFaced(world)
    cheat.publish(claiming())
    shown = run(cheat)
    assert shown["outcome"] == "failed"
    assert "another than the one it had committed to" in shown["probes"][0]["why"]


def test_asking_again_wins_no_time(probed: Probed) -> None:
    """The clock runs from the first answer that told of the probe, however often it is told again."""
    probed.world.ok("operator", "POST", RUNS)
    for _ in range(6):
        probed.world.hub.settle()
        (said,) = probed.told()
        probed.world.clock.advance(100)
        assert probed.told() == [said]
        probed.do(said)
    probed.world.hub.settle()
    assert newest(probed.world)["outcome"] in ("below-claim", "too-short-to-tell")
    assert all(one["took_s"] > 100 for one in newest(probed.world)["probes"])


def test_a_run_in_which_the_way_takes_most_of_the_time_is_too_short_and_tried_for_longer(probed: Probed) -> None:
    probed.world.ok("operator", "POST", RUNS)
    slow = replace(probed, took_s=(4,) + (9,) * 5 + (4,) + (80,) * 5)
    conforms(probed.world)
    slow.until_done()
    longer, first = probed.world.ok("operator", "GET", RUNS)["items"]
    assert (first["outcome"], first["overhead_s"]) == ("too-short-to-tell", 4)
    assert (longer["number"], longer["asked_by"]) == (2, "hub")
    # within the owner's cap: half of its sixty seconds, and not the eighty that would be long enough
    assert operations(slow.seen)[-1] > 5 * operations(slow.seen)[1]


def conforms(world: World) -> None:
    """Write that the connector passed its conformance run as it is now."""

    def work(unit: Unit) -> None:
        row = unit.connection.execute(
            select(tables.connector).where(tables.connector.c.id == world.connector(WUHU).id)
        ).mappings()
        connector = row.one()
        passed = {name: connector[name] for name in ("platform_id", "public_key", "inventory_digest")}
        times = {"asked_at": unit.now, "started_at": unit.now, "ended_at": unit.now}
        unit.connection.execute(
            tables.conformance_run.insert().values(
                id=f"{len(connector['id'])}-passed", connector_id=connector["id"], asked_by="t", report="",
                passed=True, **passed, **times,
            )
        )  # fmt: skip

    world.hub.running.hub.writer.run(work)


def verifications(probed: Probed) -> int:
    """Probes of supply are another matter."""
    return sum(said.probe is Purpose.VERIFICATION for said in probed.seen)


def test_what_conforms_is_verified_without_anybodys_asking_and_once(probed: Probed) -> None:
    probed.until_done()
    assert probed.seen == []
    conforms(probed.world)
    probed.until_done()
    assert newest(probed.world)["outcome"] == "held"
    assert verifications(probed) == 6
    probed.world.clock.advance(3600)
    probed.connector.poll()
    probed.until_done()
    assert verifications(probed) == 6


def test_a_raised_claim_is_a_claim_again(probed: Probed) -> None:
    run(probed)
    probed.publish(claiming(CLAIM * 3))
    found = capability(probed.world)
    assert (found["held"], found["outcome"]) == (None, "claim_changed")


def test_an_owners_tries_are_limited_and_all_are_shown(probed: Probed) -> None:
    for _ in range(3):
        run(replace(probed, took_s=(0.01, 50), seen=[]), by="provider")
    answer = probed.world.person("provider").post(RUNS)
    assert (answer.status_code, answer.json()["code"]) == (409, "verification_limit")
    assert [one["number"] for one in probed.world.ok("provider", "GET", RUNS)["items"]] == [3, 2, 1]
    # a lower claim is another one
    probed.publish(claiming(CLAIM / 20))
    assert run(replace(probed, took_s=(0.01, 5), seen=[]), by="provider")["outcome"] == "held"


@pytest.mark.parametrize(
    "made", [claiming(precision=Precision.FP16), claiming(simulated=True), inventory()], ids=["fp16", "chip", "none"]
)
def test_what_has_no_method_stays_a_claim_and_holds_nobody_up(world: World, made: Inventory) -> None:
    probed = Probed(world)
    probed.publish(made)
    answer = world.person("operator").post(RUNS)
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_verify")
    conforms(world)
    probed.until_done()
    assert probed.seen == []


@pytest.mark.parametrize("cap", [ProbeCap(cpu=Decimal(0)), ProbeCap(seconds=0), ProbeCap(per_day=3)])
def test_an_owner_who_lets_no_probe_in_is_told_so(probed: Probed, cap: ProbeCap) -> None:
    probed.publish(claiming(), cap)
    shown = run(probed)
    assert (shown["outcome"], probed.seen) == ("probe-cap-too-small", [])


def test_a_connector_that_refuses_by_its_owners_cap_is_not_called_slow(probed: Probed) -> None:
    shown = run(replace(probed, refuses=(0,), reason="probe_cap: enough for today"))
    assert (shown["outcome"], shown["rate"]) == ("probe-cap-too-small", None)


def test_a_connector_that_falls_silent_counts_nothing_and_its_probe_is_cancelled(probed: Probed) -> None:
    probed.world.ok("operator", "POST", RUNS)
    probed.world.hub.settle()
    probed.told()
    probed.world.clock.advance(121)
    probed.world.hub.settle()
    assert [said.wish.value for said in probed.connector.poll().instructions] == ["cancel"]
    probed.world.clock.advance(200)
    probed.world.hub.settle()
    with probed.world.hub.running.hub.reading() as unit:
        series = unit.connection.execute(select(tables.verification.c.series)).scalar_one()
    assert "silent" in series


def test_time_that_the_hub_was_not_there_is_not_counted(world: World, probed: Probed) -> None:
    world.ok("operator", "POST", RUNS)
    world.hub.settle()
    (said,) = probed.told()
    world.clock.advance(1)
    with InProcessHub(world.hub.settings, clock=world.clock) as again:
        again_worker = next(worker for worker in again.running.workers if isinstance(worker, Verifier))
        world.clock.advance(20)  # the lease of the one that stopped runs out
        probed.do(said)
        while again_worker.turn():
            pass
        (fresh,) = [one for one in probed.told() if one.attempt_id != said.attempt_id]
        assert fresh.task != said.task


def test_probes_of_one_machine_take_turns_whatever_platform_they_belong_to(world: World) -> None:
    both = [Probed(world, name) for name in ("wuhu-cluster", "suzhou-cloud")]
    for one in both:
        one.publish(claiming(), host="ab" * 32)
        world.ok("operator", "POST", f"/v1/platforms/{one.platform}/verifications")
    for _ in range(12):
        world.hub.settle()
        assert sum(len(one.told()) for one in both) == 1
        assert any(one.go_on() for one in both)
    world.hub.settle()
    ended = [world.ok("operator", "GET", f"/v1/platforms/{one.platform}/verifications")["items"] for one in both]
    assert [runs[0]["outcome"] for runs in ended] == ["held", "held"]


def test_what_probes_brought_is_forgotten_and_they_are_in_nobodys_books(probed: Probed) -> None:
    run(probed)
    rows = probed.world.hub.rows()
    assert (rows["output"], rows["charge"]) == (0, 0)
    with probed.world.hub.running.hub.reading() as unit:
        held = unit.connection.execute(select(tables.account.c.held_bytes)).scalars().all()
    assert set(held) == {0}
    assert probed.world.ok("operator", "GET", "/v1/jobs")["items"] == []


def test_a_flavor_that_changes_under_a_run_ends_it(probed: Probed) -> None:
    probed.world.ok("operator", "POST", RUNS)
    probed.world.hub.settle()
    probed.go_on()
    probed.publish(claiming(CLAIM * 2))
    probed.until_done()
    assert newest(probed.world)["outcome"] == "gone"


def test_honest_play_is_honest() -> None:
    work = Chains("s", "FP64", 32, 1)
    assert honestly(work) == multiplied(work).tobytes()


def test_a_frozen_platform_is_not_probed_and_a_withdrawn_one_ends_its_run(probed: Probed) -> None:
    world = probed.world
    world.ok("operator", "POST", RUNS)
    world.ok("operator", "POST", f"/v1/platforms/{WUHU}/freeze", {"why": "a test"})
    probed.connector.poll()
    world.hub.settle()
    assert (probed.told(), newest(world)["ended_at"]) == ([], None)
    world.ok("provider", "POST", f"/v1/platforms/{WUHU}/withdraw", {"why": "a test"})
    world.hub.settle()
    assert newest(world)["outcome"] == "gone"
    assert probed.told() == []
