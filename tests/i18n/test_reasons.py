import re
from decimal import Decimal

import pytest

from suanlian.i18n import use_language
from suanlian.i18n.reasons import (
    candidate_lines,
    cost_text,
    filter_text,
    reason_line,
    remedy_text,
    term_text,
    time_text,
    words,
)
from suanlian.model.job import Wants
from suanlian.model.performance import Architecture, Grade, Precision
from suanlian.model.placement import FailedFilter, Filter
from suanlian.model.throughput import Basis, Expected
from suanlian.rules.placement import explain
from tests.rules.worlds import NOW, demand, flavor, place, resources, spec, variant

CHOICE = explain(
    demand(),
    [
        place("wuhu", "0.0088"),
        place("zhongwei", "0.0062", flavor=flavor(simulated=True)),
        place("suzhou", accepting=False),
    ],
    now=NOW,
)
ARM = explain(demand(spec(variant(Architecture.AARCH64))), [place("wuhu")], now=NOW)
NAMED = frozenset({Filter.WANTED_PLATFORM, Filter.WANTED_SITE, Filter.WANTED_FLAVOR, Filter.ENVIRONMENT})


def test_the_winner_in_one_line() -> None:
    assert reason_line(CHOICE) == (
        "zhongwei/cpu (simulated): cheapest of 2 that fit: 0.0031 CNY (rent); next wuhu/cpu 0.0044 CNY; 1 did not fit"
    )
    with use_language("zh"):
        assert reason_line(CHOICE) == (
            "zhongwei/cpu（模拟）：2 个满足要求的去处中费用最低，0.0031 CNY（租金）；"
            "次选 wuhu/cpu 0.0044 CNY；1 个不满足要求"
        )


def test_a_waiting_task_in_one_line() -> None:
    assert reason_line(ARM) == (
        "waits: nearest is wuhu/cpu: wanted aarch64, has x86_64; "
        "would fit if a platform offered aarch64 or the job had a variant for x86_64"
    )
    with use_language("zh"):
        assert reason_line(ARM) == (
            "等待中：最接近的是 wuhu/cpu：需要 aarch64，此处为 x86_64；"
            "若有平台提供 aarch64，或作业带有适用于 x86_64 的变体，即可运行"
        )


def test_the_only_one_and_none() -> None:
    alone = explain(demand(), [place()], now=NOW)
    assert reason_line(alone) == "wuhu/cpu: the only one that fits: 0.025 CNY (rent)"
    assert reason_line(explain(demand(), [], now=NOW)) == "waits: no platform has published a share yet"
    same = explain(demand(), [place("a"), place("b")], now=NOW)
    assert reason_line(same).endswith("next b/cpu at the same cost")


def test_a_line_about_a_place_where_everything_is_wrong_is_cut_to_what_a_job_keeps() -> None:
    misses = tuple(FailedFilter(filter=name, wanted="w" * 200, had="h" * 200) for name in Filter)
    candidate = ARM.candidates[0].model_copy(update={"failed": misses})
    line = reason_line(ARM.model_copy(update={"candidates": (candidate,)}))
    assert len(line) == 2000
    assert line.endswith("...")


def test_amounts_are_counted_as_people_do() -> None:
    room = explain(demand(), [place(free=resources(cpu=250))], now=NOW)
    assert "wanted CPU 0.5 cores, memory 256 MiB, free at present CPU 0.25 cores, memory 0 MiB" in reason_line(room)
    assert words("accelerator 1 card") == "accelerator 1 card"
    with use_language("zh"):
        assert "需要 CPU 0.5 核, 内存 256 MiB，目前空闲 CPU 0.25 核, 内存 0 MiB" in reason_line(room)


def test_the_table_begins_with_the_winner_and_ends_with_what_did_not_fit() -> None:
    assert [(line.place, line.outcome) for line in candidate_lines(CHOICE)] == [
        ("zhongwei/cpu (simulated)", "chosen"),
        ("wuhu/cpu", "next best, +0.0013 CNY"),
        ("suzhou/cpu", "it takes no new jobs at present"),
    ]


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("0", "0.00"), ("1234.567", "1234.57"), ("0.5", "0.50"), ("0.0251", "0.0251"), ("0.0000031234", "0.000003")],
)
def test_money_is_shown_as_finely_as_a_comparison_needs(amount: str, expected: str) -> None:
    candidate = explain(demand(), [place()], now=NOW).candidates[0].model_copy(update={"cost": Decimal(amount)})
    assert cost_text(candidate) == f"{expected} CNY (rent)"


def test_terms_say_how_they_came_about() -> None:
    wants = Wants.model_validate({"max_latency_ms": "20", "user_region": "310000"})
    candidate = explain(demand(spec(wants=wants)), [place()], now=NOW).candidates[0]
    assert cost_text(candidate) == "0.025 CNY (rent)"
    assert term_text(candidate.terms[0]) == "rent 0.025 CNY = (0.5 cores x 0.05 CNY/core-hour) x 1 h, estimate"
    with use_language("zh"):
        assert term_text(candidate.terms[0]) == "租金 0.025 CNY = (0.5 核 x 0.05 CNY/核时) x 1 h, 估算"


@pytest.mark.parametrize("name", Filter)
def test_every_filter_speaks_both_languages(name: Filter) -> None:
    miss = FailedFilter(filter=name, wanted="7 wanted", had="9 had")
    for say in (filter_text, remedy_text):
        english = say(miss)
        with use_language("zh"):
            chinese = say(miss)
        assert "{" not in english + chinese
        assert re.search("[\u4e00-\u9fff]", chinese)
        assert not re.search("[\u4e00-\u9fff]", english)


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_name_that_happens_to_be_a_word_is_not_translated(name: Filter) -> None:
    with use_language("zh"):
        assert "memory" in filter_text(FailedFilter(filter=name, wanted="memory", had="disk"))


def test_a_simulated_chip_is_said_to_be_simulated() -> None:
    miss = FailedFilter(filter=Filter.CHIP, wanted="cambricon", had="ascend (simulated)")
    assert filter_text(miss) == "wanted chip cambricon, has ascend (simulated)"
    with use_language("zh"):
        assert filter_text(miss) == "需要芯片 cambricon，此处为 ascend（模拟）"


def test_an_expected_time_says_what_it_rests_on_in_both_languages() -> None:
    first = CHOICE.candidates[0]
    seen = Expected(
        seconds=Decimal(420),
        basis=Basis.RUNS,
        faster=Decimal("2.5"),
        precision=Precision.FP16,
        grade=Grade.SELF_MEASURED,
        here=6,
        elsewhere=4,
        factor=Decimal("1.1"),
    )
    told = first.model_copy(update={"expected": seen})
    assert time_text(told) == (
        "7 min (6 runs seen here, 4 elsewhere; 2.5 times the slowest by FP16, self-measured; within a factor of 1.1)"
    )
    bound = first.model_copy(update={"expected": Expected(seconds=Decimal(36000), basis=Basis.WALL_TIME)})
    assert time_text(bound) == "10 h (nothing known of its speed: the whole wall time)"
    assert time_text(first) == ""
    with use_language("zh"):
        assert "此处见过 6 次运行，别处 4 次" in time_text(told)
        assert "FP16（自测）" in time_text(told)
        assert words("1 x slowest by FP16, claimed; within a factor of 1.68").isascii() is False
