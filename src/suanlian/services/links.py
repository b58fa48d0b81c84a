"""Links between sites: offered by carriers, measured, reserved; and which way is the better one.

A reserved part of a link is a contract: what is left is worked out under the link's lock, so nothing is promised twice,
and a carrier takes back no link that somebody holds a part of.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from suanlian.data.network import SOURCE, estimated
from suanlian.model.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from suanlian.model.event import EventType
from suanlian.model.ids import new_id
from suanlian.model.link import (
    LatencyShares,
    LinkGrade,
    LinkSample,
    LinkView,
    NewLink,
    NewReservation,
    PathView,
    Reservation,
)
from suanlian.model.party import CARRYING, Caller, EntityKind, Role
from suanlian.model.platform import Site
from suanlian.rules.data.bringing import Way, Ways
from suanlian.rules.links import classes, paths
from suanlian.rules.links.reserving import MAX_SPAN, Held, cost, is_open, left
from suanlian.rules.links.views import LAST, Declared, Guess, views
from suanlian.rules.transfers.problem import Link, Reserved
from suanlian.store import links, parties
from suanlian.store.dialect import lock_name
from suanlian.store.unit import Row, Unit

MAX_PER_ENTITY: Final = 1_000
MAX_AHEAD: Final = 1_000
"""So many reservations of a link lie ahead at most."""
EARLIEST: Final = timedelta(days=366)
"""A reservation begins within a year."""
_PAST: Final = timedelta(minutes=5)


def offer(unit: Unit, caller: Caller, new: NewLink) -> LinkView:
    """Offer a link. Raises ForbiddenError, NotFoundError ``no_such_site``, ConflictError."""
    entity = parties.entity_of(unit, caller.entity_id)
    if entity is None or EntityKind(entity["kind"]) not in CARRYING:
        wrong = "Your entity is of a kind that offers no links."
        todo = "Let an operator register it as a carrier, or as a provider of platforms."
        raise ForbiddenError("role_not_of_kind", wrong, todo=todo)
    if not caller.checked:
        wrong = "Your entity has not been checked: what it offers binds it."
        raise ConflictError("entity_unchecked", wrong, todo="Let an operator of the hub check it.")
    known = links.sites(unit)
    _site(known, new.start, "start")
    _site(known, new.end, "end")
    lock_name(unit.connection, "links")
    if links.find(unit, new.name) is not None:
        wrong = f"A link named {new.name!r} is offered already."
        raise ConflictError("duplicate_name", wrong, todo="Choose another name, or withdraw it first.", field="name")
    if links.count_of(unit, caller.entity_id) >= MAX_PER_ENTITY:
        wrong = f"An entity offers at most {MAX_PER_ENTITY} links."
        raise ConflictError("quota_exceeded", wrong, todo="Withdraw some: suanlian link withdraw NAME.")
    link_id = new_id()
    row = {
        "id": link_id,
        "entity_id": caller.entity_id,
        "name": new.name,
        "start": new.start,
        "end": new.end,
        "body": new.model_dump_json(),
        "created_at": unit.now,
        "withdrawn_at": None,
    }
    links.add(unit, row)
    unit.record(EventType.LINK_OFFERED, link_id, name=new.name, link=new.model_dump(mode="json", exclude={"name"}))
    return next(one for one in _views_of(unit, known, [(new.start, new.end)]) if one.name == new.name)


def withdraw(unit: Unit, caller: Caller, name: str) -> None:
    """Offer it no more. Raises NotFoundError ``no_such_link``, ConflictError ``state_conflict``: a part is held."""
    row = links.find(unit, name)
    if row is None or (row["entity_id"] != caller.entity_id and not caller.sees_all):
        raise _no_link(name)
    _lock(unit, row)
    if held := links.ahead(unit, link_id=row["id"]):
        last = max(one["end_at"] for one in held)
        wrong = f"{len(held)} reservations of {name!r} lie ahead; the last one ends at {last.isoformat()}."
        raise ConflictError("state_conflict", wrong, todo="Withdraw it when they are over or given back.")
    links.withdraw(unit, row["id"])
    unit.record(EventType.LINK_WITHDRAWN, row["id"], name=name)


def reserve(unit: Unit, caller: Caller, new: NewReservation) -> Reservation:
    """Hold a part of a link for the caller's account.

    Raises NotFoundError ``no_such_link``, InvalidError, ConflictError ``link_full``, ``link_closed``.
    """
    row = links.find(unit, new.link)
    if row is None:
        raise _no_link(new.link)
    offered = links.body_of(row)
    _reservable(offered, new, unit.now)
    _lock(unit, row)
    free = left(offered.capacity_mbps, _held(links.held_of(unit, row["id"], new.start, new.end)), new.start, new.end)
    if new.mbps > free:
        wrong = f"Of {new.link!r} {free:f} Mbit/s are left throughout that time, not {new.mbps:f}."
        raise ConflictError("link_full", wrong, todo="Ask for less, or for another time.", field="mbps")
    if len(links.ahead(unit, link_id=row["id"], limit=MAX_AHEAD)) >= MAX_AHEAD:
        wrong = f"{MAX_AHEAD} reservations of {new.link!r} lie ahead already."
        raise ConflictError("quota_exceeded", wrong, todo="Take another link, or come back later.", field="link")
    reservation_id = new_id()
    made = {
        "id": reservation_id,
        "link_id": row["id"],
        "account_id": caller.account_id,
        "start_at": new.start,
        "end_at": new.end,
        "mbps": new.mbps,
        "cost_cny": cost(offered, new.start, new.end, new.mbps),
        "created_at": unit.now,
        "ended_at": None,
    }
    links.reserve(unit, made)
    told = {"start": new.start.isoformat(), "end": new.end.isoformat(), "mbps": f"{new.mbps:f}"}
    unit.record(EventType.LINK_RESERVED, reservation_id, account_id=caller.account_id, link=new.link, **told)
    return _told(unit, reservation_id)


def _reservable(offered: NewLink, new: NewReservation, now: datetime) -> None:
    if offered.courier_hours is not None:
        wrong = f"{new.link!r} is a courier: nothing of it is reserved by rate."
        raise InvalidError("field_invalid", wrong, todo="Plan a transfer; it takes a tour.", field="link")
    if not now - _PAST <= new.start <= now + EARLIEST:
        wrong = "A reservation begins between now and a year from now."
        raise InvalidError("field_invalid", wrong, todo="Choose another start.", field="start")
    if new.end - new.start > MAX_SPAN:
        wrong = f"A reservation is at most {MAX_SPAN.days} days long."
        raise InvalidError("field_invalid", wrong, todo="Make several.", field="end")
    if not is_open(offered.hours, new.start, new.end):
        hours = ", ".join(f"{one.start:%H:%M}-{one.end:%H:%M}" for one in offered.hours)
        wrong = f"{new.link!r} is open at {hours} (China Standard Time), not throughout that time."
        raise ConflictError("link_closed", wrong, todo="Choose a time within its hours.", field="start")


def give_back(unit: Unit, caller: Caller, reservation_id: str) -> Reservation:
    """What is left of it is free for others from now on; its cost stays. Raises NotFoundError, ConflictError."""
    row = links.reservation(unit, reservation_id)
    if row is None or row["account_id"] != caller.account_id:
        wrong = f"You have no reservation {reservation_id[:80]!r}."
        raise NotFoundError("not_found", wrong, todo="suanlian link reservations lists yours.")
    if row["end_at"] <= unit.now or not links.give_back(unit, reservation_id):
        raise ConflictError("already_done", "The reservation is over already.", todo="Nothing is left to do.")
    unit.record(EventType.LINK_GIVEN_BACK, reservation_id, account_id=caller.account_id, link=row["link"])
    return _told(unit, reservation_id)


def reservations(unit: Unit, caller: Caller, *, before: str, limit: int) -> list[Reservation]:
    """The caller's own and, of a carrier, those of its links; of all to who watches. The newest first."""
    account = None if caller.sees_all else caller.account_id
    entity = caller.entity_id if caller.role is Role.PROVIDER else None
    found = links.reservations(unit, account_id=account, entity_id=entity, before=before, limit=limit)
    return [links.reservation_value(row) for row in found]


def keep_sample(unit: Unit, start: str, end: str, sample: LinkSample) -> None:
    """Keep a measurement of a way from storage to storage; of a pair the newest 200 stay."""
    links.add_sample(unit, (start, end), sample)


def every_view(unit: Unit) -> list[LinkView]:
    """Every link that is offered and every pair of sites that was measured, by pair and name."""
    return _views_of(unit, links.sites(unit), None)


def way(unit: Unit, start: str, end: str) -> PathView:
    """The way from a site to another. Raises NotFoundError ``no_such_site``, InvalidError."""
    known = links.sites(unit)
    _site(known, start, "start")
    _site(known, end, "end")
    if start == end:
        raise InvalidError("field_invalid", "A way leads from one site to another.", field="end")
    found = _views_of(unit, known, [(start, end)])
    return paths.path(start, end, found, _relays(unit, known))


def _relays(unit: Unit, known: Mapping[str, Site]) -> set[str]:
    """Where a copy can stand between: where there is storage; while nobody publishes any, each site might."""
    return links.storage_sites(unit) or set(known)


def ways_now(unit: Unit) -> Ways:
    """How bytes go between sites as things are: by the cheapest wire of each pair, the fastest of equal ones."""
    found = dict[tuple[str, str], LinkView]()
    for view in every_view(unit):
        before = found.get((view.start, view.end))
        if not view.courier and (before is None or _cheapest(view) < _cheapest(before)):
            found[view.start, view.end] = view

    def way(start: str, end: str) -> Way:
        known = found.get((start, end))
        return Way() if known is None else Way(known.mbps, known.cny_per_gb)

    return way


def _cheapest(view: LinkView) -> tuple[Decimal, Decimal]:
    return view.cny_per_gb, -(view.mbps or Decimal(0))


def latency_shares(unit: Unit) -> LatencyShares:
    """How many pairs of sites are measured within each class of latency."""
    known = links.sites(unit)
    pairs = [(a, b) for a in known for b in known if a != b]
    return classes.shares(_views_of(unit, known, pairs), len(pairs))


def for_plan(unit: Unit, assumed_mbps: float | None = None) -> tuple[list[Link], list[Reserved]]:
    """Links and reservations as ``rules.transfers.plan`` takes them.

    Args:
        unit: reads.
        assumed_mbps: of pairs of which nobody knows a rate; None leaves them out.
    """
    known = links.sites(unit)
    pairs = [] if assumed_mbps is None else [(a, b) for a in known for b in known if a != b]
    made = (paths.as_link(one, assumed_mbps) for one in _views_of(unit, known, pairs))
    found = {one.name: one for one in made if one is not None}
    held = [
        Reserved(row["link"], row["account_id"], row["start_at"], row["end_at"], float(row["mbps"]))
        for row in links.ahead(unit)
        if row["link"] in found
    ]
    return list(found.values()), held


def _views_of(unit: Unit, known: Mapping[str, Site], pairs: Iterable[tuple[str, str]] | None) -> list[LinkView]:
    """Of all that is offered or measured, and of these pairs whatever there is."""
    offered: dict[tuple[str, str], list[Declared]] = defaultdict(list)
    for row in links.live(unit):
        if row["start"] in known and row["end"] in known:
            offered[row["start"], row["end"]].append(Declared(row["carrier"], links.body_of(row)))
    samples = {pair: found for pair, found in links.newest_samples(unit, each=LAST).items() if set(pair) <= set(known)}
    wanted = {*offered, *samples, *(pairs or ())}
    return [
        view
        for pair in sorted(wanted)
        for view in views(pair, offered[pair], samples.get(pair, []), _guess(known, pair), unit.now)
    ]


def _guess(known: Mapping[str, Site], pair: tuple[str, str]) -> Guess | None:
    """What a platform says of the latency to the other's region, else the estimate by distance."""
    start, end = (known[name] for name in pair)
    for name, site, other in ((pair[0], start, end), (pair[1], end, start)):
        for one in site.latencies:
            if one.region == other.region:
                return Guess(one.one_way_ms, one.source or name, LinkGrade.DECLARED)
    found = estimated(start.region, end.region)
    if found is None:
        return None
    coarse = "; by province" if found.coarse else ""
    return Guess(found.rtt_ms / 2, f"{SOURCE}; {found.start} - {found.end}, {found.km} km{coarse}")


def _site(known: Mapping[str, Site], ref: str, field: str) -> None:
    if ref not in known:
        wrong = f"No platform publishes the site {ref[:130]!r}."
        raise NotFoundError("no_such_site", wrong, todo="Write it as platform/site; see GET /v1/sites.", field=field)


def _no_link(name: str) -> NotFoundError:
    wrong = f"No carrier offers a link {name[:80]!r}."
    return NotFoundError("no_such_link", wrong, todo="suanlian links lists them.", field="link")


def _lock(unit: Unit, row: Row) -> None:
    """Whoever reserves a part of a link or takes it back is alone with it until the end of the unit."""
    lock_name(unit.connection, f"link {row['id']}")


def _held(rows: Sequence[Row]) -> list[Held]:
    return [Held(row["start_at"], row["end_at"], row["mbps"]) for row in rows]


def _told(unit: Unit, reservation_id: str) -> Reservation:
    row = links.reservation(unit, reservation_id)
    if row is None:
        raise NotFoundError("not_found", "There is no such reservation.")
    return links.reservation_value(row)
