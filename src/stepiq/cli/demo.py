"""`stepiq demo`: starts a server, runs an example pipeline through the API, and shows it in a terminal."""

import asyncio
import contextlib
import os
import secrets
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from stepiq.accounts.signing_in.registration import setup_token
from stepiq.cli.models import fetch_weights, uses_local_model
from stepiq.cli.output.console import UsageError, say, say_block, shown_path, this_command
from stepiq.cli.output.progress import make_progress, show_result
from stepiq.cli.remote import triggering
from stepiq.client import (
    AsyncClient,
    AuthenticationError,
    ClientError,
    ConflictError,
    PermissionDeniedError,
)
from stepiq.client.aio.transport import AsyncTransport
from stepiq.client.connection import DEFAULT_TIMEOUT, ServerConnection
from stepiq.client.models import Session
from stepiq.core import http, json
from stepiq.core.errors import Invalid, Unavailable
from stepiq.core.keys import files as key_files
from stepiq.core.keys import files as keys
from stepiq.core.keys.files import create_private
from stepiq.core.settings import model as settings
from stepiq.core.settings.environment import environment
from stepiq.core.settings.model import Settings
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.examples import Example, read_examples
from stepiq.providers.registry import Providers
from stepiq.server.connections.listening import bind
from stepiq.server.welcome import demo_login_file

_START_SECONDS = 60
_STOP_SECONDS = 30
_HOST = "127.0.0.1"


class DemoServerFailed(Unavailable):
    """The server of the demo did not start."""

    code = "demo_server_failed"


@asynccontextmanager
async def demo_server(port: int, log: Path) -> AsyncGenerator[AsyncClient]:
    """Run a server until the block ends, and yield a client of it.

    Args:
        port: port of the server. 0 selects a free port.
        log: file for the log of the server. It is overwritten.
    """
    bind(_HOST, port, "--port").close()
    process = await _start(port, log)
    try:
        url = await _address(process, log)
        connection = ServerConnection(
            url,
            api_key=None,
            access_token=None,
            workspace=None,
            timeout=DEFAULT_TIMEOUT,
            max_retries=0,
        )
        async with AsyncClient.over(AsyncTransport(connection, http.operator_client())) as client:
            yield client
    finally:
        await _stop(process)


async def _start(port: int, log: Path) -> asyncio.subprocess.Process:
    command = ["-m", "stepiq", "serve", "--host", _HOST, "--port", str(port)]
    create_private(log)
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            # With these, the server prints its local address, which the demo calls, and its errors as text.
            env=environment(STEPIQ_PUBLIC_URL="", STEPIQ_LOG_FORMAT="console"),
            # Ctrl-C then reaches only the demo, which stops the server.
            start_new_session=True,
        )


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    """The URL that the server prints when it is ready."""
    lines = cast("asyncio.StreamReader", process.stdout)
    try:
        async with asyncio.timeout(_START_SECONDS):
            async for line in lines:
                _, is_ready, url = line.decode().strip().rpartition(" is ready at ")
                if is_ready:
                    return url
    except TimeoutError:
        raise DemoServerFailed(
            f"The server was not ready after {_START_SECONDS} s. {_last_line(log)}"
        ) from None
    raise DemoServerFailed(f"The server did not start. {_last_line(log)}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    line = lines[-1].removeprefix("Error: ") if lines else "It printed nothing."
    return f"{line} (log: {log})"


_EMAIL = "demo@example.com"
_SHOWN = "customer_message"
_NEXT_INPUT = 'message="This is Tom Baker. Order A-60212 came without its lid."'
_TERMINATED = 128 + signal.SIGTERM


class DemoLoginUnreadable(Invalid):
    """The file with the demo's account is damaged."""

    code = "demo_login_unreadable"


class DemoCallFailed(Unavailable):
    """The server of the demo refused a request, or did not respond."""

    code = "demo_call_failed"


@dataclass(frozen=True, slots=True)
class DemoLogin:
    """The demo's account. It is saved in the data folder, for the next demo and for the user."""

    email: str
    password: str


def run(port: int) -> bool:
    """Run the demo, and return whether its run completed."""
    configured = settings.load()
    if configured.sqlite_path is None:
        raise UsageError(
            "The demo uses SQLite only, but STEPIQ_DATABASE_URL is set to PostgreSQL. Unset it to run the demo."
        )
    examples = read_examples()
    chosen = next(example for example in examples if example.name == _SHOWN)
    folder = key_files.prepare_folder(configured)
    _choose_model(configured, chosen)
    try:
        return asyncio.run(_demo(configured, folder, port, examples, chosen))
    except asyncio.CancelledError:
        sys.exit(_TERMINATED)
    except ClientError as error:
        raise DemoCallFailed(f"The demo cannot use its server: {error}") from error


def _choose_model(configured: Settings, example: Example) -> None:
    """Print the model that the run will use. For the local model, fetch the weights before the server starts."""
    providers = Providers(configured)
    model = providers.default_model()
    definition = load(example.source, SourceFormat.YAML).definition
    if definition is not None and uses_local_model(definition, providers):
        say(f"Model: {model.id}. It runs on this machine: no key, no cost.")
        say(
            "       To use another model, set OPENAI_API_KEY, or OLLAMA_BASE_URL and STEPIQ_DEFAULT_MODEL."
        )
        fetch_weights(configured)
    else:
        say(f"Model: {model.id}, the default model of {model.source.label}.")


async def _demo(
    configured: Settings, folder: Path, port: int, examples: Sequence[Example], chosen: Example
) -> bool:
    # SIGTERM cancels this task, which also stops the run and the server.
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    say("Starting a server ...")
    async with demo_server(port, folder / "demo.log") as visitor:
        say(f"Server: {visitor.url}, with its data in {configured.sqlite_path}")
        login, client = await _sign_in(visitor, configured)
        saved = {example.name: await _save(client, example) for example in examples}
        say(f"Pipelines: {len(saved)} examples, from {shown_path(chosen.path.parent)}")
        run = await _show(client, saved[_SHOWN], chosen)
    say()
    completed = show_result(run)
    if completed:
        _say_next(configured, chosen, login, str(run["id"]))
    return completed


async def _sign_in(visitor: AsyncClient, configured: Settings) -> tuple[DemoLogin, AsyncClient]:
    """Log in to the demo's account. Create it if necessary. On a new server it is the administrator.

    Returns the account and a client that uses it.
    """
    file = demo_login_file(configured)
    login = _read_login(file)
    session = login and await _log_in(visitor, login)
    role = ""
    if login is None or session is None:
        login, session, role = await _create_account(visitor, configured)
        _keep(login, file)
    say(f"Account: {login.email}{role} (password in {shown_path(file)})")
    return login, visitor.with_session(session.token)


async def _log_in(visitor: AsyncClient, login: DemoLogin) -> Session | None:
    """None if the server refuses the login, for example after its database was replaced."""
    try:
        return await visitor.auth.login(email=login.email, password=login.password)
    except AuthenticationError:
        return None


async def _create_account(
    visitor: AsyncClient, configured: Settings
) -> tuple[DemoLogin, Session, str]:
    """A new account, its session, and its role as the end of a line."""
    login = DemoLogin(_EMAIL, secrets.token_urlsafe(12))
    # The token has an effect only if the server has no account.
    proof = setup_token(keys.jwt_secret(configured))
    try:
        session = await visitor.auth.register(
            email=login.email, password=login.password, setup_token=proof
        )
    except (PermissionDeniedError, ConflictError):
        login = DemoLogin(f"demo-{secrets.token_hex(3)}@example.com", login.password)
        await _add_account(configured, login)
        session = await visitor.auth.login(email=login.email, password=login.password)
    if session.user.is_admin:
        return login, session, ", administrator"
    await _lift_limits(configured, login)
    return login, session, ", not an administrator: the server already has one"


# The next two functions change the database directly. They are needed only if the server already has accounts, so the
# modules that they import are loaded only then.


async def _add_account(configured: Settings, login: DemoLogin) -> None:
    from stepiq.accounts.schemas import Registration
    from stepiq.cli.administration.accounts import add_account

    asked = Registration(email=login.email, password=login.password)
    await add_account(configured, asked, plan=configured.default_plan, is_admin=False)


async def _lift_limits(configured: Settings, login: DemoLogin) -> None:
    from stepiq.accounts.signing_in.registration import FIRST_PLAN
    from stepiq.cli.administration.accounts import change_plan

    await change_plan(configured, login.email, FIRST_PLAN)


def _read_login(file: Path) -> DemoLogin | None:
    try:
        saved = json.as_object(json.read_trusted(file.read_text()))
        return DemoLogin(str(saved["email"]), str(saved["password"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise DemoLoginUnreadable(f"{file} cannot be read. Delete it and try again.") from None


def _keep(login: DemoLogin, file: Path) -> None:
    # Created with restricted permissions, so that other users can never read it.
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(json.dumps(asdict(login)))


async def _save(client: AsyncClient, example: Example) -> str:
    """Create or update the example's pipeline on the server, and return its id."""
    definition = load(example.source, SourceFormat.YAML).definition
    name = definition.name if definition is not None else example.name
    async for pipeline in client.pipelines.list(q=name):
        if pipeline.name == name:
            if await client.pipelines.get_yaml(pipeline.id) != example.source:
                await client.pipelines.update(pipeline.id, example.source)
            return str(pipeline.id)
    return str((await client.pipelines.create(example.source)).id)


async def _show(client: AsyncClient, pipeline_id: str, example: Example) -> dict[str, Any]:
    """Start a run, show its events as they happen, and return the finished run."""
    run = await client.runs.start(pipeline_id, input_data=example.input_data)
    say(f"Run: POST {client.url}/api/pipelines/{pipeline_id}/run")
    say(f"     {json.dumps(example.input_data)}")
    say()
    try:
        await triggering.show_events(client, str(run.id), make_progress())
    except asyncio.CancelledError:
        # Otherwise a stopping server would wait for the calls of the run.
        await client.runs.cancel(run.id)
        raise
    return await triggering.run_of(client, str(run.id))


def _say_next(configured: Settings, example: Example, login: DemoLogin, run_id: str) -> None:
    command, file = this_command(), shown_path(example.path)
    say_block(f"""
Next:
  Start the server again:
    {command} serve
  Then see this run in your browser. Sign in as {login.email} with the password in {shown_path(demo_login_file(configured))}.
    {configured.base_url}/runs/{run_id}
  This pipeline is {file}. Edit it and run it without a server:
    {command} run {shlex.quote(str(file))} --input {_NEXT_INPUT}
  Check which models and services you can use:
    {command} doctor""")
