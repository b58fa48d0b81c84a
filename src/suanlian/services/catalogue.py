"""What platforms publish: inventories and offers as append-only versions, and the places that placement compares."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from suanlian.model.data import StorageShare
from suanlian.model.errors import ConflictError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import Kind, new_id, public_id
from suanlian.model.offer import NewOffer
from suanlian.model.performance import Grade
from suanlian.model.place import Place
from suanlian.model.platform import PlatformState, Share
from suanlian.model.protocol import InventoryCall
from suanlian.model.supply import Shown
from suanlian.model.version import Published, Subject
from suanlian.rules.onboarding import EFFECTS
from suanlian.services.ports import Node
from suanlian.store import capacity, platforms, published, supplies
from suanlian.store.places import BODY, Places
from suanlian.store.unit import Row, Unit

_KIND: Final[Mapping[Subject, Kind]] = {
    Subject.SITE: Kind.SITE,
    Subject.FLAVOR: Kind.FLAVOR,
    Subject.SHARE: Kind.SHARE,
    Subject.OFFER: Kind.OFFER,
    Subject.STORAGE: Kind.STORAGE,
}
_OWNED: Final = frozenset({Subject.SHARE, Subject.STORAGE})
"""What one connector publishes, no other of its platform does."""


def publish(unit: Unit, node: Node, connector: Row, call: InventoryCall) -> int:
    """Take a platform's whole inventory: changed things get a new version, those left out are withdrawn.

    Returns how many versions were made; none for what did not change. Refused while the platform's state takes none.
    """
    if not EFFECTS[PlatformState(connector["platform_state"])].inventory:
        wrong = f"{connector['platform']!r} is {connector['platform_state']}."
        raise ConflictError("state_conflict", wrong, todo="Ask the hub's operator.")
    inventory = call.inventory
    offers = [offer.model_copy(update={"valid_from": None}) for offer in call.offers]
    _offers_fit(offers, {share.name for share in inventory.shares})
    wanted: dict[tuple[Subject, str], Any] = {
        (subject, body.name): body
        for subject, bodies in (
            (Subject.SITE, inventory.sites),
            (Subject.FLAVOR, inventory.flavors),
            (Subject.SHARE, inventory.shares),
            (Subject.OFFER, offers),
            (Subject.STORAGE, inventory.storage),
        )
        for body in bodies
    }
    rows = _changes(unit, node, connector, wanted)
    published.add(unit, rows)
    facts = {"probe_cap": call.probes.model_dump_json(), "inventory_digest": inventory_digest(call)}
    facts |= {"host": call.host}
    platforms.change_connector(unit, connector["id"], facts)
    if rows:
        unit.record(EventType.INVENTORY_CHANGED, connector["platform_id"], versions=len(rows))
    return len(rows)


def inventory_digest(call: InventoryCall) -> str:
    """What a connector published, in a word: what was found out about it holds until this changes.

    Prices and storage apart.
    """
    return hashlib.sha256(call.inventory.model_dump_json(exclude={"storage"}).encode()).hexdigest()


def _offers_fit(offers: Sequence[NewOffer], shares: set[str]) -> None:
    for offer in offers:
        if offer.share not in shares:
            wrong = f"Offer {offer.name!r} names the share {offer.share!r}, which is not published."
            raise InvalidError("field_invalid", wrong, todo="Publish the share with it.", field="offers.share")


def _changes(unit: Unit, node: Node, connector: Row, wanted: Mapping[tuple[Subject, str], Any]) -> list[Row]:
    there = {
        (Subject(row["subject"]), row["name"]): row
        for row in published.current(unit, platform_id=connector["platform_id"])
    }
    for key, row in there.items():
        if key in wanted and key[0] in _OWNED and row["connector_id"] != connector["id"]:
            wrong = f"The {key[0]} {key[1]!r} is published by another connector of this platform."
            raise ConflictError("duplicate_name", wrong, todo="Give what each connector publishes a name of its own.")
    rows = [
        _next(unit, node, connector, (subject, body, there.get((subject, name))))
        for (subject, name), body in wanted.items()
        if _differs(there.get((subject, name)), body)
    ]
    mine = [(key, row) for key, row in there.items() if row["connector_id"] == connector["id"]]
    needed = _needed_by_others(there, connector)
    gone = [row for key, row in mine if key not in wanted and key not in needed and not row["withdrawn"]]
    rows += [{**row, "version": row["version"] + 1, "withdrawn": True, **_stamp(unit)} for row in gone]
    return rows


def _needed_by_others(there: Mapping[tuple[Subject, str], Row], connector: Row) -> set[tuple[Subject, str]]:
    """Sites and flavors that shares and storage of the platform's other connectors name."""
    others = [(key[0], row) for key, row in there.items() if row["connector_id"] != connector["id"]]
    live = [(subject, row) for subject, row in others if not row["withdrawn"]]
    shares = [Share.model_validate_json(row["body"]) for subject, row in live if subject is Subject.SHARE]
    storage = [StorageShare.model_validate_json(row["body"]) for subject, row in live if subject is Subject.STORAGE]
    sites = {share.site for share in shares} | {one.site for one in storage}
    return {(Subject.SITE, site) for site in sites} | {(Subject.FLAVOR, share.flavor) for share in shares}


def _differs(row: Row | None, body: Any) -> bool:  # noqa: ANN401 - any published body
    return row is None or bool(row["withdrawn"]) or row["body"] != body.model_dump_json()


def _stamp(unit: Unit) -> dict[str, Any]:
    return {"valid_from": unit.now, "written_at": unit.now}


def _next(unit: Unit, node: Node, connector: Row, what: tuple[Subject, Any, Row | None]) -> Row:
    subject, body, before = what
    thing_id = before["id"] if before is not None else new_id()
    return {
        "id": thing_id,
        "version": 1 if before is None else before["version"] + 1,
        "subject": subject.value,
        "public_id": public_id(node.prefix, _KIND[subject], thing_id) if before is None else before["public_id"],
        "platform_id": connector["platform_id"],
        "connector_id": connector["id"],
        "name": body.name,
        "withdrawn": False,
        "body": body.model_dump_json(),
        **_stamp(unit),
    }


def publish_offer(unit: Unit, node: Node, platform: Row, new: NewOffer) -> Published[NewOffer]:
    """A provider's own price for a share; a change is a further version. Raises InvalidError, NotFoundError."""
    if new.valid_from is not None and new.valid_from < unit.now - timedelta(seconds=5):
        wrong = "A price cannot begin in the past."
        raise InvalidError("field_invalid", wrong, todo="Leave valid_from out: it then begins now.", field="valid_from")
    current = published.current(unit, platform_id=platform["id"], subjects=[Subject.SHARE, Subject.OFFER])
    if not any(row["name"] == new.share and row["subject"] == Subject.SHARE for row in current):
        wrong = f"{platform['name']!r} publishes no share named {new.share!r}."
        raise NotFoundError("not_found", wrong, todo="suanlian shares lists them.", field="share")
    before = next((row for row in current if row["subject"] == Subject.OFFER and row["name"] == new.name), None)
    owner = {"platform_id": platform["id"], "id": None}
    valid_from = new.valid_from or unit.now
    row = {
        **_next(unit, node, owner, (Subject.OFFER, new, before)),
        "connector_id": None,
        "valid_from": valid_from,
    }
    published.add(unit, [row])
    changed = {"before": None if before is None else before["version"], "after": row["version"]}
    unit.record(EventType.OFFER_PUBLISHED, row["id"], version=row["version"], **changed)
    return _published(row, NewOffer)


def _published(row: Row, body: type[Any]) -> Published[Any]:
    columns = ("id", "public_id", "platform_id", "version", "valid_from", "withdrawn")
    return Published.model_validate({**{c: row[c] for c in columns}, "body": body.model_validate_json(row["body"])})


def list_published(unit: Unit, subject: Subject, *, platform_id: str | None) -> list[Published[Any]]:
    """The versions that are valid now, without withdrawn things."""
    rows = published.current(unit, platform_id=platform_id, subjects=[subject], at=unit.now)
    return [_published(row, BODY[subject]) for row in rows if not row["withdrawn"]]


def places(unit: Unit) -> tuple[Place, ...]:
    """Every place there is at this moment, with what is free of it."""
    return Places(unit).all()


def capacity_table(unit: Unit) -> list[dict[str, Any]]:
    """What each share has and what is held of it now; ``draining`` when more is held than it still has."""
    places = Places(unit)
    held, shown = capacity.held_now(unit), supplies.shown(unit)
    return [
        {
            "share_id": place.share_id,
            "platform": place.platform,
            "site": place.site.name,
            "share": place.share.name,
            "capacity": place.share.capacity,
            "used": held.get(place.share_id, place.share.capacity.minus(place.share.capacity)),
            "draining": place.share_id in held and not held[place.share_id].fits(place.share.capacity),
            "simulated": place.simulated,
            "seen_in_jobs": _shown(shown.get((place.share_id, Grade.SEEN_IN_JOBS))),
            "shown_free": _shown(shown.get((place.share_id, Grade.VERIFIED))),
        }
        for place in places.all()
    ]


def _shown(row: Row | None) -> Shown | None:
    """The most cores that were seen of a share."""
    return None if row is None else Shown(cores=Decimal(row["millicores"]) / 1000, at=row["at"])
