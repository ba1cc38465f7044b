"""Fixtures of all tests: new stores of both kinds, a movable clock, rows, the app, and a blocked network.

Tests that use `settings`, `database` or fixtures that depend on them run on SQLite. With the mark `both_stores`, they
also run on PostgreSQL. In the folders of `_BOTH_STORES`, the others run on PostgreSQL as slow tests. With
STEPIQ_TEST_STORES=both, all of them do, except tests with the mark `one_store`.
"""

import logging
import os
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import hypothesis
import pytest
import structlog
from dbos._event_loop import BackgroundEventLoop
from fastapi import FastAPI

from stepiq.accounts.service import Account
from stepiq.core import clock as core_clock
from stepiq.core.http import GuardedClient, guarded_client
from stepiq.core.mail import Mailer
from stepiq.core.settings.model import Settings, load
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.providers.local import model as local
from stepiq.providers.registry import Providers
from stepiq.server.app import create_app, equip
from stepiq.store.connections import postgresql
from stepiq.store.connections import waiting as answer_time
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges
from stepiq.web.services import Services
from tests.support import garbage, run_folders
from tests.support.live import Live, live
from tests.support.make import Make
from tests.support.network import only_loopback
from tests.support.order import slow_first
from tests.support.statements import kept_statements
from tests.support.store_calls import StoreComparison
from tests.support.stores import PostgresStores, SqliteStores

_STORES = "STEPIQ_TEST_STORES"
_TEST_VARIABLES = (
    run_folders.VARIABLE,
    _STORES,
    "STEPIQ_TEST_POSTGRES_URL",
    "STEPIQ_TEST_CYCLES",
    "STEPIQ_TEST_CHROMIUM",
    "STEPIQ_TEST_HEADED",
)
_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes folders of its own there
_MEMORY_BYTES = 4 * 1024**3
_FOREIGN_VARIABLES = (
    "OLLAMA_BASE_URL",
    "GEMINI_API_KEY",
    *(
        f"{maker}_{what}"
        for maker in ("OPENAI", "ANTHROPIC", "GOOGLE", "MISTRAL", "ZAI")
        for what in ("API_KEY", "BASE_URL")
    ),
)


# Property tests share fixtures between examples and run on both stores, because each example creates its own rows. No
# deadline, because the time of an example depends on the load of the machine.
hypothesis.settings.register_profile(
    "stores",
    deadline=None,
    suppress_health_check=[
        hypothesis.HealthCheck.function_scoped_fixture,
        hypothesis.HealthCheck.differing_executors,
    ],
)
hypothesis.settings.load_profile("stores")


def pytest_configure(config: pytest.Config) -> None:
    for name in list(os.environ):
        ours = name.startswith("STEPIQ_") and name not in _TEST_VARIABLES
        if ours or name in _FOREIGN_VARIABLES:
            # The user's own configuration must not affect the tests.
            del os.environ[name]
    is_controller = not hasattr(config, "workerinput")
    if is_controller:
        # Files of killed runs use memory.
        for parent in {_MEMORY, Path(tempfile.gettempdir())}:
            run_folders.sweep(parent)
    _keep_files_in_memory()
    config.pluginmanager.register(garbage)
    if config.getoption("compare_stores"):
        config.pluginmanager.register(StoreComparison(config))
    if is_controller:
        os.environ[run_folders.VARIABLE] = str(run_folders.create(Path(tempfile.gettempdir())))
        config.pluginmanager.register(_FailuresAtOnce(config))
    # Libraries may log after the end of a test, when its output stream is closed.
    logging.raiseExceptions = False


class _FailuresAtOnce:
    """Prints each failure immediately, for runs that end before their summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._plugins = config.pluginmanager

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._plugins.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            crash = getattr(report.longrepr, "reprcrash", None)
            message = getattr(crash, "message", str(report.longrepr)).partition("\n")[0]
            terminal.write_line(f"\n{report.nodeid} ({report.when}): {message}")


def _keep_files_in_memory() -> None:
    # On a disk, the suite would spend most of its time on commits. Files in memory also survive the death of a process,
    # and no test simulates a power failure.
    if "TMPDIR" in os.environ or not _MEMORY.is_dir():
        return
    if shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        run_folders.remove(Path(os.environ.pop(run_folders.VARIABLE)))


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    # The queue's library would add a handler that writes to the output of the first test that starts it.
    logging.getLogger("dbos").handlers[:] = [logging.NullHandler()]
    # By default, tracebacks are formatted with the values of all variables, which takes longer than any test.
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    )


@pytest.fixture(autouse=True)
def restored_logs() -> Iterator[None]:
    """Restore the logging configuration after each test, because its streams are closed."""
    saved = structlog.get_config()
    loggers = [logging.getLogger(name) for name in ("", "stepiq", "dbos", "uvicorn.error")]
    states = [(each.handlers[:], each.level, each.filters[:], each.propagate) for each in loggers]
    yield
    structlog.configure(**saved)
    for logger, (handlers, level, filters, propagate) in zip(loggers, states, strict=True):
        logger.handlers[:], logger.filters[:] = handlers, filters
        logger.setLevel(level)
        logger.propagate = propagate


@pytest.fixture(scope="session", autouse=True)
def measured_model() -> None:
    """Pass the coverage variable to the process of the local model, which gets a clean environment."""
    names = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
    local.ENVIRONMENT.update({name: os.environ[name] for name in names if name in os.environ})


@pytest.fixture(scope="session", autouse=True)
def closed_network() -> Iterator[None]:
    with only_loopback():
        yield


@pytest.fixture(scope="session", autouse=True)
def statements() -> Iterator[None]:
    with kept_statements():
        yield


@pytest.fixture(scope="session", autouse=True)
def read_certificates() -> Iterator[None]:
    """Let the clients of tests share the machine's certificates: reading them for each takes 10 ms."""
    made = httpx2.create_ssl_context

    @cache
    def kept(*_files: str | None) -> ssl.SSLContext:
        return made()

    def create(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        if verify is not True or cert is not None or not trust_env:
            return made(verify=verify, cert=cert, trust_env=trust_env)
        return kept(*map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx2._transports.default.create_ssl_context", create)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_loop() -> None:
    """Execute runs on the loop of their test, which does not run between the test and its fixtures.

    The queue's library would treat such a loop as closed, and execute a run that starts at that time on a separate
    loop, where objects of the test cannot wake it.
    """
    own = BackgroundEventLoop.target_loop
    BackgroundEventLoop.target_loop = lambda self: self._main_loop or own(self)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give PostgreSQL and its clients a minute, because a busy machine can stall for seconds.

    Tests of these limits override it.
    """
    monkeypatch.setattr(answer_time, "ANSWER_SECONDS", 60.0)
    monkeypatch.setattr(postgresql, "IDLE_IN_TRANSACTION", "60s")
    monkeypatch.setattr(postgresql, "CONNECT_SECONDS", 60)


@pytest.fixture(autouse=True)
def clock() -> Iterator[ModuleType]:
    """`stepiq.core.clock`. `clock.advance(...)` moves the time until the test ends."""
    yield core_clock
    core_clock.reset()


@pytest.fixture(scope="session")
def sqlite_stores() -> SqliteStores:
    return SqliteStores()


@pytest.fixture(scope="session")
def postgres_stores() -> Iterator[PostgresStores]:
    stores = PostgresStores(Path(os.environ[run_folders.VARIABLE]))
    yield stores
    stores.close()


_TESTS = Path(__file__).parent
_BOTH_STORES = tuple(_TESTS / name for name in ("durability", "execution", "queue", "store"))
"""The folders whose tests run on both stores: what they test depends on transactions, locks and SQL."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--compare-stores",
        action="store_true",
        help="fail if a line of stepIQ executes SQL on SQLite only; for all tests together",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start the slow tests first, so that no worker is left with them at the end."""
    items[:] = [item for item in items if not _is_left_out(item)]
    usual = float(config.getini("timeout"))

    def limit(item: pytest.Item) -> float:
        own = item.get_closest_marker("timeout")
        return usual if own is None else own.args[0]

    slow = [item for item in items if item.get_closest_marker("slow") is not None]
    slow.sort(key=limit, reverse=True)
    others = [item for item in items if item.get_closest_marker("slow") is None]
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = slow_first(slow, others, workers)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marks = metafunc.definition.iter_markers("parametrize")
    if "database_url" in metafunc.fixturenames and all(m.args[0] != "database_url" for m in marks):
        stores = ["sqlite", *_second_store(metafunc.definition)]
        metafunc.parametrize("database_url", stores, indirect=True)


def _second_store(test: pytest.Item) -> list[Any]:
    both = pytest.param("postgresql", marks=pytest.mark.postgresql)
    for mark in test.iter_markers():
        # The mark of a test comes before that of its class, and that before the one of its file.
        if mark.name in ("both_stores", "one_store"):
            return [both] if mark.name == "both_stores" else []
    if os.environ.get(_STORES) == "both":
        return [both]
    if any(test.path.is_relative_to(folder) for folder in _BOTH_STORES):
        return [pytest.param("postgresql", marks=[pytest.mark.postgresql, pytest.mark.slow])]
    return []


def _is_left_out(item: pytest.Item) -> bool:
    """Whether it is a parameter set with the mark `one_store`, of a test that runs on both stores."""
    marks = {mark.name for mark in getattr(getattr(item, "callspec", None), "marks", ())}
    return marks >= {"one_store", "postgresql"}


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a new, migrated database."""
    kind = "sqlite_stores" if request.param == "sqlite" else "postgres_stores"
    stores: SqliteStores | PostgresStores = request.getfixturevalue(kind)
    url = stores.create(tmp_path, is_new=request.node.get_closest_marker("new_store") is not None)
    yield url
    stores.drop(url)


@pytest.fixture(scope="session")
def default_settings() -> Settings:
    return load(config_file=Path("/nowhere/stepiq.toml"))


@pytest.fixture
def settings(default_settings: Settings, database_url: str, tmp_path: Path) -> Settings:
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    here = {
        "database_url": database_url,
        "data_dir": data_dir,
        "config_file": tmp_path / "stepiq.toml",
        # The suite's PostgreSQL runs without fsync.
        "allow_unsafe_store": True,
    }
    return default_settings.model_copy(update=here)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings)
    yield database
    await database.close()


@pytest.fixture
def make(database: Database) -> Make:
    return Make(database)


@pytest.fixture
def changes() -> LocalChanges:
    return LocalChanges()


@pytest.fixture
async def providers(settings: Settings) -> AsyncIterator[Providers]:
    providers = Providers(settings)
    yield providers
    await providers.close()


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[GuardedClient]:
    """The client for URLs of tenants. It cannot reach loopback unless `settings.allowed_private_networks` allows it."""
    async with guarded_client(settings) as client:
        yield client


@pytest.fixture
async def engine(
    database: Database, changes: LocalChanges, providers: Providers, http: GuardedClient
) -> AsyncIterator[Engine]:
    """An engine that accepts and cancels runs but does not execute them. Some folders override it."""
    engine = Engine(database, changes, providers, Plans.load({}), http)
    yield engine
    await engine.stop()


@pytest.fixture
def services(
    settings: Settings,
    database: Database,
    changes: LocalChanges,
    providers: Providers,
    engine: Engine,
    http: GuardedClient,
) -> Services:
    plans = Plans.load(settings.plans)
    return Services(settings, database, changes, providers, engine, Mailer(settings), plans, http)


@pytest.fixture(scope="session")
def routes() -> FastAPI:
    # Creating the app takes longer than most tests.
    return create_app()


@pytest.fixture
async def app(routes: FastAPI, services: Services) -> AsyncIterator[FastAPI]:
    """The app on these services. Routes that a test adds are removed after it."""
    app, before = routes, list(routes.router.routes)
    equip(app, services)
    yield app
    await app.state.doors.close()
    await app.state.oidc.close()
    app.router.routes[:] = before


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without credentials, from loopback."""
    transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
async def account(make: Make) -> Account:
    """A regular account with the plan `enterprise`."""
    return await make.user()


@pytest.fixture
async def stranger(make: Make) -> Account:
    """Another account with a separate workspace."""
    return await make.user()


@pytest.fixture
async def owner(app: FastAPI, make: Make, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with a session of `account`."""
    opened = await make.session(account)
    token = app.state.doors.tokens.issue(account.id, opened.session_id)
    transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
    async with httpx2.AsyncClient(
        transport=transport,
        base_url="http://127.0.0.1",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        yield client


@pytest.fixture
async def server(app: FastAPI, settings: Settings) -> AsyncIterator[Live]:
    """The app on a real socket."""
    async with live(app, settings) as running:
        yield running
