"""What the harness saw, in the order in which it saw it: in memory, and in a file that outlives it."""

import json
import time
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Ledger:
    """Append-only. Each record has its `kind`, and `at`: seconds since 1970 on this machine's clock."""

    def __init__(self, path: Path | None = None) -> None:
        self.records: list[Record] = []
        self._file = None if path is None else path.open("a", buffering=1)

    def note(self, kind: str, **facts: Any) -> Record:
        """Add a record; its `at` is now unless it is given."""
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
    """A ledger that another process has written."""
    ledger = Ledger()
    ledger.records = [json.loads(line) for line in path.read_text().splitlines()]
    return ledger
