"""How fast platforms are: every word on each figure beside the others."""

from suanlian.cli.arguments import OfPlatform
from suanlian.cli.output import AsJson, listing
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.measurement import Figure
from suanlian.model.performance import Grade

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
