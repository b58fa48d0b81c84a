import hashlib
import hmac
import secrets
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from suanlian.crypto.apikeys import TokenKind, keyed_hash, matches, mint, split
from suanlian.crypto.errors import TokenError

PEPPER = bytes(range(32))
kinds = st.sampled_from(TokenKind)


def fixed(stream: bytes) -> Callable[[int], bytes]:
    """Give out a fixed sequence of bytes piece by piece."""
    position = 0

    def take(count: int) -> bytes:
        nonlocal position
        position += count
        return stream[position - count : position]

    return take


@given(kinds, st.binary(min_size=37, max_size=37))
def test_a_minted_token_has_its_form_and_reads_back(kind: TokenKind, stream: bytes) -> None:
    token = mint(kind, fixed(stream))
    assert token.text.startswith(f"{kind}_{token.prefix}_")
    assert (len(token.prefix), len(token.text)) == (8, 2 + 1 + 8 + 1 + 43)
    assert split(token.text, kind) == token


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_the_secret_holds_all_its_256_bits_and_the_prefix_none(one: bytes, two: bytes) -> None:
    assume(one != two)
    first, second = (mint(TokenKind.API_KEY, fixed(bytes(5) + each)) for each in (one, two))
    assert first.prefix == second.prefix
    assert first.text != second.text


@given(kinds, kinds)
def test_a_token_of_another_kind_is_refused(made: TokenKind, wanted: TokenKind) -> None:
    assume(made != wanted)
    with pytest.raises(TokenError):
        split(mint(made, secrets.token_bytes).text, wanted)


@given(st.text(max_size=60))
def test_other_text_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(TokenError) as caught:
        split(f"sl_{text}", TokenKind.API_KEY)
    assert caught.value.code == "token_malformed"
    assert len(text) < 20 or text not in str(caught.value)


@pytest.mark.parametrize("tail", ["\n", " ", "=", "A"])
def test_nothing_may_follow(tail: str) -> None:
    with pytest.raises(TokenError):
        split(mint(TokenKind.JOIN, secrets.token_bytes).text + tail, TokenKind.JOIN)


def test_the_secret_does_not_show() -> None:
    token = mint(TokenKind.OPERATOR_LINK, secrets.token_bytes)
    assert token.text.rpartition("_")[2] not in repr(token)
    assert token.prefix in repr(token)


@given(st.text(), st.binary(min_size=32, max_size=64))
def test_the_hash_is_hmac_sha_256(text: str, pepper: bytes) -> None:
    assert keyed_hash(text, pepper) == hmac.new(pepper, text.encode(), hashlib.sha256).hexdigest()


@given(st.text(), st.text())
def test_a_hash_matches_its_own_text_only(text: str, other: str) -> None:
    assume(text != other)
    stored = keyed_hash(text, PEPPER)
    assert matches(text, stored, PEPPER)
    assert not matches(other, stored, PEPPER)
    assert not matches(text, stored, PEPPER[::-1])


def test_a_short_pepper_is_refused() -> None:
    with pytest.raises(TokenError) as caught:
        keyed_hash("text", bytes(31))
    assert caught.value.code == "pepper_short"
