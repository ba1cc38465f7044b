"""The observations of the harness in chronological order, in memory and in a file."""

import json
import time
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Ledger:
    """An append-only list of records. Each has a `kind`, and `at` in seconds since 1970."""

    def __init__(self, path: Path | None = None) -> None:
        self.records: list[Record] = []
        self._file = None if path is None else path.open("a", buffering=1)

    def note(self, kind: str, **facts: Any) -> Record:
        """Add a record. `at` defaults to the current time."""
        record: Record = {"kind": kind, "at": time.time(), **facts}
        self.records.append(record)
        if self._file is not None:
            self._file.write(json.dumps(record) + "\n")
        return record

    def of(self, kind: str) -> list[Record]:
        """All records of a kind."""
        return [record for record in self.records if record["kind"] == kind]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def read(path: Path) -> Ledger:
    """Read a ledger that another process has written."""
    ledger = Ledger()
    ledger.records = [json.loads(line) for line in path.read_text().splitlines()]
    return ledger
