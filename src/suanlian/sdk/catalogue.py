"""What is there to be had: sites, flavors, shares, offers and the room that is free now."""

from collections.abc import Iterator

from suanlian.model.data import StorageShare
from suanlian.model.measurement import Capability
from suanlian.model.offer import NewOffer
from suanlian.model.platform import Flavor, Share, Site
from suanlian.model.version import Published
from suanlian.sdk.answers import ShareCapacity, ShareStates
from suanlian.sdk.paging import items
from suanlian.sdk.people import Transport


class Catalogue:
    """What platforms publish, in its current version; ``platform`` narrows to one, by name."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def sites(self, platform: str | None = None) -> Iterator[Published[Site]]:
        """Places."""
        return items(self._transport, Published[Site], "/v1/sites", {"platform": platform})

    def flavors(self, platform: str | None = None) -> Iterator[Published[Flavor]]:
        """Kinds of nodes."""
        return items(self._transport, Published[Flavor], "/v1/flavors", {"platform": platform})

    def shares(self, platform: str | None = None) -> Iterator[Published[Share]]:
        """Slices of platforms, with what they have."""
        return items(self._transport, Published[Share], "/v1/shares", {"platform": platform})

    def offers(self, platform: str | None = None) -> Iterator[Published[NewOffer]]:
        """Prices."""
        return items(self._transport, Published[NewOffer], "/v1/offers", {"platform": platform})

    def storages(self, platform: str | None = None) -> Iterator[Published[StorageShare]]:
        """Storage, with what it is spoken to as and where."""
        return items(self._transport, Published[StorageShare], "/v1/storages", {"platform": platform})

    def states(self, platform: str | None = None) -> ShareStates:
        """How full each share is, and how old that is."""
        return self._transport.read(ShareStates, "/v1/states", {"platform": platform})

    def capacity(self) -> Iterator[ShareCapacity]:
        """What each share has and what of it is held now."""
        return items(self._transport, ShareCapacity, "/v1/capacity")

    def capabilities(self, platform: str | None = None) -> Iterator[Capability]:
        """Every word on how fast they are, side by side."""
        return items(self._transport, Capability, "/v1/capabilities", {"platform": platform})
