"""Logs a person in to a server, and out again."""

import re
import sys
import webbrowser
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import typer

from stepiq.cli.output.console import (
    UsageError,
    ask_secret,
    can_ask,
    print_json,
    print_text,
    read_line,
    say,
    stdin_is_terminal,
    wait_for_enter,
)
from stepiq.cli.remote import device_login
from stepiq.cli.remote.calling import NotSignedIn, advised, explained, is_json
from stepiq.cli.remote.target import (
    DEFAULT_NAME,
    KEY_VARIABLE,
    LOOPBACK,
    PROFILE_VARIABLE,
    SERVER_VARIABLE,
    Profile,
    Profiles,
    default_server,
    forget_profile,
    read_profiles,
    require_name,
    require_server_of,
    resolve,
    save_profile,
    server_url,
)
from stepiq.client import ApiError, AuthenticationError, Client, ClientError
from stepiq.core.settings.environment import variable


def has_browser() -> bool:
    """Whether a page would open in a window that the person sees, and not in the terminal or on another machine."""
    if variable("SSH_CONNECTION") is not None:
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    # Without a display, Python would start a browser for terminals.
    return variable("DISPLAY") is not None or variable("WAYLAND_DISPLAY") is not None


def open_page(url: str) -> bool:
    """Open a page; False if no browser could be started."""
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


_CURRENT_KEY = "/api/user/api-keys/current"
_ME = "/api/user/me"
_NOT_SHOWN = {
    "member_required": ("none: this is a service key", "that of the service key"),
    "scope_missing": ("not shown to this key", "not shown to this key"),
}
"""For the codes with which the server does not show a key: the account and the workspace to print."""
_LONGEST_NAME = 64
_QUICK_SECONDS = 10.0
_INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ends, as in shells."""


@dataclass(frozen=True, slots=True)
class _Destination:
    """Where a login goes: a server, and the profile that stores its key."""

    server: str
    name: str
    replaced: Profile | None
    """The earlier profile of this name."""
    becomes_default: bool


def log_in(server: str | None, profile: str | None, *, with_key: bool, opens: bool | None) -> None:
    """Store a key for a server: one that a person gives in the browser, or one from standard input.

    Args:
        server: the option `--server`.
        profile: the option `--profile`.
        with_key: read a key instead of getting one.
        opens: whether to open the page in the browser. None: ask on a terminal.
    """
    where = _destination(server, profile)
    try:
        with advised(where.server):
            made = _given(where.server) if with_key else _confirmed(where.server, opens)
    except (KeyboardInterrupt, typer.Abort):
        say()
        say("Stopped. Nothing was stored.")
        raise typer.Exit(_INTERRUPTED) from None
    save_profile(where.name, made, make_default=where.becomes_default)
    if where.replaced is not None and where.replaced.api_key != made.api_key:
        _revoke_replaced(where.replaced)
    if is_json():
        print_json(_shown(where.name, made))
        return
    account = f" as {made.email}" if made.email else ""
    in_workspace = f" in the workspace “{made.workspace}”" if made.workspace else ""
    say(f"Logged in to {made.server}{account}{in_workspace}.", color="green")
    _say_how_to_use(where)


def log_out(server: str | None, profile: str | None) -> bool:
    """Revoke the key of a profile if `log_in` has created it, and forget the profile. False if the key still works.

    A key that a person has given stays valid: it may be used elsewhere.
    """
    name = _stored_name(server, profile)
    stored = read_profiles().by_name.get(name)
    problem = None if stored is None or stored.key_id is None else _revoke(stored)
    forget_profile(name)
    if is_json():
        is_revoked = stored is not None and stored.key_id is not None and problem is None
        print_json({"profile": None if stored is None else name, "key_revoked": is_revoked})
    if stored is None:
        say("You are not logged in." if profile is None else f"Profile `{name}` does not exist.")
        return True
    say(f"Logged out of {stored.server}. The profile `{name}` is deleted.")
    if problem is not None:
        say(f"The key could not be revoked: {problem}")
        say(f"It still works. Revoke it at {stored.server}/settings/keys")
    elif stored.key_id is None:
        say("The key was not revoked, because `stepiq login` did not create it.")
    if variable(KEY_VARIABLE) is not None:
        say(f"{KEY_VARIABLE} is still set: commands continue to use it.")
    return problem is None


def who_am_i(server: str | None, profile: str | None) -> None:
    """Print the server, account, workspace and key that commands use."""
    target = resolve(server, profile)
    if target.api_key is None:
        raise NotSignedIn(target.server)
    with explained(target), Client(target.server, api_key=target.api_key) as client:
        found, refusal = _identity(client)
    source = target.key_source
    if is_json():
        print_json({"server": target.server, "source": source, **found})
        return
    account, workspace = _NOT_SHOWN.get(refusal or "", (found["email"], found["workspace"]))
    rows = {
        "Server": target.server,
        "Account": account,
        "Workspace": workspace,
        "Role": found["role"],
        "Key": found["key"],
        "Scopes": None if found["scopes"] is None else ", ".join(found["scopes"]),
        "Expires": found["expires_at"],
        "From": source,
    }
    for label, value in rows.items():
        if value is not None:
            print_text(f"{label + ':':<11}{value}")


def _destination(server: str | None, profile: str | None) -> _Destination:
    profiles = read_profiles()
    named = profile or variable(PROFILE_VARIABLE)
    if named is not None:
        require_name(named)
    asked = server or variable(SERVER_VARIABLE)
    if asked is not None:
        asked = server_url(asked, "--server" if server else SERVER_VARIABLE)
    found = profiles.find(named)
    url = asked or (found.server if found is not None else default_server())
    name = named or _name_for(url, profiles)
    return _Destination(url, name, profiles.by_name.get(name), becomes_default=named is None)


def _name_for(server: str, profiles: Profiles) -> str:
    """The profile for a server: the one that it has, the default one if there is none, or one with its name."""
    for name, profile in profiles.by_name.items():
        if profile.server == server:
            return name
    if DEFAULT_NAME not in profiles.by_name:
        return DEFAULT_NAME
    words = re.sub(r"[^a-z0-9]+", "-", urlsplit(server).netloc.lower()).strip("-")
    return words[:_LONGEST_NAME] or DEFAULT_NAME


def _stored_name(server: str | None, profile: str | None) -> str:
    """The profile of the server that other commands call with these options and variables."""
    profiles = read_profiles()
    stored = profiles.by_name
    if profile is not None:
        if profile in stored:
            require_server_of(profile, stored[profile], server)
        return profile
    named = variable(PROFILE_VARIABLE) or profiles.default or DEFAULT_NAME
    asked = server or variable(SERVER_VARIABLE)
    if asked is None:
        return named
    url = server_url(asked, "--server" if server else SERVER_VARIABLE)
    found = (name for name in (named, *stored) if name in stored and stored[name].server == url)
    return next(found, url)


def _confirmed(server: str, opens: bool | None) -> Profile:
    _warn_about_plain_http(server)
    with device_login.without_credential(server) as transport:
        started = device_login.start(transport)
        device_login.show(started)
        _open(started.page_with_code, opens)
        say("Waiting for you to allow it in the browser … Stop with Ctrl-C.")
        found = device_login.wait_for_key(transport, started)
    return Profile(
        server=server,
        api_key=found["key"],
        key_id=found["id"],
        email=found["email"],
        workspace=found["workspace"]["name"],
    )


def _open(page: str, opens: bool | None) -> None:
    if opens is None:
        # Without a question, a window would hide the code before it is read.
        if not (can_ask() and has_browser()):
            return
        wait_for_enter("Press Enter to open the page in your browser, or open it yourself … ")
    elif not opens:
        return
    if not open_page(page):
        say("No browser could be started. Open the page yourself.")


def _given(server: str) -> Profile:
    _warn_about_plain_http(server)
    key = (ask_secret("API key") if stdin_is_terminal() else read_line()).strip()
    if not key:
        raise UsageError(
            "Standard input is empty. Send the API key: `stepiq login --with-key < FILE`."
        )
    with Client(server, api_key=key) as client:
        found, _ = _identity(client)
    return Profile(server=server, api_key=key, email=found["email"], workspace=found["workspace"])


def _identity(client: Client) -> tuple[dict[str, Any], str | None]:
    """What the server shows to a key about itself; if that is nothing, the code of `_NOT_SHOWN` that explains it."""
    found: dict[str, Any] = dict.fromkeys(
        ("email", "workspace", "workspace_id", "role", "key", "scopes", "expires_at")
    )
    try:
        me = client.request("GET", _ME).json()
        key = client.request("GET", _CURRENT_KEY).json()
    except ApiError as error:
        if error.code in _NOT_SHOWN:
            return found, error.code
        raise
    found = {
        "email": me["email"],
        "workspace": me["workspace"]["name"],
        "workspace_id": me["workspace"]["id"],
        "role": me["role"],
        "key": f"{key['name']} ({key['prefix']}…)",
        "scopes": key["scopes"],
        "expires_at": key["expires_at"],
    }
    return found, None


def _revoke(stored: Profile) -> str | None:
    """Revoke the key of a profile; returns why it could not be revoked."""
    try:
        with Client(
            stored.server, api_key=stored.api_key, timeout=_QUICK_SECONDS, max_retries=1
        ) as client:
            client.request("DELETE", _CURRENT_KEY)
    except AuthenticationError:
        return None  # It has expired or was revoked.
    except ClientError as error:
        return error.message
    return None


def _revoke_replaced(replaced: Profile) -> None:
    if replaced.key_id is not None and (problem := _revoke(replaced)) is not None:
        say(f"The key that this login replaces could not be revoked: {problem}")


def _warn_about_plain_http(server: str) -> None:
    parts = urlsplit(server)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        say("Warning: the connection is not encrypted. Others in the network can read the key.")


def _say_how_to_use(where: _Destination) -> None:
    if variable(KEY_VARIABLE) is not None:
        say(f"{KEY_VARIABLE} is set: commands use it instead of the key of this login.")
    if not where.becomes_default:
        say(f"To use it, add --profile {where.name}, or set {PROFILE_VARIABLE}={where.name}.")


def _shown(name: str, made: Profile) -> dict[str, Any]:
    return {
        "server": made.server,
        "profile": name,
        "email": made.email,
        "workspace": made.workspace,
    }
