"""Lists of the hosts to which a secret can be sent."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

import httpx2

from stepiq.core.http import urls
from stepiq.core.http.urls import SecretHostRefused, UrlInvalid

_PORTS = {"http": 80, "https": 443}
_WILDCARD = "*."
_ENTRY = re.compile(r"(?P<host>\[[^\[\]/@\s]*\]|[^\[\]/:@?#\s]+)(:(?P<port>[0-9]{1,5}))?")


class HostInvalid(Exception):
    """An entry is not a host. The message explains the format."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host, or all subdomains of a domain."""

    name: str
    """In lower case and ASCII form, without the `*.` of an entry for subdomains."""
    port: int | None = None
    """None for every port."""
    is_parent: bool = False
    """Whether it matches the subdomains of `name` at any depth, but not `name` itself."""

    @classmethod
    def parse(cls, text: str) -> "Host":
        """Parse an entry such as `api.example.com`, `*.example.com`, `api.example.com:8443` or `[2001:db8::1]`.

        Raises:
            HostInvalid: the text is not a valid entry.
        """
        found = _ENTRY.fullmatch(text.strip())
        if found is None:
            raise HostInvalid(
                "Must be a host without scheme and path, such as `api.example.com`, `*.example.com` or `api.example.com:8443`."
            )
        written, port = found["host"], found["port"]
        is_parent = written.startswith(_WILDCARD)
        try:
            url = httpx2.URL(f"http://{written.removeprefix(_WILDCARD)}")
            name = _normalized(url)
            if urls.literal(name) is None:
                urls.check_name(name)
        except (httpx2.InvalidURL, ValueError, UrlInvalid):
            raise HostInvalid("Must be a valid host name or IP address.") from None
        if is_parent and (urls.literal(name) is not None or "." not in name):
            raise HostInvalid("After `*.`, write a domain such as `example.com`.")
        if port is not None and not 1 <= int(port) <= 65535:
            raise HostInvalid("The port must be between 1 and 65535.")
        return cls(name, None if port is None else int(port), is_parent)

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        port = "" if self.port is None else f":{self.port}"
        return f"{_WILDCARD if self.is_parent else ''}{name}{port}"

    def includes(self, url: httpx2.URL) -> bool:
        """Whether this entry matches the host of a URL."""
        if self.port is not None and self.port != (url.port or _PORTS.get(url.scheme)):
            return False
        name = _normalized(url)
        return name.endswith(f".{self.name}") if self.is_parent else name == self.name


def permit(limits: Mapping[str, Iterable[str]]) -> Callable[[httpx2.URL], None]:
    """Build a check of the URLs to which a call can send its secrets.

    Args:
        limits: the lists of hosts, in the format of `Host`, by name of each secret in the call that has one.

    Returns:
        A function that raises `SecretHostRefused` for all other URLs.
    """
    hosts = {name: [Host.parse(text) for text in listed] for name, listed in limits.items()}

    def check(url: httpx2.URL) -> None:
        for name, listed in hosts.items():
            if not any(host.includes(url) for host in listed):
                raise SecretHostRefused(name, urls.host_of(url))

    return check


def _normalized(url: httpx2.URL) -> str:
    host = urls.host_of(url).removesuffix(".")
    try:
        # An IPv6 address can be written in several forms.
        return str(ip_address(host))
    except ValueError:
        return host
