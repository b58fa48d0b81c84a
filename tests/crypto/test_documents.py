import base64
import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey

from suanlian.crypto.canonical import canonical
from suanlian.crypto.documents import sign_document, verify_document
from suanlian.crypto.errors import SignatureError
from suanlian.crypto.keys import KeyPair
from tests.crypto.strategies import json_values

PAIR = KeyPair.from_seed(bytes(range(32)))
OTHER = KeyPair.from_seed(bytes(32))
VALUE = {"flavor": "gpu-8", "price": "12.50"}
SIGNATURE = sign_document(VALUE, PAIR)


def refused(value: object, signature: str, typ: str = "suanlian-document") -> str:
    with pytest.raises(SignatureError) as caught:
        verify_document(value, signature, PAIR.public, typ=typ)
    return caught.value.code


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def forged(protected: dict[str, object]) -> str:
    """Sign under any header with the right key, as a careless or hostile owner of the key could."""
    header = part(json.dumps(protected).encode())
    signed = PAIR.private.sign(f"{header}.{part(canonical(VALUE))}".encode())
    return f"{header}..{part(signed)}"


def test_the_form_is_rfc_7515_with_the_payload_detached() -> None:
    header, payload, signature = SIGNATURE.split(".")
    assert payload == ""
    protected = json.loads(base64.urlsafe_b64decode(header + "=="))
    assert protected == {"alg": "Ed25519", "kid": PAIR.key_id, "typ": "suanlian-document"}
    content = part(b'{"flavor":"gpu-8","price":"12.50"}')
    signed = f"{header}.{content}".encode()
    PAIR.public.verifying.verify(base64.urlsafe_b64decode(signature + "=="), signed)


@given(json_values)
def test_what_was_signed_verifies(value: object) -> None:
    verify_document(value, sign_document(value, PAIR), PAIR.public)


@given(json_values, json_values)
def test_another_value_does_not(value: object, changed: object) -> None:
    assume(canonical(value) != canonical(changed))
    assert refused(changed, sign_document(value, PAIR)) == "signature_invalid"


@given(st.integers(0, len(SIGNATURE) - 1), st.characters(codec="utf-8"))
def test_any_changed_character_of_the_signature_is_refused(at: int, letter: str) -> None:
    assume(letter != SIGNATURE[at])
    assert refused(VALUE, SIGNATURE[:at] + letter + SIGNATURE[at + 1 :]) in {"signature_invalid", "key_unknown"}


@given(st.text(min_size=1))
def test_any_other_text_is_refused_and_nothing_else_is_raised(text: str) -> None:
    assert refused(VALUE, text) in {"signature_invalid", "key_unknown"}


def test_the_key_order_of_the_document_does_not_matter() -> None:
    verify_document(dict(reversed(VALUE.items())), SIGNATURE, PAIR.public)


def test_a_document_larger_than_the_librarys_own_bound() -> None:
    batch = {"segments": ["0123456789abcdef"] * 20_000}
    verify_document(batch, sign_document(batch, PAIR), PAIR.public)


def test_no_signature_is_missing() -> None:
    assert refused(VALUE, "") == "signature_missing"


def test_another_key_is_unknown() -> None:
    assert refused(VALUE, sign_document(VALUE, OTHER)) == "key_unknown"


def test_another_key_under_our_name_is_invalid() -> None:
    header = SIGNATURE.split(".", maxsplit=1)[0]
    signed = OTHER.private.sign(f"{header}.{part(canonical(VALUE))}".encode())
    assert refused(VALUE, f"{header}..{part(signed)}") == "signature_invalid"


def test_a_signature_under_one_kind_does_not_stand_under_another() -> None:
    usage = sign_document(VALUE, PAIR, typ="suanlian-usage")
    verify_document(VALUE, usage, PAIR.public, typ="suanlian-usage")
    assert refused(VALUE, usage, typ="suanlian-contract") == "signature_invalid"


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "none"},
        {"alg": "EdDSA"},
        {"alg": "HS256"},
        {"alg": 1},
        {"b64": False, "crit": ["b64"]},
        {"crit": ["exp"]},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": OTHER.public_text.removeprefix("ed25519:")}},
        {"typ": None},
    ],
)
def test_other_headers_are_refused_even_if_the_key_signed_them(change: dict[str, object]) -> None:
    usual: dict[str, object] = {"alg": "Ed25519", "kid": PAIR.key_id, "typ": "suanlian-document"}
    verify_document(VALUE, forged(usual), PAIR.public)
    assert refused(VALUE, forged(usual | change)) == "signature_invalid"


def test_alg_none_without_a_signature_is_refused() -> None:
    protected = {"alg": "none", "kid": PAIR.key_id, "typ": "suanlian-document"}
    assert refused(VALUE, f"{part(json.dumps(protected).encode())}..") == "signature_invalid"


def test_the_public_key_is_no_shared_secret() -> None:
    protected = {"alg": "HS256", "kid": PAIR.key_id, "typ": "suanlian-document"}
    secret = OctKey.import_key(PAIR.public.raw)
    made = jws.serialize_compact(protected, canonical(VALUE), secret, algorithms=["HS256"])
    assert refused(VALUE, jws.detach_content(made)) == "signature_invalid"


def test_an_attached_payload_does_not_pass_for_the_value() -> None:
    header, _, _ = SIGNATURE.split(".")
    payload = part(canonical({"price": "0"}))
    attached = f"{header}.{payload}.{part(PAIR.private.sign(f'{header}.{payload}'.encode()))}"
    assert refused(VALUE, attached) == "signature_invalid"
