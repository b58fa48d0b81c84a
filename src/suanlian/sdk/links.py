"""Links between sites: what is known of them, the way from a site to another, parts that are held."""

from collections.abc import Iterator

from suanlian.model.link import LatencyShares, LinkView, NewLink, NewReservation, PathView, Reservation
from suanlian.sdk.paging import items, part
from suanlian.sdk.people import Call, Transport


class Links:
    """Open to whoever is signed in; offered by carriers and owners of platforms, held by buyers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def all(self) -> Iterator[LinkView]:
        """Every link that is offered and every pair of sites that was measured."""
        return items(self._transport, LinkView, "/v1/links")

    def classes(self) -> LatencyShares:
        """Of all pairs of sites, how many are measured within 1, 5 and 20 ms."""
        return self._transport.read(LatencyShares, "/v1/links/classes")

    def offer(self, link: NewLink) -> LinkView:
        """Offer a link (carrier, provider)."""
        return self._transport.create(LinkView, "/v1/links", link)

    def withdraw(self, name: str) -> None:
        """Offer it no more; not while somebody holds a part of it (its carrier, operator)."""
        self._transport.send(Call("POST", f"/v1/links/{part(name)}/withdraw", content=b"{}"))

    def reserve(self, reservation: NewReservation) -> Reservation:
        """Hold a part of a link for a time (buyer)."""
        return self._transport.create(Reservation, "/v1/links/reservations", reservation)

    def reservations(self) -> Iterator[Reservation]:
        """One's own, and those of one's own links; newest first."""
        return items(self._transport, Reservation, "/v1/links/reservations")

    def give_back(self, reservation: str) -> Reservation:
        """Give back what is left of an own reservation (buyer)."""
        return self._transport.act(Reservation, f"/v1/links/reservations/{part(reservation)}/give-back")

    def path(self, start: str, end: str) -> PathView:
        """The way from a site to another, both written platform/site."""
        return self._transport.read(PathView, "/v1/paths", {"start": start, "end": end})
