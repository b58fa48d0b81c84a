"""What may this key do of all that its holder may? A scope is a named set of actions, as data; a key has one or more.

A scope takes away, it never adds: the role decides first (``rules/access.py``), then the scopes of the key.
"""

from collections.abc import Collection, Mapping
from typing import Final

from suanlian.model.party import Scope
from suanlian.rules.access import ACTIONS, Access, Rule

SUBJECTS: Final[Mapping[Scope, frozenset[str]]] = {
    Scope.JOBS: frozenset(
        {
            "job",
            "object",
            "charge",
            "secret",
            "tes",
            "dataset",
            "drs",
            "identifier.resolve-job",
            "link.reserve",
            "link.give-back",
        }
    ),
    Scope.PLATFORMS: frozenset({"platform", "offer", "supply", "transfer", "link"}),
    Scope.KEYS: frozenset({"key", "identity"}),
}
"""Which subjects (what stands before an action's dot) and actions a scope opens. What none names needs ``admin``."""

_EVERY_KEY: Final = frozenset({"me"})


def needed(action: str) -> Scope:
    """The scope that opens ``action``, besides ``all`` and, where it only reads, ``read``."""
    subject = action.partition(".")[0]
    return next((scope for scope, named in SUBJECTS.items() if subject in named or action in named), Scope.ADMIN)


def opens(scopes: Collection[Scope], action: str) -> bool:
    """Whether a key with these scopes opens ``action``. Every key tells who it is, and reads what is public."""
    rule = ACTIONS[action]
    if Scope.ALL in scopes or action.partition(".")[0] in _EVERY_KEY:
        return True
    return needed(action) in scopes or (rule.reads and (Scope.READ in scopes or _is_public(rule)))


def _is_public(rule: Rule) -> bool:
    return bool(rule.grants) and all(access is Access.PUBLIC for access in rule.grants.values())


def covers(scopes: Collection[Scope], asked: Collection[Scope]) -> bool:
    """Whether whoever holds ``scopes`` may hand on ``asked``: nobody gives more than they have."""
    return Scope.ALL in scopes or set(asked) <= set(scopes)
