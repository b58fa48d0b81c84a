from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from suanlian.crypto.errors import SignatureError
from suanlian.crypto.httpsig import (
    SignedRequest,
    Signer,
    VerifiedSignature,
    refuse_replay,
    sign_request,
    verify_request,
)
from suanlian.crypto.keys import KeyPair, PublicKey
from tests.crypto import httpsig_cases as case

GOOD = case.signed()
SEGMENT = st.text(st.sampled_from("abcXYZ019._~-"), max_size=12)


def changed(**headers: str) -> SignedRequest:
    """Return the good request with these headers set, underscores standing for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(GOOD, headers={**GOOD.headers, **named})


def without(name: str) -> SignedRequest:
    return replace(GOOD, headers={key: value for key, value in GOOD.headers.items() if key != name})


def verified(request: SignedRequest, now: datetime = case.NOW) -> VerifiedSignature:
    return verify_request(request, case.key_of, audience=case.AUDIENCE, now=now)


@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    SEGMENT,
    st.none() | SEGMENT,
    st.none() | st.sampled_from(["application/json", "text/plain; charset=utf-8"]),
    st.binary(max_size=64),
)
def test_what_was_signed_verifies(method: str, path: str, query: str | None, media: str | None, body: bytes) -> None:
    url = f"http://hub/{path}" + ("" if query is None else f"?{query}")
    headers = {} if media is None else {"content-type": media}
    found = verified(case.signed(SignedRequest(method, url, headers, body)))
    assert (found.keyid, found.nonce, found.created) == (case.KEYID, case.NONCE, case.NOW)
    assert found.expires == case.NOW + timedelta(seconds=60)
    assert found.replayable_until == case.NOW + timedelta(seconds=120)


def test_the_base_is_that_of_rfc_9421() -> None:
    handmade = case.handmade_of(list(case.COMPONENT_LINES), case.PARAMETERS)
    assert handmade.headers == GOOD.headers  # Ed25519 is deterministic: the same bytes were signed


def test_a_proxy_may_change_host_scheme_and_other_headers() -> None:
    url = GOOD.url.replace("https://hub.example", "http://127.0.0.1:8080")
    headers = {name.lower(): value for name, value in GOOD.headers.items()}
    verified(replace(GOOD, url=url, headers={**headers, "x-forwarded-for": "10.0.0.1"}))


@given(st.integers(0, len(GOOD.body) - 1), st.integers(1, 255))
def test_any_changed_byte_of_the_body_is_refused(at: int, flip: int) -> None:
    body = bytearray(GOOD.body)
    body[at] ^= flip
    assert case.request_code(replace(GOOD, body=bytes(body))) == "digest_mismatch"


@given(st.binary(max_size=20))
def test_a_body_with_a_fitting_digest_of_its_own_is_refused(body: bytes) -> None:
    assume(body != GOOD.body)
    forged = replace(changed(Content_Digest=case.digest_header(body)), body=body)
    assert case.request_code(forged) == "signature_invalid"


@given(st.sampled_from(["Content-Type", "Content-Digest", "Signature", "Signature-Input"]), st.data())
def test_any_changed_character_of_a_covered_header_is_refused(name: str, data: st.DataObject) -> None:
    value = GOOD.headers[name]
    at = data.draw(st.integers(0, len(value) - 1))
    letter = data.draw(st.characters(codec="ascii", exclude_categories=["Cc"]))
    assume(letter != value[at])
    damaged = replace(GOOD, headers={**GOOD.headers, name: value[:at] + letter + value[at + 1 :]})
    assert case.request_code(damaged) in {"signature_invalid", "key_unknown", "signature_expired", "digest_mismatch"}


@pytest.mark.parametrize(
    "other",
    [
        replace(GOOD, method="PUT"),
        replace(GOOD, url=GOOD.url.replace("poll", "report")),
        replace(GOOD, url=GOOD.url.replace("since=4", "since=5")),
        replace(GOOD, url=GOOD.url.partition("?")[0]),
        without("Content-Type"),
        changed(Content_Type="text/html"),
        replace(GOOD, method="post"),
        replace(GOOD, url="not a url"),
    ],
)
def test_another_request_line_or_type_is_refused(other: SignedRequest) -> None:
    assert case.request_code(other) == "signature_invalid"


def test_a_content_type_cannot_be_added_on_the_way() -> None:
    bare = case.signed(replace(case.PLAIN_REQUEST, headers={}))
    verified(bare)
    assert case.request_code(replace(bare, headers={**bare.headers, **case.JSON})) == "signature_invalid"


@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "Content-Digest"])
def test_an_unsigned_request_is_missing_its_signature(name: str) -> None:
    assert case.request_code(without(name)) == "signature_missing"


@pytest.mark.parametrize("left_out", list(case.COMPONENT_LINES))
def test_every_component_must_be_covered(left_out: str) -> None:
    components = [name for name in case.COMPONENT_LINES if name != left_out]
    assert case.request_code(case.handmade_of(components, case.PARAMETERS)) == "signature_invalid"


def test_a_signature_over_nothing_is_refused() -> None:
    assert case.request_code(case.handmade_of([], case.PARAMETERS)) == "signature_invalid"


@pytest.mark.parametrize("left_out", list(case.PARAMETERS))
def test_every_parameter_must_be_there(left_out: str) -> None:
    parameters = {name: value for name, value in case.PARAMETERS.items() if name != left_out}
    request = case.handmade_of(list(case.COMPONENT_LINES), parameters)
    assert case.request_code(request) == "signature_invalid"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("alg", '"none"', "signature_invalid"),
        ("alg", '"hmac-sha256"', "signature_invalid"),
        ("alg", '"rsa-pss-sha512"', "signature_invalid"),
        ("tag", '"suanlian-response"', "signature_invalid"),
        ("nonce", '"short"', "signature_invalid"),
        ("nonce", f'"{"n" * 65}"', "signature_invalid"),
        ("nonce", "7", "signature_invalid"),
        ("keyid", '"con_02"', "key_unknown"),
        ("keyid", '"a b"', "signature_invalid"),
        ("created", '"1"', "signature_invalid"),
        ("expires", str(case.CREATED), "signature_invalid"),
        ("expires", str(case.CREATED + 301), "signature_invalid"),
        ("expires", "999999999999999", "signature_invalid"),
        ("sudo", "?1", "signature_invalid"),
    ],
)
def test_parameters_outside_the_profile_are_refused_though_rightly_signed(name: str, value: str, code: str) -> None:
    request = case.handmade_of(list(case.COMPONENT_LINES), {**case.PARAMETERS, name: value})
    assert case.request_code(request) == code


def test_another_key_under_this_name_is_refused() -> None:
    assert case.request_code(case.signed(signer=Signer(KeyPair.generate(), case.KEYID))) == "signature_invalid"


def test_a_request_to_one_hub_cannot_be_passed_on_to_another() -> None:
    assert case.request_code(GOOD, audience="another-hub") == "signature_invalid"


@pytest.mark.parametrize("after_s", [-60, 0, 60, 119.9])
def test_within_the_lifetime_and_the_skew_it_holds(after_s: float) -> None:
    verified(GOOD, case.NOW + timedelta(seconds=after_s))


@pytest.mark.parametrize("after_s", [-86400, -61, -60.5, 120, 121, 86400])
def test_too_early_and_too_late_are_refused(after_s: float) -> None:
    assert case.request_code(GOOD, after_s=after_s) == "signature_expired"


def test_the_clock_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        verified(GOOD, case.NOW.replace(tzinfo=None))


def test_exactly_one_signature() -> None:
    name, value = GOOD.headers["Signature-Input"], GOOD.headers["Signature"]
    second = changed(
        Signature_Input=f"{name}, {name.replace('suanlian=', 'b=')}",
        Signature=f"{value}, {value.replace('suanlian=', 'b=')}",
    )
    assert case.request_code(second) == "signature_invalid"
    assert case.request_code(changed(Signature_Input=f"{name}, {name}")) == "signature_invalid"
    assert case.request_code(changed(signature=value)) == "signature_invalid"  # the header twice


def test_a_signature_has_one_spelling() -> None:
    value = GOOD.headers["Signature"]
    last = value[-4]  # of its six bits four are padding, which a lenient reader ignores
    assert value.endswith("==:")
    assert case.request_code(changed(Signature=f"{value[:-4]}{chr(ord(last) + 1)}==:")) == "signature_invalid"


@pytest.mark.parametrize("name", ["Signature", "Signature_Input", "Content_Digest", "Content_Type"])
def test_headers_have_a_bound(name: str) -> None:
    assert case.request_code(changed(**{name: "a" * 1025})) == "signature_invalid"


@given(st.text(max_size=80), st.text(max_size=80))
def test_noise_is_refused_and_nothing_else_is_raised(named: str, value: str) -> None:
    assert case.request_code(changed(Signature_Input=named, Signature=value)) == "signature_invalid"
    assert case.request_code(changed(Signature_Input=f"suanlian={named}")) == "signature_invalid"


def test_a_fault_of_the_key_store_is_not_taken_for_a_bad_signature() -> None:
    def broken(_: str) -> PublicKey | None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        verify_request(GOOD, broken, audience=case.AUDIENCE, now=case.NOW)


def test_signing_again_replaces_the_first_signature() -> None:
    assert case.signed(GOOD) == GOOD


@pytest.mark.parametrize(
    ("request_", "nonce"),
    [
        (case.PLAIN_REQUEST, "short"),
        (case.PLAIN_REQUEST, 'quote"0123456789abcdef'),
        (replace(case.PLAIN_REQUEST, method="post"), case.NONCE),
        (replace(case.PLAIN_REQUEST, url="/v1/poll"), case.NONCE),
    ],
)
def test_what_no_verifier_would_take_is_not_signed(request_: SignedRequest, nonce: str) -> None:
    with pytest.raises(ValueError, match=r"nonce|cannot be signed"):
        sign_request(request_, case.SIGNER, audience=case.AUDIENCE, now=case.NOW, nonce=nonce)


@pytest.mark.parametrize(("keyid", "lifetime_s"), [("", 60), ("a b", 60), ("a", 0), ("a", 301)])
def test_a_signer_that_no_verifier_would_take_is_not_made(keyid: str, lifetime_s: int) -> None:
    with pytest.raises(ValueError, match=r"keyid|lifetime_s"):
        Signer(case.CONNECTOR, keyid, lifetime_s)


class Seen:
    """The caller's store of nonces, in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], datetime] = {}

    def remember(self, keyid: str, nonce: str, expires: datetime) -> bool:
        new = (keyid, nonce) not in self.kept
        self.kept.setdefault((keyid, nonce), expires)
        return new


def test_a_replay_is_refused_for_as_long_as_the_clocks_would_take_it() -> None:
    seen, found = Seen(), verified(GOOD)
    refuse_replay(found, seen)
    with pytest.raises(SignatureError) as caught:
        refuse_replay(verified(GOOD), seen)
    assert caught.value.code == "signature_replayed"
    kept_until = seen.kept[case.KEYID, case.NONCE]
    verified(GOOD, kept_until - timedelta(milliseconds=1))
    assert case.request_code(GOOD, after_s=(kept_until - case.NOW).total_seconds()) == "signature_expired"
