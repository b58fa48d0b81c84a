"""How a platform joins: applied, approved with a single-use join token, live at its first inventory."""

from datetime import timedelta
from typing import Any, Final

from suanlian.crypto.apikeys import TokenKind, keyed_hash, mint, split
from suanlian.crypto.errors import TokenError
from suanlian.model.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import ConnectorId, HubId, Kind, PlatformId, new_id, public_id
from suanlian.model.party import Caller
from suanlian.model.platform import PLATFORM_TRANSITIONS, Connector, NewPlatform, Platform, PlatformKind, PlatformState
from suanlian.model.protocol import EnrolAnswer, EnrolCall, Wish
from suanlian.services.ports import Node, Secrets
from suanlian.store import attempts, platforms
from suanlian.store import parties as one_time_tokens
from suanlian.store.unit import Row, Unit

_TOKEN_LIFE: Final = timedelta(days=7)
_ANSWER_LIFE: Final = timedelta(seconds=60)


def _platform(row: Row) -> Platform:
    return Platform.model_validate({name: row[name] for name in Platform.model_fields})


def apply(unit: Unit, node: Node, caller: Caller, new: NewPlatform) -> Platform:
    """Apply with a platform. Raises ConflictError ``duplicate_name``, InvalidError for a hub without a label."""
    if platforms.find(unit, new.name) is not None:
        wrong = f"A platform named {new.name!r} has applied already."
        raise ConflictError("duplicate_name", wrong, todo="Choose another name.", field="name")
    if (new.kind is PlatformKind.HUB) != (new.label is not None):
        wrong = "A hub below asks for a label of the prefix; a compute platform has none."
        raise InvalidError("field_invalid", wrong, todo='Give label, such as "YRD", with kind "hub".', field="label")
    platform_id = PlatformId(new_id())
    row: dict[str, Any] = {
        **new.model_dump(),
        "kind": new.kind.value,
        "id": platform_id,
        "public_id": public_id(node.prefix, Kind.PLATFORM, platform_id),
        "entity_id": caller.entity_id,
        "state": PlatformState.APPLIED.value,
        "applied_at": unit.now,
        "approved_at": None,
        "live_at": None,
    }
    platforms.add(unit, row)
    unit.record(EventType.PLATFORM_APPLIED, platform_id, name=new.name)
    return _platform(row)


def find(unit: Unit, ref: str) -> Row:
    """The platform's row, by UUID, identifier or name. Raises NotFoundError ``no_such_platform``."""
    row = platforms.find(unit, ref)
    if row is None:
        wrong = f"No platform has the name or identifier {ref[:80]!r}."
        raise NotFoundError("no_such_platform", wrong, todo="suanlian platforms lists them.", field="platform")
    return row


def get(unit: Unit, ref: str) -> Platform:
    """One platform. Raises NotFoundError."""
    return _platform(find(unit, ref))


def list_all(unit: Unit, *, after: str, limit: int) -> list[Platform]:
    """Platforms in the order in which they applied."""
    return [_platform(row) for row in platforms.list_all(unit, after=after, limit=limit)]


def _move(unit: Unit, row: Row, new: PlatformState, **values: Any) -> Platform:  # noqa: ANN401 - columns of any type
    old = PlatformState(row["state"])
    if new not in PLATFORM_TRANSITIONS[old] or not platforms.change(
        unit, row["id"], old.value, {"state": new.value, **values}
    ):
        wrong = f"{row['name']!r} is {old.value}: from there it cannot become {new.value}."
        raise ConflictError("state_conflict", wrong, todo="suanlian platform show tells its state.")
    return get(unit, row["id"])


def approve(unit: Unit, secrets: Secrets, ref: str) -> tuple[Platform, str, Any]:
    """Approve and mint a single-use join token; once approved, a further token for a further connector.

    Returns the platform, the token's text (shown this once) and when it expires. Raises ConflictError.
    """
    row = find(unit, ref)
    platform = _platform(row)
    if platform.state is PlatformState.APPLIED:
        platform = _move(unit, row, PlatformState.APPROVED, approved_at=unit.now)
        unit.record(EventType.PLATFORM_APPROVED, platform.id, name=platform.name)
    elif platform.state not in (PlatformState.APPROVED, PlatformState.LIVE):
        wrong = f"{platform.name!r} is {platform.state.value}."
        raise ConflictError("state_conflict", wrong, todo="Resume it first, or let it apply anew.")
    token = mint(TokenKind.JOIN, secrets.random_bytes)
    expires_at = unit.now + _TOKEN_LIFE
    hashed = keyed_hash(token.text, secrets.pepper)
    one_time = {"prefix": token.prefix, "hash": hashed, "purpose": TokenKind.JOIN, "subject_id": platform.id}
    one_time_tokens.add_one_time(unit, {**one_time, "expires_at": expires_at})
    return platform, token.text, expires_at


def suspend(unit: Unit, ref: str, why: str) -> Platform:
    """Nothing new is placed there; what has not started is recalled, what runs goes on. Raises ConflictError."""
    row = find(unit, ref)
    platform = _move(unit, row, PlatformState.SUSPENDED)
    for attempt in attempts.unstarted_at(unit, platform.id):
        version, revision = attempt["wish_version"] + 1, platforms.next_revision(unit, attempt["connector_id"])
        attempts.change(unit, attempt["id"], {"wish": Wish.RECALL.value, "wish_version": version, "revision": revision})
    unit.record(EventType.PLATFORM_SUSPENDED, platform.id, why=why)
    return platform


def resume(unit: Unit, ref: str) -> Platform:
    """End a suspension. Raises ConflictError."""
    row = find(unit, ref)
    if row["state"] != PlatformState.SUSPENDED:
        wrong = f"{row['name']!r} is {row['state']}, not suspended."
        raise ConflictError("state_conflict", wrong, todo="suanlian platform show tells its state.")
    platform = _move(unit, row, PlatformState.LIVE, live_at=row["live_at"] or unit.now)
    unit.record(EventType.PLATFORM_LIVE, platform.id, name=platform.name)
    return platform


def enrol(unit: Unit, node: Node, secrets: Secrets, call: EnrolCall) -> EnrolAnswer:
    """Enter a connector with a single-use join token; its platform's connectors each have their own key.

    The call was signed by the very key that it brings. The same key with the same token again gets the same answer: the
    first answer may have been lost. Raises ForbiddenError ``join_token_invalid``.
    """
    platform = _platform_of_token(unit, secrets, call)
    before = [row for row in platforms.connectors_of(unit, platform["id"]) if row["public_key"] == call.public_key]
    if before:
        return _enrolled(node, platform, before[0])
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
    return ForbiddenError("join_token_invalid", wrong, todo="Ask the hub's operator for a fresh one.", field="token")


def _platform_of_token(unit: Unit, secrets: Secrets, call: EnrolCall) -> Row:
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
    return platform


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
    if platform["state"] == PlatformState.APPROVED:
        _move(unit, platform, PlatformState.LIVE, live_at=unit.now)


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


def connector(unit: Unit, connector_id: str) -> Row:
    """The connector's row with its platform's name and state. Raises NotFoundError."""
    row = platforms.find_connector(unit, connector_id)
    if row is None:
        raise NotFoundError("not_found", "There is no such connector.", todo="Enrol it.")
    return row


def connectors(unit: Unit, caller: Caller, ref: str) -> list[Connector]:
    """The connectors of a platform, for its owner and those who see all. Raises NotFoundError for others."""
    row = owned(unit, caller, ref)
    columns = Connector.model_fields
    return [Connector.model_validate({c: r[c] for c in columns}) for r in platforms.connectors_of(unit, row["id"])]


def owned(unit: Unit, caller: Caller, ref: str) -> Row:
    """The platform's row when it is the caller's own, or the caller sees all. Raises NotFoundError for others."""
    row = find(unit, ref)
    if row["entity_id"] != caller.entity_id and not caller.sees_all:
        raise NotFoundError("not_found", f"You own no platform {ref[:80]!r}.", todo="suanlian platforms lists all.")
    return row
