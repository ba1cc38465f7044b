"""`stepiq login`, `logout` and `whoami`, against a server."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from io import StringIO
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from stepiq.cli.remote import device_login, login
from stepiq.cli.remote.target import Profile, read_profiles, save_profile
from tests.cli.conftest import Cli, Said
from tests.cli.remote.conftest import Remote

TOKEN = "/api/auth/device/token"
DECIDE = "/api/user/device-login/decide"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps profiles in the folder of the test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("SERVER", "API_KEY", "PROFILE", "WORKSPACE"):
        monkeypatch.delenv(f"STEPIQ_{name}", raising=False)
    monkeypatch.setattr(login, "has_browser", lambda: False)
    monkeypatch.setattr(device_login, "host_name", lambda: "laptop")
    return tmp_path


@pytest.fixture
def owner(remote: Remote) -> httpx2.AsyncClient:
    """A client with the session of a person."""
    return remote._session


@pytest.fixture
def url(remote: Remote) -> str:
    return remote.url


@pytest_asyncio.fixture(loop_scope="session")
async def guest(remote: Remote) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=remote.url, timeout=30) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def me(owner: httpx2.AsyncClient) -> dict[str, Any]:
    """The account of the person."""
    return (await owner.get("/api/user/me")).json()


@pytest.fixture
def run(cli: Cli) -> Callable[..., Awaitable[Said]]:
    """Runs a command in a thread, so that a person can decide meanwhile."""

    async def run(*arguments: str) -> Said:
        return await asyncio.to_thread(cli, *arguments)

    return run


@pytest_asyncio.fixture(loop_scope="session")
async def on_wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[float]]:
    """Does something instead of waiting between requests, and returns how long the command would have waited."""
    loop = asyncio.get_running_loop()

    def on_wait(act: Callable[[int], Awaitable[None]]) -> list[float]:
        waited: list[float] = []

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            asyncio.run_coroutine_threadsafe(_awaited(act(len(waited))), loop).result(30)

        monkeypatch.setattr(device_login, "sleep", sleep)
        return waited

    return on_wait


async def _awaited(result: Awaitable[None]) -> None:
    await result


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[device_login.ShownLogin]:
    """The logins that commands have started."""
    found: list[device_login.ShownLogin] = []
    show = device_login.show

    def noted(started: device_login.ShownLogin) -> None:
        found.append(started)
        show(started)

    monkeypatch.setattr(device_login, "show", noted)
    return found


@pytest.fixture
def confirm(owner: httpx2.AsyncClient, shown: list[device_login.ShownLogin], on_wait: Any) -> Any:
    """Lets the person decide as soon as a command waits."""

    def confirm(approve: bool = True) -> list[float]:
        async def act(_count: int) -> None:
            body = {"user_code": shown[-1].user_code, "approve": approve}
            await owner.post(DECIDE, json=body)

        return on_wait(act)

    return confirm


async def new_key(owner: httpx2.AsyncClient, path: str = "/api/user/api-keys", **body: Any) -> str:
    answer = await owner.post(path, json={"name": "CI", **body})
    return answer.raise_for_status().json()["key"]


async def names_of_keys(owner: httpx2.AsyncClient) -> list[str]:
    """The names of the keys of the person, except that of `remote`."""
    listed = (await owner.get("/api/user/api-keys")).json()["data"]
    return [each["name"] for each in listed if each["name"] != "test"]


def only_profile() -> Profile:
    (profile,) = read_profiles().by_name.values()
    return profile


class TestLogin:
    async def test_it_stores_the_key_that_a_person_gives(self, run, url, confirm, me, shown):
        waited = confirm()

        said = await run("login", "--server", url)

        assert said.code == 0, said.err
        assert said.out == ""
        assert re.search(r"Code: [A-Z]{4}-[A-Z]{4}\n", said.err)
        assert f"/device?code={shown[0].user_code}" in said.err
        assert f"Logged in to {url} as {me['email']}" in said.err
        assert waited == [5.0]
        stored = only_profile()
        assert (stored.server, stored.email) == (url, me["email"])
        assert stored.api_key not in said.err
        assert read_profiles().default == "default"

    async def test_the_key_is_named_after_the_machine(self, run, url, confirm, owner):
        confirm()
        await run("login", "--server", url)

        assert await names_of_keys(owner) == ["stepiq login on laptop"]

    async def test_the_result_as_json(self, run, url, confirm, me):
        confirm()

        said = await run("login", "--server", url, "--json")

        assert json.loads(said.out) == {
            "server": url,
            "profile": "default",
            "email": me["email"],
            "workspace": me["workspace"]["name"],
        }

    async def test_a_refused_login_stores_nothing(self, run, url, confirm):
        confirm(approve=False)

        said = await run("login", "--server", url)

        assert said.code == 4
        assert "refused" in said.err
        assert not read_profiles().by_name

    async def test_it_waits_longer_if_the_server_demands_it(
        self, run, url, on_wait, shown, owner, guest
    ):
        async def act(count: int) -> None:
            body = {"device_code": shown[-1].device_code}
            for _ in range(2 if count == 1 else 0):
                await guest.post(TOKEN, json=body)
            if count == 2:
                decision = {"user_code": shown[-1].user_code, "approve": True}
                await owner.post(DECIDE, json=decision)

        waited = on_wait(act)
        said = await run("login", "--server", url)

        assert said.code == 0, said.err
        assert waited == [5.0, 10.0]

    async def test_a_second_login_revokes_the_key_of_the_first(self, run, url, confirm, owner):
        confirm()
        await run("login", "--server", url)
        first = only_profile()
        await run("login")

        assert await names_of_keys(owner) == ["stepiq login on laptop"]
        assert only_profile().key_id != first.key_id

    async def test_another_server_gets_another_profile(self, run, url, confirm):
        save_profile("default", Profile("https://other.example.com", "sk_live_x"))
        confirm()

        said = await run("login", "--server", url)

        name = re.sub(r"[:.]", "-", url.removeprefix("http://"))
        assert said.code == 0, said.err
        assert set(read_profiles().by_name) == {"default", name}
        assert read_profiles().default == name

    async def test_a_named_profile_does_not_become_the_default(self, run, url, confirm):
        save_profile("default", Profile("https://other.example.com", "sk_live_x"))
        confirm()

        said = await run("login", "--server", url, "--profile", "test")

        assert "--profile test" in said.err
        assert read_profiles().default == "default"
        assert read_profiles().by_name["test"].server == url

    async def test_ctrl_c_ends_it_without_a_trace(self, run, url, monkeypatch):
        def interrupt(_seconds: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(device_login, "sleep", interrupt)

        said = await run("login", "--server", url)

        assert said.code == 130
        assert said.err.rstrip().endswith("Stopped. Nothing was stored.")
        assert not read_profiles().by_name

    async def test_a_server_that_does_not_answer(self, run):
        said = await run("login", "--server", "http://127.0.0.1:9")

        assert said.code == 3

    @pytest.mark.parametrize(
        ("stated", "expected"),
        [
            ("https://a.example/device", "https://a.example/device"),
            ("http://127.0.0.1:8080/device", "http://10.0.0.5:8080/device"),
            ("file:///etc/passwd", "http://10.0.0.5:8080/device"),
        ],
    )
    async def test_only_a_page_that_this_machine_can_open_is_shown(self, stated, expected):
        assert device_login.page_at(stated, "http://10.0.0.5:8080") == expected

    async def test_a_key_of_the_environment_is_not_sent_to_another_server(
        self, run, url, confirm, monkeypatch
    ):
        monkeypatch.setenv("STEPIQ_API_KEY", "sk_live_of_another_server")
        sent: list[bytes] = []
        confirm()

        with monkeypatch.context() as patched:
            real = device_login.Transport.send

            def send(self: Any, request: Any, **options: Any) -> Any:
                sent.append(str(self.connection.headers()).encode())
                return real(self, request, **options)

            patched.setattr(device_login.Transport, "send", send)
            said = await run("login", "--server", url)

        assert said.code == 0, said.err
        assert sent
        assert not any(b"sk_live" in each for each in sent)
        assert "STEPIQ_API_KEY is set" in said.err


class TestWithKey:
    async def test_it_stores_the_key_of_standard_input(self, run, url, me, owner, monkeypatch):
        key = await new_key(owner)
        monkeypatch.setattr(sys, "stdin", StringIO(f"{key}\n"))

        said = await run("login", "--with-key", "--server", url)

        assert said.code == 0, said.err
        assert me["email"] in said.err
        assert (only_profile().api_key, only_profile().key_id) == (key, None)

    async def test_a_service_key_is_accepted(self, run, url, me, owner, monkeypatch):
        key = await new_key(owner, "/api/workspace/service-keys", scopes=["pipelines:read"])
        monkeypatch.setattr(sys, "stdin", StringIO(key))

        said = await run("login", "--with-key", "--server", url)

        assert said.code == 0, said.err
        assert f"Logged in to {url}.\n" in said.err
        assert only_profile().email is None

    async def test_a_key_that_does_not_show_its_account_is_accepted(
        self, run, url, owner, monkeypatch
    ):
        key = await new_key(owner, scopes=["pipelines:read"])
        monkeypatch.setattr(sys, "stdin", StringIO(key))

        said = await run("login", "--with-key", "--server", url)

        assert said.code == 0, said.err
        assert f"Logged in to {url}.\n" in said.err

    @pytest.mark.parametrize(("text", "code"), [("", 2), ("sk_live_wrong", 4)])
    async def test_another_text_stores_nothing(self, run, url, monkeypatch, text, code):
        monkeypatch.setattr(sys, "stdin", StringIO(text))

        said = await run("login", "--with-key", "--server", url)

        assert said.code == code
        assert not read_profiles().by_name


class TestLogout:
    async def test_it_revokes_the_key_and_forgets_the_profile(self, run, url, confirm, owner):
        confirm()
        await run("login", "--server", url)

        said = await run("logout")

        assert said.code == 0, said.err
        assert not read_profiles().by_name
        assert await names_of_keys(owner) == []

    async def test_a_key_that_a_person_gave_stays(self, run, url, owner, monkeypatch):
        key = await new_key(owner)
        monkeypatch.setattr(sys, "stdin", StringIO(key))
        await run("login", "--with-key", "--server", url)

        said = await run("logout")

        assert "not revoked" in said.err
        assert not read_profiles().by_name
        assert await names_of_keys(owner) == ["CI"]

    async def test_without_the_server_it_forgets_the_key_and_says_that_it_works(self, run):
        save_profile("default", Profile("http://127.0.0.1:9", "sk_live_x", key_id="01"))

        said = await run("logout")

        assert said.code == 3
        assert "It still works." in said.err
        assert not read_profiles().by_name

    @pytest.mark.parametrize("how", ["option", "variable"])
    async def test_the_server_decides_and_not_the_profile_of_a_variable(
        self, run, monkeypatch, how
    ):
        save_profile("work", Profile("http://127.0.0.1:9", "sk_live_work"))
        save_profile("other", Profile("http://127.0.0.2:9", "sk_live_other"))
        monkeypatch.setenv("STEPIQ_PROFILE", "work")
        arguments = ("--server", "http://127.0.0.2:9/") if how == "option" else ()
        if how == "variable":
            monkeypatch.setenv("STEPIQ_SERVER", "http://127.0.0.2:9/")

        said = await run("logout", *arguments)

        assert "Logged out of http://127.0.0.2:9." in said.err
        assert list(read_profiles().by_name) == ["work"]

    async def test_of_two_profiles_for_a_server_it_deletes_that_of_the_variable(
        self, run, monkeypatch
    ):
        save_profile("one", Profile("http://127.0.0.1:9", "sk_live_one"))
        save_profile("two", Profile("http://127.0.0.1:9", "sk_live_two"))
        monkeypatch.setenv("STEPIQ_PROFILE", "two")

        await run("logout", "--server", "http://127.0.0.1:9")

        assert list(read_profiles().by_name) == ["one"]

    async def test_a_profile_for_another_server_is_refused(self, run):
        save_profile("work", Profile("http://127.0.0.1:9", "sk_live_work"))

        said = await run("logout", "--profile", "work", "--server", "http://127.0.0.2:9")

        assert said.code == 2
        assert "The profile `work` is for http://127.0.0.1:9" in said.err
        assert list(read_profiles().by_name) == ["work"]

    async def test_without_a_profile(self, run):
        said = await run("logout")

        assert (said.code, said.err) == (0, "You are not logged in.\n")


class TestWhoAmI:
    async def test_it_shows_account_workspace_and_key(self, run, url, confirm, me):
        confirm()
        await run("login", "--server", url)

        said = await run("whoami")

        assert said.code == 0, said.err
        for text in (
            me["email"],
            me["workspace"]["name"],
            "stepiq login on",
            "the profile `default`",
        ):
            assert text in said.out

    async def test_as_json(self, run, url, me, owner, monkeypatch):
        key = await new_key(owner)
        monkeypatch.setenv("STEPIQ_SERVER", url)
        monkeypatch.setenv("STEPIQ_API_KEY", key)

        found = json.loads((await run("whoami", "--json")).out)

        assert found["email"] == me["email"]
        assert found["source"] == "STEPIQ_API_KEY"
        assert found["key"].startswith("CI (sk_live_")
        assert key not in json.dumps(found)

    async def test_without_a_key(self, run, url):
        said = await run("whoami", "--server", url)

        assert said.code == 4
        assert "stepiq login" in said.err

    async def test_with_a_revoked_key(self, run, url):
        save_profile("default", Profile(url, "sk_live_wrong"))

        said = await run("whoami")

        assert said.code == 4
        assert f"{url} does not accept the API key from the profile `default`." in said.err
        assert f"Run `stepiq login --server {url}`" in said.err

    @pytest.mark.parametrize(
        ("path", "scopes", "account", "workspace"),
        [
            ("/api/user/api-keys", ["pipelines:read"], "not shown to this key", "not shown to this key"),
            ("/api/workspace/service-keys", ["pipelines:read"], "none: this is a service key", "that of the service key"),
        ],
    )  # fmt: skip
    async def test_it_says_only_what_the_server_shows_to_the_key(
        self, run, url, owner, monkeypatch, path, scopes, account, workspace
    ):
        monkeypatch.setenv("STEPIQ_SERVER", url)
        monkeypatch.setenv("STEPIQ_API_KEY", await new_key(owner, path, scopes=scopes))

        said = await run("whoami")

        assert said.code == 0, said.err
        assert f"Account:   {account}\n" in said.out
        assert f"Workspace: {workspace}\n" in said.out
        assert "From:      STEPIQ_API_KEY\n" in said.out
