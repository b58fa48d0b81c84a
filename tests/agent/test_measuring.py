"""What the agent measures of its own machine, and what it says of it."""

from decimal import Decimal
from pathlib import Path
from statistics import median

import pytest

from suanlian.agent.host import host_of
from suanlian.agent.measuring import cores_of, has_cards, measurement, measurements, run, shown, signed
from suanlian.crypto.documents import verify_document
from suanlian.model.errors import NotFoundError
from suanlian.model.measurement import MEASUREMENT_TYPE, Metric
from suanlian.model.performance import Architecture, ComputeClass, Grade, Precision
from suanlian.model.platform import Chip, Flavor
from suanlian.model.quantity import Resources
from suanlian.rules.measurement import check
from tests.agent.bench import Bench

SAID = {
    "program": "p 1",
    "environment": {"processor": "x", "torch.missing": "not installed", "blas_threads": ""},
    "readings": [
        {"metric": "matmul", "precision": "FP64", "device": "cpu", "samples": ["0.3", "0.1", "0.2"], "method": "m"},
        {"metric": "triad", "precision": None, "device": "cpu", "samples": ["9.000000001", "8"], "method": "m"},
    ],
}


def flavor(**node: object) -> Flavor:
    return Flavor(
        name="f1",
        compute_class=ComputeClass.GENERAL,
        architecture=Architecture.X86_64,
        node=Resources.model_validate(node),
    )


def test_this_machine_is_measured_by_a_process_of_its_own(tmp_path: Path) -> None:
    said = run(1, 0.01, tmp_path, accelerators=False)
    assert [(row["metric"], row["precision"]) for row in said["readings"]] == [
        ("matmul", "FP64"),
        ("matmul", "FP32"),
        ("triad", None),
        ("disk-write", None),
        ("disk-read", None),
    ]
    assert said["environment"]["cores"] == "1"
    assert all(Decimal(sample) > 0 for row in said["readings"] for sample in row["samples"])
    assert list(tmp_path.iterdir()) == []


def test_what_it_says_can_be_meant_and_is_signed_by_the_connector(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        desk = bench.agent().desk
        made = measurement(desk, flavor(cpu="4"), 2, SAID)
        assert [reading.value for reading in made.readings] == [Decimal("0.2"), Decimal("8.5")]
        assert all(
            abs(median(reading.samples) - reading.value) < Decimal("0.000001") * reading.value
            for reading in made.readings
        )
        check(made, flavor(cpu="4"), bench.clock(), None)
        call = signed(desk, made)
        body = call.measurement.model_dump(mode="json")
        verify_document(body, call.signature, desk.keypair.public, typ=MEASUREMENT_TYPE)
        assert "blas_threads" not in made.environment
        assert (made.readings[0].metric, made.readings[0].precision) == (Metric.MATMUL, Precision.FP64)
        lines = list(shown([made]))
        assert "0.200 T/s" in lines[1]


def test_a_flavor_that_is_not_published_is_not_measured(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        desk = bench.agent().desk
        with pytest.raises(NotFoundError) as raised:
            list(measurements(desk, "gpu", 0.01, tmp_path))
    assert raised.value.code == "no_such_flavor"
    assert "f1" in raised.value.todo


@pytest.mark.parametrize(("cpu", "cores"), [("0.25", 1), ("1", 1), ("100000", None)])
def test_as_many_cores_are_measured_as_a_node_has_and_the_machine_too(cpu: str, cores: int | None) -> None:
    assert cores_of(flavor(cpu=cpu)) == cores or cores is None
    assert cores_of(flavor(cpu=cpu)) >= 1


def test_a_simulated_chip_is_not_measured() -> None:
    real = flavor(cpu="1", accelerator=1)
    chip = Chip(family="f", model="m", grade=Grade.SIMULATED)
    assert has_cards(real)
    assert not has_cards(real.model_copy(update={"chip": chip}))
    assert not has_cards(real.model_copy(update={"simulated": True}))
    assert not has_cards(flavor(cpu="1"))


def test_a_machine_is_the_same_at_one_hub_and_another_at_the_next() -> None:
    assert host_of("a") == host_of("a") != host_of("b")
    assert len(host_of("a")) == 64
