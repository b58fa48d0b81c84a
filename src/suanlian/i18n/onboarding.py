"""What is still missing on a platform's way in, as a sentence in the language in force."""

from collections.abc import Callable, Mapping
from typing import Final

from suanlian.i18n.catalog import gettext as _

_SAYS: Final[Mapping[str, Callable[[], str]]] = {
    "entity-checked": lambda: _("An operator has to check the entity {entity}."),
    "entity-accepted": lambda: _("The entity {entity} was refused: it has to be stated anew."),
    "qualification-renewed": lambda: _("A qualification of the entity {entity} has run out: show one that holds."),
    "documents-checked": lambda: _("An operator has to check the documents of the platform."),
    "connector-named": lambda: _("The platform names no connector."),
    "token-minted": lambda: _("The connector {connector} has no join token yet."),
    "connector-enrolled": lambda: _("The connector {connector} has not entered yet."),
    "inventory-published": lambda: _("The connector {connector} has published no inventory yet."),
    "level-raised": lambda: _(
        "The owner of the connector {connector} lets it observe only: nothing is dispatched to it."
    ),
    "probe-cap-raised": lambda: _(
        "The owner of the connector {connector} lets the hub's own jobs take too little: at least {needed} are needed."
    ),
    "conformance-run": lambda: _("The conformance run of the connector {connector} has not ended yet."),
    "conformance-passed": lambda: _("The connector {connector} did not pass its newest conformance run."),
    "claim-verified": lambda: _(
        "The connector {connector} claims {figure} of the flavor {flavor}, which is not verified: "
        "it has to be shown, or lowered to what was shown."
    ),
    "go-live-proposed": lambda: _("An operator has to propose that the platform goes live."),
    "go-live-confirmed": lambda: _("A second operator has to confirm that the platform goes live."),
    "second-operator": lambda: _("The hub has one operator only, and going live takes two."),
    "suspended-ended": lambda: _("The platform is suspended: two operators end that."),
    "frozen-ended": lambda: _("The platform is frozen: two operators end that."),
}


def missing_line(code: str, fields: Mapping[str, str]) -> str:
    """The sentence of a code; of one that is not known here, the code itself."""
    say = _SAYS.get(code)
    return code if say is None else say().format_map(fields)
