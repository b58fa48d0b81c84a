"""What does an identifier name? Our own are answered, those of a hub below or above are referred."""

from collections.abc import Callable
from datetime import datetime

from suanlian.model.errors import NotFoundError
from suanlian.model.ids import SCHEME, Identifier, Kind
from suanlian.model.node import Resolution, Standing
from suanlian.model.party import Caller
from suanlian.services.ports import Node
from suanlian.store import jobs, journal, nodes, parties, platforms, published
from suanlian.store.unit import Row, Unit

_Told = tuple[str, str, datetime]


def resolve(unit: Unit, node: Node, caller: Caller | None, text: str) -> Resolution:
    """Answer, or name the hub to ask next. Raises InvalidError ``identifier_invalid``, NotFoundError."""
    identifier = SCHEME.parse(text)
    if identifier.prefix in nodes.prefixes(unit):
        return _found(unit, node, caller, text, identifier)
    below = platforms.delegation_of(unit, identifier.prefix)
    if below is not None:
        return _referral(text, identifier, below["url"], below["public_key"])
    above = nodes.uplinks(unit)
    if above:
        return _referral(text, identifier, above[0]["url"], above[0]["hub_key"])
    raise _unknown(text)


def _unknown(text: str) -> NotFoundError:
    wrong = f"Nothing here that you may see has the identifier {text[:80]!r}."
    return NotFoundError("not_found", wrong, todo="Check it, or ask with the key of its owner.", field="identifier")


def _referral(text: str, identifier: Identifier, url: str, key: str) -> Resolution:
    return Resolution(
        identifier=text,
        standing=Standing.REFERRAL,
        kind=identifier.kind,
        issuer=identifier.prefix,
        refer_to=url,
        refer_key=key,
    )


def _found(unit: Unit, node: Node, caller: Caller | None, text: str, identifier: Identifier) -> Resolution:
    found = _look_up(unit, node, caller, identifier)
    if found is None:
        raise _unknown(text)
    name, state, registered_at = found
    return Resolution(
        identifier=text,
        standing=Standing.FOUND,
        kind=identifier.kind,
        issuer=identifier.prefix,
        name=name,
        state=state,
        registered_at=registered_at,
    )


def _look_up(unit: Unit, node: Node, caller: Caller | None, identifier: Identifier) -> _Told | None:
    kind, uuid = identifier.kind, identifier.uuid
    if kind is Kind.HUB:
        own = nodes.get(unit)
        return None if own is None or uuid != node.id else (node.name, "live", own["created_at"])
    if kind is Kind.ENTITY:
        return _of(parties.find_entity(unit, uuid), lambda row: (row["name"], "registered", row["created_at"]))
    if kind is Kind.PLATFORM:
        return _of(platforms.find(unit, uuid), lambda row: (row["name"], row["state"], row["applied_at"]))
    if kind is Kind.JOB:
        row = None if caller is None else jobs.find(unit, caller, uuid)
        return _of(row, lambda job: (job["name"], job["state"], job["created_at"]))
    if kind is Kind.REPORT:
        row = journal.find_report_received(unit, uuid)
        return _of(row, lambda report: (report["name"], "received", report["received_at"]))
    return _of(published.find(unit, uuid), _published)


def _of(row: Row | None, told: Callable[[Row], _Told]) -> _Told | None:
    return None if row is None else told(row)


def _published(row: Row) -> _Told:
    state = "withdrawn" if row["withdrawn"] else f"version {row['version']}"
    return row["name"], state, row["written_at"]
