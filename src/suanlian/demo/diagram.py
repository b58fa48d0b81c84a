"""Who is linked with whom, as a drawing: hubs above, platforms below, the west far to the left. Placed by hand.

Pure: values in, SVG out. Every text is in both languages; a style of the page shows one of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Final

from suanlian.demo.record import BothText, DemoReport, PlatformRecord
from suanlian.demo.results import both
from suanlian.demo.world import DELTA, NATIONAL
from suanlian.i18n import _

WIDTH: Final = 1080
HEIGHT: Final = 470
_BOX_WIDTH: Final = 230
_BOX_HEIGHT: Final = 84
_HUB_HEIGHT: Final = 58
_USERS: Final = "310000"
_PLACES: Final = {
    NATIONAL: (600, 44),
    DELTA: (600, 170),
    "zhongwei-west": (124, 300),
    "wuhu-cluster": (330, 390),
    "suzhou-public": (572, 390),
    "jiashan-intelligent": (814, 390),
    "shanghai-trading": (956, 280),
}
"""Centres of the boxes; a platform that has no place here is not drawn."""


@dataclass(frozen=True)
class _Box:
    x: int
    y: int
    height: int

    @property
    def top(self) -> tuple[int, int]:
        return self.x, self.y - self.height // 2

    @property
    def bottom(self) -> tuple[int, int]:
        return self.x, self.y + self.height // 2


def diagram(report: DemoReport) -> str:
    """The drawing as an ``svg`` element."""
    parts = [*_links(report), *_hubs(report), *_platforms(report)]
    label = " / ".join(both(lambda: _("Hubs and platforms")).model_dump().values())
    opening = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
    return "\n".join([opening, *parts, "</svg>"])


def _box(name: str, height: int = _BOX_HEIGHT) -> _Box:
    x, y = _PLACES[name]
    return _Box(x, y, height)


def _links(report: DemoReport) -> Iterator[str]:
    above, hub = _box(NATIONAL, _HUB_HEIGHT), _box(DELTA, _HUB_HEIGHT)
    yield _line(above.bottom, hub.top, "up")
    label = both(lambda: _("prefix down, report up"))
    yield _text((hub.x + 10, (above.y + hub.y) // 2 + 4), label, "link", anchor="start")
    for platform in _drawn(report):
        box = _box(platform.name)
        start, end = hub.bottom, box.top
        is_west = any(record.site.west for record in platform.shares)
        yield _line(start, end, "west" if is_west else "near")
        latency = _latency(platform)
        if latency is not None:
            middle = (start[0] + 3 * end[0]) // 4, (start[1] + 3 * end[1]) // 4 - 6
            yield _text(middle, BothText(en=f"{latency} ms estimate", zh=f"{latency} 毫秒（估计）"), "link halo")


def _latency(platform: PlatformRecord) -> Decimal | None:
    for record in platform.shares:
        for latency in record.site.latencies:
            if latency.region == _USERS:
                return latency.one_way_ms.normalize()
    return None


def _hubs(report: DemoReport) -> Iterator[str]:
    titles = {
        NATIONAL: both(lambda: _("National hub")),
        DELTA: both(lambda: _("Yangtze River Delta hub")),
    }
    for hub in report.hubs:
        if hub.name in titles:
            box = _box(hub.name, _HUB_HEIGHT)
            yield _rect(box, "hub", 230)
            yield _text((box.x, box.y - 4), titles[hub.name], "title")
            yield _text((box.x, box.y + 16), BothText(en=hub.prefix, zh=hub.prefix), "small mono")


def _platforms(report: DemoReport) -> Iterator[str]:
    ran = {row.platform: row.tasks_ended for row in report.supervision.platforms}
    for platform in _drawn(report):
        box = _box(platform.name)
        chip = any(record.flavor.simulated for record in platform.shares)
        tasks = ran.get(platform.name, 0)
        yield _rect(box, "simulated" if chip else "platform", _BOX_WIDTH)
        yield _text((box.x, box.y - 20), BothText(en=platform.title, zh=platform.title_zh), "title")
        yield _text((box.x, box.y), _kind(platform), "small")
        yield _text((box.x, box.y + 17), _tasks(tasks), "small")
        yield _text((box.x, box.y + 34), _green(platform), "small green")


def _kind(platform: PlatformRecord) -> BothText:
    architectures = " + ".join(dict.fromkeys(record.flavor.architecture.value for record in platform.shares))
    if any(record.flavor.simulated for record in platform.shares):
        return both(lambda: _("{architectures}, AI chip simulated").format(architectures=architectures))
    return BothText(en=architectures, zh=architectures)


def _tasks(tasks: int) -> BothText:
    return both(lambda: _("{n} tasks ended here").format(n=tasks))


def _green(platform: PlatformRecord) -> BothText:
    shares = sorted({record.site.green_share for record in platform.shares})
    percent = "–".join(f"{share * 100:.0f}" for share in shares)
    return both(lambda: _("green power {percent} %").format(percent=percent))


def _drawn(report: DemoReport) -> Iterator[PlatformRecord]:
    return (platform for platform in report.platforms if platform.name in _PLACES)


def _line(start: tuple[int, int], end: tuple[int, int], kind: str) -> str:
    return f'<line class="{kind}" x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}"/>'


def _rect(box: _Box, kind: str, width: int) -> str:
    left, top = box.x - width // 2, box.y - box.height // 2
    return f'<rect class="{kind}" x="{left}" y="{top}" width="{width}" height="{box.height}" rx="8"/>'


def _text(at: tuple[int, int], text: BothText, kind: str, *, anchor: str = "middle") -> str:
    return "".join(
        f'<text lang="{lang}" class="{kind}" x="{at[0]}" y="{at[1]}" text-anchor="{anchor}">{escape(words)}</text>'
        for lang, words in (("zh", text.zh), ("en", text.en))
    )
