"""Pages that load nothing and send requests to this server only, such as those that links in emails open."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StandalonePage:
    """An HTML page with inline style and script."""

    html: str
    headers: Mapping[str, str]

    @classmethod
    def build(cls, frame: str, *, style: str, script: str) -> "StandalonePage":
        """Insert style and script at `{style}` and `{script}`. The policy blocks all other styles and scripts."""
        policy = (
            f"default-src 'none'; script-src {source(script)}; style-src {source(style)}; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = {
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
        }
        return cls(frame.replace("{style}", style).replace("{script}", script), headers)


def source(text: str) -> str:
    """The hash of a script or style as a source expression of a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
