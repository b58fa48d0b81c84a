"""Whatever a buyer is told to change brings what was told: the change is made, and the engine is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.data.chips import chips
from suanlian.data.grid import grid
from suanlian.data.orderly import orderly
from suanlian.model.demand import JobClass, Prefer
from suanlian.model.ids import ShareId
from suanlian.model.job import JobSpec, Wants
from suanlian.model.market import Market
from suanlian.model.offer import Tier
from suanlian.model.orderly import Order
from suanlian.model.outlook import Change, Gain
from suanlian.model.performance import Architecture, Grade
from suanlian.model.place import Place
from suanlian.model.placement import Explanation
from suanlian.model.platform import Chip, Latency, Site
from suanlian.model.quantity import Resources
from suanlian.rules import budget
from suanlian.rules.counterfactuals import LEAST_CNY, LEAST_PART, MOST_TOLD, START, Asked, Release, changes, soonest
from suanlian.rules.energy import energy_of
from suanlian.rules.placement import explain
from tests.rules.worlds import NOW, demand, flavor, offer, place, resources, spec, variant

ENERGY = energy_of(chips(), grid())
SHANGHAI = "310000"
NEVER_WEAKER = ("wants.residency", "wants.data_level", "wants.protection_min", "wants.owners")


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - values of one field
    """One change alone helps only where little else stands against a place."""
    return st.sampled_from([usual] * 4 * len(others) + list(others))


@st.composite
def places(draw: st.DrawFn, number: int) -> Place:
    count, cores = draw(mostly(8, 0)), draw(st.integers(0, 16))
    whole = resources(16_000, 65_536, accelerator=count)
    kind = flavor(draw(mostly(Architecture.X86_64, Architecture.AARCH64)))
    chip = Chip(family="nvidia", model=draw(mostly("NVIDIA A100", "unknown")), grade=Grade.CLAIMED)
    site = Site(
        name="site",
        region=draw(st.sampled_from(["510100", "640500"])),
        west=draw(st.booleans()),
        green_share=draw(st.sampled_from([Decimal("0.2"), Decimal("0.8")])),
        latencies=(Latency(region=SHANGHAI, one_way_ms=Decimal(draw(st.integers(1, 30))), grade=Grade.CLAIMED),),
    )
    sold = offer(cpu=str(draw(st.integers(0, 50)) / Decimal(100)), accelerator=str(draw(st.integers(0, 9))))
    return place(
        f"p{number}",
        site=site,
        flavor=kind.model_copy(update={"node": whole, "chip": chip if count else None}),
        share=place().share.model_copy(update={"capacity": whole}),
        free=resources(cores * 1000, 65_536, accelerator=draw(mostly(count, 0))),
        offer=sold.model_copy(update={"tier": draw(mostly(Tier.ON_DEMAND, Tier.PREEMPTIBLE, Tier.RESERVED))}),
        closing=draw(mostly(None, NOW + timedelta(minutes=30))),
    )


@st.composite
def worlds(draw: st.DrawFn) -> Asked:
    there = [draw(places(n)) for n in range(draw(st.integers(1, 6)))]
    wants = Wants(
        platform=draw(mostly(None, "p0")),
        user_region=SHANGHAI,
        max_latency_ms=draw(mostly(None, Decimal(10))),
        green_min=draw(mostly(Decimal(0), Decimal("0.5"))),
        max_cost=draw(mostly(None, Decimal("0.5"), Decimal(9))),
        max_g_co2=draw(mostly(None, Decimal(500))),
        prefer=draw(mostly(Prefer.COST, *Prefer)),
    )
    fast = variant(throughput="2").model_copy(update={"chip_family": "nvidia"})
    job = spec(*draw(st.sampled_from([(variant(),), (variant(throughput="1"), fast)])), wants=wants).model_copy(
        update={
            "resources": resources(draw(st.integers(1, 16)) * 1000, 1024, accelerator=draw(st.integers(0, 8))),
            "wall_time_s": draw(st.sampled_from([600, 3600, 7200])),
            "job_class": draw(mostly(None, JobClass.INFERENCE)),
            "budget": draw(mostly(None, Decimal(3))),
        }
    )
    released = {
        where.share_id: [Release(NOW + timedelta(hours=n), resources(4000, accelerator=4)) for n in (1, 3)]
        for where in there
        if draw(st.booleans())
    }
    return Asked(
        demand=replace(demand(job), order=Order(orderly().classes)),
        places=there,
        now=NOW,
        market=Market(energy=ENERGY),
        rest=job.budget,
        releases=released,
    )


def changed(spec_: JobSpec, change: Change) -> JobSpec:
    """As a person would: the field in the file is written anew."""
    file: dict[str, Any] = spec_.model_dump(mode="json")
    if change.field != START:
        *path, last = change.field.split(".")
        inside: Any = file
        for name in path:
            inside = inside[name]
        assert inside[last] == change.was or str(inside[last]) == str(change.was) or _same(inside[last], change.was)
        inside[last] = change.to
    return JobSpec.model_validate(file)


def _same(one: object, other: object) -> bool:
    return isinstance(one, str) and isinstance(other, str) and Decimal(one) == Decimal(other)


def engine(asked: Asked, job: JobSpec, change: Change) -> Explanation:
    moment, there = asked.now, list(asked.places)
    if change.field == START:
        moment = datetime.fromisoformat(str(change.to))
        there = [replace(p, free=later(p, asked.releases, moment)) for p in there]
    of = replace(asked.demand, spec=budget.within(job, job.budget))
    return explain(of, there, now=moment, market=asked.market)


def later(where: Place, releases: Mapping[ShareId, Sequence[Release]], moment: datetime) -> Resources:
    back = [release.amount for release in releases.get(where.share_id, ()) if release.at <= moment]
    return Resources.of({k: where.free.base()[k] + sum(b.base()[k] for b in back) for k in where.free.base()})


@settings(max_examples=150)
@given(worlds())
def test_each_change_brings_what_was_told(asked: Asked) -> None:
    found = asked.answer()
    told = changes(asked, found)
    assert len(told) <= MOST_TOLD
    for change in told:
        assert not change.field.startswith(NEVER_WEAKER)
        answer = engine(asked, changed(asked.demand.spec, change), change)
        assert answer.won is not None, change
        effect = change.effect
        assert (answer.won.share_id, answer.won.billed, answer.won.g_co2) == (
            effect.share_id,
            effect.billed,
            effect.g_co2,
        )
        assert effect.starts == answer.at
        if found.won is None:
            assert effect.gain is Gain.STARTS
            continue
        before = found.won
        assert before.billed is not None
        assert effect.billed is not None
        assert effect.more == effect.billed - before.billed
        if effect.gain is Gain.GREENER:
            assert effect.g_co2 is not None
            assert effect.g_co2 <= (before.g_co2 or 0) * (1 - LEAST_PART)
        elif effect.gain is Gain.FASTER:
            assert answer.won.expected is not None
            assert before.expected is not None
            assert effect.takes_s == answer.won.expected.seconds <= before.expected.seconds * (1 - LEAST_PART)
        else:
            assert effect.gain is Gain.CHEAPER
            assert before.billed - effect.billed >= max(LEAST_CNY, LEAST_PART * before.billed)


def fields(told: Sequence[Change]) -> set[str]:
    return {change.field for change in told}


def one(there: Sequence[Place], job: JobSpec | None = None, **changes_: Any) -> tuple[Change, ...]:  # noqa: ANN401 - fields of the question
    asked = Asked(demand=demand(job), places=there, now=NOW, **changes_)
    return changes(asked, asked.answer())


def test_a_place_that_closes_soon_takes_what_ends_before() -> None:
    (change,) = one([place(closing=NOW + timedelta(seconds=1830))])
    assert (change.field, change.was, change.to, change.effect.gain) == ("wall_time_s", 3600, 1800, Gain.STARTS)


def test_fewer_cards_or_nodes_or_cores_fit_where_not_all_do() -> None:
    (change,) = one([place(free=resources(1000, 8192))], spec(cpu=4000))
    assert (change.field, change.was, change.to) == ("resources.cpu", "4", "1")


def test_another_instruction_set_needs_one_variant_more() -> None:
    (change,) = one([place(flavor=flavor(Architecture.AARCH64))])
    assert change.field == "variants"
    assert isinstance(change.to, list)
    assert change.to[1] == {"architecture": "aarch64", "environment": "python", "command": ["python", "-V"]}


def test_a_budget_that_stops_it_is_named_with_what_is_needed() -> None:
    job = spec().model_copy(update={"budget": Decimal("0.02")})
    (change,) = one([place()], job, rest=Decimal("0.01"))
    # 0.025 is needed, 0.01 of 0.02 is left
    assert (change.field, change.was, change.to) == ("budget", "0.02", "0.04")


def test_what_may_be_taken_back_is_told_where_it_is_cheaper() -> None:
    spot = offer(cpu="0.01").model_copy(update={"tier": Tier.PREEMPTIBLE})
    (change,) = one([place("dear", "1.00"), place("spot", offer=spot)])
    assert (change.field, change.to) == ("wants.tiers", ["on-demand", "preemptible"])
    assert (change.effect.gain, change.effect.part) == (Gain.CHEAPER, Decimal("0.990"))


def test_a_later_start_is_told_where_it_is_cheaper_and_when_there_is_room() -> None:
    full, dear = place("full", "0.05", free=resources()), place("dear", "1.00")
    back = {full.share_id: [Release(NOW + timedelta(hours=3), resources(4000, 8192))]}
    (change,) = one([full, dear], releases=back)
    assert (change.field, change.effect.starts) == (START, NOW + timedelta(hours=3))
    waits = Asked(demand=demand(), places=[full], now=NOW, releases=back)
    assert soonest(waits, waits.answer()) == NOW + timedelta(hours=3)


def test_where_data_may_not_lie_is_never_a_change() -> None:
    job = spec(wants=Wants(residency=("31",), data_level=3))
    assert one([place()], job) == ()


@settings(max_examples=150)
@given(worlds())
def test_where_a_greener_or_faster_place_fits_for_little_more_one_is_told(asked: Asked) -> None:
    """However much else would be cheaper."""
    found = asked.answer()
    gains = {change.effect.gain for change in changes(asked, found)}
    for word, gain in ((Prefer.GREEN, Gain.GREENER), (Prefer.TIME, Gain.FASTER)):
        if asked.demand.spec.wants.prefer is word or found.won is None:
            continue
        other = asked.changed("wants.prefer", word.value).answer().won
        assert other is not None
        spared = {
            Gain.GREENER: found.won.g_co2 and other.g_co2 is not None and 1 - other.g_co2 / found.won.g_co2,
            Gain.FASTER: found.won.expected
            and other.expected
            and 1 - other.expected.seconds / found.won.expected.seconds,
        }[gain]
        if spared and spared >= LEAST_PART:
            assert gain in gains


@pytest.mark.parametrize(
    ("rate", "more", "field", "to"), [("1.2", "0.8", "wants.prefer", "green"), ("1.3", "1.2", "wants.max_g_co2", "251")]
)
def test_a_greener_place_is_told_with_what_it_costs_more(rate: str, more: str, field: str, to: str) -> None:
    """For up to a fifth more a wish is enough; beyond it a bound."""
    card = Chip(family="nvidia", model="NVIDIA A100", grade=Grade.CLAIMED)
    whole = resources(4000, 8192, accelerator=8)
    kind = flavor().model_copy(update={"node": whole, "chip": card})
    share = place().share.model_copy(update={"capacity": whole})
    at = {
        name: place(name, site=Site(name="site", region=region), flavor=kind, share=share, free=whole, offer=sold)
        for name, region, sold in (
            ("ningxia", "640500", offer(cpu="0", accelerator="1")),
            ("sichuan", "510100", offer(cpu="0", accelerator=rate)),
        )
    }
    job = spec().model_copy(update={"resources": resources(1000, 1024, accelerator=4)})
    (change,) = one(list(at.values()), job, market=Market(energy=ENERGY))
    assert (change.field, change.to) == (field, to)
    assert (change.effect.gain, change.effect.platform, change.effect.more) == (Gain.GREENER, "sichuan", Decimal(more))
    assert change.effect.part == Decimal("0.747")
