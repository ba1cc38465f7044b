"""Pages that load nothing and send requests to this server only, such as those behind the links of mails."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StandalonePage:
    """An HTML page with its style and its script inside."""

    html: str
    headers: Mapping[str, str]

    @classmethod
    def build(cls, frame: str, *, style: str, script: str) -> "StandalonePage":
        """Put style and script in the place of `{style}` and `{script}`; nothing else may run on the page."""
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
    """A script or style as a Content-Security-Policy names it: by its hash."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
