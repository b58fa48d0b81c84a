"""Sites: what an operator found of where a site lies and how well it is protected."""

from typing import Annotated

import typer

from suanlian.cli.arguments import PlatformName
from suanlian.cli.output import AsJson, listing, record
from suanlian.cli.session import open_hub
from suanlian.cli.shown import when
from suanlian.i18n import _
from suanlian.i18n.help import COMMAND, N_, OPTIONS, Command, Group, nouns
from suanlian.model.levels import NewSiteCheck, SiteCheck
from suanlian.model.reading import read

commands = nouns()
_site = nouns()
commands.add_typer(
    _site,
    name="site",
    cls=Group,
    options_metavar=OPTIONS,
    subcommand_metavar=COMMAND,
    no_args_is_help=True,
    help=N_("One place of a platform: check, checks."),
)


@_site.command(
    "check",
    cls=Command,
    options_metavar=OPTIONS,
    help=N_("Note what was found at a site (operator): its claimed grade and region count as far as this says."),
)
def _check(  # noqa: PLR0913, PLR0917 - each is an option of the command
    platform: PlatformName,
    site: Annotated[str, typer.Argument(metavar="SITE", help=N_("The site's name."))],
    grade: Annotated[int, typer.Option("--grade", metavar="N", help=N_("Its protection grade, 0 to 4."))],
    region: Annotated[str, typer.Option("--region", metavar="CODE", help=N_("Where it lies, a GB/T 2260 code."))],
    number: Annotated[str, typer.Option("--number", metavar="TEXT", help=N_("The certificate's number."))],
    valid_until: Annotated[
        str, typer.Option("--valid-until", metavar="DATE", help=N_("The certificate's last day, such as 2027-06-30."))
    ],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help=N_("What was looked at."))],
    issuer: Annotated[str, typer.Option("--issuer", metavar="TEXT", help=N_("Who issued the certificate."))] = "",
    as_json: AsJson = False,
) -> None:
    said = {"grade": grade, "region": region, "number": number, "issuer": issuer}
    found = read(NewSiteCheck, {**said, "valid_until": valid_until, "why": why})
    with open_hub() as hub:
        made = hub.platforms.check_site(platform, site, found)
    record(made, _fields(made), as_json=as_json)


@_site.command("checks", cls=Command, options_metavar=OPTIONS, help=N_("List the checks of a platform's sites."))
def _checks(platform: PlatformName, as_json: AsJson = False) -> None:
    with open_hub() as hub:
        listing(
            hub.platforms.site_checks(platform),
            [
                (_("Site"), lambda check: check.site),
                (_("Protection grade"), lambda check: check.grade),
                (_("Region"), lambda check: check.region),
                (_("Certificate"), lambda check: check.number),
                (_("Valid until"), lambda check: check.valid_until),
                (_("Checked"), lambda check: when(check.checked_at)),
            ],
            as_json=as_json,
        )


def _fields(check: SiteCheck) -> list[tuple[str, object]]:
    return [
        (_("Site"), f"{check.platform}/{check.site}"),
        (_("Protection grade"), check.grade),
        (_("Region"), check.region),
        (_("Certificate"), " ".join(filter(None, (check.number, check.issuer)))),
        (_("Valid until"), check.valid_until),
        (_("Checked"), when(check.checked_at)),
    ]
