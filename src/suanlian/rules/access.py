"""Who may do what, with whose things? The policy is data: role x action x relation, deny where nothing is granted.

The supervisor reads metadata of all and does nothing; the operator runs the hub and sees metadata of jobs; a provider
sees its own platform; a buyer sees its own account. Inputs, logs and outputs are open to their owner alone.
``ACTIONS`` grants a role an access, ``REACH`` says what that access opens of one's own and of what is another's.
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
    PUBLIC = "public"
    """What every role is told alike: the catalogue. It opens no row that has an owner."""
    DENIED = "denied"


class Relation(StrEnum):
    """Whose a thing is, seen from the caller."""

    OWN = "own"
    FOREIGN = "foreign"


class Sight(StrEnum):
    """What of a thing is open. Where it is nothing, the answer is the same as if the thing did not exist."""

    ALL = "all"
    METADATA = "metadata"
    NOTHING = "nothing"


REACH: Final[Mapping[Access, Mapping[Relation, Sight]]] = {
    Access.FULL: {Relation.OWN: Sight.ALL, Relation.FOREIGN: Sight.ALL},
    Access.METADATA: {Relation.OWN: Sight.METADATA, Relation.FOREIGN: Sight.METADATA},
    Access.OWN: {Relation.OWN: Sight.ALL, Relation.FOREIGN: Sight.NOTHING},
    Access.PUBLIC: {Relation.OWN: Sight.ALL, Relation.FOREIGN: Sight.NOTHING},
    Access.DENIED: {Relation.OWN: Sight.NOTHING, Relation.FOREIGN: Sight.NOTHING},
}
"""What an access opens, by whose the thing is."""


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
_ALL: Final = dict.fromkeys(Role, Access.PUBLIC)
_EACH_OWN: Final = dict.fromkeys(Role, Access.OWN)
_BUYER: Final = {Role.BUYER: Access.OWN}
_PROVIDER: Final = {Role.PROVIDER: Access.OWN}

ACTIONS: Final[Mapping[str, Rule]] = {
    "health.read": Rule(reads=True, door=Door.OPEN),
    "node.read": Rule(reads=True, door=Door.OPEN),
    "operator.claim": Rule(reads=False, door=Door.OPEN),
    "session.open": Rule(reads=False, door=Door.OPEN),
    "session.begin": Rule(reads=False, door=Door.OPEN),
    "session.return": Rule(reads=False, door=Door.OPEN),
    "session.redeem": Rule(reads=False, door=Door.OPEN),
    "identifier.resolve": Rule(reads=True, door=Door.OPEN),
    # the same route, once it turns out that the identifier names a job
    "identifier.resolve-job": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    # the hub asks others on behalf of who calls, so it has to know who
    "identifier.resolve-through": Rule(reads=True, grants=_ALL),
    "node.keys": Rule(reads=True, door=Door.OPEN),
    "identifier.status": Rule(reads=True, door=Door.OPEN),
    "identifier.descriptor": Rule(reads=True, door=Door.OPEN),
    "identifier.descriptors": Rule(reads=True, door=Door.OPEN),
    "identifier.version": Rule(reads=True, door=Door.OPEN),
    "identifier.history": Rule(reads=True, door=Door.OPEN),
    # the same route: who did it and why
    "identifier.history-why": Rule(reads=True, grants={**_PROVIDER, **_WATCHERS}),
    "identifier.freeze": Rule(reads=False, grants=_OPERATOR),
    "identifier.thaw": Rule(reads=False, grants=_OPERATOR),
    "identifier.revoke": Rule(reads=False, grants=_OPERATOR),
    "identifier.move": Rule(reads=False, grants=_OPERATOR),
    "identifier.duplicates": Rule(reads=True, grants=_WATCHERS),
    "transfer.propose": Rule(reads=False, grants=_OPERATOR),
    "transfer.second": Rule(reads=False, grants=_OPERATOR),
    "transfer.accept": Rule(reads=False, grants=_PROVIDER),
    "transfer.decline": Rule(reads=False, grants={**_PROVIDER, **_OPERATOR}),
    "transfer.list": Rule(reads=True, grants={**_PROVIDER, **_WATCHERS}),
    "me.read": Rule(reads=True, grants=_EACH_OWN),
    "entity.register": Rule(reads=False, grants=_OPERATOR),
    "entity.list": Rule(reads=True, grants={**_OPERATOR, Role.SUPERVISOR: Access.METADATA}),
    "entity.read": Rule(reads=True, grants={**_BUYER, **_PROVIDER, **_WATCHERS}),
    "entity.change": Rule(reads=False, grants={**_OPERATOR, **_BUYER, **_PROVIDER}),
    "entity.check": Rule(reads=False, grants=_OPERATOR),
    "entity.refuse": Rule(reads=False, grants=_OPERATOR),
    "operator.invite": Rule(reads=False, grants=_OPERATOR),
    "proposal.list": Rule(reads=True, grants=_WATCHERS),
    "proposal.confirm": Rule(reads=False, grants=_OPERATOR),
    "proposal.decline": Rule(reads=False, grants=_OPERATOR),
    "principal.register": Rule(reads=False, grants=_OPERATOR),
    "identity.list": Rule(reads=True, grants=_EACH_OWN),
    "identity.link": Rule(reads=False, grants=_EACH_OWN),
    # operators and supervisors are let out by an operator
    "account.erase": Rule(reads=False, grants={**_BUYER, **_PROVIDER}),
    "entity.invite": Rule(reads=False, grants={**_BUYER, **_PROVIDER}),
    "key.list": Rule(reads=True, grants=_EACH_OWN),
    "key.mint": Rule(reads=False, grants=_EACH_OWN),
    # everybody gives up keys of their own; the operator takes away anybody's
    "key.revoke": Rule(reads=False, grants={**_EACH_OWN, **_OPERATOR}),
    "platform.apply": Rule(reads=False, grants=_PROVIDER),
    "platform.check-documents": Rule(reads=False, grants=_OPERATOR),
    "platform.go-live": Rule(reads=False, grants=_OPERATOR),
    "platform.suspend": Rule(reads=False, grants=_OPERATOR),
    "platform.drain": Rule(reads=False, grants=_OPERATOR),
    "platform.drained": Rule(reads=True, grants=_ALL),
    "platform.undrain": Rule(reads=False, grants=_OPERATOR),
    "platform.freeze": Rule(reads=False, grants=_OPERATOR),
    "platform.lift": Rule(reads=False, grants=_OPERATOR),
    "platform.rectify": Rule(reads=False, grants=_OPERATOR),
    # its owner at once, operators as two
    "platform.withdraw": Rule(reads=False, grants={**_PROVIDER, **_OPERATOR}),
    # by the owner alone: whoever has the token speaks for the platform
    "platform.tokens": Rule(reads=False, grants=_PROVIDER),
    "platform.name-connectors": Rule(reads=False, grants={**_PROVIDER, **_OPERATOR}),
    "platform.onboarding": Rule(reads=True, grants={**_PROVIDER, **_WATCHERS}),
    "platform.list": Rule(reads=True, grants=_ALL),
    "platform.read": Rule(reads=True, grants=_ALL),
    # by the owner alone: whoever has the token speaks for the platform
    "platform.recover": Rule(reads=False, grants=_PROVIDER),
    "platform.connectors": Rule(reads=True, grants={**_PROVIDER, **_WATCHERS}),
    "site.check": Rule(reads=False, grants=_OPERATOR),
    "site.checks": Rule(reads=True, grants=_ALL),
    "platform.attempts": Rule(reads=True, grants={**_PROVIDER, **_WATCHERS}),
    "platform.conformance": Rule(reads=True, grants={**_PROVIDER, **_WATCHERS}),
    "platform.conformance-ask": Rule(reads=False, grants={**_PROVIDER, **_OPERATOR}),
    "platform.verifications": Rule(reads=True, grants={**_PROVIDER, **_WATCHERS}),
    "platform.verify": Rule(reads=False, grants={**_PROVIDER, **_OPERATOR}),
    "platform.supply": Rule(reads=True, grants={**_PROVIDER, **_WATCHERS}),
    "supply.reply": Rule(reads=False, grants=_PROVIDER),
    "supply.draw": Rule(reads=True, grants=_ALL),
    "link.list": Rule(reads=True, grants=_ALL),
    "link.classes": Rule(reads=True, grants=_ALL),
    "link.path": Rule(reads=True, grants=_ALL),
    "link.offer": Rule(reads=False, grants=_PROVIDER),
    "link.withdraw": Rule(reads=False, grants={**_PROVIDER, **_OPERATOR}),
    # its holders see their own, carriers what is held of theirs
    "link.reservations": Rule(reads=True, grants={**_BUYER, **_PROVIDER, **_WATCHERS}),
    "link.reserve": Rule(reads=False, grants=_BUYER),
    "link.give-back": Rule(reads=False, grants=_BUYER),
    "offer.publish": Rule(reads=False, grants=_PROVIDER),
    "offer.list": Rule(reads=True, grants=_ALL),
    "site.list": Rule(reads=True, grants=_ALL),
    "flavor.list": Rule(reads=True, grants=_ALL),
    "share.list": Rule(reads=True, grants=_ALL),
    "storage.list": Rule(reads=True, grants=_ALL),
    "state.list": Rule(reads=True, grants=_ALL),
    "capacity.read": Rule(reads=True, grants=_ALL),
    "capability.list": Rule(reads=True, grants=_ALL),
    "object.upload": Rule(reads=False, grants=_BUYER),
    "dataset.make": Rule(reads=False, grants=_BUYER),
    "dataset.list": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "dataset.read": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "dataset.delete": Rule(reads=False, grants=_BUYER),
    "dataset.versions": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "dataset.open": Rule(reads=False, grants=_BUYER),
    "dataset.tell": Rule(reads=False, grants=_BUYER),
    # names of files are content
    "dataset.files": Rule(reads=True, grants=_BUYER),
    "dataset.seal": Rule(reads=False, grants=_BUYER),
    "dataset.replicas": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "dataset.copy": Rule(reads=False, grants=_BUYER),
    "dataset.leave": Rule(reads=False, grants=_BUYER),
    "dataset.pin": Rule(reads=False, grants=_BUYER),
    "dataset.verify": Rule(reads=False, grants=_BUYER),
    "dataset.upload": Rule(reads=False, grants=_BUYER),
    # it changes nothing of the data but is told: who was let to read what
    "dataset.download": Rule(reads=False, grants=_BUYER),
    "dataset.grant": Rule(reads=True, grants=_BUYER),
    "dataset.grant-page": Rule(reads=True, grants=_BUYER),
    "dataset.end-grant": Rule(reads=False, grants=_BUYER),
    "dataset.transfers": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "dataset.transfer": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "dataset.cancel": Rule(reads=False, grants=_BUYER),
    "dataset.retry": Rule(reads=False, grants=_BUYER),
    "dataset.rule": Rule(reads=False, grants=_BUYER),
    "dataset.rules": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "dataset.end-rule": Rule(reads=False, grants=_BUYER),
    "secret.set": Rule(reads=False, grants=_BUYER),
    "secret.list": Rule(reads=True, grants=_BUYER),
    "secret.remove": Rule(reads=False, grants=_BUYER),
    "job.submit": Rule(reads=False, grants=_BUYER),
    "job.submit-batch": Rule(reads=False, grants=_BUYER),
    "job.estimate": Rule(reads=True, grants=_BUYER),
    "job.plan": Rule(reads=True, grants=_BUYER),
    "job.list": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "job.read": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "job.tasks": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "job.explanation": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    # the operator may stop any job, and is answered with its metadata; the supervisor stops nothing
    "job.cancel": Rule(reads=False, grants={**_BUYER, Role.OPERATOR: Access.METADATA}),
    "job.move": Rule(reads=False, grants={**_BUYER, Role.OPERATOR: Access.METADATA}),
    "job.pause": Rule(reads=False, grants={**_BUYER, Role.OPERATOR: Access.METADATA}),
    "job.resume": Rule(reads=False, grants={**_BUYER, Role.OPERATOR: Access.METADATA}),
    "job.charges": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "job.usage": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "job.log": Rule(reads=True, grants=_BUYER),
    "job.outputs": Rule(reads=True, grants=_BUYER),
    "job.output": Rule(reads=True, grants=_BUYER),
    "tes.service-info": Rule(reads=True, door=Door.OPEN),
    "tes.images": Rule(reads=True, grants=_ALL),
    "tes.create": Rule(reads=False, grants=_BUYER),
    "tes.list": Rule(reads=True, grants=_BUYER),
    "tes.get": Rule(reads=True, grants=_BUYER),
    "tes.cancel": Rule(reads=False, grants=_BUYER),
    "drs.service-info": Rule(reads=True, door=Door.OPEN),
    "drs.object": Rule(reads=True, grants=_BUYER),
    "drs.access": Rule(reads=True, grants=_BUYER),
    "usage.correct": Rule(reads=False, grants=_OPERATOR),
    "charge.list": Rule(reads=True, grants={**_BUYER, **_WATCHERS}),
    "supervision.report": Rule(reads=True, grants={Role.OPERATOR: Access.FULL, Role.SUPERVISOR: Access.FULL}),
    "supervision.reports": Rule(reads=True, grants={Role.OPERATOR: Access.FULL, Role.SUPERVISOR: Access.FULL}),
    "market.read": Rule(reads=True, grants={Role.OPERATOR: Access.FULL, Role.SUPERVISOR: Access.FULL}),
    # it orders everybody's jobs
    "market.policy": Rule(reads=True, grants=_ALL),
    "market.policies": Rule(reads=True, grants=_ALL),
    "market.set-policy": Rule(reads=False, grants=_OPERATOR),
    "supervision.send": Rule(reads=False, grants=_OPERATOR),
    "audit.head": Rule(reads=True, grants={Role.OPERATOR: Access.FULL, Role.SUPERVISOR: Access.FULL}),
    "audit.proof": Rule(reads=True, grants={Role.OPERATOR: Access.FULL, Role.SUPERVISOR: Access.FULL}),
    "event.list": Rule(reads=True, grants=_WATCHERS),
    "connector.enrol": Rule(reads=False, door=Door.CONNECTOR),
    "connector.poll": Rule(reads=True, door=Door.CONNECTOR),
    "connector.report": Rule(reads=False, door=Door.CONNECTOR),
    "connector.usage": Rule(reads=False, door=Door.CONNECTOR),
    "connector.inventory": Rule(reads=False, door=Door.CONNECTOR),
    "connector.logs": Rule(reads=False, door=Door.CONNECTOR),
    "connector.outputs": Rule(reads=False, door=Door.CONNECTOR),
    "connector.checkpoint": Rule(reads=False, door=Door.CONNECTOR),
    "connector.checkpoint-whole": Rule(reads=False, door=Door.CONNECTOR),
    "connector.objects": Rule(reads=True, door=Door.CONNECTOR),
    "connector.lend": Rule(reads=False, door=Door.CONNECTOR),
    "connector.lend-confirm": Rule(reads=False, door=Door.CONNECTOR),
    "connector.lent": Rule(reads=True, door=Door.CONNECTOR),
    "connector.lent-log": Rule(reads=True, door=Door.CONNECTOR),
    "connector.lent-output": Rule(reads=True, door=Door.CONNECTOR),
    "connector.lent-cancel": Rule(reads=False, door=Door.CONNECTOR),
    "connector.rekey": Rule(reads=False, door=Door.CONNECTOR),
    "connector.recover": Rule(reads=False, door=Door.CONNECTOR),
    "connector.delegation": Rule(reads=False, door=Door.CONNECTOR),
    # it changes nothing but is told: who had which secret
    "connector.secrets": Rule(reads=False, door=Door.CONNECTOR),
    "connector.descriptor": Rule(reads=False, door=Door.CONNECTOR),
    "connector.measurements": Rule(reads=False, door=Door.CONNECTOR),
    "connector.data-poll": Rule(reads=True, door=Door.CONNECTOR),
    "connector.data-report": Rule(reads=False, door=Door.CONNECTOR),
    "connector.data-files": Rule(reads=False, door=Door.CONNECTOR),
    "connector.data-grants": Rule(reads=False, door=Door.CONNECTOR),
    "connector.supervision": Rule(reads=False, door=Door.CONNECTOR),
    "connector.audit": Rule(reads=False, door=Door.CONNECTOR),
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


def sight(caller: Caller | None, action: str, relation: Relation) -> Sight:
    """What ``action`` opens to ``caller`` of a thing that is their own or another's. Raises KeyError as ``allowed``."""
    return REACH[allowed(caller, action)][relation]


def reaches_all(caller: Caller | None, action: str) -> bool:
    """Whether ``action`` opens to ``caller`` what belongs to others, in all or in its metadata."""
    return sight(caller, action, Relation.FOREIGN) is not Sight.NOTHING
