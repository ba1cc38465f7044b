"""Parses and checks URLs from tenants. The checked URL is the one that is sent: its text is never parsed again.

`ipaddress.is_global` is not sufficient to find public addresses: it is also true for multicast, and for IPv6 addresses
that embed a private IPv4 address.

Messages of errors contain only the host of a URL, because the rest can contain a secret. If the host can contain one, too,
the caller masks it with `mask_host`.
"""

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx2

from stepiq.core.errors import Invalid
from stepiq.core.settings.model import Network


class RequestInvalid(Invalid):
    """The request is not valid HTTP."""

    code = "request_invalid"


class EgressBlocked(RequestInvalid):
    """Pipelines may not call this address."""

    code = "egress_blocked"

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(
            f"`{host}` cannot be called: it is {reason}. Use a public address. To allow this one, set "
            "STEPIQ_ALLOWED_PRIVATE_NETWORKS to its range for `stepiq run`, or ask the operator of the server to do so.",
            host=host,
        )


class UrlInvalid(RequestInvalid):
    """Pipelines cannot call this URL."""

    code = "url_invalid"

    def __init__(self, problem: str) -> None:
        super().__init__(f"Invalid URL: {problem}.")


class HeaderInvalid(RequestInvalid):
    """A header of the request cannot be sent."""

    code = "header_invalid"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"Invalid header `{name[:100]}` in `headers`: {problem}.")


class SecretHostRefused(RequestInvalid):
    """The call would send a secret to a host that is not in the list `hosts` of the secret."""

    code = "secret_host_refused"

    def __init__(self, secret: str, host: str) -> None:
        super().__init__(
            f"The secret `{secret}` cannot be sent to `{host}`, which is not in its `hosts`. Correct the URL, or store the "
            "secret again with this host in `hosts`.",
            secret=secret,
            host=host,
        )


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


MAX_URL_CHARACTERS = 8192

_NAME = re.compile(r"(?=.{1,253}\.?\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
# Some systems read names with such an end as an IPv4 address: 127.1, 0x7f.1, 2130706433, 017700000001.
_NUMERIC_END = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?")
_AUTHORITY = re.compile(r"(?:[^/?#]*//)?([^/?#]*)")
_PORT = re.compile(r" on port \d+")


def check_url(url: str | httpx2.URL, allowed: Sequence[Network] = ()) -> httpx2.URL:
    """Parse and check a URL, without a DNS lookup.

    Raises:
        UrlInvalid: it is not an absolute http or https URL, has a user name or password, or its host is invalid or
            ambiguous.
        EgressBlocked: its host is an address that must not be called.
    """
    parsed = _parse(url) if isinstance(url, str) else url
    if parsed.scheme not in ("http", "https"):
        raise UrlInvalid("it must begin with https:// or http://")
    if parsed.userinfo:
        raise UrlInvalid("it has a user name or password. Send credentials in a header instead")
    if parsed.port is not None and not 1 <= parsed.port <= 65535:
        raise UrlInvalid("its port must be between 1 and 65535")
    host = host_of(parsed)
    address = literal(host)
    if address is None:
        check_name(host)
    elif reason := refusal(address, allowed):
        raise EgressBlocked(host, reason)
    return parsed


def host_of(url: httpx2.URL) -> str:
    """The host for the resolver: lower case, internationalised names in ASCII form."""
    return url.raw_host.decode("ascii")


def mask_host(message: str, url: str, mask: Callable[[str], str]) -> str:
    """A message of this package about a URL, with the host as in the masked URL.

    Masking the message is not enough: its host can be a part of a secret that also contains a path, or the ASCII form
    of one.

    Args:
        message: the message.
        url: the URL that was called or refused.
        mask: replaces the secrets of a text.
    """
    if len(url) > MAX_URL_CHARACTERS:
        # Such a URL is refused with a message that names no host.
        return message
    shown = _authority(mask(url))
    if shown == _authority(url):
        return message
    try:
        host = host_of(_parse(url))
    except UrlInvalid:
        return message
    return _PORT.sub("", message.replace(f"`{host}`", f"`{shown}`"))


def _authority(url: str) -> str:
    found = _AUTHORITY.match(url)
    assert found is not None  # noqa: S101 - the pattern matches every text
    return found[1]


def literal(host: str) -> Address | None:
    """The address of a host that is an address in standard form; None for names.

    Raises:
        UrlInvalid: it is an address with a zone, which is valid on one machine only.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise UrlInvalid("its IPv6 address has a zone, which is not allowed")
    return address


def _parse(url: str) -> httpx2.URL:
    if len(url) > MAX_URL_CHARACTERS:
        raise UrlInvalid(f"it is longer than {MAX_URL_CHARACTERS} characters")
    try:
        return httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        raise UrlInvalid("it is malformed") from None


def check_name(host: str) -> None:
    """Refuse a host that is not a valid name.

    Raises:
        UrlInvalid: it is not a name, or some systems read it as an address.
    """
    if not host:
        raise UrlInvalid("it has no host")
    if not _NAME.fullmatch(host):
        raise UrlInvalid("its host is not a valid name or address")
    if _NUMERIC_END.fullmatch(host):
        raise UrlInvalid(
            "its host is not a valid IPv4 address. Write four decimal numbers, such as 203.0.113.7"
        )
