"""Whether a request comes straight from the server's own machine."""

from ipaddress import ip_address

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
