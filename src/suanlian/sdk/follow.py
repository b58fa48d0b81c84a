"""How is one hub asked after another without being led astray? Upwards first, then downwards only, keys from the chain.

Each answer has to be signed by the key that the hub before named, and has to come from the prefix that it named. A
referral upwards leads to a shorter prefix, one downwards to a longer one that leads to the identifier's, under a
delegation; after the first step down nothing goes up again. So the way ends, whatever the hubs say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from suanlian.crypto.documents import key_id_of, verify_document
from suanlian.crypto.errors import CryptoError
from suanlian.crypto.keys import PublicKey
from suanlian.crypto.lineage import body_of, pin_after
from suanlian.model.errors import InvalidError, SuanlianError, UnavailableError
from suanlian.model.ids import SCHEME
from suanlian.model.lineage import DELEGATION_TYPE, KeyPin, NodeKeys, SignedDelegation
from suanlian.model.node import RESOLUTION_TYPE, Resolution, Resolved, Standing
from suanlian.sdk.address import hub_address, is_loopback

MAX_HOPS: Final = 8
"""A chain of referrals is followed this far."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A hub to ask: its address, and what the one before said of its key and prefix; unknown of the first."""

    url: str
    key: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Askers:
    """By what a hub is asked: what an identifier names, and which keys it has had."""

    resolution: Callable[[Hop], Resolution]
    keys: Callable[[Hop], NodeKeys]


def follow(identifier: str, first: Hop, ask: Askers) -> Resolved:
    """The answer of the hub in charge.

    Raises InvalidError ``identifier_invalid``, ``referral_refused`` (it leads astray), ``answer_untrusted`` (it is not
    signed by the hub that was named), ``not_over_loopback``; NotFoundError where the hub in charge knows no such thing;
    UnavailableError where one does not answer.
    """
    wanted, here, asked, down = SCHEME.parse(identifier).prefix, first, [first.url], False
    while True:
        answer = ask.resolution(here)
        key = _believe(answer, here, identifier, ask)
        if answer.standing is not Standing.REFERRAL:
            return Resolved(resolution=answer, asked=tuple(asked))
        up = _leads(answer.refer_prefix, answer.by)
        if (up and down) or (not up and not _is_down(answer, wanted, key)):
            raise _astray(f"{here.url} refers from {answer.by!r} to {answer.refer_prefix!r}, which leads nowhere.")
        here = Hop(_address(answer, first, asked), answer.refer_key, answer.refer_prefix)
        asked.append(here.url)
        down = down or not up


def _leads(prefix: str, to: str) -> bool:
    """Whether ``prefix`` is a leading part of ``to``, and shorter."""
    return bool(prefix) and to.startswith(prefix + ".")


def _is_down(answer: Resolution, wanted: str, key: str) -> bool:
    leads = _leads(answer.by, answer.refer_prefix) and (
        answer.refer_prefix == wanted or _leads(answer.refer_prefix, wanted)
    )
    return leads and _is_delegated(answer, answer.refer_delegation, key)


def _is_delegated(answer: Resolution, signed: SignedDelegation | None, key: str) -> bool:
    if signed is None:
        return False
    said = signed.delegation
    if (said.prefix, said.key) != (answer.refer_prefix, answer.refer_key):
        return False
    return not key or _signed(said.model_dump(mode="json"), signed.signature, key, DELEGATION_TYPE)


def _believe(answer: Resolution, here: Hop, identifier: str, ask: Askers) -> str:
    """The key that the answer is believed by; none for the hub that one has chosen to speak to, over TLS."""
    if answer.identifier.upper() != identifier.strip().upper():
        raise _untrusted(f"{here.url} answers for {answer.identifier[:80]!r}, not for {identifier[:80]!r}.")
    if here.prefix and answer.by != here.prefix:
        raise _untrusted(f"{here.url} answers as {answer.by!r}, not as {here.prefix!r}.")
    if not here.key:
        return ""
    body = body_of(answer.model_copy(update={"signature": ""}))
    if _signed(body, answer.signature, here.key, RESOLUTION_TYPE):
        return here.key
    newer = _newer(answer, here, ask)
    if not _signed(body, answer.signature, newer, RESOLUTION_TYPE):
        raise _untrusted(f"The answer of {here.url} is not signed by the hub that was named.")
    return newer


def _newer(answer: Resolution, here: Hop, ask: Askers) -> str:
    """The key that the hub has meanwhile, where its own documents prove that it follows from the one that was named."""
    try:
        if key_id_of(answer.signature) == PublicKey.parse(here.key).key_id:
            return here.key
        return pin_after(KeyPin(key=here.key), ask.keys(here).changes).key
    except (CryptoError, UnavailableError):
        return here.key


def _signed(body: object, signature: str, key: str, typ: str) -> bool:
    try:
        verify_document(body, signature, PublicKey.parse(key), typ=typ)
    except CryptoError:
        return False
    return True


def _address(referral: Resolution, first: Hop, asked: list[str]) -> str:
    address = hub_address(referral.refer_to)
    host, own = urlsplit(address).hostname, urlsplit(first.url).hostname
    if is_loopback(host) and not is_loopback(own):
        raise InvalidError(
            "not_over_loopback",
            f"{asked[-1]} refers to {address}: a hub elsewhere may not send us to this machine.",
            todo="Tell the operator of the hub.",
            field="refer_to",
        )
    if _is_inside(host) and not _is_inside(own):
        raise _astray(f"{asked[-1]} refers to {address}, an address inside of this network.")
    if address in asked:
        raise _astray(f"The referrals go round: {' -> '.join([*asked, address])}.")
    if len(asked) > MAX_HOPS:
        raise _astray(f"More than {MAX_HOPS} referrals: {' -> '.join(asked)}.")
    return address


def _is_inside(host: str | None) -> bool:
    """Whether the host is written as an address that is not public; a name is not looked up."""
    try:
        return not ip_address(host or "").is_global
    except ValueError:
        return is_loopback(host)


def _astray(wrong: str) -> SuanlianError:
    return InvalidError("referral_refused", wrong, todo="Tell the operators of these hubs.", field="identifier")


def _untrusted(wrong: str) -> SuanlianError:
    todo = "Nothing of it was used; tell the operator of the hub that referred to it."
    return InvalidError("answer_untrusted", wrong, todo=todo, field="identifier")
