"""`stepiq demo`: the whole way of a run, shown in a terminal."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import stepiq
from stepiq.cli.api import Api, ApiRefused
from stepiq.cli.console import UsageError, say
from stepiq.cli.demo_server import demo_server
from stepiq.cli.progress import make_progress
from stepiq.cli.results import models_used, show_result
from stepiq.cli.weights import fetch_weights, uses_local_model
from stepiq.core import json, keys, settings
from stepiq.core.errors import Invalid
from stepiq.core.json import Json
from stepiq.core.settings import Settings
from stepiq.engine.providers.registry import Providers
from stepiq.language.loading import load
from stepiq.language.source import SourceFormat

_EMAIL = "demo@example.com"
_SHOWN = "customer_message"
_TERMINATED = 128 + signal.SIGTERM
_UNAUTHORIZED = 401
_REGISTRATION_REFUSED = (403, 409)


class DemoLoginUnreadable(Invalid):
    """The file with the demo's account is damaged."""

    code = "demo_login_unreadable"


@dataclass(frozen=True, slots=True)
class Example:
    """One of the pipelines that come with stepIQ."""

    name: str
    """Of the file, without its ending."""
    path: Path
    source: str
    input_data: dict[str, Json]
    """What the example is shown with."""


@dataclass(frozen=True, slots=True)
class Login:
    """The demo's account, kept in the data folder so that the next demo and its user can log in."""

    email: str
    password: str


def run(port: int) -> bool:
    """Show a run; whether it completed.

    Raises:
        StepIQError: the server, the local model's weights or the account could not be had.
        UsageError: the store is not SQLite, where the demo has nothing to do.
    """
    configured = settings.load()
    if configured.sqlite_path is None:
        raise UsageError(
            "The demo keeps to SQLite, and STEPIQ_DATABASE_URL names PostgreSQL. Unset it for the demo."
        )
    examples = read_examples()
    chosen = next(example for example in examples if example.name == _SHOWN)
    folder = keys.prepare_data_dir(configured)
    _choose_model(configured, chosen)
    try:
        return asyncio.run(_demo(configured, folder, port, examples, chosen))
    except asyncio.CancelledError:
        sys.exit(_TERMINATED)


def _choose_model(configured: Settings, example: Example) -> None:
    """Say which model will be asked, and have the local one's weights here before anybody waits for them."""
    providers = Providers(configured)
    model = providers.default_model()
    definition = load(example.source, SourceFormat.YAML).definition
    if definition is not None and uses_local_model(definition, providers):
        say(f"Model: {model.id}, which runs on this machine: no key, no network, no cost.")
        say("       (Set OPENAI_API_KEY to use OpenAI's instead.)")
        fetch_weights(configured)
    else:
        say(f"Model: {model.id}, the default of {model.source.label}, which is configured here.")


async def _demo(
    configured: Settings, folder: Path, port: int, examples: list[Example], chosen: Example
) -> bool:
    # Cancelled rather than ended, so that the run and the server are stopped, too.
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    say("Starting a server ...")
    async with demo_server(port, folder / "demo.log") as api:
        say(f"Server: {api.base_url}, kept in {configured.sqlite_path}")
        await _enter(api, configured, _login_file(folder))
        saved = {example.name: await _save(api, example) for example in examples}
        say(f"Pipelines: {', '.join(saved)} (from {_shown_path(chosen.path.parent)})")
        run = await _show(api, saved[_SHOWN], chosen)
    say()
    completed = show_result(run)
    if completed:
        _say_next(configured, run, chosen)
    return completed


async def _enter(api: Api, configured: Settings, file: Path) -> None:
    """Log in as the demo's account, which is made if need be: on a new server it is the administrator."""
    login = _read_login(file)
    if login is not None:
        try:
            signed_in = await api.post("auth/login", asdict(login))
        except ApiRefused as error:
            # The database is another one than at the last demo.
            if error.status != _UNAUTHORIZED:
                raise
        else:
            api.use_token(signed_in["token"])
            say(f"Account: {login.email} (password in {file})")
            return
    login = Login(_EMAIL, secrets.token_urlsafe(12))
    role = "administrator"
    try:
        signed_in = await api.post("auth/register", asdict(login))
    except ApiRefused as error:
        if error.status not in _REGISTRATION_REFUSED:
            raise
        login = Login(f"demo-{secrets.token_hex(3)}@example.com", login.password)
        await _add_account(configured, login)
        signed_in = await api.post("auth/login", asdict(login))
    if not signed_in["user"]["is_admin"]:
        role = "no administrator, for the server has one already"
        await _lift_limits(configured, login)
    _keep(login, file)
    api.use_token(signed_in["token"])
    say(f"Account: {login.email}, {role}, password {login.password} (kept in {file})")


# The two that follow change the database itself, as whoever can write it may. What they import is heavy, and only needed
# on a server that others use already.


async def _add_account(configured: Settings, login: Login) -> None:
    from stepiq.accounts.schemas import Registration
    from stepiq.cli.accounts import add_account

    asked = Registration(email=login.email, password=login.password)
    await add_account(configured, asked, plan=configured.default_plan, is_admin=False)


async def _lift_limits(configured: Settings, login: Login) -> None:
    from stepiq.accounts.service import FIRST_PLAN
    from stepiq.cli.accounts import change_plan

    await change_plan(configured, login.email, FIRST_PLAN)


def _login_file(folder: Path) -> Path:
    return folder / "demo-login.json"


def _read_login(file: Path) -> Login | None:
    try:
        kept = json.read_trusted(file.read_text())
        return Login(kept["email"], kept["password"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise DemoLoginUnreadable(f"{file} cannot be read. Remove it and try again.") from None


def _keep(login: Login, file: Path) -> None:
    # Made for its owner only from the first byte on.
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(json.dumps(asdict(login)))


async def _save(api: Api, example: Example) -> str:
    """Id of the example's pipeline on the server, made or brought up to date."""
    definition = load(example.source, SourceFormat.YAML).definition
    name = definition.name if definition is not None else example.name
    found = await api.get("pipelines", q=name, limit="100")
    for pipeline in found["data"]:
        if pipeline["name"] == name:
            path = f"pipelines/{pipeline['id']}"
            if await api.get_yaml(path) != example.source:
                await api.send_yaml("PUT", path, example.source)
            return str(pipeline["id"])
    return str((await api.send_yaml("POST", "pipelines", example.source))["id"])


async def _show(api: Api, pipeline_id: str, example: Example) -> dict[str, Any]:
    """Trigger a run, show it as it happens, and read what became of it."""
    path = f"pipelines/{pipeline_id}/run"
    run = await api.post(path, {"input_data": example.input_data})
    say(f"Run: POST {api.base_url}/api/{path}")
    say(f"     {json.dumps(example.input_data)}\n")
    progress = make_progress()
    try:
        async for kind, data in api.stream(f"runs/{run['id']}/stream"):
            progress.event(kind, data)
    except asyncio.CancelledError:
        # A stopping server would give the run's calls time to finish.
        await api.post(f"runs/{run['id']}/cancel", {})
        raise
    finally:
        progress.close()
    return await api.get(f"runs/{run['id']}")


def _say_next(configured: Settings, run: Mapping[str, Any], example: Example) -> None:
    file = _shown_path(example.path)
    lines = [
        f"\nModel asked: {', '.join(models_used(run))}",
        "\nNext:",
        f"  {file} is what you have just seen. Change it and run it again, without a server:",
        f'    stepiq run {file} --input message="..."',
        f"  `stepiq serve` (or `make serve`) starts this server again, with this run, on {configured.base_url}",
        "  `stepiq doctor` says which models and services can be used here",
    ]
    say("\n".join(lines))


def _shown_path(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def read_examples() -> list[Example]:
    """The pipelines that come with stepIQ: in the package, or beside it in a checkout."""
    package = Path(stepiq.__file__).parent
    folders = (package / "examples", package.parents[1] / "examples")
    folder = next(each for each in folders if each.is_dir())
    return [
        Example(
            name=path.stem,
            path=path,
            source=path.read_text(encoding="utf-8"),
            input_data=json.read_trusted(
                (folder / "inputs" / f"{path.stem}.json").read_text("utf-8")
            ),
        )
        for path in sorted(folder.glob("*.yaml"))
        if not path.stem.endswith(".test")
    ]
