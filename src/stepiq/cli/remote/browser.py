"""Opens pages in the browser of the person at the terminal."""

import sys
import webbrowser

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
