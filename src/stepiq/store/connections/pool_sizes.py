"""How many connections to PostgreSQL each process of a server opens."""

from typing import NamedTuple

# With more connections, transactions would wait for each other in PostgreSQL instead of here.
_STORE = 15
# Few of the queue's threads use the store at the same time.
_QUEUE = 8
# Of all processes of a server. Four processes, with three connections each for notifications and the lease of the worker,
# need 80, and PostgreSQL accepts 97 of its roles by default.
_STORE_OF_ALL = 48
_QUEUE_OF_ALL = 20
_LEAST_STORE = 6
_LEAST_QUEUE = 3


class PoolSizes(NamedTuple):
    """The most connections of a process."""

    store: int
    """For requests and runs."""
    queue: int

    @classmethod
    def of(cls, processes: int) -> "PoolSizes":
        """The sizes for each of some processes."""
        return cls(
            max(_LEAST_STORE, min(_STORE, _STORE_OF_ALL // processes)),
            max(_LEAST_QUEUE, min(_QUEUE, _QUEUE_OF_ALL // processes)),
        )

    @property
    def of_workspace(self) -> int:
        """How many of the store's connections one workspace has at most.

        Its transactions wait for each other's locks. If they had all connections, all workspaces would wait.
        """
        return self.store * 2 // 3
