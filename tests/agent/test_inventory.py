"""Is an inventory that cannot be published said plainly, not too often, and shown to the owner?"""

import logging
from pathlib import Path

import pytest

from suanlian.agent import owner
from suanlian.agent.loops import Told, heard
from suanlian.model.errors import InvalidError, SuanlianError, UnavailableError
from suanlian.testing.fake_hub import Mischief
from tests.agent.bench import Bench


def status(bench: Bench) -> str:
    return "\n".join(owner.status_lines(bench.home))


def mistype(bench: Bench) -> str:
    good = bench.home.config.read_text()
    bench.home.config.write_text(good.replace('flavor = "f1"', 'flavor = "f1x"'))
    return good


def test_a_flavor_that_nobody_describes_is_named_and_status_shows_it_until_it_is_mended(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        good = mistype(bench)
        with pytest.raises(InvalidError) as caught:
            bench.agent()
        text = str(caught.value)
        for part in (str(bench.home.config), "inventory.shares.0.flavor", "'h1'", "'f1x'", "known flavors: ", "f1"):
            assert part in text
        assert "\n" not in text
        assert f"The inventory cannot be published: {bench.home.config}" in status(bench)
        bench.home.config.write_text(good)
        bench.agent()
        assert "inventory" not in status(bench)


def test_an_inventory_that_the_hub_refuses_is_shown_until_it_takes_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Bench(tmp_path) as bench, caplog.at_level(logging.INFO, "suanlian.agent"):
        agent = bench.agent()
        bench.hub.mischief("inventory", Mischief.REFUSED)
        with pytest.raises(SuanlianError):
            agent.publish()
        assert "The hub refused the inventory: field_invalid: no" in status(bench)
        assert "inventory taken" not in caplog.text
        agent.publish()
        agent.publish()
        assert "refused the inventory" not in status(bench)
        assert caplog.messages.count("inventory taken: 1 shares published at hub fake, level trade") == 1


def test_what_somebody_has_to_mend_is_told_each_minute_and_an_outage_once() -> None:
    typo, outage = InvalidError("field_invalid", "x"), UnavailableError("hub_unavailable", "x")
    for error, louds in ((typo, [0, 60, 120]), (outage, [0])):
        told, heard_at = Told(), []
        for second in range(0, 125, 5):
            told, loudness = heard(told, error, float(second))
            if loudness == logging.WARNING:
                heard_at.append(second)
        assert heard_at == louds
    told, _loudness = heard(Told(), typo, 0.0)
    assert heard(told, InvalidError("field_invalid", "y"), 1.0)[1] == logging.WARNING
