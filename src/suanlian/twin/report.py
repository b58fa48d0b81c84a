"""How does a simulation become one page that stands alone? Both languages in one file, a radio button shows one."""

from collections.abc import Callable
from typing import Final, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from suanlian.i18n import _ as translated
from suanlian.i18n import use_language
from suanlian.i18n.catalog import language
from suanlian.i18n.told import told
from suanlian.twin import charts
from suanlian.twin.document import Report
from suanlian.twin.words import (
    NOTES,
    PARTNERS,
    amount,
    assumed,
    axis_title,
    length,
    own_sentences,
    percent,
    source_title,
    strategy_title,
)

T = TypeVar("T")

_LANGUAGES: Final = ("zh", "en")
_MOST_ROWS: Final = 30
"""Of more platforms, those with the most jobs have a row."""


def page(report: Report) -> str:
    """The whole page: no script, no address of anything outside."""
    environment = Environment(
        loader=PackageLoader("suanlian.twin"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(_=_in_both, drawn=_drawn, charts=charts, partners=PARTNERS, colours=charts.COLOURS)
    environment.filters.update(
        length=_twice(length),
        strategy=_twice(strategy_title),
        axis=_twice(axis_title),
        over=_twice(_over),
        note=_twice(_note),
        told=_twice(told),
        partner=_twice(_partner),
        source=_twice(source_title),
        amount=amount,
        percent=percent,
        moment=lambda moment: moment.strftime("%Y-%m-%d %H:%M UTC"),
    )
    return environment.get_template("simulation.html").render(
        report=report,
        language=language(),
        assumed=_lines(lambda: assumed(report.synthetic)),
        own=_lines(lambda: _own(report)),
        names=_names(report),
        suanlian=report.run("suanlian"),
        alone=report.run("alone"),
    )


def _names(report: Report) -> list[str]:
    """The platforms that are shown one by one, in the order of the world."""
    jobs = {part.name: part.jobs for part in report.runs[0].platforms}
    kept = set(sorted(jobs, key=lambda name: -jobs[name])[:_MOST_ROWS])
    return [name for name in jobs if name in kept]


def _over(axis: str) -> str:
    return translated("Over {axis}").format(axis=axis_title(axis))


def _note(key: str) -> str:
    return translated(NOTES[key])


def _partner(key: str) -> str:
    return translated(PARTNERS[key])


def _own(report: Report) -> list[str]:
    return own_sentences(report.own) if report.own else []


def _in_both(message: str) -> Markup:
    """What the template's texts are marked with: the text in both languages."""
    return _spans(lambda: translated(message))


def _spans(text: Callable[[], str]) -> Markup:
    return Markup().join(Markup('<span lang="{}">{}</span>').format(name, escape(said)) for name, said in _each(text))


def _each(text: Callable[[], str]) -> list[tuple[str, str]]:
    said = []
    for name in _LANGUAGES:
        with use_language(name):
            said.append((name, text()))
    return said


def _twice(shown: Callable[[T], str]) -> Callable[[T], Markup]:
    return lambda value: _spans(lambda: shown(value))


def _lines(texts: Callable[[], list[str]]) -> list[Markup]:
    pairs = zip(*(text for text in _all(texts)), strict=True)
    return [
        Markup().join(
            Markup('<span lang="{}">{}</span>').format(name, escape(said))
            for name, said in zip(_LANGUAGES, pair, strict=True)
        )
        for pair in pairs
    ]


def _all(texts: Callable[[], list[str]]) -> list[list[str]]:
    found = []
    for name in _LANGUAGES:
        with use_language(name):
            found.append(texts())
    return found


def _drawn(picture: Callable[..., str], *arguments: object) -> Markup:
    """A picture in both languages; ids are told apart by the language."""
    parts = []
    for name in _LANGUAGES:
        with use_language(name):
            drawn = picture(*arguments)
        own = drawn.replace('id="', f'id="{name}-').replace("url(#", f"url(#{name}-")
        own = own.replace('xlink:href="#', f'xlink:href="#{name}-')
        parts.append(f'<div lang="{name}">{own}</div>')
    return Markup("".join(parts))  # noqa: S704 - made here, every text in it is escaped
