import json
import re
from pathlib import Path

import pytest

from suanlian.i18n import use_language
from suanlian.twin.document import Report
from suanlian.twin.report import page
from suanlian.twin.request import Axis, Request
from suanlian.twin.study import study
from suanlian.twin.words import ASSUMED, length
from tests.twin.plain_engine import plain

HAN = re.compile(r"[\u4e00-\u9fff]")


def quiet(_done: int, _total: int, _what: str) -> None:
    pass


@pytest.fixture(scope="module")
def report() -> Report:
    return study(Request(jobs=300, platforms=3, sweep=(Axis.LOAD, Axis.GREEN), what_if=("p1+8",)), quiet, plain)


@pytest.fixture(scope="module")
def drawn(report: Report) -> str:
    return page(report)


def test_the_page_stands_alone(drawn: str) -> None:
    assert "<script" not in drawn
    addresses = set(re.findall(r'(?:src|href)="([^"#][^"]*)"', drawn))
    assert not addresses
    assert not re.findall(r"url\((?!#)", drawn)


def test_ids_are_unique_and_every_reference_has_its_own(drawn: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', drawn)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]+)\)", drawn)) | set(re.findall(r'xlink:href="#([^"]+)"', drawn))
    assert used <= set(ids)
    assert used


def test_pictures_hold_texts_in_both_languages_as_texts(drawn: str) -> None:
    pictures = re.findall(r'<div lang="(zh|en)">(<svg.*?</svg>)', drawn, re.DOTALL)
    assert {name for name, _svg in pictures} == {"zh", "en"}
    for name, svg in pictures:
        texts = "".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
        assert bool(HAN.search(texts)) == (name == "zh"), texts


def test_each_text_of_the_page_is_there_in_both_languages(drawn: str) -> None:
    body = drawn[drawn.index("<main>") :]
    chinese = re.findall(r'<span lang="zh">([^<]*)</span><span lang="en">([^<]*)</span>', body)
    assert len(chinese) > 100
    same = {zh for zh, en in chinese if zh == en and re.search(r"[a-z]{4}", zh)}
    assert same <= {"p1", "p2", "p3"}, same


def test_what_is_assumed_is_told(report: Report, drawn: str) -> None:
    assert set(report.synthetic) <= set(ASSUMED)
    for key in report.synthetic:
        assert ASSUMED[key] in drawn


def test_names_cannot_break_the_page(report: Report) -> None:
    evil = '<b onmouseover="x">'
    site = report.sites[0].model_copy(update={"name": evil})
    runs = tuple(
        run.model_copy(update={"platforms": (run.platforms[0].model_copy(update={"name": evil}), *run.platforms[1:])})
        for run in report.runs
    )
    assert evil not in page(
        report.model_copy(update={"sites": (site, *report.sites[1:]), "runs": runs, "source": evil})
    )


def test_json_gives_the_report_back(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(report.model_dump_json(), "utf-8")
    assert Report.model_validate_json(path.read_text("utf-8")) == report
    assert json.loads(path.read_text("utf-8"))["kind"] == "suanlian-simulation-1"


@pytest.mark.parametrize(
    ("time_s", "english", "chinese"),
    [
        (0, "0 s", "0 秒"),
        (119, "119 s", "119 秒"),
        (603, "10.1 min", "10.1 分钟"),
        (49_088, "13.6 h", "13.6 小时"),
        (226_034, "2.62 d", "2.62 天"),
    ],
)
def test_lengths_of_time_in_the_unit_that_fits(time_s: float, english: str, chinese: str) -> None:
    with use_language("en"):
        assert length(time_s) == english
    with use_language("zh"):
        assert length(time_s) == chinese


def test_a_page_of_one_platform_and_one_job_is_drawn() -> None:
    drawn = page(study(Request(jobs=1, platforms=1), quiet, plain))
    assert drawn.startswith("<!DOCTYPE html>")
    assert "\u2212" not in drawn  # no axis of shares goes below nothing where all are nothing
