"""Decides which server a command calls, and with which key.

`stepiq login` stores servers and keys in `~/.config/stepiq/profiles.toml`. Other users of the machine can't read the
file. It is replaced as a whole, so that a crash can't damage it.
"""

import fcntl
import json
import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from stepiq.cli.output.console import UsageError
from stepiq.core.control_characters import escape_line
from stepiq.core.errors import Invalid
from stepiq.core.settings.environment import variable

DEFAULT_NAME = "default"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_HEADER = "# Written by `stepiq login`. It contains API keys: do not share it.\n"


class ProfilesInvalid(Invalid):
    """The file with the profiles can't be read or written."""

    code = "profiles_invalid"


@dataclass(frozen=True, slots=True)
class Profile:
    """A server, and the credential for it."""

    server: str
    """URL without a slash at the end."""
    api_key: str = field(repr=False)
    key_id: str | None = None
    """Id of the key if `stepiq login` has created it, so that `stepiq logout` can revoke it."""
    email: str | None = None
    """The account, to show it."""
    workspace: str | None = None
    """Name of the workspace of the key, to show it."""


_FIELDS = tuple(each for each in Profile.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Profiles:
    """The content of the file."""

    default: str | None = None
    """The profile of commands that name none."""
    by_name: Mapping[str, Profile] = field(default_factory=dict[str, Profile])

    def find(self, name: str | None) -> Profile | None:
        """The profile of this name, or the default one."""
        return self.by_name.get(name or self.default or DEFAULT_NAME)


def profiles_file() -> Path:
    """The file, in `XDG_CONFIG_HOME` or `~/.config`."""
    base = Path(variable("XDG_CONFIG_HOME") or "")
    return (base if base.is_absolute() else Path.home() / ".config") / "stepiq" / "profiles.toml"


def read_profiles() -> Profiles:
    """Read the file. Without one, there are no profiles.

    Raises:
        ProfilesInvalid: other users can read it, or its content is not valid.
    """
    file = profiles_file()
    try:
        with file.open("rb") as handle:
            mode = os.fstat(handle.fileno()).st_mode
            data = tomllib.loads(handle.read().decode())
    except (FileNotFoundError, NotADirectoryError):
        return Profiles()
    except OSError as error:
        raise ProfilesInvalid(f"{file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise ProfilesInvalid(_damaged(file, escape_line(str(error)))) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ProfilesInvalid(
            f"Other users can read {file}, which contains API keys. Run `chmod 600 {file}`,"
            " and replace the keys if this machine has other users."
        )
    return _parsed(file, data)


def save_profile(name: str, profile: Profile, *, make_default: bool = False) -> None:
    """Add or replace a profile. The first one becomes the default.

    Raises:
        ProfilesInvalid: the name is not allowed, or the file cannot be read or written.
    """
    require_name(name)
    with _locked() as profiles:
        default = name if make_default or not profiles.by_name else profiles.default
        _write(Profiles(default, {**profiles.by_name, name: profile}))


def forget_profile(name: str) -> Profile | None:
    """Remove a profile, and return it; None if there is none of this name.

    Raises:
        ProfilesInvalid: the file cannot be read or written.
    """
    with _locked() as profiles:
        kept = {each: profile for each, profile in profiles.by_name.items() if each != name}
        if len(kept) != len(profiles.by_name):
            default = None if profiles.default == name else profiles.default
            _write(replace(profiles, default=default, by_name=kept))
        return profiles.by_name.get(name)


def require_name(name: str) -> None:
    """Check the name of a profile.

    Raises:
        ProfilesInvalid: it is not allowed.
    """
    if not re.fullmatch(_NAME, name):
        raise ProfilesInvalid(
            f"`{escape_line(name[:80])}` is not a valid name of a profile."
            " Use 1 to 64 letters, digits, `-` and `_`, and begin with a letter or a digit."
        )


def _parsed(file: Path, data: Mapping[str, Any]) -> Profiles:
    default = data.get("default")
    tables: Any = data.get("profiles", {})
    if not isinstance(default, str | None) or not isinstance(tables, dict):
        raise ProfilesInvalid(_damaged(file, "`default` must be text, and `profiles` a table."))
    profiles: dict[str, Profile] = {}
    for name, table in cast(dict[str, Any], tables).items():
        known = cast(dict[str, Any], table if isinstance(table, dict) else {})
        texts = {key: value for key in _FIELDS if isinstance(value := known.get(key), str)}
        if not {"server", "api_key"} <= texts.keys():
            message = f"The profile `{escape_line(name)}` needs `server` and `api_key` as text."
            raise ProfilesInvalid(_damaged(file, message))
        profiles[name] = Profile(**texts)
    return Profiles(default, profiles)


def _damaged(file: Path, why: str) -> str:
    return f"{file} is not valid: {why} Correct it, or delete it and run `stepiq login` again."


@contextmanager
def _locked() -> Generator[Profiles]:
    """The profiles, while no other process of this user changes them."""
    folder = profiles_file().parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ProfilesInvalid(f"{folder} cannot be created: {error.strerror}.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield read_profiles()
    finally:
        os.close(descriptor)


def _write(profiles: Profiles) -> None:
    file = profiles_file()
    try:
        # Only the owner can read a file of `mkstemp`.
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".profiles-")
    except OSError as error:
        raise ProfilesInvalid(f"{file} cannot be written: {error.strerror}.") from None
    written = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(_toml(profiles))
            handle.flush()
            os.fsync(handle.fileno())
        written.replace(file)
    except OSError as error:
        written.unlink(missing_ok=True)
        raise ProfilesInvalid(f"{file} cannot be written: {error.strerror}.") from None


def _toml(profiles: Profiles) -> str:
    lines = [_HEADER]
    if profiles.default is not None:
        lines.append(f"default = {_quoted(profiles.default)}\n")
    for name, profile in profiles.by_name.items():
        lines.append(f"\n[profiles.{_quoted(name)}]\n")
        lines += [
            f"{key} = {_quoted(value)}\n"
            for key, value in asdict(profile).items()
            if value is not None
        ]
    return "".join(lines)


def _quoted(text: str) -> str:
    """A basic string of TOML. Its escapes are those of JSON; TOML also refuses a raw U+007F."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


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
