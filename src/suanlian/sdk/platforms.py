"""How a platform joins and is run: apply, approve, suspend, resume; its connectors, offers and what runs on it."""

from collections.abc import Iterator

from suanlian.model.base import LongText, Value
from suanlian.model.levels import NewSiteCheck, SiteCheck
from suanlian.model.offer import NewOffer
from suanlian.model.platform import Connector, NewPlatform, Platform
from suanlian.model.version import Published
from suanlian.sdk.answers import Approval
from suanlian.sdk.paging import Plain, items, part, plain_items
from suanlian.sdk.people import Transport


class _Reason(Value):
    why: LongText


class Platforms:
    """Platforms by name, UUID or public identifier."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def apply(self, platform: NewPlatform) -> Platform:
        """A provider applies; the operator decides."""
        return self._transport.create(Platform, "/v1/platforms", platform)

    def list(self) -> Iterator[Platform]:
        """Every platform."""
        return items(self._transport, Platform, "/v1/platforms")

    def get(self, platform: str) -> Platform:
        """One platform. Raises NotFoundError."""
        return self._transport.read(Platform, _path(platform))

    def approve(self, platform: str) -> Approval:
        """Let it in. Again: a fresh token for a further connector; so it is never repeated by itself."""
        return self._transport.act(Approval, f"{_path(platform)}/approve", repeatable=False)

    def suspend(self, platform: str, why: str) -> Platform:
        """Place nothing there until it is resumed."""
        return self._transport.act(Platform, f"{_path(platform)}/suspend", _Reason(why=why).model_dump_json().encode())

    def resume(self, platform: str) -> Platform:
        """Place there again."""
        return self._transport.act(Platform, f"{_path(platform)}/resume")

    def connectors(self, platform: str) -> Iterator[Connector]:
        """The connectors enrolled for it (its provider or the operator)."""
        return items(self._transport, Connector, f"{_path(platform)}/connectors")

    def attempts(self, platform: str) -> Iterator[Plain]:
        """What runs on it, as metadata (its provider)."""
        return plain_items(self._transport, f"{_path(platform)}/attempts")

    def check_site(self, platform: str, site: str, found: NewSiteCheck) -> SiteCheck:
        """Note what was found at a site: its claims count as far as this says (operator)."""
        return self._transport.create(SiteCheck, f"{_path(platform)}/sites/{part(site)}/checks", found)

    def site_checks(self, platform: str) -> Iterator[SiteCheck]:
        """The checks of its sites, newest first; of each site the first one counts."""
        return items(self._transport, SiteCheck, f"{_path(platform)}/checks")

    def publish_offer(self, platform: str, offer: NewOffer) -> Published[NewOffer]:
        """Put a price on a share: a new version when the offer's name is there already."""
        return self._transport.create(Published[NewOffer], f"{_path(platform)}/offers", offer)


def _path(platform: str) -> str:
    return f"/v1/platforms/{part(platform)}"
