"""The file with the servers and keys that `stepiq login` has stored: `~/.config/stepiq/profiles.toml`.

Other users of the machine can't read it. It is replaced as a whole, so that a crash can't damage it.
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
