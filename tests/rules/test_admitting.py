from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from zlib import crc32

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from suanlian.data.orderly import orderly
from suanlian.model.demand import JobClass, Near, Owners, West
from suanlian.model.ids import ShareId
from suanlian.model.job import JobSpec, Variant, Wants
from suanlian.model.offer import Tier
from suanlian.model.orderly import Order
from suanlian.model.owner import JoinLevel
from suanlian.model.performance import Architecture, Grade
from suanlian.model.place import Demand, Place
from suanlian.model.placement import ASKED, Filter
from suanlian.model.platform import Latency, Site
from suanlian.model.version import Subject, VersionRef
from suanlian.rules.admitting import (
    LASTING,
    NUMERIC,
    OF_A_TASK,
    Admissions,
    Sizes,
    barred,
    closes_too_soon,
    kind_of,
    stamp_of,
)
from suanlian.rules.feasibility import Question, failed_filters
from tests.rules.worlds import NOW, demand, flavor, offer, place, resources, spec, variant

SHANGHAI = "310000"
NEAR = Site(
    name="site",
    region="340200",
    green_share=Decimal("0.3"),
    latencies=(Latency(region=SHANGHAI, one_way_ms=Decimal(8), grade=Grade.SIMULATED),),
)
WEST = Site(name="site", region="640500", west=True)
PREEMPTIBLE = offer(cpu="0.02").model_copy(update={"tier": Tier.PREEMPTIBLE})
ARM = Architecture.AARCH64


def versioned(where: Place, number: int) -> Place:
    """As published: what its owner states has a number that grows with each change."""
    ref = VersionRef(subject=Subject.SHARE, id=str(where.share_id), version=number, name=where.share.name)
    return replace(where, versions=(ref,))


@st.composite
def places(draw: st.DrawFn) -> Place:
    made = place(
        draw(st.sampled_from(["wuhu", "suzhou", "jiashan"])),
        platform_live=draw(st.booleans()),
        accepting=draw(st.booleans()),
        admitted=draw(st.booleans()),
        seals=draw(st.booleans()),
        level=draw(st.sampled_from(list(JoinLevel))),
        partners=draw(st.sampled_from([(), ("buyer",)])),
        entity=draw(st.sampled_from(["provider", "buyer"])),
        site=draw(st.sampled_from([NEAR, place().site, WEST])),
        flavor=draw(st.sampled_from([flavor(), flavor(ARM)])),
        offer=draw(
            st.sampled_from([None, PREEMPTIBLE, offer(cpu="0.05"), offer(memory="1"), offer(cpu="1", memory="1")])
        ),
        free=resources(draw(st.integers(0, 4000)), draw(st.integers(0, 8192))),
        closing=draw(st.sampled_from([None, NOW + timedelta(minutes=5), NOW + timedelta(hours=5)])),
        kept=draw(st.booleans()),
    )
    # what is published otherwise has another version, as in the store
    number = crc32(repr((made.site, made.share, made.flavor, made.offer)).encode())
    return versioned(replace(made, share_id=ShareId(f"{made.platform}-{number}")), number)


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    wants = Wants(
        platform=draw(st.sampled_from([None, "wuhu"])),
        green_min=draw(st.sampled_from([Decimal(0), Decimal("0.2")])),
        user_region=SHANGHAI,
        max_latency_ms=draw(st.sampled_from([None, Decimal(5), Decimal(9)])),
        max_cost=draw(st.sampled_from([None, Decimal("0.02")])),
        near=draw(st.sampled_from([None, *Near])),
        west=draw(st.sampled_from(West)),
        owners=draw(st.sampled_from([Owners(), Owners(only=("buyer",)), Owners(never=("buyer",))])),
        tiers=draw(st.sampled_from([(Tier.ON_DEMAND,), (Tier.RESERVED, Tier.ON_DEMAND), (Tier.PREEMPTIBLE,)])),
    )
    variants: list[Variant] = draw(st.sampled_from([[variant()], [variant(ARM)], [variant(ARM), variant()]]))
    made: JobSpec = spec(*variants, wants=wants, cpu=draw(st.integers(1, 3000)), memory=draw(st.integers(1, 9000)))
    job_class = draw(st.sampled_from([None, *JobClass]))
    made = made.model_copy(update={"wall_time_s": draw(st.integers(1, 20_000)), "job_class": job_class})
    lender = draw(st.sampled_from(["", "wuhu"]))
    order = Order(orderly().classes, draw(st.sampled_from([(), (("31", "34"),)])))
    return replace(demand(made), entity=draw(st.sampled_from(["buyer", "other"])), lender=lender, order=order)


def test_every_filter_is_of_one_sort() -> None:
    assert set(LASTING) | NUMERIC | OF_A_TASK == set(ASKED)
    assert len(LASTING) + len(NUMERIC) + len(OF_A_TASK) == len(ASKED)


@settings(max_examples=60)
@given(st.lists(demands(), min_size=1, max_size=6), st.lists(st.lists(places(), max_size=5), min_size=1, max_size=3))
def test_the_table_says_what_every_explanation_would(asked: list[Demand], looks: list[list[Place]]) -> None:
    """Through several looks at other places with one memory."""
    memory = Admissions()
    for where in looks:
        lasting, sizes = memory.of(asked, where, NOW), Sizes.of(where)
        for one, bits in zip(asked, lasting, strict=True):
            held, room = sizes.hold(one.spec), sizes.have_room(one.spec)
            closing, kept_away = closes_too_soon(one, where, NOW), barred(one, where)
            for n, there in enumerate(where):
                for number, way in enumerate(one.spec.variants):
                    missed = {miss.filter for miss in failed_filters(Question(one, there, way, NOW))}
                    assert bool(bits[n] >> number & 1) == (not missed & set(LASTING))
                    assert bool(held[n]) == (not missed & {Filter.NODE_SIZE, Filter.SHARE_SIZE})
                    assert bool(room[n]) == (Filter.ROOM not in missed)
                    assert (n in closing) == (Filter.CLOSING in missed)
                    assert (n in kept_away) == bool(missed & OF_A_TASK)


@given(demands(), st.integers(1, 3000), st.integers(1, 20_000))
def test_how_much_and_for_how_long_makes_no_other_kind(one: Demand, cpu: int, seconds: int) -> None:
    changed = {"resources": resources(cpu, 77), "wall_time_s": seconds, "name": "another"}
    assert kind_of(one) == kind_of(replace(one, spec=one.spec.model_copy(update=changed)))


def test_what_is_known_is_not_asked_again() -> None:
    where = [versioned(replace(place(f"p{n}"), share_id=ShareId(f"p{n}")), n) for n in range(10)]
    memory = Admissions()
    memory.of([demand()] * 5, where, NOW)
    assert memory.asked == 10
    changed = [*where[:4], replace(where[4], accepting=False), *where[5:]]
    (bits,) = memory.of([demand()], changed, NOW + timedelta(seconds=1))
    assert (memory.asked, np.flatnonzero(bits == 0).tolist()) == (11, [4])
    (bits,) = memory.of([demand()], changed[2:], NOW)
    assert (memory.asked, np.flatnonzero(bits == 0).tolist()) == (11, [2])


def test_what_time_changes_of_a_place_is_noticed() -> None:
    later = replace(place(), offer=offer(cpu="1").model_copy(update={"valid_from": NOW + timedelta(hours=1)}))
    assert stamp_of(later, NOW) != stamp_of(later, NOW + timedelta(hours=2))
    assert stamp_of(later, NOW) == stamp_of(later, NOW + timedelta(minutes=2))


def test_there_may_be_no_places() -> None:
    assert [len(bits) for bits in Admissions().of([demand()], [], NOW)] == [0]
    assert len(Sizes.of([]).hold(spec())) == 0
