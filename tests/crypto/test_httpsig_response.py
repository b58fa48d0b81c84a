from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from suanlian.crypto.errors import SignatureError
from suanlian.crypto.httpsig import SignedResponse, sign_response, verify_response
from tests.crypto import httpsig_cases as case

GOOD = case.answered()


@given(st.integers(100, 599), st.none() | st.just("application/json"), st.binary(max_size=64))
def test_what_was_signed_verifies(status: int, media: str | None, body: bytes) -> None:
    headers = {} if media is None else {"content-type": media}
    answer = case.answered(SignedResponse(status, headers, body))
    found = verify_response(answer, case.key_of, request_nonce=case.NONCE, now=case.NOW)
    assert (found.keyid, found.nonce, found.created) == (case.HUB.key_id, case.NONCE, case.NOW)


@given(st.integers(0, len(GOOD.body) - 1), st.integers(1, 255))
def test_any_changed_byte_of_the_body_is_refused(at: int, flip: int) -> None:
    body = bytearray(GOOD.body)
    body[at] ^= flip
    assert case.response_code(replace(GOOD, body=bytes(body))) == "digest_mismatch"


@given(st.integers(100, 599))
def test_another_status_is_refused(status: int) -> None:
    assume(status != GOOD.status_code)
    assert case.response_code(replace(GOOD, status_code=status)) == "signature_invalid"


@given(st.sampled_from(["Content-Type", "Content-Digest", "Signature", "Signature-Input"]), st.data())
def test_any_changed_character_of_a_covered_header_is_refused(name: str, data: st.DataObject) -> None:
    value = GOOD.headers[name]
    at = data.draw(st.integers(0, len(value) - 1))
    letter = data.draw(st.characters(codec="ascii", exclude_categories=["Cc"]))
    assume(letter != value[at])
    damaged = replace(GOOD, headers={**GOOD.headers, name: value[:at] + letter + value[at + 1 :]})
    assert case.response_code(damaged) in {"signature_invalid", "key_unknown", "signature_expired", "digest_mismatch"}


@given(st.text(st.sampled_from("abc019_-"), min_size=16, max_size=64))
def test_an_answer_to_another_request_is_refused(nonce: str) -> None:
    assume(nonce != case.NONCE)
    assert case.response_code(GOOD, nonce=nonce) == "signature_invalid"


@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "Content-Digest"])
def test_an_unsigned_answer_is_missing_its_signature(name: str) -> None:
    headers = {key: value for key, value in GOOD.headers.items() if key != name}
    assert case.response_code(replace(GOOD, headers=headers)) == "signature_missing"


def test_a_key_that_is_not_pinned_is_unknown() -> None:
    with pytest.raises(SignatureError) as caught:
        verify_response(GOOD, lambda _: None, request_nonce=case.NONCE, now=case.NOW)
    assert caught.value.code == "key_unknown"


@pytest.mark.parametrize("after_s", [-61, 120])
def test_too_early_and_too_late_are_refused(after_s: float) -> None:
    assert case.response_code(GOOD, after_s=after_s) == "signature_expired"


def test_the_skew_is_the_callers() -> None:
    now = case.NOW + timedelta(seconds=61)
    verify_response(GOOD, case.key_of, request_nonce=case.NONCE, now=now, max_skew_s=2)
    with pytest.raises(SignatureError):
        verify_response(GOOD, case.key_of, request_nonce=case.NONCE, now=now, max_skew_s=1)


def test_a_connector_cannot_pass_its_request_off_as_an_answer() -> None:
    request = case.signed()
    assert case.response_code(SignedResponse(200, request.headers, request.body)) == "signature_invalid"


def test_the_nonce_of_the_request_must_be_one() -> None:
    with pytest.raises(ValueError, match="nonce"):
        sign_response(case.PLAIN_RESPONSE, case.HUB_SIGNER, request_nonce="", now=case.NOW)
