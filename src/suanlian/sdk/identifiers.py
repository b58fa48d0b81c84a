"""What does an identifier name, and which hub knows? Follows referrals; the key goes to the first hub only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from suanlian.model.descriptor import (
    Act,
    DescriptorEntry,
    Dossier,
    Duplicate,
    HistoryEntry,
    NewTransfer,
    Reason,
    SignedStatus,
    Transfer,
)
from suanlian.model.errors import ForbiddenError, InvalidError, UnauthenticatedError
from suanlian.model.ids import SCHEME
from suanlian.model.lineage import NodeKeys
from suanlian.model.node import NodeAbout, Resolution, Resolved
from suanlian.model.rekey import RecoveryToken
from suanlian.sdk.follow import Askers, Hop, follow
from suanlian.sdk.paging import items, part
from suanlian.sdk.people import Transport

R = TypeVar("R")


class Identifiers:
    """Public identifiers and the hub's own."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def node(self) -> NodeAbout:
        """Who the hub is."""
        return self._transport.read(NodeAbout, "/v1/node")

    def resolve(self, identifier: str, first: Hop | None = None) -> Resolved:
        """What the identifier names, asked from hub to hub; ``first``: what is known of the hub that is asked first.

        Raises InvalidError ``identifier_invalid`` before anything is sent when it is malformed, NotFoundError when the
        hub in charge knows no such thing, and the errors of `follow` when referrals lead astray.
        """
        SCHEME.parse(identifier)
        path, own = _path(identifier.upper()), self._transport

        def ask(hop: Hop) -> Resolution:
            return self._at(hop, lambda at: at.read(Resolution, path))

        def keys(hop: Hop) -> NodeKeys:
            return self._at(hop, lambda at: at.read(NodeKeys, "/v1/node/keys"))

        return follow(identifier, first or Hop(own.url), Askers(ask, keys))

    def ask(self, identifier: str) -> Resolved:
        """What the identifier names, found out by the hub that is asked, which keeps what others answered it.

        With the hub above down it answers what it was told before, and how old that is. Raises as ``resolve``;
        without a key, or at a hub that does not do so, it is `resolve`.
        """
        SCHEME.parse(identifier)
        try:
            return self._transport.read(Resolved, f"{_path(identifier.upper())}/resolution")
        except (UnauthenticatedError, ForbiddenError):
            return self.resolve(identifier)

    def keys(self) -> NodeKeys:
        """The hub's key, its changes, and what leads to it from the root's."""
        return self._transport.read(NodeKeys, "/v1/node/keys")

    def status(self, identifier: str) -> SignedStatus:
        """What holds of a platform's identifier now, by the hub that is asked. Raises NotFoundError."""
        return self._transport.read(SignedStatus, f"{_path(identifier)}/status")

    def dossier(self, identifier: str, *, part: str | None = None, version: int | None = None) -> Dossier:
        """A descriptor with all that proves it, from the hub in charge; the newest where no version is named.

        Raises NotFoundError, and InvalidError naming the parts where the platform has several.
        """
        tail = "descriptor" if version is None else f"descriptors/{version}"
        with self._in_charge(identifier) as at:
            return at.read(Dossier, f"{_path(identifier)}/{tail}", {"part": part})

    def versions(self, identifier: str, *, part: str | None = None) -> Iterator[DescriptorEntry]:
        """Every version that is kept, from the hub in charge."""
        with self._in_charge(identifier) as at:
            yield from items(at, DescriptorEntry, f"{_path(identifier)}/descriptors", {"part": part})

    def history(self, identifier: str) -> Iterator[HistoryEntry]:
        """What happened to an identifier, from the hub in charge."""
        with self._in_charge(identifier) as at:
            yield from items(at, HistoryEntry, f"{_path(identifier)}/history")

    def act(self, identifier: str, what: Act, reason: Reason) -> SignedStatus:
        """Freeze, thaw, revoke or move (operator)."""
        verb = {Act.FROZEN: "freeze", Act.THAWED: "thaw", Act.REVOKED: "revoke", Act.MOVED: "move"}[what]
        content = reason.model_dump_json().encode()
        return self._transport.act(SignedStatus, f"{_path(identifier)}/{verb}", content, repeatable=False)

    def propose(self, identifier: str, transfer: NewTransfer) -> Transfer:
        """Propose that an identifier goes to another entity (operator)."""
        content = transfer.model_dump_json().encode()
        return self._transport.act(Transfer, f"{_path(identifier)}/transfers", content, repeatable=False)

    def transfers(self, identifier: str) -> Iterator[Transfer]:
        """The transfers that one has to do with."""
        return items(self._transport, Transfer, f"{_path(identifier)}/transfers")

    def decide(self, transfer: str, verb: str) -> Transfer:
        """``second`` (another operator), ``accept`` (the new owner) or ``decline`` a transfer."""
        return self._transport.act(Transfer, f"/v1/transfers/{part(transfer)}/{verb}", repeatable=False)

    def recovery_token(self, platform: str, connector: str) -> RecoveryToken:
        """A token by which one's own connector is taken up with a fresh key; shown this once."""
        path = f"/v1/platforms/{part(platform)}/connectors/{part(connector)}/recovery"
        return self._transport.act(RecoveryToken, path, repeatable=False)

    def duplicates(self) -> Iterator[Duplicate]:
        """What stands under several identifiers (operator, supervisor)."""
        return items(self._transport, Duplicate, "/v1/duplicates")

    @contextmanager
    def _in_charge(self, identifier: str) -> Iterator[Transport]:
        """The hub that issued the identifier; a name of this hub's own needs no asking."""
        try:
            SCHEME.parse(identifier)
        except InvalidError:
            yield self._transport
            return
        asked = self.resolve(identifier).asked
        if len(asked) == 1:
            yield self._transport
            return
        there = self._transport.to(asked[-1])
        try:
            yield there
        finally:
            there.close()

    def _at(self, hop: Hop, read: Callable[[Transport], R]) -> R:
        if hop.url == self._transport.url:
            return read(self._transport)
        there = self._transport.to(hop.url)
        try:
            return read(there)
        finally:
            there.close()


def _path(identifier: str) -> str:
    return f"/v1/identifiers/{part(identifier.strip())}"
