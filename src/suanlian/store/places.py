"""The places of one moment, put together from what platforms published and from the capacity book."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from suanlian.model.closing import Closing, closing
from suanlian.model.data import StorageShare
from suanlian.model.ids import FlavorId, ShareId
from suanlian.model.levels import SiteCheck
from suanlian.model.load import for_the_market
from suanlian.model.offer import NewOffer
from suanlian.model.owner import JoinLevel
from suanlian.model.party import Standing
from suanlian.model.place import Place
from suanlian.model.platform import Downtime, Drain, Flavor, PlatformState, Share, Site
from suanlian.model.version import Subject, VersionRef
from suanlian.store import capacity, levels, loads, lost, parties, platforms, published
from suanlian.store.gates import standing_of
from suanlian.store.unit import Row, Unit

_MOST_PARSED: Final = 20_000
SILENT: Final = timedelta(seconds=90)
"""A connector that was not heard of for this long gets nothing new."""
BODY: Final[Mapping[Subject, type[Site] | type[Flavor] | type[Share] | type[NewOffer] | type[StorageShare]]] = {
    Subject.SITE: Site,
    Subject.FLAVOR: Flavor,
    Subject.SHARE: Share,
    Subject.OFFER: NewOffer,
    Subject.STORAGE: StorageShare,
}


class Places:
    """The places of this moment: for each share its platform, site, flavor, offer, and what is free of it."""

    def __init__(self, unit: Unit) -> None:
        """Read everything in one go; the values stay as they are."""
        self.rows = {row["id"]: row for row in published.current(unit, at=unit.now) if not row["withdrawn"]}
        self.platforms = {row["id"]: row for row in platforms.list_all(unit)}
        entities = parties.list_entities(unit)
        self.entities = {row["id"]: row["name"] for row in entities}
        self._checked = {row["id"] for row in entities if standing_of(unit, row) is Standing.CHECKED}
        self._connectors = {row["id"]: row for row in platforms.all_connectors(unit)}
        self._owing = lost.owing(unit)
        self._checks = levels.newest_checks(unit)
        self._held = capacity.held_now(unit)
        self._loads = loads.told(unit)
        self._now = unit.now
        self._named = {(r["platform_id"], r["subject"], r["name"]): r for r in self.rows.values()}
        self._bodies: dict[str, Any] = {}
        self._offers = self._newest_offers()

    def body(self, row: Row) -> Any:  # noqa: ANN401 - the body of any subject
        """The value of a row, parsed once."""
        if row["id"] not in self._bodies:
            self._bodies[row["id"]] = _parsed(row["subject"], row["body"])
        return self._bodies[row["id"]]

    def all(self) -> tuple[Place, ...]:
        """Every place, in the order of share ids."""
        shares = (row for row in self.rows.values() if row["subject"] == Subject.SHARE)
        return tuple(place for place in (self._place(row) for row in shares) if place is not None)

    def _newest_offers(self) -> dict[tuple[str, str], Row]:
        """The offer of each share, the last written of several."""
        offers = [row for row in self.rows.values() if row["subject"] == Subject.OFFER]
        offers.sort(key=lambda row: row["written_at"])
        return {(row["platform_id"], self.body(row).share): row for row in offers}

    def _place(self, row: Row) -> Place | None:
        share: Share = self.body(row)
        site = self._named.get((row["platform_id"], Subject.SITE, share.site))
        flavor = self._named.get((row["platform_id"], Subject.FLAVOR, share.flavor))
        if site is None or flavor is None:
            return None
        offer, platform = self._offers.get((row["platform_id"], row["name"])), self.platforms[row["platform_id"]]
        room, held = for_the_market(share, self._loads.get(row["id"]), self._now), self._held.get(row["id"])
        return Place(
            share_id=ShareId(row["id"]),
            platform=platform["name"],
            platform_live=platform["state"] == PlatformState.LIVE,
            accepting=self._accepting(row),
            entity=self.entities[platform["entity_id"]],
            site=self.body(site),
            share=share,
            flavor=self.body(flavor),
            offer=None if offer is None else self.body(offer),
            versions=tuple(_ref(r) for r in (row, site, flavor, offer) if r is not None),
            free=room if held is None else room.minus(held),
            seals=self._seals(row),
            closing=self._closing(row).at,
            admitted=platform["entity_id"] in self._checked and self._admitted(row),
            level=self.level(row),
            partners=self._partners(row),
            check=self._check(platform, self.body(site)),
            connector_id=str(row["connector_id"]),
        )

    def _check(self, platform: Row, site: Site) -> SiteCheck | None:
        row = self._checks.get((platform["id"], site.name))
        return None if row is None else levels.check_value(row, platform["name"])

    def _seals(self, row: Row) -> bool:
        connector = self._connectors.get(row["connector_id"])
        return connector is not None and bool(connector["sealing_key"])

    def _admitted(self, row: Row) -> bool:
        connector = self._connectors.get(row["connector_id"])
        return connector is not None and connector["admitted_at"] is not None

    def _accepting(self, row: Row) -> bool:
        connector = self._connectors.get(row["connector_id"])
        if connector is None or not connector["accepting"] or connector["lost_since"] is not None:
            return False
        if self._closing(row).closed:
            return False
        if connector["id"] in self._owing:  # what it still runs of fenced attempts is in no book
            return False
        return connector["seen_at"] is not None and connector["seen_at"] > self._now - SILENT

    def _closing(self, row: Row) -> Closing:
        connector, platform = self._connectors.get(row["connector_id"]), self.platforms[row["platform_id"]]
        return closing_of(platform, connector, self._now)

    def flavor_of(self, row: Row) -> Flavor | None:
        """The flavor that a share names, where it is published."""
        found = self._named.get((row["platform_id"], Subject.FLAVOR, self.body(row).flavor))
        return None if found is None else self.body(found)

    def level(self, row: Row) -> JoinLevel:
        """How far the connector of a share has joined; observe where it has none."""
        connector = self._connectors.get(row["connector_id"])
        return JoinLevel.OBSERVE if connector is None else JoinLevel(connector["level"])

    def _partners(self, row: Row) -> tuple[str, ...]:
        connector = self._connectors.get(row["connector_id"])
        return () if connector is None else tuple(json.loads(connector["partners"]))

    def connector_of(self, share_id: str) -> str:
        """The connector that publishes the share."""
        return str(self.rows[share_id]["connector_id"])

    def flavor_id(self, share_id: str) -> FlavorId:
        """The flavor of the share."""
        row = self.rows[share_id]
        return FlavorId(self._named[row["platform_id"], Subject.FLAVOR, self.body(row).flavor]["id"])


@lru_cache(maxsize=_MOST_PARSED)
def _parsed(subject: str, text: str) -> Any:  # noqa: ANN401 - the body of any subject
    """The value of a body: it is frozen, so equal texts are one value from look to look."""
    return BODY[Subject(subject)].model_validate_json(text)


def closing_of(platform: Row, connector: Row | None, now: datetime) -> Closing:
    """Whether nothing new comes to a connector of a platform, and from when on it is to be empty."""
    texts = [platform["drain"], None if connector is None else connector["drain"]]
    calendar = "[]" if connector is None else connector["downtimes"]
    if calendar == "[]" and not any(texts):  # as nearly always: nothing is parsed
        return Closing()
    downtimes = tuple(Downtime.model_validate(one) for one in json.loads(calendar))
    return closing([Drain.model_validate_json(text) for text in texts if text], downtimes, now)


def site_now(unit: Unit, platform: Row, site: str) -> tuple[Site, SiteCheck | None] | None:
    """One site by its newest version, with the check that counts; None when it is published no more."""
    rows = published.current(unit, platform_id=platform["id"], subjects=[Subject.SITE], at=unit.now)
    found = next((row for row in rows if row["name"] == site and not row["withdrawn"]), None)
    if found is None:
        return None
    row = levels.newest_checks(unit, platform_id=platform["id"], site=site).get((platform["id"], site))
    check = None if row is None else levels.check_value(row, platform["name"])
    return Site.model_validate_json(found["body"]), check


def _ref(row: Row) -> VersionRef:
    return VersionRef(subject=Subject(row["subject"]), id=row["id"], version=row["version"], name=row["name"])
