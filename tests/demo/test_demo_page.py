import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from suanlian.demo.diagram import HEIGHT, WIDTH, diagram
from suanlian.demo.ending import JSON_FILE, PAGE_FILE, write
from suanlian.demo.page import page
from suanlian.demo.record import BothText, DemoReport
from suanlian.demo.shown import show_table
from suanlian.i18n import use_language

RECORDED = Path(__file__).with_name("recorded_report.json")
VOID = {"meta", "input", "br", "img"}
OUTSIDE = re.compile(r"https?:|//|@import|url\(", re.IGNORECASE)


@pytest.fixture(scope="module")
def report() -> DemoReport:
    return DemoReport.model_validate_json(RECORDED.read_bytes())


class Reader(HTMLParser):
    """Keeps what a page consists of, and refuses one whose elements do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, list[str]] = {"zh": [], "en": [], "": []}
        self._language: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
            self._language.append(dict(attrs).get("lang") or "" if tag != "html" else "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"
        self._language.pop()

    def handle_data(self, data: str) -> None:
        self.texts[next((lang for lang in reversed(self._language) if lang), "")].append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_a_recorded_report_is_read_and_written_without_a_change(report: DemoReport) -> None:
    assert DemoReport.model_validate_json(report.model_dump_json()) == report


def test_the_page_is_whole_and_reaches_nothing_outside(report: DemoReport) -> None:
    found = read(page(report))
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(found.tags)
    assert not [one for one in found.attributes if OUTSIDE.search(one[2]) or one[1].startswith("on")]
    assert {value[:22] for tag, name, value in found.attributes if name == "src"} == {"data:image/png;base64,"}
    style = page(report).partition("<style>")[2].partition("</style>")[0]
    assert not OUTSIDE.search(style)


def test_the_page_says_everything_in_both_languages(report: DemoReport) -> None:
    found = read(page(report))
    assert len(found.texts["zh"]) == len(found.texts["en"]) > 100
    chinese, english = "".join(found.texts["zh"]), "".join(found.texts["en"])
    assert "监管报告" in chinese
    assert "Supervision report" in english
    assert not re.search(r"[\u4e00-\u9fff]", english)
    untranslated = [text for text in found.texts["zh"] if re.search(r"[a-z]{3} [a-z]{3}", text)]
    assert untranslated == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_language_of_the_run_is_shown_first(report: DemoReport, language: str) -> None:
    text = page(report.model_copy(update={"language": language}))
    checked = re.findall(r'id="lang-(\w\w)" checked', text)
    assert checked == [language]
    assert f'<html lang="{language}">' in text


def test_the_page_tells_of_every_job_and_of_the_receipt(report: DemoReport) -> None:
    text = page(report)
    for job in report.jobs:
        assert f"<b>{job.name}</b>" in text
        assert job.checksum[:12] in text
    assert report.receipts[0].public_id in text
    assert "memory limit of 128 MiB reached" in text


def test_what_a_job_wrote_stays_text(report: DemoReport) -> None:
    hostile = "</pre><script>alert(1)</script>"
    jobs = tuple(
        job.model_copy(update={"stderr": hostile, "reason": hostile, "failures": (BothText(en=hostile, zh=hostile),)})
        for job in report.jobs
    )
    found = read(page(report.model_copy(update={"jobs": jobs})))
    assert "script" not in found.tags
    assert hostile in "".join(found.texts[""])


def test_the_drawing_keeps_within_its_frame_and_its_boxes_apart(report: DemoReport) -> None:
    drawing = ET.fromstring(diagram(report))  # noqa: S314 - our own output
    boxes = [[float(box.attrib[key]) for key in ("x", "y", "width", "height")] for box in drawing.iter("rect")]
    assert len(boxes) == len(report.platforms) + len(report.hubs) == 7
    for x, y, width, height in boxes:
        assert 0 <= x <= x + width <= WIDTH
        assert 0 <= y <= y + height <= HEIGHT
    for number, (x, y, width, height) in enumerate(boxes):
        for x2, y2, width2, height2 in boxes[:number]:
            assert x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y


def test_every_latency_in_the_drawing_is_called_an_estimate(report: DemoReport) -> None:
    drawing = ET.fromstring(diagram(report))  # noqa: S314 - our own output
    texts = [(text.attrib["lang"], text.text or "") for text in drawing.iter("text")]
    latencies = [(lang, text) for lang, text in texts if re.search(r"\d (ms|毫秒)", text)]
    assert len(latencies) == 2 * len(report.platforms)
    assert all("estimate" in text or "估计" in text for _lang, text in latencies)


def test_the_west_lies_to_the_west_on_a_link_of_its_own(report: DemoReport) -> None:
    drawing = ET.fromstring(diagram(report))  # noqa: S314 - our own output
    (west,) = [line for line in drawing.iter("line") if line.attrib["class"] == "west"]
    others = [line for line in drawing.iter("line") if line.attrib["class"] == "near"]
    assert float(west.attrib["x2"]) < min(float(line.attrib["x2"]) for line in others)


@pytest.mark.parametrize("width", [80, 150])
def test_the_table_tells_of_every_job_on_any_terminal(report: DemoReport, width: int) -> None:
    target = StringIO()
    with use_language("zh"):
        show_table(Console(file=target, width=width), report)
    shown = target.getvalue()
    for job in report.jobs:
        assert job.name in shown
        assert f"{job.cost:.6f}" in shown
    assert f"{len(report.jobs)} 个作业中有 {len(report.jobs)} 个按预期结束" in shown


def test_what_is_wrong_is_shown(report: DemoReport) -> None:
    wrong = report.model_copy(update={"failures": (BothText(en="7 is not 8", zh="7 不是 8"),), "verified": False})
    target = StringIO()
    show_table(Console(file=target, width=150), wrong)
    assert "WRONG: 7 is not 8" in target.getvalue()
    assert "7 不是 8" in page(wrong)


def test_both_files_are_written(report: DemoReport, tmp_path: Path) -> None:
    write(report, tmp_path / "deep" / "out")
    assert DemoReport.model_validate_json((tmp_path / "deep" / "out" / JSON_FILE).read_bytes()) == report
    assert (tmp_path / "deep" / "out" / PAGE_FILE).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
