"""Limits the connections of clients, and selects the connection to close when a new one needs a place.

A connection is *half-open* until its request is complete, including the body, and *idle* between two requests. A new
connection without a free place waits in the *anteroom*. It gets a place when the head of its request has arrived, and a
half-open or idle connection may be closed for it. Connections that send nothing therefore cannot block others.

A client can use at most as many places as have no request in progress. A few clients with many requests in progress
therefore share the places equally with all other clients.

The clients of one site, a /48 of IPv6 addresses, together have the limits of `SITE_CLIENTS` clients. To select a
connection to close, a site counts like a client.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from math import inf
from typing import ClassVar

from stepiq.accounts.credentials.origin import SITE_CLIENTS, site_of
from stepiq.core.errors import LimitReached, Unavailable
from stepiq.core.observability import metrics

_RETRY_AFTER = timedelta(seconds=5)
_HALF_OPEN_PER_CLIENT = 100
_ANTEROOM = 256


class TooManyConnections(LimitReached):
    """One client address has too many connections."""

    code = "too_many_connections"
    reason: ClassVar[str] = "address_limit"

    def __init__(self, limit: int, whose: str = "Your address") -> None:
        super().__init__(
            f"{whose} has {limit} connections to this server, which is the limit at present. Close some, or try again"
            " later. An operator can raise the limit with STEPIQ_MAX_CONNECTIONS_PER_ADDRESS, and with STEPIQ_MAX_CONNECTIONS"
            " if the server is almost full.",
            _RETRY_AFTER,
            limit=limit,
        )


class ServerFull(Unavailable):
    """The process has as many connections as it accepts."""

    code = "server_full"
    reason: ClassVar[str] = "server_limit"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"This server has {limit} connections, which is the limit. Try again in a moment."
            " An operator can raise the limit with STEPIQ_MAX_CONNECTIONS.",
            _RETRY_AFTER,
            limit=limit,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """The connection limits of one listener."""

    total: int
    per_client: int
    half_open_per_client: int
    anteroom: int
    """In addition to `total`. Includes connections that receive a refusal."""

    @classmethod
    def fitted(cls, total: int, per_client: int) -> "Limits":
        """Limits in which one client has at most a quarter of the total, and half of that half-open."""
        per_client = max(1, min(per_client, total // 4))
        half_open = max(1, min(_HALF_OPEN_PER_CLIENT, per_client // 2))
        return cls(total, per_client, half_open, max(1, min(_ANTEROOM, total // 4)))


class _Phase(Enum):
    HALF_OPEN = auto()
    BUSY = auto()
    IDLE = auto()
    CLOSED = auto()


@dataclass(slots=True, eq=False)
class ClientConnection:
    """One connection. Only `Connections` changes it."""

    owner: str
    """The address of the client. Empty for a trusted proxy, which has no limits of its own."""
    close: Callable[[], None]
    """Closes the connection immediately."""
    client: str
    """The client that it counts for: the owner, or the client for which a proxy sends the current request."""
    has_place: bool = False
    phase: _Phase = _Phase.HALF_OPEN


def _keys(client: str) -> tuple[str, ...]:
    """What the connections of a client count for: the client, and its site."""
    site = site_of(client)
    return (client, site) if site else (client,)


@dataclass(slots=True)
class _Crowd:
    """Connections by client and by site, with access to the one that has the most."""

    _of: dict[str, OrderedDict[ClientConnection, None]] = field(
        default_factory=dict[str, OrderedDict[ClientConnection, None]]
    )
    _levels: list[OrderedDict[str, None]] = field(default_factory=lambda: [OrderedDict()])
    """At index n, the clients and sites with n connections."""
    _size: int = 0

    def __len__(self) -> int:
        return self._size

    @property
    def most(self) -> int:
        """The number of connections of the client or site that has the most."""
        return len(self._levels) - 1

    def count(self, key: str) -> int:
        return len(self._of.get(key, ()))

    def add(self, one: ClientConnection) -> None:
        self._size += 1
        for key in _keys(one.client):
            mine = self._of.setdefault(key, OrderedDict())
            self._levels[len(mine)].pop(key, None)
            mine[one] = None
            if len(mine) == len(self._levels):
                self._levels.append(OrderedDict())
            self._levels[len(mine)][key] = None

    def discard(self, one: ClientConnection) -> None:
        if one not in self._of.get(one.client, ()):
            return
        self._size -= 1
        for key in _keys(one.client):
            mine = self._of[key]
            del self._levels[len(mine)][key]
            del mine[one]
            if mine:
                self._levels[len(mine)][key] = None
            else:
                del self._of[key]
        while len(self._levels) > 1 and not self._levels[-1]:
            self._levels.pop()

    def oldest(self, key: str) -> ClientConnection | None:
        return next(iter(self._of.get(key, ())), None)

    def oldest_of_largest(self) -> ClientConnection | None:
        key = next(iter(self._levels[-1]), None)
        return None if key is None else self.oldest(key)


@dataclass(slots=True)
class Connections:
    """The connections of one listener. All operations take constant time."""

    limits: Limits
    _places: int = 0
    """Connections that have a place."""
    _of_client: Counter[str] = field(default_factory=Counter[str])
    """Connections that have a place, by client and by site."""
    _half_open: _Crowd = field(default_factory=_Crowd)
    _anteroom: _Crowd = field(default_factory=_Crowd)
    """All connections without a place. Any of them can be closed for a new one."""
    _idle: _Crowd = field(default_factory=_Crowd)

    def open(self, owner: str, close: Callable[[], None]) -> ClientConnection:
        """Add a connection.

        Args:
            owner: the address of the client; empty for a trusted proxy.
            close: closes the connection immediately.
        """
        one = ClientConnection(owner, close, owner)
        metrics.connections_open.inc()
        if self._has_free_place(owner):
            self._give_place(one, owner)
            return one
        if len(self._anteroom) >= self.limits.anteroom:
            self._cut(self._anteroom.oldest_of_largest())
        self._anteroom.add(one)
        return one

    def request(self, one: ClientConnection, client: str) -> TooManyConnections | ServerFull | None:
        """Register the head of a request, and assign a place to the connection if it has none.

        Args:
            one: the connection.
            client: the owner, or the client for which a proxy sends the request.

        Returns:
            The error with which to refuse the request, or None.
        """
        if one.phase in (_Phase.BUSY, _Phase.CLOSED) or (one.has_place and client == one.client):
            return None
        # Protects this connection from being closed for its own place.
        self.work(one)
        if (full := self._full(client)) is not None and not self._make_place_of(full):
            whose = "Your address" if full == client else "The /48 network of your address"
            return TooManyConnections(self._of_client[full], whose)
        if not one.has_place and not self._make_place():
            return ServerFull(self.limits.total)
        self._give_place(one, client)
        return None

    def read(self, one: ClientConnection) -> None:
        """Register a part of another request on an idle connection."""
        if one.phase is _Phase.IDLE:
            self._idle.discard(one)
            self._add_half_open(one)

    def work(self, one: ClientConnection) -> None:
        """Mark a connection with a place as busy: its request is complete, or its response is not fully read."""
        if not one.has_place or one.phase is _Phase.CLOSED:
            return
        if one.phase is _Phase.IDLE:
            self._idle.discard(one)
        elif one.phase is _Phase.HALF_OPEN:
            self._half_open.discard(one)
        one.phase = _Phase.BUSY

    def rest(self, one: ClientConnection) -> None:
        """Mark a busy connection as idle: the client has received the response."""
        if one.phase is not _Phase.BUSY:
            return
        self._count(one.client, -1)
        one.client = one.owner
        self._count(one.client, +1)
        one.phase = _Phase.IDLE
        self._idle.add(one)

    def close(self, one: ClientConnection) -> None:
        """Remove a connection that has ended."""
        if one.phase is _Phase.CLOSED:
            return
        if one.has_place:
            self.work(one)
            self._places -= 1
            self._count(one.client, -1)
        else:
            self._anteroom.discard(one)
        one.phase = _Phase.CLOSED
        metrics.connections_open.dec()

    def make_place(self) -> bool:
        """Close the oldest idle or half-open connection of the client or site with the most connections of one kind."""
        larger = self._idle if self._idle.most >= self._half_open.most else self._half_open
        return self._cut(larger.oldest_of_largest())

    def _has_free_place(self, client: str) -> bool:
        if self._places >= self.limits.total:
            return False
        return self._full(client) is None and all(
            self._half_open.count(key) < self._limit_of_half_open(key, client)
            for key in _keys(client)
        )

    def _full(self, client: str) -> str | None:
        """The client or its site, if it has all its places. A trusted proxy has no limit."""
        free = self.limits.total - (self._places - len(self._idle) - len(self._half_open))
        for key in _keys(client) if client else ():
            most = self.limits.per_client * (1 if key == client else SITE_CLIENTS)
            # At most as many as have no request in progress.
            if self._of_client[key] >= max(1, min(most, free)):
                return key
        return None

    def _limit_of_half_open(self, key: str, client: str) -> float:
        if not client:
            return inf
        return self.limits.half_open_per_client * (1 if key == client else SITE_CLIENTS)

    def _make_place(self) -> bool:
        return self._places < self.limits.total or self.make_place()

    def _make_place_of(self, key: str) -> bool:
        # An idle connection first, because closing it loses no request.
        return self._cut(self._idle.oldest(key) or self._half_open.oldest(key))

    def _give_place(self, one: ClientConnection, client: str) -> None:
        if one.has_place:
            self._count(one.client, -1)
        else:
            self._anteroom.discard(one)
            one.has_place = True
            self._places += 1
        one.client = client
        self._count(client, +1)
        self._add_half_open(one)

    def _add_half_open(self, one: ClientConnection) -> None:
        for key in _keys(one.client):
            if self._half_open.count(key) >= self._limit_of_half_open(key, one.client):
                self._cut(self._half_open.oldest(key))
        one.phase = _Phase.HALF_OPEN
        self._half_open.add(one)

    def _count(self, client: str, change: int) -> None:
        for key in _keys(client) if client else ():
            self._of_client[key] += change
            if not self._of_client[key]:
                del self._of_client[key]

    def _cut(self, victim: ClientConnection | None) -> bool:
        if victim is None:
            return False
        reason = "idle" if victim.phase is _Phase.IDLE else "half_open"
        metrics.connections_refused.labels(reason).inc()
        self.close(victim)
        victim.close()
        return True
