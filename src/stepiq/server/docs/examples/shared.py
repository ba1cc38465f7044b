"""Ids and times that the examples share."""

from typing import Final

PIPELINE: Final = "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e"
RUN: Final = "0192f0c5-1d3a-7b10-8c44-2f6f3a9e7d01"
STEP: Final = "0192f0c5-1d3b-7c22-b1d9-6a0c4e5f7a02"
OPERATION: Final = "0192f0c5-1d3c-7d8f-8e21-5b1c9d7f3a08"
SCHEDULE: Final = "0192f0c7-52aa-7e31-9f0e-51b7c2d8e903"
KEY: Final = "0192f0c8-0f4e-7d43-8a6b-7e1d9b3c5f04"
STORED: Final = "0192f0c9-3b6d-7a54-9c7d-8f2e0a4d6b05"
DELIVERY: Final = "0192f0c5-2a10-7f65-ad8e-903f1b5e7c06"
WORKSPACE: Final = "0192f0c0-9e2b-7b76-be9f-a1402c6f8d08"
USER: Final = "0192f0c0-9e2b-7b76-be9f-a1402c6f8d07"

CREATED: Final = "2026-02-27T09:58:12.031Z"
ACCEPTED: Final = "2026-02-27T10:00:00.000Z"
STARTED: Final = "2026-02-27T10:00:00.018Z"
ENDED: Final = "2026-02-27T10:00:04.212Z"
SENT: Final = "2026-02-27T10:00:04.240Z"

INPUT: Final = {"topic": "AI agents", "language": "en"}
