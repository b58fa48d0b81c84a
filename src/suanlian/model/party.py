"""Who takes part: entities (legal persons), their accounts and projects, the principals that call, and their roles."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, ConfigDict, Field

from suanlian.model.base import Name, Text, Utc, Value, Wire
from suanlian.model.ids import AccountId, EntityId, PrincipalId, ProjectId

MAX_KEY_DAYS: Final = 3650


def _in_order(scopes: "tuple[Scope, ...]") -> "tuple[Scope, ...]":
    return tuple(scope for scope in Scope if scope in scopes)


class Role(StrEnum):
    """What a principal may do; the policy that follows from it is data in ``rules/access.py``."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    PROVIDER = "provider"
    BUYER = "buyer"


class Scope(StrEnum):
    """A named set of actions that a key opens; the actions of each are data in ``rules/scopes.py``."""

    ALL = "all"
    READ = "read"
    JOBS = "jobs"
    PLATFORMS = "platforms"
    KEYS = "keys"
    ADMIN = "admin"


Scopes = Annotated[tuple[Scope, ...], Field(min_length=1, max_length=len(Scope)), AfterValidator(_in_order)]
"""One or more scopes, each once, in the order of ``Scope``."""


class Entity(Value):
    """A legal person."""

    id: EntityId
    public_id: str
    name: Name
    title: Text = ""
    created_at: Utc


class NewEntity(Value):
    """What an operator states to register an entity."""

    name: Name
    title: Text = ""


class Account(Value):
    """An entity's account here: jobs, charges and quotas belong to it."""

    id: AccountId
    entity_id: EntityId
    name: Name
    created_at: Utc


class Project(Value):
    """A part of an account; each account begins with the project ``default``."""

    id: ProjectId
    account_id: AccountId
    name: Name


class NewPrincipal(Value):
    """What an operator states to let somebody in: the role, and the entity for which it holds."""

    name: Name
    role: Role
    entity: Name = Field(description="name of the entity; its account is made when it has none")
    valid_days: int = Field(default=365, ge=1, le=MAX_KEY_DAYS)
    scopes: Scopes = (Scope.ALL,)


class NewKey(Value):
    """What somebody states to mint a further key of their own."""

    label: Text = Field(default="", description="what it is for, as lists show it")
    scopes: Scopes = (Scope.ALL,)
    valid_days: int = Field(default=90, ge=1, le=MAX_KEY_DAYS)


class KeyAbout(Wire):
    """An API key as its holder sees it; never its text."""

    prefix: str
    label: Text = ""
    scopes: Scopes
    created_at: Utc
    expires_at: Utc
    revoked_at: Utc | None = None
    session: bool = False


class Principal(Value):
    """Somebody or something that calls with an API key."""

    id: PrincipalId
    name: Name
    role: Role
    entity_id: EntityId
    account_id: AccountId


class Me(Principal):
    """Who calls, for which entity, and with which key."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    entity: str = ""
    key: KeyAbout | None = None


class Caller(Value):
    """Who asks, resolved once at the rim and demanded by every repository of owned rows."""

    principal_id: PrincipalId
    role: Role
    entity_id: EntityId
    account_id: AccountId
    project_id: ProjectId
    request_id: str = ""
    on_behalf_of: str = ""
    source: str = ""
    key_prefix: str = ""
    scopes: frozenset[Scope] = frozenset()
    sees_all: bool = False
    """Whether what is asked for reaches what belongs to others. The policy says so, action by action, at the door."""


class MintedKey(Value):
    """A fresh API key; its text is shown this once and kept nowhere."""

    principal: Principal
    key: str
    expires_at: Utc
    scopes: Scopes = (Scope.ALL,)
