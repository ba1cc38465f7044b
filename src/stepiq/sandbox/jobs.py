"""What a child is told to run."""

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Job:
    """One call of one `main`."""

    language: str
    source: str
    timeout_seconds: float
    now: float
    """Seconds since 1970: the instant at which the code's clock stands still."""

    def pack(self) -> bytes:
        """Write it for the child."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read what `pack` wrote."""
        return cls(**json.loads(data))
