"""How a platform joins, as data: acts, steps, proposals that a second person decides, and what is still missing."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field

from suanlian.model.base import LongText, Name, Text, Utc, Value
from suanlian.model.ids import PlatformId
from suanlian.model.party import Decision
from suanlian.model.platform import Connector, NewConnector, Platform, PlatformState


class Act(StrEnum):
    """What moves a platform from one state to the next: people's acts, and facts that the hub itself saw."""

    APPLY = "apply"
    CHECK_DOCUMENTS = "check-documents"
    CONNECT = "connect"
    """A fact: a connector enrolled."""
    PASS_CONFORMANCE = "pass-conformance"  # noqa: S105 - an act, no secret
    """A fact: a connector kept the protocol in its newest run."""
    VERIFY = "verify"
    """A fact: of such a connector every claimed figure was shown, or lowered to what was shown."""
    FALL_BACK = "fall-back"
    """A fact: what a step before live stood on is no longer so."""
    GO_LIVE = "go-live"
    SUSPEND = "suspend"
    FREEZE = "freeze"
    LIFT = "lift"
    RECTIFY = "rectify"
    WITHDRAW = "withdraw"
    INVITE_OPERATOR = "invite-operator"
    """Of the hub, not of a platform."""
    CARRY_OVER = "carry-over"
    """It was there before steps were kept."""


class Step(Value):
    """One step that was made: from where, to where, by which act, by whom (``hub`` for facts), when and why."""

    from_state: PlatformState | None
    to_state: PlatformState
    act: Act
    actor: str
    at: Utc
    why: LongText = ""
    reference: Text = ""


class Verdict(StrEnum):
    """What became of a proposal."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    LAPSED = "lapsed"
    """Nobody decided within its time."""
    VOID = "void"
    """The platform moved on by another act."""


class Proposal(Value):
    """An act that two persons must want. Of a suspension or freeze it is the confirmation of what holds already."""

    id: str
    act: Act
    subject: str = Field(description="the platform's id, or the name of an operator who is to be invited")
    name: Name = Field(description="the subject's name")
    proposed_by: str
    proposed_at: Utc
    why: LongText
    reference: Text = ""
    expires_at: Utc | None = Field(default=None, description="none: it does not lapse")
    verdict: Verdict = Verdict.OPEN
    decided_by: str = ""
    decided_at: Utc | None = None
    decided_why: LongText = ""


class Rectification(Decision):
    """Why, and what is to be mended."""

    mend: LongText = Field(min_length=1)


class Moved(Value):
    """The platform after an act, and the proposal that waits for a second person, if one does.

    ``platform`` is none where the act was about none.
    """

    platform: Platform | None
    proposal: Proposal | None = None


class Waiting(StrEnum):
    """Who can do what is missing."""

    OWNER = "owner"
    OPERATOR = "operator"
    HUB = "hub"


class Missing(Value):
    """One thing that stands between a platform and being live, or between a connector and jobs."""

    code: Name
    by: Waiting
    command: Text = Field(default="", description="what that person types")
    says: LongText = ""
    fields: Mapping[str, Text] = Field(default_factory=dict)


class ConnectorProgress(Value):
    """How far one connector has come; ``connector`` is none before it enrols."""

    name: Name
    title: Text = ""
    connector: Connector | None = None
    token_until: Utc | None = Field(default=None, description="until when an unused join token of it holds")
    missing: tuple[Missing, ...] = ()


class Onboarding(Value):
    """Where a platform stands, how it came there, what is proposed, and what is missing."""

    platform: Platform
    state: PlatformState
    since: Utc
    steps: tuple[Step, ...]
    proposals: tuple[Proposal, ...]
    connectors: tuple[ConnectorProgress, ...]
    missing: tuple[Missing, ...]


class TokensWanted(Value):
    """For which connector; none: for each that the application names and that has neither enrolled nor a token."""

    connector: Name | None = None


class JoinToken(Value):
    """A join token; its text is shown this once."""

    connector: Name
    join_token: str
    expires_at: Utc


class JoinTokens(Value):
    """The tokens that were minted, one a connector."""

    platform: Name
    platform_id: PlatformId
    tokens: tuple[JoinToken, ...]


class MoreConnectors(Value):
    """Further connectors of a platform that was applied for before."""

    connectors: tuple[NewConnector, ...] = Field(min_length=1, max_length=400)


class OperatorInvitation(Value):
    """A one-time link for a further operator; none while a second operator has not confirmed it."""

    name: Name
    link: str = ""
    expires_at: Utc | None = None
    proposal: Proposal | None = None
