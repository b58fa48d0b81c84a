"""How does a report become one page that stands alone? Both languages in one file; a radio button shows one of them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from suanlian.demo.diagram import diagram
from suanlian.demo.record import BothText, DemoReport, JobRecord
from suanlian.demo.results import both
from suanlian.demo.shown import where
from suanlian.demo.states import state_name
from suanlian.demo.world import REGION_TITLES
from suanlian.i18n import _ as translated
from suanlian.model.data import Purpose
from suanlian.model.performance import ComputeClass, Grade
from suanlian.model.platform import PlatformState

_GRADES: Final = tuple(Grade)
_BEIJING: Final = timedelta(hours=8)


def page(report: DemoReport) -> str:
    """The whole page: no script, no address of anything outside."""
    template = _environment().get_template("report.html")
    return template.render(
        report=report,
        diagram=Markup(diagram(report)),  # noqa: S704 - made here, every text in it is escaped
        grades=[grade for grade in _GRADES if grade is not Grade.SIMULATED],
        simulated=Grade.SIMULATED,
        kinds=sorted({job.kind for job in report.jobs}),
        names=[platform.name for platform in report.platforms],
        titles={platform.name: BothText(en=platform.title, zh=platform.title_zh) for platform in report.platforms},
        regions=_regions(report),
        total=_sum(job.cost for job in report.jobs),
        total_simulated=_sum(job.cost_simulated for job in report.jobs),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("suanlian.demo"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(_=_in_both, where=where, pair=_pair)
    environment.filters.update(
        both=_spans,
        seconds=_seconds,
        percent=_percent,
        number=_number,
        money=_money,
        moment=_moment,
        state_class=_state_class,
        kind=_kind,
        compute_class=_compute_class,
        grade=_grade,
        purpose=_purpose,
        platform_state=_platform_state,
    )
    return environment


def _in_both(message: str) -> Markup:
    """What the template's texts are marked with: the text in both languages."""
    return _spans(both(lambda: translated(message)))


def _spans(text: BothText) -> Markup:
    parts = (("zh", text.zh), ("en", text.en))
    return Markup().join(Markup('<span lang="{}">{}</span>').format(lang, escape(words)) for lang, words in parts)


def _pair(english: str, chinese: str) -> Markup:
    return _spans(BothText(en=english, zh=chinese))


def _regions(report: DemoReport) -> dict[str, BothText]:
    sites = [record.site for platform in report.platforms for record in platform.shares]
    titles = {site.region: BothText(en=site.title, zh=site.title_zh) for site in sites}
    return titles | {code: BothText(en=english, zh=chinese) for code, (english, chinese) in REGION_TITLES.items()}


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, start=Decimal(0))


def _seconds(length: Decimal | None) -> str:
    return "–" if length is None else f"{length:.1f}"


def _percent(share: Decimal) -> str:
    return f"{share * 100:.1f} %"


def _number(amount: Decimal | None) -> str:
    """Four significant digits at least, no trailing zeros."""
    if amount is None:
        return "–"
    text = f"{amount:,.4f}" if abs(amount) < 1 else f"{amount:,.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _money(amount: Decimal) -> str:
    """All six decimals of a charge: the demo's jobs cost little."""
    return f"{amount:.6f}"


def _moment(moment: datetime) -> str:
    return (moment + _BEIJING).strftime("%Y-%m-%d %H:%M:%S UTC+8")


def _state_class(job: JobRecord) -> str:
    return "wrong" if not job.verified else "good" if job.state.value == "COMPLETE" else "expected"


def _kind(kind: str) -> Markup:
    return _spans(both(lambda: _kinds().get(kind, kind)))


def _compute_class(kind: ComputeClass) -> Markup:
    return _spans(both(lambda: _classes()[kind]))


def _platform_state(state: PlatformState) -> Markup:
    return _spans(both(lambda: state_name(state)))


def _grade(grade: Grade) -> Markup:
    return _spans(both(lambda: _grade_names()[grade]))


def _purpose(purpose: Purpose) -> Markup:
    return _spans(both(lambda: _purposes()[purpose]))


def _purposes() -> dict[Purpose, str]:
    _ = translated
    return {
        Purpose.RULE: _("a rule for copies"),
        Purpose.JOB: _("a job that reads it"),
        Purpose.PREFETCH: _("a job that waits"),
        Purpose.PERSON: _("somebody's wish"),
        Purpose.RELAY: _("the first half of a way"),
        Purpose.POPULAR: _("many readers nearby"),
    }


def _kinds() -> dict[str, str]:
    _ = translated
    return {
        "search": _("hyper-parameter search"),
        "training": _("training by folds"),
        "pricing": _("option pricing"),
        "rendering": _("rendering in tiles"),
        "word-count": _("word count"),
        "dataset": _("reads a dataset"),
        "inference": _("inference"),
        "architecture": _("native or WebAssembly"),
        "failure": _("fails on purpose"),
        "unplaceable": _("foreign architecture"),
    }


def _classes() -> dict[ComputeClass, str]:
    _ = translated
    return {
        ComputeClass.GENERAL: _("general"),
        ComputeClass.INTELLIGENT: _("intelligent"),
        ComputeClass.SUPER: _("super"),
    }


def _grade_names() -> dict[Grade, str]:
    _ = translated
    return {
        Grade.SIMULATED: _("simulated"),
        Grade.CLAIMED: _("claimed"),
        Grade.SELF_MEASURED: _("self-measured"),
        Grade.SEEN_IN_JOBS: _("seen in jobs"),
        Grade.VERIFIED: _("verified"),
    }
