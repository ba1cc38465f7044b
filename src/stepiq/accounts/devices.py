"""Describes the browser or program that opened a session, so that its owner recognizes it."""

import re
from dataclasses import dataclass

UNKNOWN = "Unknown"

_READ = 500
"""Maximum characters of the header that are looked at."""
_PROGRAM = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}(?=[/ ]|$)")
# The first match counts: most browsers also name the ones that they are compatible with.
_BROWSERS = (
    (re.compile(r"\bEdg(?:A|iOS)?/"), "Edge"),
    (re.compile(r"\b(?:OPR|OPT|Opera)/"), "Opera"),
    (re.compile(r"\bSamsungBrowser/"), "Samsung Internet"),
    (re.compile(r"\b(?:Firefox|FxiOS)/"), "Firefox"),
    (re.compile(r"\b(?:Headless)?(?:Chrome|Chromium)/|\bCriOS/"), "Chrome"),
    (re.compile(r"\bVersion/.*\bSafari/"), "Safari"),
)
_SYSTEMS = (
    (re.compile(r"\biPhone\b"), "iPhone"),
    (re.compile(r"\biPad\b"), "iPad"),
    (re.compile(r"\bAndroid\b"), "Android"),
    (re.compile(r"\bWindows\b"), "Windows"),
    (re.compile(r"\bCrOS\b"), "ChromeOS"),
    (re.compile(r"\bMac OS X\b|\bMacintosh\b"), "macOS"),
    (re.compile(r"\bLinux\b"), "Linux"),
)


@dataclass(frozen=True, slots=True)
class SessionOrigin:
    """Where a session was opened."""

    client: str
    """The client's address, as `origin.client_of` returns it."""
    device: str
    """A description that `describe` returns."""


def describe(user_agent: str | None) -> str:
    """A browser and its system without versions, such as `Firefox on Linux`, or the name of a program, such as `curl`.

    Any text can be sent. The result has at most 40 characters, and none that change how a page or a terminal looks.
    """
    text = (user_agent or "").strip()[:_READ]
    if not text.startswith("Mozilla/"):
        program = _PROGRAM.match(text)
        return UNKNOWN if program is None else program[0]
    browser, system = _first(_BROWSERS, text), _first(_SYSTEMS, text)
    if browser is None:
        return UNKNOWN if system is None else f"Browser on {system}"
    return browser if system is None else f"{browser} on {system}"


def _first(patterns: tuple[tuple[re.Pattern[str], str], ...], text: str) -> str | None:
    return next((name for pattern, name in patterns if pattern.search(text)), None)
