"""The address table refuses what is not plainly public."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.addresses import is_public, is_within, parse_networks

INSIDE = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1
172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.7 203.0.113.9
224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1
2002:7f00:1:: 2002:c0a8:101::1 2001::1 2001:0:4136:e378:8000:63bf:80ff:fffe 2001:2::1 2001:10::1
2001:20::1 2001:db8::1 3fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1 ff0e::1 100::1
4000::1 ::ffff:10.0.0.1 ::10.1.2.3
"""

OUTSIDE = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0
192.167.255.255 223.255.255.254 2606:4700::1111 2a01:4f8::1 ::ffff:8.8.8.8 64:ff9b::808:808
2002:808:808::1
"""


@pytest.mark.parametrize("ip", INSIDE.split())
def test_sec_R1_addresses_that_are_not_public(ip: str) -> None:
    assert not is_public(ip_address(ip))


@pytest.mark.parametrize("ip", OUTSIDE.split())
def test_ordinary_addresses_are_public(ip: str) -> None:
    assert is_public(ip_address(ip))


def test_an_address_bound_to_an_interface_is_not_public() -> None:
    assert not is_public(ip_address("2606:4700::1111%eth0"))


@given(st.ip_addresses(v=4))
def test_sec_R1_a_carried_address_is_as_public_as_itself(ip: IPv4Address) -> None:
    number = int(ip)
    carriers = [
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0x64FF9B << 96 | number),
        IPv6Address(0x2002 << 112 | number << 80),
    ]
    assert {is_public(carrier) for carrier in carriers} == {is_public(ip)}


def test_a_range_names_its_own_family_only() -> None:
    loopback = parse_networks(["127.0.0.0/8", " ::1/128 "])
    assert is_within(ip_address("127.9.9.9"), loopback)
    assert is_within(ip_address("::1"), loopback)
    assert not is_within(ip_address("::ffff:127.0.0.1"), loopback)
    assert not is_within(ip_address("10.0.0.1"), loopback)


@pytest.mark.parametrize("word", ["", "all", "10.0.0.1/8", "0.0.0.0/0", "::/0", "10.0.0.0/33"])
def test_a_word_that_is_no_range_is_refused(word: str) -> None:
    with pytest.raises(ValueError):
        parse_networks([word])
