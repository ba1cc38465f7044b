"""All processes of one trial: stepIQ, and with PostgreSQL, the store and a proxy in front of it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.chaos.ledger import Ledger
from tests.chaos.nodes import Node, Role
from tests.chaos.plan import Options
from tests.chaos.proxy import Proxy
from tests.chaos.store import Postgres
from tests.support.ports import free_port

_STRANGERS = """
[plans.strangers]
extends = "starter"
runs_per_day = "unlimited"
"""
"""A plan with limits, which SECURITY.md requires before strangers may register. Attacks do not end after a day's runs."""
_START_SECONDS = 300
"""Time limit of a start, sufficient for very slow machines."""


class Cluster:
    """The processes, started as by an operator, with one shared data folder."""

    def __init__(
        self, options: Options, folder: Path, ledger: Ledger, environment: dict[str, str]
    ) -> None:
        self.options = options
        self.ledger = ledger
        self.folder = folder
        self.data = folder / "data"
        self.store: Postgres | None = None
        self.proxy: Proxy | None = None
        self.nodes: list[Node] = []
        config = folder / "stepiq.toml"
        config.write_text(_STRANGERS)
        self._environment = {
            **environment,
            "STEPIQ_DATA_DIR": str(self.data),
            "STEPIQ_CONFIG_FILE": str(config),
            "STEPIQ_LOG_FORMAT": "json",
            # A process may be killed many times during one step, and no run is the cause.
            "STEPIQ_RUN_CRASH_LIMIT": "0",
            "STEPIQ_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
            # Hostile workspaces register themselves, each from a separate address.
            "STEPIQ_REGISTRATION": "open",
            "STEPIQ_TRUSTED_PROXIES": "127.0.0.0/8",
            # The workspace of the clients has the plan `enterprise`, because its account is the first one.
            "STEPIQ_DEFAULT_PLAN": options.hostile_plan,
        }

    async def start(self) -> None:
        """Start all processes, and return when they are ready."""
        if not self.options.is_sqlite:
            self.store = Postgres(self.ledger)
            await self.store.create()
            self.proxy = Proxy(self.store.port)
            await self.proxy.start()
            url = f"postgresql://postgres@127.0.0.1:{self.proxy.port}/{self.store.database}"
            self._environment["STEPIQ_DATABASE_URL"] = url
        # One at a time, because the first one creates the tables.
        for name, role in self._places():
            node = Node(name, role, free_port(), self._environment, self.folder, self.ledger)
            self.nodes.append(node)
            node.start()
            await asyncio.wait_for(node.until_ready(), _START_SECONDS)

    def _places(self) -> list[tuple[str, Role]]:
        if not self.options.is_split:
            return [("serve", Role.SERVE)]
        apis = [(f"api-{n + 1}", Role.API) for n in range(self.options.apis)]
        return apis + [(f"worker-{n + 1}", Role.WORKER) for n in range(self.options.workers)]

    @property
    def apis(self) -> list[Node]:
        return [node for node in self.nodes if node.role.answers]

    def choose(self, wanted: Callable[[Node], bool], pick: float) -> Node | None:
        """Select one of the nodes that have a process, are not paused, and fulfil `wanted`. None if there are none."""
        found = [n for n in self.nodes if n.is_alive and not n.is_paused and wanted(n)]
        return found[int(pick * len(found))] if found else None

    async def until_ready(self) -> None:
        """Wait until every process is ready."""
        for node in self.nodes:
            await node.until_ready()

    async def close(self) -> None:
        await asyncio.gather(*(node.stop() for node in self.nodes))
        if self.proxy is not None:
            await self.proxy.close()
        if self.store is not None:
            await self.store.close()
