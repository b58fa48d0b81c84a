"""What a platform says of its own speed: taken where it can be meant, beside the other words on it, else refused."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from suanlian.crypto.documents import sign_document
from suanlian.model.errors import SuanlianError
from suanlian.model.measurement import MEASUREMENT_TYPE, Measurement, MeasurementCall
from suanlian.model.performance import Grade, Performance, Precision
from suanlian.model.platform import Inventory
from suanlian.store import tables
from suanlian.testing.hub import SignedConnector
from tests.hub.world import World, inventory, offer

WUHU, SUZHOU = "wuhu-cluster", "suzhou-cloud"


def claiming(tera: str = "0.2", **changes: object) -> Inventory:
    """The inventory of these tests, whose flavor claims so much at FP64 for its four cores."""
    made = inventory()
    claim = Performance(precision=Precision.FP64, tera_per_s=Decimal(tera), grade=Grade.CLAIMED, source="data sheet")
    flavors = tuple(flavor.model_copy(update={"performance": (claim,), **changes}) for flavor in made.flavors)
    return made.model_copy(update={"flavors": flavors})


def reading(**changes: object) -> dict[str, object]:
    said = {"metric": "matmul", "precision": "FP64", "value": "0.1", "samples": ["0.09", "0.1", "0.11"], "method": "m"}
    return {**said, **changes}


def measured(world: World, platform: str = WUHU, **changes: Any) -> Measurement:  # noqa: ANN401 - fields of it
    with world.hub.running.hub.reading() as unit:
        connector = unit.connection.execute(
            select(tables.connector).where(tables.connector.c.id == world.connector(platform).id)
        ).mappings()
        platform_id = connector.one()["platform_id"]
    said = {
        "connector_id": world.connector(platform).id,
        "platform_id": platform_id,
        "flavor": "cpu",
        "host": "ab",
        "cores": "2",
        "program": "test 1",
        "environment": {"processor": "some"},
        "measured_at": world.clock(),
        "readings": [reading(), reading(metric="triad", precision=None)],
    }
    return Measurement.model_validate({**said, **changes})


def signed(made: Measurement, by: SignedConnector) -> MeasurementCall:
    signature = sign_document(made.model_dump(mode="json"), by.keypair, typ=MEASUREMENT_TYPE)
    return MeasurementCall(measurement=made, signature=signature)


def send(world: World, made: Measurement, platform: str = WUHU) -> int:
    connector = world.connector(platform)
    return connector.client.measurements(signed(made, connector)).taken


@pytest.fixture(autouse=True)
def published(world: World) -> None:
    world.connector(WUHU).publish(claiming(), offer())
    world.connector(SUZHOU).publish(claiming(), offer())


def figures(world: World, by: str = "buyer") -> dict[str, Any]:
    rows = world.ok(by, "GET", f"/v1/capabilities?platform={WUHU}")["items"]
    return {row["metric"]: row for row in rows}


def test_every_word_stands_beside_the_others_and_none_is_chosen(world: World) -> None:
    assert figures(world)["matmul"]["self_measured"] is None
    assert send(world, measured(world)) == 2
    found = figures(world)["matmul"]
    assert (found["precision"], found["unit"], found["verified"], found["seen_in_jobs"]) == ("FP64", "T/s", None, None)
    assert (found["claimed"]["value"], found["claimed"]["grade"]) == ("0.2", "claimed")
    # two of four cores did 0.1: the node would do 0.2, and it is said that this is no measurement of a node
    mine = found["self_measured"]
    assert (Decimal(mine["value"]), mine["grade"]) == (Decimal("0.2"), "self-measured")
    assert (mine["measured"], mine["of"]) == ("2", "4")
    assert Decimal(figures(world)["triad"]["self_measured"]["value"]) == Decimal("0.1")


def test_the_same_measurement_again_changes_nothing(world: World) -> None:
    made = measured(world)
    assert send(world, made) == 2
    before = world.hub.rows()
    assert send(world, made) == 0
    assert {n: c for n, c in world.hub.rows().items() if n != "nonce"} == {
        n: c for n, c in before.items() if n != "nonce"
    }


def test_what_was_taken_can_be_proved_later(world: World) -> None:
    send(world, measured(world))
    with world.hub.running.hub.reading() as unit:
        row = unit.connection.execute(select(tables.capability)).mappings().first()
    assert row is not None
    assert '"signature"' in row["evidence"]
    assert row["flavor_version"] == 2
    assert row["claim"] == Decimal("0.2")


def test_figures_of_a_simulated_chip_are_no_claims(world: World) -> None:
    world.connector(WUHU).publish(claiming(simulated=True), offer())
    assert figures(world)["matmul"]["claimed"]["grade"] == "simulated"


Change = Callable[[World], Measurement]
BAD: dict[str, tuple[Change, str]] = {
    "negative": (lambda w: measured(w, readings=[reading(samples=["-1", "0.1", "2"])]), "measurement_negative"),
    "zero": (lambda w: measured(w, readings=[reading(value="0", samples=["0"])]), "measurement_negative"),
    # fifty times the claim of the two cores is 5 T/s
    "beyond the claim": (
        lambda w: measured(w, readings=[reading(value="5.1", samples=["5.1"])]),
        "measurement_absurd",
    ),
    "beyond any chip": (
        lambda w: measured(w, readings=[reading(precision="INT8", value="60000", samples=["60000"])]),
        "measurement_absurd",
    ),
    "one absurd sample": (
        lambda w: measured(w, readings=[reading(samples=["0.1", "0.1", "9999"])]),
        "measurement_absurd",
    ),
    "absurd memory": (
        lambda w: measured(w, readings=[reading(metric="triad", precision=None, value="900000", samples=["900000"])]),
        "measurement_absurd",
    ),
    "old": (lambda w: measured(w, measured_at=w.clock() - timedelta(hours=25)), "measurement_stale"),
    "ahead": (lambda w: measured(w, measured_at=w.clock() + timedelta(minutes=2)), "measurement_stale"),
    "no median": (lambda w: measured(w, readings=[reading(value="0.11")]), "measurement_inconsistent"),
    "no precision": (lambda w: measured(w, readings=[reading(precision=None)]), "measurement_inconsistent"),
    "twice": (lambda w: measured(w, readings=[reading(), reading()]), "measurement_inconsistent"),
    "cores": (
        lambda w: measured(w, readings=[reading(metric="cores", precision=None)]),
        "measurement_inconsistent",
    ),
    "another's": (lambda w: measured(w, SUZHOU), "measurement_replayed"),
    "unknown flavor": (lambda w: measured(w, flavor="gpu"), "no_such_flavor"),
}


def refused(world: World, call: MeasurementCall) -> SuanlianError:
    before = world.hub.rows()
    with pytest.raises(SuanlianError) as raised:
        world.connector(WUHU).client.measurements(call)
    assert world.hub.rows()["capability"] == before["capability"]
    return raised.value


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_meant_is_refused_for_its_own_reason(world: World, name: str) -> None:
    make, code = BAD[name]
    assert refused(world, signed(make(world), world.connector(WUHU))).code == code


def test_the_refusal_of_an_absurd_figure_names_the_bound_and_the_precision(world: World) -> None:
    make, _ = BAD["beyond any chip"]
    error = refused(world, signed(make(world), world.connector(WUHU)))
    assert "INT8" in error.wrong
    assert "50332" in error.wrong


def test_a_forged_signature_is_refused(world: World) -> None:
    assert refused(world, signed(measured(world), world.connector(SUZHOU))).code == "signature_invalid"
    made = signed(measured(world), world.connector(WUHU))
    better = made.measurement.model_copy(update={"cores": Decimal(1)})
    assert refused(world, made.model_copy(update={"measurement": better})).code == "signature_invalid"


def test_another_platforms_figures_signed_as_ones_own_are_found(world: World) -> None:
    theirs = measured(world, SUZHOU)
    assert send(world, theirs, SUZHOU) == 2
    mine = measured(world, readings=[r.model_dump(mode="json") for r in theirs.readings])
    assert refused(world, signed(mine, world.connector(WUHU))).code == "measurement_replayed"


def test_an_older_measurement_does_not_come_after_a_newer_one(world: World) -> None:
    older = measured(world)
    world.clock.advance(60)
    send(world, measured(world))
    assert refused(world, signed(older, world.connector(WUHU))).code == "measurement_stale"
