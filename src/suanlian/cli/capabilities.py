"""How fast platforms are: every word on each figure beside the others."""

from typing import Annotated

import typer

from suanlian.cli.arguments import OfPlatform, PlatformName
from suanlian.cli.output import AsJson, listing
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.measurement import Figure
from suanlian.model.performance import Grade
from suanlian.model.verification import ProbeTrial, VerificationRun

commands = nouns()


@commands.command(
    "capabilities",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Show how fast platforms are, by every word on it."),
)
def _capabilities(platform: OfPlatform = None, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.catalogue.capabilities(platform),
            [
                (_("Platform"), lambda row: row.platform),
                (_("Flavor"), lambda row: row.flavor),
                (_("Share"), lambda row: row.share or ""),
                (_("What"), lambda row: f"{row.metric} {row.precision or ''}".strip()),
                (_("Unit"), lambda row: row.unit),
                (_("Claimed"), lambda row: _claimed(row.claimed)),
                (_("Self-measured"), lambda row: _figure(row.self_measured)),
                (_("Seen in jobs"), lambda row: _figure(row.seen_in_jobs)),
                (_("Verified"), lambda row: _verified(row.verified)),
            ],
            as_json=as_json,
        )


@commands.command(
    "verification",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Show how a platform's claims were put to the test, or do it once more."),
)
def _verification(
    platform: PlatformName,
    run: Annotated[bool, typer.Option("--run", help=N_("Put every claim to the test once more."))] = False,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        listing(
            hub.platforms.verify(platform) if run else hub.platforms.verifications(platform),
            [
                (_("Asked on"), lambda one: when(one.asked_at)),
                (_("Connector"), lambda one: one.connector),
                (_("Flavor"), lambda one: one.flavor),
                (_("What"), lambda one: f"{one.metric} {one.precision}"),
                (_("Claimed"), lambda one: f"{one.claim:f} {one.unit}"),
                (_("Median shown"), _shown),
                (_("Each probe"), lambda one: ", ".join(_trial(trial) for trial in one.probes)),
                (_("Overhead"), lambda one: "" if one.overhead_s is None else f"{one.overhead_s:.2f} s"),
                (_("Run"), lambda one: one.number),
                (_("Outcome"), lambda one: one.outcome or _("under way")),
            ],
            as_json=as_json,
        )


def _shown(run: VerificationRun) -> str:
    if run.rate is None:
        return ""
    part = _("{measured} of {of} cores").format(measured=f"{run.measured:f}", of=f"{run.of:f}")
    return f"{run.rate.normalize():f} {run.unit} ({part})"


def _trial(trial: ProbeTrial) -> str:
    if trial.rate is not None:
        return f"{trial.rate.normalize():f} / {trial.took_s:.2f} s"
    return f"0 ({trial.why})" if trial.done else "-"


def _claimed(figure: Figure | None) -> str:
    if figure is None:
        return ""
    return f"{figure.value:f}" + (f" ({_('simulated')})" if figure.grade is Grade.SIMULATED else "")


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return ""
    part = ""
    if figure.measured is not None and figure.of is not None and figure.measured != figure.of:
        part = " " + _("(measured on {measured} of {of}, extrapolated)").format(
            measured=f"{figure.measured:f}", of=f"{figure.of:f}"
        )
    return f"{figure.value.normalize():f}{part}, {when(figure.at)}"


def _verified(figure: Figure | None) -> str:
    if figure is None:
        return ""
    if figure.held:
        return _figure(figure)
    return _("not verified: {outcome}; {figure}").format(outcome=figure.outcome or "", figure=_figure(figure))
