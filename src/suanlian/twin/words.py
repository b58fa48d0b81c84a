"""The words of a simulation's report, on the command line and on the page. Nothing here needs numpy."""

from collections.abc import Mapping
from typing import Final

from suanlian.i18n import _
from suanlian.i18n.help import N_
from suanlian.twin.document import Own

ASSUMED: Final[Mapping[str, str]] = {
    "prices": N_(
        "Prices, green power and power draw are synthetic; grid factors of known places are official averages of 2023."
    ),
    "portability": N_("Which jobs may run elsewhere is assumed: a share of them, drawn by a hash of the job."),
    "links": N_("Link speeds and the cost of a move are assumed."),
    "generated": N_("Platforms and jobs are generated from stated distributions; nobody recorded them."),
    "sized": N_("The platforms' sizes are ours: each is sized by its own demand for the load that was asked for."),
    "nodes": N_("The platforms' sizes are as stated by whoever asked."),
    "places": N_(
        "The jobs were recorded elsewhere: four clusters of the recording stand for the four named platforms."
    ),
    "estimates": N_("What is known of durations beforehand is synthetic."),
    "data": N_("The sizes of the jobs' data are synthetic."),
    "partner": N_("The partners are assumed: nobody was asked, and nothing was sent anywhere."),
}
"""What was assumed and not recorded -> its sentence."""

STRATEGIES: Final[Mapping[str, str]] = {
    "alone": N_("each alone"),
    "pooled": N_("pooled, first come"),
    "fifo": N_("federated, strict queues"),
    "skip": N_("naive broker"),
    "suanlian": N_("Suanlian"),
}

AXES: Final[Mapping[str, str]] = {
    "load": N_("load"),
    "portability": N_("share of portable jobs"),
    "link": N_("link speed, Gbit/s"),
    "move": N_("cost of a move, s"),
    "green": N_("contracted green power"),
}

NOTES: Final[Mapping[str, str]] = {
    "": "",
    "data": N_("Each job was given synthetic data, log-normal about 200 GB, so that links matter."),
    "green": N_("Where work runs does not depend on it here; what its energy emits does."),
}

RECORDED: Final = N_("AI training jobs of four clusters, recorded in 2021 (traces of ElasticFlow, MIT licence)")
GENERATED: Final = N_("generated from stated distributions")
SOURCES: Final = frozenset({RECORDED, GENERATED})
"""Sources that are no file."""

_HARDLY_S: Final = 60.0
_NEAR: Final = 3.0
"""Two means of which one is less than so many times the other are near enough."""

PARTNERS: Final[Mapping[str, str]] = {"recorded": N_("recorded"), "generated": N_("generated")}


def assumed(keys: tuple[str, ...]) -> list[str]:
    """The sentences of what was assumed."""
    return [_(ASSUMED.get(key, key)) for key in keys]


def strategy_title(name: str) -> str:
    """A strategy as people read it."""
    return _(STRATEGIES.get(name, name))


def axis_title(name: str) -> str:
    """What a sweep goes over, as people read it."""
    return _(AXES.get(name, name))


def source_title(source: str) -> str:
    """Where a demand comes from: a message of ours in the reader's language, else the name of a file."""
    return _(source) if source in SOURCES else source


def own_sentences(own: Own) -> list[str]:
    """What is said of one's own queue, a sentence each."""
    unit = _("{unit}-hours").format(unit=own.unit.upper())
    return [
        _("{later} of your {jobs} jobs would end later than alone, by more than moving costs and 60 s.").format(
            later=amount(own.later), jobs=amount(own.jobs)
        ),
        _(
            "{idle} of {capacity} {unit} stood idle. Others would have used {sold} of yours, you {bought} of theirs."
        ).format(
            idle=amount(own.idle),
            capacity=amount(own.capacity),
            unit=unit,
            sold=amount(own.sold),
            bought=amount(own.bought),
        ),
        _(
            "At {price} CNY an hour: {earned} CNY earned, {paid} CNY paid; all idle hours sold would be {most} CNY."
        ).format(
            price=amount(own.price), earned=amount(own.earned), paid=amount(own.paid), most=amount(own.if_all_idle_sold)
        ),
        _("What it would take: mean wait by the share of jobs that may move: {needs}.").format(
            needs=", ".join(f"{percent(share)}: {length(mean)}" for share, mean in own.needs)
        ),
        _halved(own),
        *_worse(own),
        *_far(own),
    ]


def _halved(own: Own) -> str:
    if own.alone.mean < _HARDLY_S:
        return _("Alone your jobs hardly wait by this policy: what federation brings you is what idle hours earn.")
    least = next((share for share, mean in own.needs if mean <= own.alone.mean / 2), None)
    if least is None:
        return _("No share of portable jobs halves your wait.")
    return _(
        "Half of the wait is gone from {share} portable on: jobs as containers or with software that partners have."
    ).format(share=percent(least))


def _worse(own: Own) -> list[str]:
    if own.federated.mean < own.alone.mean + _HARDLY_S:
        return []
    said = _("Federated your jobs would wait {federated} in the mean, alone {alone}: moving costs more than it brings.")
    return [said.format(federated=length(own.federated.mean), alone=length(own.alone.mean))]


def _far(own: Own) -> list[str]:
    """Where the simulation of the queue alone is far from what was recorded, whoever reads it must know."""
    recorded, alone = own.recorded.mean, own.alone.mean
    if max(recorded, alone) < _HARDLY_S or _NEAR * min(recorded, alone) >= max(recorded, alone):
        return []
    said = _("Simulated alone, your queue waits {alone}; recorded were {recorded}. {why}")
    why = _("Limits of users, reservations, partitions or the number of nodes differ: believe the rest less.")
    return [said.format(alone=length(alone), recorded=length(recorded), why=why)]


def length(time_s: float) -> str:
    """A length of time in the unit that fits, with three digits at most."""
    for most, unit_s, text in _units():
        if abs(time_s) < most:
            return text.format(n=_three(time_s / unit_s))
    return ""


def _three(number: float) -> str:
    digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2  # noqa: PLR2004 - three digits
    shown = f"{number:,.{digits}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def amount(number: float) -> str:
    """An amount with the digits that it deserves."""
    return f"{number:,.0f}" if abs(number) >= 1000 else _three(number)  # noqa: PLR2004 - beyond, digits say nothing


def percent(share: float) -> str:
    """A share as per cent."""
    return f"{100 * share:.2f} %" if abs(share) < 0.01 and share else f"{100 * share:.1f} %"  # noqa: PLR2004 - small ones


def _units() -> tuple[tuple[float, float, str], ...]:
    return (
        (120.0, 1.0, _("{n} s")),
        (7200.0, 60.0, _("{n} min")),
        (172_800.0, 3600.0, _("{n} h")),
        (float("inf"), 86_400.0, _("{n} d")),
    )
