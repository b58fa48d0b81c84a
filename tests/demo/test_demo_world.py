import hashlib
import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.agent.config import read_config
from suanlian.demo.agentfile import Setting, agent_toml, toml
from suanlian.demo.figures import chip_performance, grid_g_co2_per_kwh, one_way_ms
from suanlian.demo.lakes import OPENED, dig, lake_of
from suanlian.demo.submit import buyer_of, spec_of
from suanlian.demo.work.catalogue import catalogue
from suanlian.demo.work.job import DemoJob
from suanlian.demo.work.placed import LABELS, PLACES, placed_digests
from suanlian.demo.world import BUYERS, DATA_HOME, DATA_OWNER, LAKE, PLATFORMS, PlatformPlan, inventory, offers
from suanlian.model.performance import Architecture, Grade, Performance, Precision
from suanlian.model.place import is_simulated
from suanlian.model.quantity import ResourceKind, total

MEASURED = (
    Performance(precision=Precision.FP64, tera_per_s=Decimal("0.0123"), grade=Grade.SELF_MEASURED, source="a test"),
)
INPUTS = "http://127.0.0.1:4321"


def setting(tmp_path: Path) -> Setting:
    return Setting("http://127.0.0.1:8420", INPUTS, MEASURED, tmp_path / "tools", tmp_path / "lakes")


@pytest.mark.parametrize("plan", PLATFORMS, ids=lambda plan: plan.name)
def test_the_agent_reads_what_the_demo_writes_for_it(plan: PlatformPlan, tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(agent_toml(plan, setting(tmp_path)), encoding="utf-8")
    config = read_config(path)
    published = inventory(plan, MEASURED)
    assert config.platform == plan.name
    assert config.inventory.model_dump() == published.model_dump()
    assert config.offers == offers(plan)
    assert config.policy.allowed_origins == (INPUTS,)
    assert config.policy.own_entity == plan.provider
    assert not config.policy.allow_unisolated
    declared = {environment.name for flavor in published.flavors for environment in flavor.environments}
    assert declared <= config.driver.environments.keys()


def test_every_folder_is_named_by_all_others_and_one_is_opened_to_one_buyer(tmp_path: Path) -> None:
    opened = []
    for plan in PLATFORMS:
        path = tmp_path / "agent.toml"
        path.write_text(agent_toml(plan, setting(tmp_path)), encoding="utf-8")
        config = read_config(path)
        here = config.storage[LAKE]
        assert [share.name for share in config.inventory.storage] == [LAKE]
        assert here.root == lake_of(tmp_path / "lakes", plan.name)
        assert set(here.peers) == {lake_of(tmp_path / "lakes", other.name) for other in PLATFORMS} - {here.root}
        opened += [(plan.name, one.entity, one.folder) for one in here.register_]
    assert opened == [(DATA_HOME, DATA_OWNER, OPENED)]


def test_what_leaves_a_storage_costs_differently_everywhere() -> None:
    prices = [share.egress_cny_per_gb for plan in PLATFORMS for share in inventory(plan, MEASURED).storage]
    assert len(set(prices)) == len(PLATFORMS)


def test_the_dataset_lies_where_it_is_registered(tmp_path: Path) -> None:
    dig(tmp_path, PLATFORMS)
    folder = lake_of(tmp_path, DATA_HOME) / OPENED
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    assert found == placed_digests()
    assert sum(file.stat().st_size for file in folder.iterdir()) < 20_000_000
    assert len({digest for path, digest in found.items() if path != LABELS}) == len(PLACES)


def test_allow_unisolated_is_written_where_it_must_be(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    text = agent_toml(PLATFORMS[0], replace(setting(tmp_path), allow_unisolated=True))
    path.write_text(text, encoding="utf-8")
    assert read_config(path).policy.allow_unisolated


documents = st.recursive(
    st.booleans() | st.integers(-(2**62), 2**62) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), documents, max_size=6))
def test_what_is_written_as_toml_is_read_as_the_same(document: dict[str, Any]) -> None:
    assert tomllib.loads(toml(document)) == document


def test_all_platforms_together_are_two_cores_at_most() -> None:
    shares = [share for plan in PLATFORMS for share in inventory(plan, MEASURED).shares]
    assert total(share.capacity for share in shares).cpu <= 2000


def test_the_west_costs_seventy_hundredths() -> None:
    rents = {
        plan.name: rate.per_unit_hour
        for plan in PLATFORMS
        for rate in offers(plan)[0].rates
        if rate.kind is ResourceKind.CPU
    }
    assert rents["zhongwei-west"] / rents["shanghai-trading"] == Decimal("0.70")


def test_a_chip_that_is_not_here_is_simulated_in_everything_said_of_it() -> None:
    flavors = [flavor for plan in PLATFORMS for flavor in inventory(plan, MEASURED).flavors if flavor.chip]
    (flavor,) = flavors
    assert is_simulated(flavor)
    assert {figure.grade for figure in flavor.performance} == {Grade.SIMULATED}
    assert {figure.precision: figure.tera_per_s for figure in chip_performance()} == {
        Precision.FP16: Decimal(376),
        Precision.FP32: Decimal(94),
    }


def test_one_site_offers_nothing_but_wasm() -> None:
    suzhou = next(plan for plan in PLATFORMS if plan.name == "suzhou-public")
    kinds = [flavor.architecture for flavor in inventory(suzhou, MEASURED).flavors]
    assert kinds.count(Architecture.WASM32) == 1
    assert len(kinds) == 2


def test_every_latency_is_an_estimate_and_says_so() -> None:
    latencies = [
        latency for plan in PLATFORMS for place in inventory(plan, MEASURED).sites for latency in place.latencies
    ]
    assert len(latencies) == 30
    assert all(latency.grade is Grade.SIMULATED and "estimate" in latency.source for latency in latencies)
    assert one_way_ms("zhongwei_ningxia", "qingpu_shanghai") == Decimal("19.40")
    assert grid_g_co2_per_kwh("CN-NX") == Decimal("618.7")


def test_an_unknown_place_has_no_figures() -> None:
    with pytest.raises(LookupError):
        one_way_ms("zhongwei_ningxia", "nowhere")
    with pytest.raises(LookupError):
        grid_g_co2_per_kwh("CN-XX")


JOBS = catalogue("x86_64")


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_every_job_becomes_what_a_buyer_may_send(job: DemoJob) -> None:
    spec = spec_of(job, lambda key: f"{INPUTS}/{key}.txt")
    assert spec.tasks == (job.array_size or 1)
    assert spec.resources.cpu == 250
    assert spec.wants.platform == job.platform
    assert buyer_of(job) in BUYERS
    by_url = [item for item in spec.inputs if item.url]
    assert bool(by_url) == (job.kind == "word-count")
    assert all(item.sha256 for item in by_url)


def test_nobody_submits_a_kind_that_there_is_not() -> None:
    with pytest.raises(KeyError):
        buyer_of(replace(JOBS[0], kind="mining"))


@pytest.mark.parametrize("job", [job for job in JOBS if job.expected_state != "CANCELED"], ids=lambda job: job.name)
def test_some_platform_can_run_each_job_that_is_to_end(job: DemoJob) -> None:
    spec = spec_of(job, lambda key: f"{INPUTS}/{key}.txt")
    wanted = {(variant.architecture, variant.environment) for variant in spec.variants}

    def runs(plan: PlatformPlan) -> bool:
        published = inventory(plan, MEASURED)
        declared = {(e.architecture, e.name) for flavor in published.flavors for e in flavor.environments}
        fits = any(spec.resources.fits(share.capacity) for share in published.shares)
        green = max(place.green_share for place in published.sites) >= spec.wants.green_min
        return bool(wanted & declared) and fits and green and spec.wants.platform in (None, plan.name)

    assert any(runs(plan) for plan in PLATFORMS)
