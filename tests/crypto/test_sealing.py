"""What is sealed opens for the one it was sealed to, as what it was sealed as, and for nothing else."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import OctKey

from suanlian.crypto.errors import KeyFileError, KeyTextError, SealError
from suanlian.crypto.sealing import (
    SealingKey,
    SealingRing,
    key_id_of,
    open_at_rest,
    seal_at_rest,
    seal_to,
)

RING = SealingRing.generate()
KEY, OTHER = b"k" * 32, b"o" * 32
BOUND = {"attempt": "a", "token": "7"}
bounds = st.dictionaries(st.sampled_from(["attempt", "token", "connector"]), st.text(max_size=12), max_size=3)


@given(st.binary(max_size=200), bounds, bounds)
def test_it_opens_only_as_what_it_was_bound_to(content: bytes, bound: dict[str, str], other: dict[str, str]) -> None:
    text, rest = seal_to(content, RING.current, "t", bound), seal_at_rest(content, KEY, "t", bound)
    assert RING.open(text, "t", bound) == content == open_at_rest(rest, KEY, "t", bound)
    if other != bound:
        with pytest.raises(SealError):
            RING.open(text, "t", other)
        with pytest.raises(SealError):
            open_at_rest(rest, KEY, "t", other)


@given(st.integers(0, 400), st.integers(1, 127))
def test_no_changed_text_opens_as_anything_else(at: int, by: int) -> None:
    opens: dict[str, Callable[[str], bytes]] = {
        seal_to(b"swordfish", RING.current, "t", BOUND): lambda text: RING.open(text, "t", BOUND),
        seal_at_rest(b"swordfish", KEY, "t", BOUND): lambda text: open_at_rest(text, KEY, "t", BOUND),
    }
    for text, opened in opens.items():
        place = at % len(text)
        changed = text[:place] + chr(ord(text[place]) ^ by) + text[place + 1 :]
        try:
            found = opened(changed)
        except SealError:
            continue
        assert found == b"swordfish"  # the last character of a part has bits that say nothing


def test_another_key_another_type_and_garbage_do_not_open() -> None:
    text = seal_to(b"x", RING.current, "t", BOUND)
    with pytest.raises(SealError) as caught:
        SealingRing.generate().open(text, "t", BOUND)
    assert caught.value.code == "key_unknown"
    for bad in (text + "A", text[1:], "", "a.b.c.d.e", "....", "é", "x" * 3000):
        with pytest.raises(SealError):
            RING.open(bad, "t", BOUND)
        with pytest.raises(SealError):
            open_at_rest(bad, KEY, "t", BOUND)
    with pytest.raises(SealError):
        RING.open(text, "other", BOUND)
    with pytest.raises(SealError):
        open_at_rest(seal_at_rest(b"x", KEY, "t", BOUND), OTHER, "t", BOUND)


def test_a_weaker_algorithm_is_not_taken() -> None:
    own = OctKey.import_key(KEY)
    header = {"alg": "A256KW", "enc": "A128CBC-HS256", "kid": own.thumbprint(), "typ": "t", "bound": BOUND}
    registry = jwe.JWERegistry(strict_check_header=False)
    text = jwe.encrypt_compact(header, b"x", own, registry=registry)
    with pytest.raises(SealError):
        open_at_rest(text, KEY, "t", BOUND)


@pytest.mark.parametrize(
    "epk",
    [
        None,
        {},
        "x",
        {"kty": "OKP", "crv": "W25519", "x": "A" * 43},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
        {"kty": "OKP", "crv": 1, "x": 2},
        {"kty": "EC", "crv": "P-256", "x": "A", "y": "B"},
        {"kty": ["OKP"]},
    ],
    ids=range(8),
)
def test_a_header_that_nobody_made_is_refused_by_its_own_error(epk: object) -> None:
    head, *rest = seal_to(b"x", RING.current, "t", BOUND).split(".")
    header = {**json.loads(base64.urlsafe_b64decode(head + "==")), "epk": epk}
    changed = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    with pytest.raises(SealError):
        RING.open(".".join([changed, *rest]), "t", BOUND)


def test_the_same_content_is_never_sealed_alike() -> None:
    assert len({seal_to(b"x", RING.current, "t", BOUND) for _each in range(5)}) == 5
    assert len({seal_at_rest(b"x", KEY, "t", BOUND) for _each in range(5)}) == 5


def test_what_was_sealed_to_an_older_pair_opens_until_that_pair_goes(tmp_path: Path) -> None:
    old = SealingRing.generate()
    text = seal_to(b"x", old.current, "t", BOUND)
    new = old.rotated()
    new.save(tmp_path / "ring")
    kept = SealingRing.load(tmp_path / "ring")
    assert kept.current == new.current != old.current
    assert kept.open(text, "t", BOUND) == b"x"
    assert key_id_of(text) == old.current.key_id
    with pytest.raises(SealError):
        kept.without([old.current.key_id]).open(text, "t", BOUND)
    assert kept.without([kept.current.key_id]).current == kept.current


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    RING.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        SealingRing.load(path)
    for bad in (b"", b"[]", b"{}", b'["eA=="]', b"[1]", b"\xff", json.dumps("x").encode()):
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(bad)
        with pytest.raises(KeyFileError):
            SealingRing.load(path)


@pytest.mark.parametrize(
    "bad", ["", "x25519:", "ed25519:" + "A" * 43, "x25519:" + "A" * 42 + "B", "x25519:" + "é" * 43]
)
def test_a_key_has_one_spelling(bad: str) -> None:
    assert SealingKey.parse(RING.current.text) == RING.current
    with pytest.raises(KeyTextError):
        SealingKey.parse(bad)
    raw = base64.urlsafe_b64encode(RING.current.raw).decode()
    with pytest.raises(KeyTextError):
        SealingKey.parse(f"x25519:{raw}")
