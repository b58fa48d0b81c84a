"""Who takes part: entities (legal persons), their accounts and projects, the principals that call, and their roles."""

from enum import StrEnum

from pydantic import Field

from suanlian.model.base import Name, Text, Utc, Value
from suanlian.model.ids import AccountId, EntityId, PrincipalId, ProjectId


class Role(StrEnum):
    """What a principal may do; the policy that follows from it is data in ``rules/access.py``."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    PROVIDER = "provider"
    BUYER = "buyer"


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
    valid_days: int = Field(default=365, ge=1, le=3650)


class Principal(Value):
    """Somebody or something that calls with an API key."""

    id: PrincipalId
    name: Name
    role: Role
    entity_id: EntityId
    account_id: AccountId


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

    @property
    def sees_all(self) -> bool:
        """Whether metadata of every account is open to this caller."""
        return self.role in (Role.OPERATOR, Role.SUPERVISOR)


class MintedKey(Value):
    """A fresh API key; its text is shown this once and kept nowhere."""

    principal: Principal
    key: str
    expires_at: Utc
