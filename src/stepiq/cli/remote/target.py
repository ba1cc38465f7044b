"""Decides which server a command calls, and with which key."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from stepiq.cli.output.console import UsageError
from stepiq.cli.remote.profiles import DEFAULT_NAME, Profile, read_profiles
from stepiq.core.control_characters import escape_line
from stepiq.core.settings.environment import variable

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SERVER_VARIABLE = "STEPIQ_SERVER"
KEY_VARIABLE = "STEPIQ_API_KEY"
PROFILE_VARIABLE = "STEPIQ_PROFILE"


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """A server, and the credential for it."""

    server: str
    """URL without a slash at the end."""
    api_key: str | None = field(repr=False)
    """None if no key is known for this server."""
    profile: str | None
    """The profile that the key or the server comes from; None if both come from elsewhere."""

    @property
    def key_source(self) -> str:
        """Where the key comes from, for messages."""
        is_variable = self.api_key is not None and self.api_key == variable(KEY_VARIABLE)
        return KEY_VARIABLE if is_variable else f"the profile `{self.profile}`"


def resolve(server: str | None = None, profile: str | None = None) -> ServerTarget:
    """The target of a command with these options `--server` and `--profile`.

    An option overrides an environment variable, which overrides a profile. The key of a profile is sent only to the
    server of this profile.

    Raises:
        UsageError: the URL is not valid, there is no such profile, or the options name different servers.
        ProfilesInvalid: the file with the profiles can't be read.
    """
    if profile is not None:
        found = _existing(profile, "--profile")
        require_server_of(profile, found, server)
        return ServerTarget(found.server, found.api_key, profile)
    key = variable(KEY_VARIABLE)
    named = variable(PROFILE_VARIABLE)
    asked = server or variable(SERVER_VARIABLE)
    if asked is not None:
        asked = server_url(asked, "--server" if server else SERVER_VARIABLE)
    if asked is not None and key is not None:
        # The file is not needed, so that a CI job can't fail because of it.
        return ServerTarget(asked, key, None)
    name, stored = _stored(named, asked)
    chosen = asked or (stored.server if stored else default_server())
    is_its_server = stored is not None and stored.server == chosen
    stored_key = stored.api_key if stored is not None and is_its_server else None
    return ServerTarget(chosen, key or stored_key, name if is_its_server else None)


def default_server() -> str:
    """Where `stepiq serve` listens with this environment."""
    # Commands that know their server load the library with their first request.
    from stepiq.client import connection

    return server_url(connection.default_server(), "STEPIQ_HOST or STEPIQ_PORT")


def require_server_of(name: str, profile: Profile, server: str | None) -> None:
    """Refuse the options `--profile` and `--server` together if the profile is for another server.

    Raises:
        UsageError: the URL is not valid, or not that of the profile.
    """
    if server is not None and server_url(server, "--server") != profile.server:
        raise UsageError(
            f"The profile `{name}` is for {profile.server}, not for {server}."
            " Remove --server or --profile."
        )


def server_url(text: str, source: str) -> str:
    """The URL of a server without a slash at the end.

    Args:
        text: the URL as it was given.
        source: the option or variable that it comes from, for the message.

    Raises:
        UsageError: it is not an `http` or `https` URL of a server.
    """
    shown = escape_line(text[:200])
    if "://" not in text:
        raise UsageError(f"{source}: `{shown}` lacks a scheme. Write {_scheme(text)}://{shown}")
    try:
        parts = urlsplit(text.strip())
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise UsageError(
            f"{source}: `{shown}` is not the URL of a server. Write it as https://stepiq.example.com"
        )
    if parts.username is not None:
        raise UsageError(f"{source} must not contain a user name or a password.")
    # A copied URL of the API names the same server.
    path = re.sub(r"(/v1)?/api/?$", "", parts.path).rstrip("/")
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


def _scheme(text: str) -> str:
    """The usual scheme of a server whose URL has none."""
    try:
        return "http" if urlsplit(f"//{text.strip()}").hostname in LOOPBACK else "https"
    except ValueError:
        return "https"


def _existing(name: str, source: str) -> Profile:
    profiles = read_profiles()
    found = profiles.by_name.get(name)
    if found is None:
        names = ", ".join(f"`{each}`" for each in sorted(profiles.by_name))
        known = f"The profiles are {names}." if names else "No profile is stored."
        raise UsageError(
            f"{source}: profile `{escape_line(name[:80])}` does not exist. {known}"
            f" To create it, run `stepiq login --profile {escape_line(name[:80])}`."
        )
    return found


def _stored(named: str | None, server: str | None) -> tuple[str | None, Profile | None]:
    """The profile of the variable, or else the default one. Of several, the one for this server."""
    if named is not None:
        return named, _existing(named, PROFILE_VARIABLE)
    profiles = read_profiles()
    default = profiles.default or DEFAULT_NAME
    first = profiles.by_name.get(default)
    if server is None or (first is not None and first.server == server):
        return default, first
    others = ((name, each) for name, each in profiles.by_name.items() if each.server == server)
    return next(others, (default, first))
