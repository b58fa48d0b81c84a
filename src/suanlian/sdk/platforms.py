"""How a platform joins step by step and is run: acts, proposals, tokens; its connectors, offers and what runs on it."""

from collections.abc import Iterator

from suanlian.model.base import Value, Wire
from suanlian.model.conformance import ConformanceRun
from suanlian.model.levels import NewSiteCheck, SiteCheck
from suanlian.model.moving import DrainAsked
from suanlian.model.offer import NewOffer
from suanlian.model.onboarding import (
    JoinTokens,
    MoreConnectors,
    Moved,
    Onboarding,
    Proposal,
    Rectification,
    TokensWanted,
)
from suanlian.model.party import Decision
from suanlian.model.platform import Connector, Drained, NewPlatform, Platform
from suanlian.model.verification import VerificationRun, VerificationRuns
from suanlian.model.version import Published
from suanlian.sdk.paging import Plain, items, part, plain_items
from suanlian.sdk.people import Transport


class _At(Value):
    connector: str | None


class _Runs(Wire):
    items: tuple[ConformanceRun, ...]


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

    def onboarding(self, platform: str) -> Onboarding:
        """Where it stands, how it came there, and what is missing (its provider, or who sees all)."""
        return self._transport.read(Onboarding, f"{_path(platform)}/onboarding")

    def name_connectors(self, platform: str, connectors: MoreConnectors) -> Platform:
        """Name further connectors; those that are named already stay."""
        content = connectors.model_dump_json().encode()
        return self._transport.act(Platform, f"{_path(platform)}/connectors", content)

    def tokens(self, platform: str, connector: str | None = None) -> JoinTokens:
        """Join tokens for connectors that have none; with ``connector`` a fresh one. Never repeated by itself."""
        content = TokensWanted(connector=connector).model_dump_json().encode()
        return self._transport.act(JoinTokens, f"{_path(platform)}/tokens", content, repeatable=False)

    def check_documents(self, platform: str, decision: Decision) -> Moved:
        """Its documents are in order (operator)."""
        return self._act(platform, "check-documents", decision)

    def go_live(self, platform: str, decision: Decision) -> Moved:
        """Let it take work: one operator proposes it, a second one does it."""
        return self._act(platform, "go-live", decision)

    def suspend(self, platform: str, decision: Decision) -> Moved:
        """Place nothing there, at once; a second operator confirms it by the same."""
        return self._act(platform, "suspend", decision)

    def freeze(self, platform: str, decision: Decision) -> Moved:
        """Place nothing there and take no inventory, at once; a second operator confirms it by the same."""
        return self._act(platform, "freeze", decision)

    def lift(self, platform: str, decision: Decision) -> Moved:
        """End a suspension or freeze that nobody has confirmed (a second operator)."""
        return self._act(platform, "lift", decision)

    def rectify(self, platform: str, decision: Rectification) -> Moved:
        """Something has to be mended, and conformance to be passed anew (operator)."""
        return self._act(platform, "rectify", decision)

    def withdraw(self, platform: str, decision: Decision) -> Moved:
        """Take it away for good: its provider at once, operators as two."""
        return self._act(platform, "withdraw", decision)

    def proposals(self) -> Iterator[Proposal]:
        """All acts that wait for a second person (operator, supervisor)."""
        return items(self._transport, Proposal, "/v1/proposals")

    def confirm(self, proposal: str, decision: Decision) -> Moved:
        """Want a proposed act too (a second operator)."""
        return self._transport.act(Moved, f"/v1/proposals/{part(proposal)}/confirm", _body(decision), repeatable=False)

    def decline(self, proposal: str, decision: Decision) -> Moved:
        """Do not want it; of a suspension or freeze: lift it (a second operator)."""
        return self._transport.act(Moved, f"/v1/proposals/{part(proposal)}/decline", _body(decision), repeatable=False)

    def _act(self, platform: str, verb: str, decision: Decision) -> Moved:
        # not repeated by itself: the second delivery of a proposal would be refused as the same person's
        return self._transport.act(Moved, f"{_path(platform)}/{verb}", _body(decision), repeatable=False)

    def drain(self, platform: str, asked: DrainAsked) -> Drained:
        """Empty it (operator)."""
        content = asked.model_dump_json().encode()
        return self._transport.act(Drained, f"{_path(platform)}/drain", content, repeatable=False)

    def undrain(self, platform: str) -> Drained:
        """Empty it no longer (operator)."""
        return self._transport.act(Drained, f"{_path(platform)}/undrain", repeatable=False)

    def drained(self, platform: str) -> Drained:
        """By whom it is emptied, what still runs there, its calendar."""
        return self._transport.read(Drained, f"{_path(platform)}/drain")

    def connectors(self, platform: str) -> Iterator[Connector]:
        """The connectors enrolled for it (its provider or the operator)."""
        return items(self._transport, Connector, f"{_path(platform)}/connectors")

    def attempts(self, platform: str) -> Iterator[Plain]:
        """What runs on it, as metadata (its provider)."""
        return plain_items(self._transport, f"{_path(platform)}/attempts")

    def ask_conformance(self, platform: str, connector: str | None = None) -> tuple[ConformanceRun, ...]:
        """Ask for a conformance run at each connector, or at one (its provider or the operator); again is harmless."""
        body = _At(connector=connector).model_dump_json().encode()
        return self._transport.act(_Runs, f"{_path(platform)}/conformance", body).items

    def conformance(self, platform: str) -> Iterator[ConformanceRun]:
        """What the runs at it found, newest first (its provider, operator, supervisor)."""
        return items(self._transport, ConformanceRun, f"{_path(platform)}/conformance")

    def check_site(self, platform: str, site: str, found: NewSiteCheck) -> SiteCheck:
        """Note what was found at a site: its claims count as far as this says (operator)."""
        return self._transport.create(SiteCheck, f"{_path(platform)}/sites/{part(site)}/checks", found)

    def site_checks(self, platform: str) -> Iterator[SiteCheck]:
        """The checks of its sites, newest first; of each site the first one counts."""
        return items(self._transport, SiteCheck, f"{_path(platform)}/checks")

    def verifications(self, platform: str) -> Iterator[VerificationRun]:
        """The runs that put its claims to the test, newest first (its provider or the operator)."""
        return items(self._transport, VerificationRun, f"{_path(platform)}/verifications")

    def verify(self, platform: str) -> tuple[VerificationRun, ...]:
        """Put every claim to the test once more; the runs that were asked for."""
        return self._transport.act(VerificationRuns, f"{_path(platform)}/verifications").items

    def publish_offer(self, platform: str, offer: NewOffer) -> Published[NewOffer]:
        """Put a price on a share: a new version when the offer's name is there already."""
        return self._transport.create(Published[NewOffer], f"{_path(platform)}/offers", offer)


def _body(decision: Decision) -> bytes:
    return decision.model_dump_json().encode()


def _path(platform: str) -> str:
    return f"/v1/platforms/{part(platform)}"
