"""Who may do what? The policy is data: one row an action, deny where nothing is granted.

The supervisor reads metadata of all and does nothing; the operator runs the hub and sees metadata of jobs; a provider
sees its own platform; a buyer sees its own account. Inputs, logs and outputs are open to their owner alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from suanlian.model.party import Caller, Role


class Access(StrEnum):
    """How far an action is open to a caller."""

    FULL = "full"
    METADATA = "metadata"
    """Of everybody's, but no inputs, environment, command, log or output; the spec is left out of the answer."""
    OWN = "own"
    """Things of the caller's own account (a buyer) or of its entity's own platforms (a provider)."""
    DENIED = "denied"


class Door(StrEnum):
    """By what a caller of a route is known."""

    OPEN = "open"
    KEY = "key"
    CONNECTOR = "connector"
    """The call is signed by a connector's key; who holds an API key does not get in here."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The policy of one action: through which door, whether it only reads, and what each role is granted."""

    reads: bool
    grants: Mapping[Role, Access] = field(default_factory=dict)
    door: Door = Door.KEY


_OPERATOR: Final = {Role.OPERATOR: Access.FULL}
_WATCHERS: Final = {Role.OPERATOR: Access.METADATA, Role.SUPERVISOR: Access.METADATA}
_ALL: Final = dict.fromkeys(Role, Access.FULL)
_BUYER: Final = {Role.BUYER: Access.OWN}
_PROVIDER: Final = {Role.PROVIDER: Access.OWN}

ACTIONS: Final[Mapping[str, Rule]] = {
    "health.read": Rule(reads=True, door=Door.OPEN),
    "node.read": Rule(reads=True, door=Door.OPEN),
    "operator.claim": Rule(reads=False, door=Door.OPEN),
    "identifier.resolve": Rule(reads=True, door=Door.OPEN),
    # the same route, once it turns out that the identifier names a job
    "identifier.resolve-job": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "me.read": Rule(reads=True, grants=_ALL),
    "entity.register": Rule(reads=False, grants=_OPERATOR),
    "entity.list": Rule(reads=True, grants={**_OPERATOR, Role.SUPERVISOR: Access.METADATA}),
    "principal.register": Rule(reads=False, grants=_OPERATOR),
    "key.revoke": Rule(reads=False, grants=_OPERATOR),
    "platform.apply": Rule(reads=False, grants=_PROVIDER),
    "platform.approve": Rule(reads=False, grants=_OPERATOR),
    "platform.suspend": Rule(reads=False, grants=_OPERATOR),
    "platform.resume": Rule(reads=False, grants=_OPERATOR),
    "platform.list": Rule(reads=True, grants=_ALL),
    "platform.read": Rule(reads=True, grants=_ALL),
    "platform.connectors": Rule(reads=True, grants={**_PROVIDER, **_WATCHERS}),
    "platform.attempts": Rule(reads=True, grants={**_PROVIDER, **_WATCHERS}),
    "offer.publish": Rule(reads=False, grants=_PROVIDER),
    "offer.list": Rule(reads=True, grants=_ALL),
    "site.list": Rule(reads=True, grants=_ALL),
    "flavor.list": Rule(reads=True, grants=_ALL),
    "share.list": Rule(reads=True, grants=_ALL),
    "capacity.read": Rule(reads=True, grants=_ALL),
    "object.upload": Rule(reads=False, grants=_BUYER),
    "job.submit": Rule(reads=False, grants=_BUYER),
    "job.submit-batch": Rule(reads=False, grants=_BUYER),
    "job.estimate": Rule(reads=True, grants=_BUYER),
    "job.list": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "job.read": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "job.tasks": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "job.explanation": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    # the operator may stop any job, and is answered with its metadata; the supervisor stops nothing
    "job.cancel": Rule(reads=False, grants={**_BUYER, Role.OPERATOR: Access.METADATA}),
    "job.charges": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "job.usage": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "job.log": Rule(reads=True, grants=_BUYER),
    "job.outputs": Rule(reads=True, grants=_BUYER),
    "job.output": Rule(reads=True, grants=_BUYER),
    "usage.correct": Rule(reads=False, grants=_OPERATOR),
    "charge.list": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "supervision.report": Rule(reads=True, grants={Role.OPERATOR: Access.FULL, Role.SUPERVISOR: Access.FULL}),
    "supervision.reports": Rule(reads=True, grants={Role.OPERATOR: Access.FULL, Role.SUPERVISOR: Access.FULL}),
    "supervision.send": Rule(reads=False, grants=_OPERATOR),
    "event.list": Rule(reads=True, grants=_WATCHERS),
    "connector.enrol": Rule(reads=False, door=Door.CONNECTOR),
    "connector.poll": Rule(reads=True, door=Door.CONNECTOR),
    "connector.report": Rule(reads=False, door=Door.CONNECTOR),
    "connector.usage": Rule(reads=False, door=Door.CONNECTOR),
    "connector.inventory": Rule(reads=False, door=Door.CONNECTOR),
    "connector.logs": Rule(reads=False, door=Door.CONNECTOR),
    "connector.outputs": Rule(reads=False, door=Door.CONNECTOR),
    "connector.objects": Rule(reads=True, door=Door.CONNECTOR),
    "connector.supervision": Rule(reads=False, door=Door.CONNECTOR),
}
"""Every action of the HTTP interface. A route names one of these; a test finds a route that does not."""


def allowed(caller: Caller | None, action: str) -> Access:
    """How far ``action`` is open to ``caller`` (None: no key was shown). Raises KeyError for an unknown action."""
    rule = ACTIONS[action]
    if rule.door is Door.OPEN:
        return Access.FULL
    if caller is None or rule.door is Door.CONNECTOR:
        return Access.DENIED
    return rule.grants.get(caller.role, Access.DENIED)
