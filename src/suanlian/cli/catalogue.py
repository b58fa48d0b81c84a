"""What platforms publish: sites, flavors, shares, and the room that is free now."""

from suanlian.cli.arguments import OfPlatform
from suanlian.cli.loads import age, in_use, level_of, utilisation
from suanlian.cli.output import AsJson, listing, remark
from suanlian.cli.session import open_hub
from suanlian.cli.shown import marked, resources, when, yes_no
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.platform import Flavor, Site
from suanlian.model.supply import Shown

commands = nouns()


@commands.command("sites", cls=Command, options_metavar=OPTIONS, help=N_("List the places of platforms."))
def _sites(platform: OfPlatform = None, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.catalogue.sites(platform),
            [
                (_("Name"), lambda site: site.body.name),
                (_("Title"), lambda site: " / ".join(filter(None, (site.body.title_zh, site.body.title)))),
                (_("Region"), lambda site: site.body.region),
                (_("West"), lambda site: yes_no(site.body.west)),
                (_("Green, contracted"), lambda site: f"{site.body.green_share:%}"),
                (_("Grid g CO2/kWh"), lambda site: site.body.grid_g_co2_per_kwh),
                (_("Protection grade, claimed"), lambda site: site.body.protection_grade or ""),
                ("PUE", lambda site: site.body.pue),
                (_("Latency, one way"), lambda site: _latencies(site.body)),
                (_("Version"), lambda site: site.version),
            ],
            as_json=as_json,
        )


@commands.command("flavors", cls=Command, options_metavar=OPTIONS, help=N_("List the kinds of nodes."))
def _flavors(platform: OfPlatform = None, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.catalogue.flavors(platform),
            [
                (_("Name"), lambda flavor: flavor.body.name),
                (_("Class"), lambda flavor: flavor.body.compute_class),
                (_("Architecture"), lambda flavor: flavor.body.architecture),
                (_("One node"), lambda flavor: resources(flavor.body.node)),
                (_("Chip"), lambda flavor: _chip(flavor.body)),
                (_("Performance"), lambda flavor: _performance(flavor.body)),
                (_("Environments"), lambda flavor: ", ".join(env.name for env in flavor.body.environments)),
                (_("Stacks"), lambda flavor: ", ".join(f"{s.name} {s.version}" for s in flavor.body.stacks)),
                (_("Version"), lambda flavor: flavor.version),
                ("", lambda flavor: marked(flavor.body.simulated)),
            ],
            as_json=as_json,
        )


@commands.command("shares", cls=Command, options_metavar=OPTIONS, help=N_("List the slices of platforms."))
def _shares(platform: OfPlatform = None, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        told = hub.catalogue.states(platform)
        by_share = {str(state.share_id): state for state in told.items}
        listing(
            hub.catalogue.shares(platform),
            [
                (_("Name"), lambda share: share.body.name),
                (_("Site"), lambda share: share.body.site),
                (_("Flavor"), lambda share: share.body.flavor),
                (_("Level"), lambda share: level_of(by_share.get(share.id))),
                (_("Capacity"), lambda share: resources(share.body.capacity)),
                (_("In use"), lambda share: in_use(by_share.get(share.id))),
                (_("Age"), lambda share: age(by_share.get(share.id))),
                (_("Jobs kept apart"), lambda share: yes_no(share.body.isolated)),
                (_("How"), lambda share: share.body.isolation),
                (_("Version"), lambda share: share.version),
                (_("Identifier"), lambda share: share.public_id),
            ],
            as_json=as_json,
        )
    if not as_json:
        remark(utilisation(told.utilisation))


@commands.command(
    "capacity", cls=Command, options_metavar=OPTIONS, help=N_("Show what each share has and what of it is held now.")
)
def _capacity(as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.catalogue.capacity(),
            [
                (_("Platform"), lambda row: row.platform),
                (_("Site"), lambda row: row.site),
                (_("Share"), lambda row: row.share),
                (_("Capacity"), lambda row: resources(row.capacity)),
                (_("Held"), lambda row: resources(row.used)),
                (_("Free"), lambda row: resources(row.capacity.minus(row.used))),
                (_("Draining"), lambda row: yes_no(row.draining)),
                (_("Seen in jobs"), lambda row: _seen(row.seen_in_jobs)),
                (_("Shown free"), lambda row: _seen(row.shown_free)),
                ("", lambda row: marked(row.simulated)),
            ],
            as_json=as_json,
        )


def _seen(shown: Shown | None) -> str:
    """The most cores that were held at once, and when; what was claimed stands beside it."""
    return (
        "" if shown is None else _("{cores} cores").format(cores=f"{shown.cores.normalize():f}") + f", {when(shown.at)}"
    )


def _latencies(site: Site) -> str:
    return ", ".join(f"{latency.region}: {latency.one_way_ms} ms ({latency.grade})" for latency in site.latencies)


def _chip(flavor: Flavor) -> str:
    return f"{flavor.chip.model} ({flavor.chip.grade})" if flavor.chip else ""


def _performance(flavor: Flavor) -> str:
    return ", ".join(f"{rate.tera_per_s} T/s {rate.precision} ({rate.grade})" for rate in flavor.performance)
