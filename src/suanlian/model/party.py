"""Who takes part: entities (legal persons), their accounts and projects, the principals that call, and their roles."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter

from suanlian.model.base import LongText, Name, ProvinceRegion, Text, Utc, Value
from suanlian.model.ids import AccountId, EntityId, PrincipalId, ProjectId
from suanlian.model.money import Amount

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


class EntityKind(StrEnum):
    """What an entity is here for."""

    PROVIDER = "provider"
    BUYER = "buyer"
    BOTH = "both"
    SUPERVISOR = "supervisor"
    CARRIER = "carrier"
    """A network operator."""
    OPERATOR = "operator"
    """Runs this hub."""
    PERSON = "person"
    """A natural person who signed in; no legal person."""


SUPERVISING: Final = frozenset({EntityKind.SUPERVISOR, EntityKind.OPERATOR})
"""Kinds whose people may read the metadata of everybody."""
PROVIDING: Final = frozenset({EntityKind.PROVIDER, EntityKind.BOTH})
"""Kinds that may own platforms."""
CARRYING: Final = PROVIDING | {EntityKind.CARRIER}
"""Kinds that may offer links between sites."""


class Standing(StrEnum):
    """Whether an operator has checked who an entity is."""

    REGISTERED = "registered"
    CHECKED = "checked"
    REFUSED = "refused"
    EXPIRED = "expired"
    """It was checked, and one of its qualifications has run out since; never written down, worked out each day."""


class Contact(Value):
    """Whom to reach; personal data: shown to the entity itself and to operators, never written into an event."""

    name: Text
    role: Text = ""
    phone: Text = ""
    email: Text = ""


class Qualification(Value):
    """A permit or grade that an entity shows, such as ``business-licence`` or ``protection`` with its grade."""

    kind: Name
    number: Text = ""
    issuer: Text = ""
    valid_until: date | None = Field(default=None, description="the last day on which it holds, in China; none: no end")
    grade: Annotated[int, Field(ge=1, le=4)] | None = Field(default=None, description="of a protection grade, 1 to 4")
    region: ProvinceRegion | None = Field(default=None, description="where it holds, if not everywhere")


CreditCode = Annotated[str, StringConstraints(max_length=64)]
"""A unified social credit code as it was typed; whether it is one is asked by ``rules/entities.py``."""


class EntityDetails(Value):
    """What is said of an entity. ``contacts`` may be changed at will; the rest is what an operator checks."""

    title: Text = ""
    title_zh: Text = ""
    kind: EntityKind = EntityKind.BOTH
    credit_code: CreditCode | None = Field(default=None, description="18 characters of GB 32100-2015")
    region: ProvinceRegion | None = None
    contacts: tuple[Contact, ...] = Field(default=(), max_length=16)
    qualifications: tuple[Qualification, ...] = Field(default=(), max_length=64)


class NewEntity(EntityDetails):
    """What an operator states to register an entity."""

    name: Name


class EntityChange(Value):
    """What is to be different; what is left out stays."""

    title: Text | None = None
    title_zh: Text | None = None
    kind: EntityKind | None = None
    credit_code: CreditCode | None = None
    region: ProvinceRegion | None = None
    contacts: tuple[Contact, ...] | None = Field(default=None, max_length=16)
    qualifications: tuple[Qualification, ...] | None = Field(default=None, max_length=64)


class Entity(EntityDetails):
    """A legal person (or a natural one) as the hub knows it.

    ``pending``: a change that waits for its check; until then what was checked stands.
    """

    id: EntityId
    public_id: str
    name: Name
    created_at: Utc
    standing: Standing = Standing.REGISTERED
    decided_at: Utc | None = None
    decided_by: str = ""
    decided_why: LongText = ""
    pending: EntityDetails | None = None


_QUALIFICATIONS: Final = TypeAdapter(tuple[Qualification, ...])


def read_qualifications(document: str) -> tuple[Qualification, ...]:
    """The qualifications of a JSON document. Raises ValueError."""
    return _QUALIFICATIONS.validate_json(document)


CHINA: Final = timezone(timedelta(hours=8))
"""Days are counted as they are in China."""


def today(now: datetime) -> date:
    """The day in China."""
    return now.astimezone(CHINA).date()


def expired(qualifications: Iterable[Qualification], day: date) -> list[Qualification]:
    """Those that no longer hold on this day."""
    return [one for one in qualifications if one.valid_until is not None and one.valid_until < day]


def standing_on(standing: Standing, qualifications: Iterable[Qualification], day: date) -> Standing:
    """The standing that holds on this day: a check holds as long as every qualification does."""
    return Standing.EXPIRED if standing is Standing.CHECKED and expired(qualifications, day) else standing


class Decision(Value):
    """Why something is decided, and the document in which it stands."""

    why: Annotated[LongText, StringConstraints(min_length=1)]
    reference: Text = ""


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


class KeyAbout(Value):
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


class Allowance(Value):
    """Core-hours that an entity which nobody has checked may use for nothing, and what became of them."""

    core_hours: Amount
    used: Amount
    reserved: Amount
    left: Amount


class Me(Principal):
    """Who calls, for which entity, and with which key."""

    entity: str = ""
    key: KeyAbout | None = None
    allowance: Allowance | None = None


class Farewell(Value):
    """Who wants to be erased says their own name here, to mean it."""

    name: Name


class Erasure(Value):
    """An erasure that began. ``whole``: with the account and all its jobs; else the principal alone."""

    asked_at: Utc
    whole: bool


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
    checked: bool = False
    """Whether an operator has checked the caller's entity, and the check holds today."""
    sees_all: bool = False
    """Whether what is asked for reaches what belongs to others. The policy says so, action by action, at the door."""


class MintedKey(Value):
    """A fresh API key; its text is shown this once and kept nowhere."""

    principal: Principal
    key: str
    expires_at: Utc
    scopes: Scopes = (Scope.ALL,)
