"""Determines which addresses are public.

`ipaddress.is_global` is not sufficient: it is also true for multicast, and for IPv6 addresses that embed a private IPv4
address.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from stepiq.core.settings.model import Network

Address = IPv4Address | IPv6Address

_RESERVED = {
    "0.0.0.0/8": "an unspecified address",
    "10.0.0.0/8": "a private address",
    "100.64.0.0/10": "a carrier-grade NAT address",
    "127.0.0.0/8": "a loopback address",
    "169.254.0.0/16": "a link-local address",
    "172.16.0.0/12": "a private address",
    "192.0.0.0/24": "a reserved address",
    "192.0.2.0/24": "a documentation address",
    "192.31.196.0/24": "a reserved address",
    "192.52.193.0/24": "a reserved address",
    "192.88.99.0/24": "a 6to4 relay",
    "192.168.0.0/16": "a private address",
    "192.175.48.0/24": "a reserved address",
    "198.18.0.0/15": "a benchmarking address",
    "198.51.100.0/24": "a documentation address",
    "203.0.113.0/24": "a documentation address",
    "224.0.0.0/4": "a multicast address",
    "255.255.255.255/32": "the broadcast address",
    "240.0.0.0/4": "a reserved address",
    "::/128": "an unspecified address",
    "::1/128": "a loopback address",
    "::/96": "an IPv4-compatible IPv6 address",
    "64:ff9b:1::/48": "a local NAT64 address",
    "100::/64": "a discard-only address",
    "2001::/32": "a Teredo address",
    "2001:2::/48": "a benchmarking address",
    "2001::/23": "a reserved address",
    "2001:db8::/32": "a documentation address",
    "2002::/16": "a 6to4 address",
    "3fff::/20": "a documentation address",
    "fc00::/7": "a private address",
    "fe80::/10": "a link-local address",
    "fec0::/10": "a site-local address",
    "ff00::/8": "a multicast address",
}
_V4 = [(each, why) for net, why in _RESERVED.items() if isinstance(each := ip_network(net), IPv4Network)]  # fmt: skip
_V6 = [(each, why) for net, why in _RESERVED.items() if isinstance(each := ip_network(net), IPv6Network)]  # fmt: skip
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_METADATA = frozenset(
    ip_address(text)
    for text in (
        "100.100.100.200",
        "168.63.129.16",
        "169.254.169.253",
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "192.0.0.192",
        "fd00:42::42",
        "fd00:ec2::23",
        "fd00:ec2::253",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
"""Metadata services of clouds, which return credentials of the machine. Some have public addresses."""


def plain(address: Address) -> Address:
    """The address that a connection actually uses: an IPv4-mapped IPv6 address is converted to IPv4."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def refusal(address: Address, allowed: Sequence[Network] = ()) -> str | None:
    """Why an address must not be called, such as "a private address"; None if it can be called.

    Args:
        address: the target of the connection.
        allowed: ranges that the operator permits. A range does not permit the metadata services of clouds in it, unless
            it consists of that single address.
    """
    address = plain(address)
    inner = _behind_nat64(address)
    if inner is not None and any(inner in network for network in allowed):
        return refusal(inner, allowed)
    is_metadata = address in _METADATA
    for network in allowed:
        if address in network and (not is_metadata or network.num_addresses == 1):
            return None
    if is_metadata:
        return "a cloud metadata service"
    if inner is not None:
        return refusal(inner, allowed)
    return _reserved(address)


def _behind_nat64(address: Address) -> IPv4Address | None:
    # Networks without IPv4 reach all IPv4 addresses through this prefix, so the embedded address decides.
    if isinstance(address, IPv6Address) and address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def _reserved(address: Address) -> str | None:
    if isinstance(address, IPv4Address):
        return next((why for network, why in _V4 if address in network), None)
    reason = next((why for network, why in _V6 if address in network), None)
    if reason is not None:
        return reason
    if address not in _GLOBAL_UNICAST:
        return "a reserved address"
    if (int(address) >> 32) & 0xFDFF_FFFF == 0x0000_5EFE:
        return "an ISATAP address"
    return None
