"""The agent says what its platform is when something has changed, and only then."""

from pathlib import Path

import pytest

from suanlian.agent.config import AgentConfig, read_config
from suanlian.agent.hardware import serials, told
from suanlian.crypto.documents import verify_document
from suanlian.crypto.lineage import body_of
from suanlian.model.descriptor import DESCRIPTOR_TYPE
from suanlian.rules.identifiers import hardware_digest
from suanlian.testing.fake_hub import Mischief
from tests.agent.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_descriptor_goes_out_once_and_again_only_on_change(bench: Bench) -> None:
    with bench:
        agent = bench.agent()
        assert not agent.describe()
        agent.publish()
        assert agent.describe()
        assert not agent.describe()
        (call,) = bench.hub.descriptors
        assert call.descriptor is not None
        key = agent.desk.keypair.public
        verify_document(body_of(call.descriptor), call.signature, key, typ=DESCRIPTOR_TYPE)
        assert (call.descriptor.version, call.descriptor.previous) == (1, "")
        # asked again after a while, and by a process that has begun anew: the hub has it
        bench.clock.forward(3600)
        assert not agent.describe()
        again = bench.agent()
        again.publish()
        assert not again.describe()
        assert len(bench.hub.descriptors) == 1


def test_another_inventory_makes_a_version_that_names_the_one_before(bench: Bench) -> None:
    with bench:
        agent = bench.agent()
        agent.publish()
        agent.describe()
        changed = (
            bench.home.config.read_text().replace('name = "h1"', 'name = "h2"').replace('share = "h1"', 'share = "h2"')
        )
        assert changed != bench.home.config.read_text()
        bench.home.config.write_text(changed)
        bench.clock.forward(1)
        again = bench.agent()
        again.publish()
        assert again.describe()
        first, second = (call.descriptor for call in bench.hub.descriptors)
        assert first is not None
        assert second is not None
        assert (second.version, [share.name for share in second.shares]) == (2, ["h2"])
        assert second.previous


def test_a_refusal_is_tried_again_after_a_while_and_stops_nothing(bench: Bench) -> None:
    with bench:
        agent = bench.agent()
        agent.publish()
        bench.hub.mischief("descriptor", Mischief.REFUSED)
        assert not agent.describe()
        calls = len(bench.hub.calls)
        assert not agent.describe()
        assert len(bench.hub.calls) == calls
        bench.clock.forward(3600)
        assert agent.describe()


def config_with(bench: Bench, line: str) -> AgentConfig:
    path = bench.home.config
    path.write_text(line + "\n" + path.read_text())
    return read_config(path)


def test_serials_are_the_owners_word_or_the_machines_and_junk_is_neither(bench: Bench, tmp_path: Path) -> None:
    dmi = tmp_path / "dmi"
    dmi.mkdir()
    (dmi / "product_serial").write_text("SN-4711\n")
    (dmi / "board_serial").write_text("To be filled by O.E.M.\n")
    with bench:
        config = read_config(bench.home.config)
        assert list(serials(config, dmi)) == ["SN-4711"]
        assert told(config, "hub", dmi) == (hardware_digest("hub", "SN-4711"),)
        assert list(serials(config_with(bench, 'serials = ["A-1234", "none"]'), dmi)) == ["A-1234"]
    assert list(serials(config.model_copy(update={"serials": ()}), dmi)) == []
