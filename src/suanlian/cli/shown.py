"""How are values written for people? Times in their zone, money with currency, numbers with units, nothing hidden."""

from datetime import datetime
from decimal import Decimal

from suanlian.i18n import _
from suanlian.model.levels import DataLevel
from suanlian.model.money import Money
from suanlian.model.party import Allowance
from suanlian.model.quantity import Resources, shown


def when(moment: datetime | None) -> str:
    """The moment in this machine's zone, with its offset; empty when there is none."""
    return moment.astimezone().isoformat(sep=" ", timespec="seconds") if moment else ""


def span(start: datetime | None, end: datetime | None) -> str:
    """The time between, in seconds; empty when one is not known."""
    return f"{(end - start).total_seconds():.1f} s" if start and end else ""


def money(amount: Decimal | None) -> str:
    """The amount with its currency."""
    return "" if amount is None else Money(amount=amount).shown()


def resources(amount: Resources) -> str:
    """Each kind that is not zero, with its unit."""
    return ", ".join(f"{kind} {shown(kind, base)}" for kind, base in amount.base().items() if base)


def allowance_text(allowance: Allowance) -> str:
    """What is left of the free allowance, as a sum."""
    return _("{left} left of {all}: {used} used, {reserved} reserved").format(
        left=allowance.left, all=allowance.core_hours, used=allowance.used, reserved=allowance.reserved
    )


def marked(simulated: bool) -> str:
    """Says it when something is simulated, else nothing."""
    return _("simulated") if simulated else ""


def data_level(level: int) -> str:
    """The level with its name."""
    names = {
        DataLevel.PUBLIC: _("public"),
        DataLevel.INTERNAL: _("internal"),
        DataLevel.SENSITIVE: _("sensitive"),
        DataLevel.REGULATED: _("regulated"),
    }
    return f"{level} ({names[DataLevel(level)]})"


def yes_no(answer: bool) -> str:
    """Yes or no."""
    return _("yes") if answer else _("no")
