"""Parses and checks URLs from tenants. The checked URL is the one that is sent: its text is never parsed again."""

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address, ip_address

import httpx2

from stepiq.core.http.addresses import Address, refusal
from stepiq.core.http.errors import EgressBlocked, UrlInvalid
from stepiq.core.settings.model import Network

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
