import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given

from suanlian.crypto.canonical import canonical, digest
from suanlian.crypto.errors import CanonicalError
from tests.crypto.strategies import json_values


def test_the_example_of_rfc_8785_section_3_2_2() -> None:
    value = {
        "numbers": [333333333.33333329, 1e-27, 4.50, 2e-3, 0.000001],
        "string": '€$\u000f\u000aA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e-27,4.5,0.002,0.000001],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical(value) == expected.encode()


def test_keys_are_ordered_by_utf_16_units() -> None:
    # RFC 8785 §3.2.3: U+1F600 (first unit D83D) goes before U+FB33, though its code point is higher
    assert canonical({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@given(json_values)
def test_every_reader_forms_the_same_bytes_again(value: object) -> None:
    once = canonical(value)
    assert canonical(json.loads(once)) == once


@given(json_values)
def test_the_digest_is_sha_256_of_the_bytes(value: object) -> None:
    assert digest(value) == "sha-256:" + hashlib.sha256(canonical(value)).hexdigest()


@pytest.mark.parametrize(
    "bad",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        2**53,
        -(2**53),
        1e20,  # would be written as digits that a reader cannot hold
        Decimal("1.10"),
        datetime(2026, 1, 1, tzinfo=UTC),
        b"bytes",
        {1},
        "\ud800",
        {"\ud800": 1},
        {1: "key"},
        object(),
    ],
)
def test_what_has_no_form_is_refused_with_its_place(bad: object) -> None:
    with pytest.raises(CanonicalError) as caught:
        canonical({"lines": [1, {"price": bad}]})
    assert caught.value.code == "value_not_canonical"
    assert caught.value.message.startswith("$.lines[1].price")


def test_endless_nesting_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(CanonicalError, match="64"):
        canonical(endless)
