"""Whether a request comes straight from the server's own machine."""

from ipaddress import IPv4Address, IPv6Network, ip_address

from fastapi import Request

_FORWARDING_HEADERS = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
)


def is_direct_loopback(request: Request) -> bool:
    """Whether the peer is this machine, and nobody stands between.

    A proxy on this machine connects from loopback too, but says that it forwards. A browser that a hostile page has led
    here under a name of its own sends that name as `Host`.
    """
    if request.client is None or not _is_loopback(request.client.host):
        return False
    if any(header in request.headers for header in _FORWARDING_HEADERS):
        return False
    host = request.url.hostname or ""
    return host == "localhost" or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def client_of(request: Request) -> str:
    """Who a request comes from, for counting attempts: an IPv4 address, or the /64 of an IPv6 one, which is one household.

    Behind a proxy that the operator trusts it is the address that the proxy names.
    """
    host = "" if request.client is None else request.client.host
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, 64), strict=False))
