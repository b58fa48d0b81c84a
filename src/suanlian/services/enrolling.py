"""How a connector enters: its owner mints a single-use token bound to its name, the connector brings it with a key."""

from datetime import timedelta
from typing import Final

from suanlian.crypto.apikeys import TokenKind, keyed_hash, mint, split
from suanlian.crypto.errors import TokenError
from suanlian.model.errors import ConflictError, ForbiddenError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import ConnectorId, HubId, PlatformId, new_id
from suanlian.model.onboarding import JoinToken, JoinTokens
from suanlian.model.platform import PlatformKind, PlatformState
from suanlian.model.protocol import EnrolAnswer, EnrolCall
from suanlian.rules.onboarding import EFFECTS
from suanlian.services.ports import Node, Secrets
from suanlian.store import onboarding, platforms
from suanlian.store import parties as one_time_tokens
from suanlian.store.unit import Row, Unit

_TOKEN_LIFE: Final = timedelta(days=30)
_ANSWER_LIFE: Final = timedelta(seconds=60)


def mint_tokens(unit: Unit, secrets: Secrets, platform: Row, connector: str | None = None) -> JoinTokens:
    """A token for each connector that the application names and that has neither entered nor a token that holds.

    With ``connector`` a fresh one for that alone; the unused one that it had ends. Raises ConflictError
    ``state_conflict`` before the documents are checked, ``already_done`` for a connector that has entered.
    """
    _open(platform)
    entered = {row["name"] for row in platforms.connectors_of(unit, platform["id"])}
    named = [row["name"] for row in onboarding.named_connectors(unit, platform["id"])]
    if connector is None:
        has = {row["bound_to"] for row in onboarding.unused_tokens(unit, platform["id"], TokenKind.JOIN)}
        wanted = [name for name in named if name not in entered and name not in has]
    else:
        wanted = [_renewable(platform, connector, named, entered)]
        onboarding.void_tokens(unit, platform["id"], TokenKind.JOIN, connector)
    tokens = tuple(_mint(unit, secrets, platform, name) for name in wanted)
    return JoinTokens(platform=platform["name"], platform_id=PlatformId(platform["id"]), tokens=tokens)


def _open(platform: Row) -> None:
    if not EFFECTS[PlatformState(platform["state"])].enrols:
        wrong = f"{platform['name']!r} is {platform['state']}: no connector enters now."
        todo = f"suanlian platform onboarding {platform['name']} says what is missing."
        raise ConflictError("state_conflict", wrong, todo=todo)


def _renewable(platform: Row, connector: str, named: list[str], entered: set[str]) -> str:
    if connector in entered:
        wrong = f"The connector {connector!r} has entered already."
        raise ConflictError("already_done", wrong, todo="It needs no token.", field="connector")
    if connector not in named:
        wrong = f"{platform['name']!r} names no connector {connector!r}."
        todo = f"Name it first: suanlian platform connector-add {platform['name']} {connector}"
        raise NotFoundError("not_found", wrong, todo=todo, field="connector")
    return connector


def _mint(unit: Unit, secrets: Secrets, platform: Row, connector: str) -> JoinToken:
    token = mint(TokenKind.JOIN, secrets.random_bytes)
    expires_at = unit.now + _TOKEN_LIFE
    row = {
        "prefix": token.prefix,
        "hash": keyed_hash(token.text, secrets.pepper),
        "purpose": TokenKind.JOIN,
        "subject_id": platform["id"],
        "bound_to": connector,
        "minted_by": None if unit.caller is None else unit.caller.principal_id,
        "expires_at": expires_at,
    }
    one_time_tokens.add_one_time(unit, row)
    unit.record(EventType.TOKEN_MINTED, platform["id"], name=platform["name"], connector=connector)
    return JoinToken(connector=connector, join_token=token.text, expires_at=expires_at)


def enrol(unit: Unit, node: Node, secrets: Secrets, call: EnrolCall) -> EnrolAnswer:
    """Enter a connector with a single-use join token; its platform's connectors each have their own key.

    The call was signed by the very key that it brings. The same key with the same token again gets the same answer: the
    first answer may have been lost. Raises ForbiddenError ``join_token_invalid`` or
    ``token_of_another_connector``, ConflictError ``state_conflict``.
    """
    platform, bound_to = _platform_of_token(unit, secrets, call)
    before = [row for row in platforms.connectors_of(unit, platform["id"]) if row["public_key"] == call.public_key]
    if before:
        return _enrolled(node, platform, before[0])
    if bound_to is not None and bound_to != call.name:
        wrong = f"The join token is for the connector {bound_to!r}, not for {call.name!r}."
        todo = "Write that name into agent.toml, or mint a token for this one: suanlian platform tokens"
        raise ForbiddenError("token_of_another_connector", wrong, todo=todo, field="name")
    _open(platform)
    if not one_time_tokens.use_one_time(unit, split(call.token, TokenKind.JOIN).prefix, unit.now):
        raise _token_refused()
    row = {
        "id": new_id(),
        "platform_id": platform["id"],
        "name": call.name,
        "public_key": call.public_key,
        "revision": 0,
        "accepting": True,
        "enrolled_at": unit.now,
        "seen_at": unit.now,
    }
    if any(other["name"] == call.name for other in platforms.connectors_of(unit, platform["id"])):
        wrong = f"{platform['name']!r} has a connector named {call.name!r}."
        raise ConflictError("duplicate_name", wrong, todo="Choose another name for this connector.", field="name")
    platforms.add_connector(unit, row)
    unit.source = f"connector {row['id']}"
    if platform["kind"] == PlatformKind.HUB:
        _delegate(unit, node, platform, call)
    unit.record(EventType.CONNECTOR_ENROLLED, row["id"], platform=platform["name"])
    return _enrolled(node, platform, row)


def _token_refused() -> ForbiddenError:
    wrong = "The join token is unknown, used or expired."
    return ForbiddenError(
        "join_token_invalid",
        wrong,
        todo="Mint a fresh one: suanlian platform tokens PLATFORM --connector NAME",
        field="token",
    )


def _platform_of_token(unit: Unit, secrets: Secrets, call: EnrolCall) -> tuple[Row, str | None]:
    try:
        token = split(call.token, TokenKind.JOIN)
    except TokenError as error:
        raise _token_refused() from error
    row = one_time_tokens.find_one_time(unit, token.prefix, TokenKind.JOIN)
    if row is None or row["hash"] != keyed_hash(token.text, secrets.pepper):
        raise _token_refused()
    platform = platforms.find(unit, row["subject_id"])
    if platform is None:
        raise _token_refused()
    return platform, row["bound_to"]


def _delegate(unit: Unit, node: Node, platform: Row, call: EnrolCall) -> None:
    prefix = f"{node.prefix}.{platform['label']}"
    delegated = platforms.delegation_of(unit, prefix)
    if delegated is not None and delegated["platform_id"] == platform["id"]:
        return  # a further connector of the same hub
    if delegated is not None:
        wrong = f"The prefix {prefix} is delegated to another hub."
        raise ConflictError("prefix_conflict", wrong, todo="Apply with another label.", field="label")
    row = {"prefix": prefix, "platform_id": platform["id"], "url": call.url, "public_key": call.public_key}
    platforms.delegate(unit, {**row, "delegated_at": unit.now})


def _enrolled(node: Node, platform: Row, connector: Row) -> EnrolAnswer:
    return EnrolAnswer(
        connector_id=ConnectorId(connector["id"]),
        expires_at=connector["enrolled_at"] + _ANSWER_LIFE,
        platform_id=PlatformId(platform["id"]),
        platform=platform["name"],
        hub_id=HubId(node.id),
        hub_name=node.name,
        hub_public_key=node.keypair.public_text,
        prefix=f"{node.prefix}.{platform['label']}" if platform["kind"] == PlatformKind.HUB else "",
    )
