"""Is one policy the hub's and the connector's, and is nothing public by it that leads inside?"""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.rules.addresses import refused_address, refused_ip


@given(st.ip_addresses(v=4))
def test_an_address_wrapped_in_another_is_judged_by_what_is_wrapped(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
    nat64 = ipaddress.IPv6Address(bytes.fromhex("0064ff9b0000000000000000") + address.packed)
    sixtofour = ipaddress.IPv6Address(b"\x20\x02" + address.packed + b"\0" * 10)
    assert {refused_ip(each) for each in (mapped, nat64, sixtofour)} == {refused_ip(address)}


@given(st.ip_addresses())
def test_no_public_address_is_of_a_special_kind(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    special = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    assert not (special and refused_ip(address) is None)


@pytest.mark.parametrize(
    "address",
    [
        "::",
        "::1",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::808:808",
        "2002:7f00:1::",
        "2001:0:808:808::80ff:fffe",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff0e::1",
        "0.0.0.0",  # noqa: S104 - nothing is bound to it
        "100.64.0.1",
        "169.254.169.254",
        "240.0.0.1",
    ],
)
def test_what_leads_inside_or_nowhere_is_refused(address: str) -> None:
    assert refused_ip(ipaddress.ip_address(address)) is not None


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"])
def test_what_is_public_is_not_refused(address: str) -> None:
    assert refused_ip(ipaddress.ip_address(address)) is None


@pytest.mark.parametrize("host", ["☃.example.com", "a_ü.example", "é" * 70 + ".example", "１２７.0.0.1"])
def test_a_host_that_can_have_no_such_name_is_refused_as_it_is_written(host: str) -> None:
    assert refused_address(host) is not None


@pytest.mark.parametrize(
    "host", ["example.com", "例子.中国", "xn--fsqu00a.xn--fiqs8s", "bücher.example", "a_b.example"]
)
def test_a_host_that_may_exist_is_decided_where_it_is_resolved(host: str) -> None:
    assert refused_address(host) is None
