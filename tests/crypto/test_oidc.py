"""Is an ID token believed exactly when the expected issuer's key signed it, for us, now? Each lie has its own code."""

import base64
import hmac
import json
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from suanlian.crypto.errors import IdTokenError
from suanlian.crypto.oidc import LEEWAY_S, MAX_TOKEN_CHARS, Expected, verify_id_token

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
ISSUER = "https://idp.example"
PRIVATE: dict[str, RSAKey | ECKey | OKPKey] = {
    "RS256": RSAKey.generate_key(2048, {"kid": "r"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "e"}),
    "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "o"}),
}
PUBLISHED = [key.as_dict(private=False) for key in PRIVATE.values()]
EXPECTED = Expected(ISSUER, frozenset({"hub", "hub-cli"}))
CLAIMS = {
    "iss": ISSUER,
    "sub": "u1",
    "aud": "hub",
    "name": "Ling",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 600,
}


def signed(algorithm: str = "ES256", *, header: dict[str, Any] | None = None, **changes: Any) -> str:  # noqa: ANN401
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    key = PRIVATE[algorithm]
    return encoded({"alg": algorithm, "kid": key.kid, **(header or {})}, claims, key)


def encoded(protected: dict[str, Any], claims: dict[str, Any], key: Key) -> str:
    with warnings.catch_warnings():
        # providers still say EdDSA, and one test signs with a key that is too short
        warnings.simplefilter("ignore", SecurityWarning)
        return jwt.encode(protected, claims, key, algorithms=[protected["alg"]])


TOKEN = signed()


def code(token: str, expected: Expected = EXPECTED, keys: list[Any] = PUBLISHED, now: datetime = NOW) -> str:
    with pytest.raises(IdTokenError) as caught:
        verify_id_token(token, keys, expected, now=now)
    assert len(token) < 100 or token not in str(caught.value)
    return caught.value.code


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_a_token_of_the_issuer_for_us_is_believed(algorithm: str) -> None:
    found = verify_id_token(signed(algorithm), PUBLISHED, EXPECTED, now=NOW)
    assert (found.issuer, found.subject, found.name) == (ISSUER, "u1", "Ling")
    assert found.expires_at == NOW + timedelta(seconds=600)
    assert "Ling" not in repr(found)
    assert "u1" not in repr(found)


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
def test_a_token_that_nobody_signed_is_refused(name: str) -> None:
    assert code(f"{part({'alg': name})}.{part(CLAIMS)}.") == "token_unsigned"


def test_the_public_key_is_no_secret_to_sign_with() -> None:
    said = f"{part({'alg': 'HS256', 'kid': 'r'})}.{part(CLAIMS)}"
    mac = hmac.digest(PRIVATE["RS256"].as_pem(private=False), said.encode(), "sha256")
    assert code(f"{said}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}") == "token_algorithm"


@pytest.mark.parametrize("algorithm", ["RS512", "PS256", "ES384", "HS256", "", "rs256", None, 5, ["RS256"]])
def test_no_algorithm_outside_of_the_list_is_taken(algorithm: object) -> None:
    assert code(f"{part({'alg': algorithm, 'kid': 'r'})}.{part(CLAIMS)}.AAAA") == "token_algorithm"


def test_a_key_is_used_only_for_the_algorithm_of_its_kind() -> None:
    token = jws.serialize_compact({"alg": "ES256", "kid": "e"}, json.dumps(CLAIMS), PRIVATE["ES256"])
    payload, signature = token.split(".")[1:]
    assert code(f"{part({'alg': 'RS256', 'kid': 'e'})}.{payload}.{signature}") == "token_key_unknown"


def test_another_key_under_the_same_name_did_not_sign_it() -> None:
    impostor = ECKey.generate_key("P-256", {"kid": "e"})
    forged = jwt.encode({"alg": "ES256", "kid": "e"}, CLAIMS, impostor, algorithms=["ES256"])
    assert code(forged) == "token_signature"
    assert code(signed(header={"kid": "new"})) == "token_key_unknown"


def test_a_key_in_the_tokens_own_header_is_not_listened_to() -> None:
    impostor = ECKey.generate_key("P-256", {"kid": "e"})
    header = {"alg": "ES256", "kid": "e", "jwk": impostor.as_dict(private=False)}
    assert code(jwt.encode(header, CLAIMS, impostor, algorithms=["ES256"])) == "token_signature"


def test_weak_and_foreign_keys_of_the_issuer_are_not_used() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        weak = RSAKey.generate_key(1024, {"kid": "w"})
    token = encoded({"alg": "RS256", "kid": "w"}, CLAIMS, weak)
    assert code(token, keys=[weak.as_dict(private=False)]) == "token_key_unknown"
    sealed = {**PUBLISHED[1], "use": "enc"}
    assert code(signed(), keys=[sealed]) == "token_key_unknown"
    assert code(signed(), keys=[]) == "token_key_unknown"
    assert code(signed(), keys=[{"kty": "EC", "kid": "e", "crv": "P-256"}]) == "token_key_unknown"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"iss": "https://other.example"}, "token_issuer"),
    ({"iss": ISSUER + "/"}, "token_issuer"),
    ({"iss": None}, "token_issuer"),
    ({"aud": "other"}, "token_audience"),
    ({"aud": ["other", "else"]}, "token_audience"),
    ({"aud": None}, "token_audience"),
    ({"aud": ["hub", "other"]}, "token_audience"),
    ({"aud": ["hub", "other"], "azp": "other"}, "token_audience"),
    ({"azp": "other"}, "token_audience"),
    ({"exp": int(NOW.timestamp()) - LEEWAY_S}, "token_expired"),
    ({"exp": None}, "token_malformed"),
    ({"exp": "tomorrow"}, "token_malformed"),
    ({"exp": True}, "token_malformed"),
    ({"exp": 10**400}, "token_malformed"),
    ({"exp": float("nan")}, "token_malformed"),
    ({"iat": None}, "token_malformed"),
    ({"iat": int(NOW.timestamp()) + LEEWAY_S + 1}, "token_not_yet"),
    ({"nbf": int(NOW.timestamp()) + LEEWAY_S + 1}, "token_not_yet"),
    ({"sub": None}, "token_malformed"),
    ({"sub": ""}, "token_malformed"),
    ({"sub": 7}, "token_malformed"),
    ({"sub": "a\x1bb"}, "token_malformed"),
    ({"sub": "x" * 256}, "token_malformed"),
]


@pytest.mark.parametrize(("changes", "wanted"), WRONG, ids=str)
def test_each_wrong_claim_has_its_code(changes: dict[str, Any], wanted: str) -> None:
    assert code(signed(**changes)) == wanted


def test_one_of_several_audiences_is_enough_when_we_asked_for_it() -> None:
    token = signed(aud=["hub", "other"], azp="hub")
    assert verify_id_token(token, PUBLISHED, EXPECTED, now=NOW).subject == "u1"


def test_a_nonce_that_was_sent_must_come_back() -> None:
    expected = Expected(ISSUER, frozenset({"hub"}), nonce="n1")
    assert verify_id_token(signed(nonce="n1"), PUBLISHED, expected, now=NOW).subject == "u1"
    assert code(signed(nonce="n2"), expected) == "token_nonce"
    assert code(signed(), expected) == "token_nonce"


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "JWS", 5])
def test_a_token_of_another_type_is_no_id_token(typ: object) -> None:
    token = jws.serialize_compact({"alg": "ES256", "kid": "e"}, json.dumps(CLAIMS), PRIVATE["ES256"])
    payload, signature = token.split(".")[1:]
    assert code(f"{part({'alg': 'ES256', 'kid': 'e', 'typ': typ})}.{payload}.{signature}") == "token_malformed"


@pytest.mark.parametrize("extra", [{"crit": ["b64"], "b64": False}, {"crit": ["x"], "x": 1}])
def test_what_a_header_calls_critical_is_not_passed_over(extra: dict[str, Any]) -> None:
    assert code(f"{part({'alg': 'ES256', 'kid': 'e', **extra})}.{part(CLAIMS)}.AAAA") == "token_algorithm"


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{0,20}(\.[A-Za-z0-9_-]{0,20}){0,4}", fullmatch=True))
def test_no_text_that_is_no_token_is_anything_but_refused(text: str) -> None:
    assert code(text).startswith("token_")


@settings(max_examples=60)
@given(st.data())
def test_a_token_with_one_character_changed_is_never_believed(data: st.DataObject) -> None:
    token = TOKEN
    # the last character of each part may carry bits that base64 does not use
    places = [i for i in range(len(token)) if token[i] != "." and token[i + 1 : i + 2] not in ("", ".")]
    place = data.draw(st.sampled_from(places))
    other = data.draw(st.sampled_from([c for c in "ABCabc019_-" if c != token[place]]))
    assert code(token[:place] + other + token[place + 1 :]).startswith("token_")


def test_a_token_is_bounded() -> None:
    assert code("a" * MAX_TOKEN_CHARS + ".b.c") == "token_malformed"
