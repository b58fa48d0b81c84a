"""What does an identifier name, and which hub knows? Follows referrals; the key goes to the first hub only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from suanlian.model.base import Value
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
from suanlian.model.errors import InvalidError, SuanlianError
from suanlian.model.ids import SCHEME
from suanlian.model.lineage import NodeKeys
from suanlian.model.node import NodeAbout, Resolution, Standing
from suanlian.sdk.address import hub_address, is_loopback
from suanlian.sdk.paging import items, part
from suanlian.sdk.people import Transport

MAX_HOPS: Final = 8
"""A chain of referrals is followed this far."""


class Resolved(Value):
    """The answer, and the addresses of the hubs that were asked, the last of which knew."""

    resolution: Resolution
    asked: tuple[str, ...]


class Identifiers:
    """Public identifiers and the hub's own."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def node(self) -> NodeAbout:
        """Who the hub is."""
        return self._transport.read(NodeAbout, "/v1/node")

    def resolve(self, identifier: str) -> Resolved:
        """What the identifier names.

        Raises InvalidError ``identifier_invalid`` before anything is sent when it is malformed, NotFoundError when the
        hub in charge knows no such thing, and SuanlianError ``not_found`` when referrals go round in a circle or
        beyond ``MAX_HOPS``; ``not_over_loopback`` when one leads to an address that may not be spoken to.
        """
        SCHEME.parse(identifier)
        path = f"/v1/identifiers/{part(identifier.strip().upper())}"
        answer, asked = self._transport.read(Resolution, path), [self._transport.url]
        while answer.standing is Standing.REFERRAL:
            address = self._next(answer, asked)
            asked.append(address)
            onward = self._transport.to(address)
            try:
                answer = onward.read(Resolution, path)
            finally:
                onward.close()
        return Resolved(resolution=answer, asked=tuple(asked))

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

    def _next(self, referral: Resolution, asked: list[str]) -> str:
        address = hub_address(referral.refer_to)
        if is_loopback(urlsplit(address).hostname) and not is_loopback(urlsplit(self._transport.url).hostname):
            raise InvalidError(
                "not_over_loopback",
                f"{asked[-1]} refers to {address}: a hub elsewhere may not send us to this machine.",
                todo="Tell the operator of the hub.",
                field="refer_to",
            )
        if address in asked:
            raise _astray(f"The referrals go round: {' -> '.join([*asked, address])}.")
        if len(asked) > MAX_HOPS:
            raise _astray(f"More than {MAX_HOPS} referrals: {' -> '.join(asked)}.")
        return address


def _path(identifier: str) -> str:
    return f"/v1/identifiers/{part(identifier.strip())}"


def _astray(wrong: str) -> SuanlianError:
    return SuanlianError("not_found", wrong, todo="Tell the operators of these hubs.", field="identifier")
