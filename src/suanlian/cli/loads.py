"""How is the load of a share written for people? Never without its age."""

from decimal import Decimal

from suanlian.cli.shown import resources
from suanlian.i18n import _
from suanlian.model.load import ShareState, Utilisation

_MINUTE_S = 60
_HOUR_S = 3600


def level_of(state: ShareState | None) -> str:
    """How far the owner has joined."""
    return "" if state is None else state.level.value


def in_use(state: ShareState | None) -> str:
    """What cannot be given away now, whoever uses it."""
    if state is None or state.in_use is None:
        return _("not told")
    return resources(state.in_use) or _("nothing")


def age(state: ShareState | None) -> str:
    """How old that is, and whether it is too old or could not be told when it was asked last."""
    if state is None or state.age_s is None:
        return ""
    marks = [_("stale")] if state.stale else []
    marks += [_("cannot be told now")] if state.faulty else []
    return ", ".join([lasting(state.age_s), *marks])


def lasting(seconds: Decimal) -> str:
    """A length of time in the unit that reads best."""
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE_S:.0f} min" if seconds < _HOUR_S else f"{seconds / _HOUR_S:.1f} h"


def utilisation(told: Utilisation) -> str:
    """How much is in use over all that is fresh, and of how many that is said."""
    if told.cpu is None:
        return _("How much is in use is not known: of {n} shares none has a fresh state.").format(n=told.shares)
    text = _("In use, weighted with capacity: {part} of the cores over {fresh} of {n} shares; oldest state: {age}.")
    oldest = lasting(told.oldest_s or Decimal(0))
    return text.format(part=f"{told.cpu:.1%}", fresh=told.fresh, n=told.shares, age=oldest)
