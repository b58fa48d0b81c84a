"""What does an identifier name, and which hub knows? Follows referrals; the key goes to the first hub only."""

from typing import Final
from urllib.parse import urlsplit

from suanlian.model.base import Value
from suanlian.model.errors import InvalidError, SuanlianError
from suanlian.model.ids import SCHEME
from suanlian.model.node import NodeAbout, Resolution, Standing
from suanlian.sdk.address import hub_address, is_loopback
from suanlian.sdk.paging import part
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


def _astray(wrong: str) -> SuanlianError:
    return SuanlianError("not_found", wrong, todo="Tell the operators of these hubs.", field="identifier")
