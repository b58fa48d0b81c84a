"""What jobs cost: each charge is a product that anybody can work out again."""

from decimal import Decimal
from typing import Annotated

import typer

from suanlian.cli.output import AsJson, listing, remark
from suanlian.cli.session import job_named, open_hub
from suanlian.cli.shown import marked, when
from suanlian.i18n import _
from suanlian.i18n.help import N_, OPTIONS, Command, nouns
from suanlian.model.charge import Charge
from suanlian.model.money import Money
from suanlian.model.quantity import UNIT

commands = nouns()


@commands.command("charges", cls=Command, options_metavar=OPTIONS, help=N_("Show what jobs cost."))
def _charges(
    job: Annotated[
        str | None, typer.Argument(metavar="JOB", help=N_("Only this job's; left out: all of your account's."))
    ] = None,
    as_json: AsJson = False,
) -> None:
    with open_hub() as hub:
        charges = list(hub.jobs.charges(job_named(hub, job) if job else None))
    listing(
        charges,
        [
            (_("From"), lambda charge: when(charge.started_at)),
            (_("Until"), lambda charge: when(charge.ended_at)),
            (_("Job"), lambda charge: charge.job_id),
            (_("What"), lambda charge: charge.kind),
            (_("Quantity"), lambda charge: f"{charge.quantity} {UNIT[charge.kind]}-h"),
            (_("Price"), lambda charge: f"{charge.rate} {charge.cost.currency}/{UNIT[charge.kind]}-h"),
            (_("Cost"), lambda charge: charge.cost.shown()),
            (_("You owe"), lambda charge: (charge.payable or charge.cost).shown()),
            (_("Offer"), lambda charge: f"{charge.offer.name} v{charge.offer.version}"),
            ("", lambda charge: marked(charge.simulated)),
        ],
        as_json=as_json,
    )
    if not as_json and charges:
        _sums(charges)


def _sums(charges: list[Charge]) -> None:
    """Real and simulated are never added up."""
    for simulated, text in ((False, _("Sum: {sum}")), (True, _("Sum, simulated: {sum}"))):
        costs = [charge.payable or charge.cost for charge in charges if charge.simulated is simulated]
        if costs:
            total = sum((cost.amount for cost in costs), Decimal(0))
            remark(text.format(sum=Money(amount=total, currency=costs[0].currency).shown()))
