"""The job that a child receives."""

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Job:
    """One call of `main`."""

    language: str
    source: str
    timeout_seconds: float
    now: float
    """Unix time in seconds. The code's clock is fixed at this time."""

    def pack(self) -> bytes:
        """Encode the job for the child."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Decode the output of `pack`."""
        return cls(**json.loads(data))
