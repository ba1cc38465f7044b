"""Identifies the client of a request, for counting attempts and for the list of sessions."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Network, ip_network

from fastapi import Request

from stepiq.accounts.devices import SessionOrigin, describe
from stepiq.accounts.errors import TooManyAttempts
from stepiq.web import requests
from stepiq.web.limits import Decision, Limiter

SITE_CLIENTS = 4
"""The clients of one site together can use the limit of this number of clients."""


def client_of(request: Request) -> str:
    """The client of a request: an IPv4 address, or the /64 network of an IPv6 address, which is one household.

    Behind a proxy that the operator trusts, it is the address that the proxy forwards.
    """
    return client_at("" if request.client is None else request.client.host)


def origin_of(request: Request) -> SessionOrigin:
    """The client of a request and its browser or program, for the list of sessions."""
    return SessionOrigin(client_of(request), describe(request.headers.get("user-agent")))


def client_at(host: str) -> str:
    """The client at an address: the IPv4 address itself, or the /64 network of an IPv6 address."""
    address = requests.address_of(host)
    if address is None or isinstance(address, IPv4Address):
        return str(address or host)
    return str(IPv6Network((address, 64), strict=False))


def network_of(client: str) -> str:
    """The network of a client, which may belong to one customer: the /24 of an IPv4 address, or the /48 of a /64."""
    try:
        network = ip_network(client)
    except ValueError:
        return client
    return str(network.supernet(new_prefix=24 if network.version == 4 else 48))


@lru_cache(maxsize=4096)
def site_of(client: str) -> str:
    """The site of a client, which often gets a whole /48 of IPv6 addresses; empty for an IPv4 address.

    Without a limit of the site, its 65,536 /64 networks would have the limits of as many clients.
    """
    return network_of(client) if client.endswith("/64") else ""


async def hit_client(limiter: Limiter, client: str) -> Decision:
    """Count one hit for a client and for its site, if both limits allow it.

    A hit that the site refuses stores nothing for the client. Otherwise, refused clients of one site would displace the
    counts of others.
    """
    site = site_of(client)
    if not site:
        return await limiter.hit(client)
    of_site = await limiter.hit(site, SITE_CLIENTS * limiter.limit)
    if not of_site.is_allowed:
        return of_site
    decision = await limiter.hit(client)
    if not decision.is_allowed:
        await limiter.give_back(site)
    return decision


async def count_client(limiter: Limiter, request: Request) -> None:
    """Count a request for its client, and for the site of the client.

    Raises:
        TooManyAttempts: the client or its site has reached its limit.
    """
    decision = await hit_client(limiter, client_of(request))
    if not decision.is_allowed:
        raise TooManyAttempts(decision.reset)
