"""Checks URLs in settings."""

import re
from urllib.parse import urlsplit

from pydantic import SecretStr


def checked_base(url: str) -> str:
    """The URL of a model provider, unchanged.

    Raises:
        ValueError: it is not a complete http or https URL, or has a part that may contain a secret: a user name, a
            password, a query or a fragment. The message does not contain it.
    """
    try:
        parts = urlsplit(url)
        is_complete = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        has_user, has_query = "@" in parts.netloc, "?" in url or "#" in url
    except ValueError:
        is_complete = has_user = has_query = False
    if has_user:
        # They would not be sent, but error messages quote the URL.
        raise ValueError("remove the user name and password. Set the key of the provider instead")
    if has_query:
        # Paths are added to the end of the URL.
        raise ValueError("remove `?` or `#` and what follows. Set the key of the provider instead")
    if not is_complete:
        raise ValueError(
            "use a complete URL that begins with `http://` or `https://`, such as `http://127.0.0.1:11434`"
        )
    return url


def checked_mail_server(url: SecretStr | None) -> SecretStr | None:
    """The URL of a mail server, unchanged.

    Raises:
        ValueError: it is not one. The message does not contain it.
    """
    if url is None:
        return None
    try:
        parts = urlsplit(url.get_secret_value())
        usable = parts.scheme in ("smtp", "smtps") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("use `smtp://USER:PASSWORD@HOST:587` or `smtps://USER:PASSWORD@HOST:465`")
    return url


def checked_origin(url: str) -> str:
    """The URL of a server without a path, unchanged.

    Raises:
        ValueError: it is not http or https, or has more than a host, an optional port and slashes.
    """
    if _is_origin(url):
        return url
    if "://" not in url and _is_origin(f"https://{url}"):
        raise ValueError(f"write the scheme, too: `https://{url}`, or `http://{url}` without TLS")
    raise ValueError(
        "use `https://` or `http://`, a host and optionally a port, such as `https://stepiq.example.com`"
    )


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return False
    extra = parts.path.strip("/") + parts.query + parts.fragment
    is_host = re.fullmatch(r"[A-Za-z0-9._~-]+(:\d+)?|\[[0-9a-fA-F:.]+\](:\d+)?", parts.netloc)
    return parts.scheme in ("http", "https") and is_host is not None and has_port and not extra


def is_plain_database_url(rest: str) -> bool:
    """Whether the part after `postgresql://` is unambiguous, so that no part of a password is read as host or name."""
    address, _, _ = rest.partition("?")
    authority, _, name = address.partition("/")
    port = authority.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    is_split_once = "#" not in address and "@" not in name and authority.count("@") < 2
    return is_split_once and (not port or port.isdecimal())
