# ruff: noqa: S104 — nothing is bound to these
from ipaddress import ip_address, ip_network

import pytest

from stepiq.core.http.urls import plain, refusal

CLOSED = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "10.0.0.1": "private",
    "100.64.0.1": "carrier",
    "100.127.255.255": "carrier",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.0.1": "link-local",
    "169.254.169.254": "metadata",
    "168.63.129.16": "metadata",
    "100.100.100.200": "metadata",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.1": "reserved",
    "192.0.0.192": "metadata",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4",
    "192.168.255.255": "private",
    "198.18.0.1": "benchmarking",
    "198.19.255.255": "benchmarking",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "::127.0.0.1": "IPv4",
    "::8.8.8.8": "IPv4",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.0.0.1": "private",
    "::ffff:0:127.0.0.1": "reserved",
    "64:ff9b::127.0.0.1": "loopback",
    "64:ff9b::a9fe:a9fe": "metadata",
    "64:ff9b:1::1": "NAT64",
    "64:ff9b:2::1": "reserved",
    "100::1": "discard",
    "2001::1": "Teredo",
    "2001:0:7f00:1::": "Teredo",
    "2001:2::1": "benchmarking",
    "2001:20::1": "reserved",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "6to4",
    "2607:f8b0::5efe:10.0.0.1": "ISATAP",
    "2607:f8b0::200:5efe:127.0.0.1": "ISATAP",
    "3fff::1": "documentation",
    "4000::1": "reserved",
    "5f00::1": "reserved",
    "fc00::1": "private",
    "fd00:ec2::254": "metadata",
    "fd12:3456::1": "private",
    "fe80::1": "link-local",
    "febf::1": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
}
OPEN = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]


class TestRefusal:
    @pytest.mark.parametrize("text", CLOSED)
    def test_what_is_not_public_is_refused_for_its_own_reason(self, text: str):
        assert CLOSED[text] in (refusal(ip_address(text)) or "")

    @pytest.mark.parametrize("text", OPEN)
    def test_what_is_public_is_not(self, text: str):
        assert refusal(ip_address(text)) is None

    @pytest.mark.parametrize("text", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3"])
    def test_an_allowed_range_is_open_in_all_its_forms(self, text: str):
        assert refusal(ip_address(text), [ip_network("10.1.0.0/16")]) is None

    def test_it_opens_nothing_beside_it(self):
        allowed = [ip_network("10.1.0.0/16"), ip_network("fd00::/16")]

        assert refusal(ip_address("10.2.0.1"), allowed)
        assert refusal(ip_address("fd01::1"), allowed)

    def test_metadata_is_closed_in_a_wide_range(self):
        assert refusal(ip_address("169.254.169.254"), [ip_network("169.254.0.0/16")])
        assert refusal(ip_address("fd00:ec2::254"), [ip_network("fd00::/8")])

    def test_metadata_is_open_when_named_alone(self):
        assert refusal(ip_address("169.254.169.254"), [ip_network("169.254.169.254/32")]) is None


class TestPlain:
    def test_an_ipv4_address_in_ipv6_clothes_is_taken_out_of_them(self):
        assert plain(ip_address("::ffff:8.8.8.8")) == ip_address("8.8.8.8")

    def test_another_address_stays(self):
        assert plain(ip_address("2606:4700::1")) == ip_address("2606:4700::1")
