"""Offers: what a share costs. List them; publish one from a file."""

from pathlib import Path
from typing import Annotated

import typer

from suanlian.cli.arguments import OfPlatform, PlatformName
from suanlian.cli.output import AsJson, listing, record
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.cli.specfile import parse
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.offer import NewOffer
from suanlian.model.quantity import UNIT
from suanlian.model.reading import read

commands = nouns()
_offer = nouns()
commands.add_typer(
    _offer,
    name="offer",
    cls=Group,
    options_metavar=OPTIONS,
    subcommand_metavar=COMMAND,
    no_args_is_help=True,
    help=N_("One offer: publish."),
)


@commands.command("offers", cls=Command, options_metavar=OPTIONS, help=N_("List prices."))
def _offers(platform: OfPlatform = None, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.catalogue.offers(platform),
            [
                (_("Name"), lambda offer: offer.body.name),
                (_("Share"), lambda offer: offer.body.share),
                (_("Terms"), lambda offer: offer.body.tier),
                (_("Price"), lambda offer: _rates(offer.body)),
                (_("Holds from"), lambda offer: when(offer.valid_from)),
                (_("Version"), lambda offer: offer.version),
                (_("Identifier"), lambda offer: offer.public_id),
            ],
            as_json=as_json,
        )


@_offer.callback()
def _group() -> None:
    """Keep `publish` a command below `offer`, though it is the only one."""


@_offer.command(
    "publish",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_(
        "Publish the offer that a YAML or JSON file describes (provider); a name that is there gets a new version."
    ),
)
def _publish(
    platform: PlatformName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help=N_("The offer: name, share, rates."))],
    as_json: AsJson = False,
) -> None:
    offer = read(NewOffer, parse(file))
    with open_hub() as hub:
        published = hub.platforms.publish_offer(platform, offer)
    fields = [
        (_("Name"), published.body.name),
        (_("Price"), _rates(published.body)),
        (_("Holds from"), when(published.valid_from)),
        (_("Version"), published.version),
        (_("Identifier"), published.public_id),
    ]
    record(published, fields, as_json=as_json)


def _rates(offer: NewOffer) -> str:
    return ", ".join(f"{rate.per_unit_hour} {offer.currency}/{UNIT[rate.kind]}-h {rate.kind}" for rate in offer.rates)
