"""The hash chain: the hash of an entry covers its content, its place, and the hash of the entry before it."""

import hashlib
import json
from uuid import UUID

from stepiq.accounts.audit.records import Entry
from stepiq.core import clock
from stepiq.core.json import Json

FIRST = "0" * 64
"""The hash before the first entry."""


def content(entry: Entry, sequence: int | None = None) -> dict[str, Json]:
    """An entry as the API, exports and hashes have it, without its hash."""
    key: Json = None
    if entry.key_id is not None:
        key = {"id": str(entry.key_id), "name": entry.key_name}
    return {
        "id": str(entry.id),
        "workspace_id": _text(entry.workspace_id),
        "sequence": entry.sequence if sequence is None else sequence,
        "at": clock.iso(entry.at),
        "actor": {
            "kind": entry.actor_kind,
            "id": _text(entry.actor_id),
            "name": entry.actor_name,
            "key": key,
        },
        "client": entry.client,
        "action": entry.action,
        "target": {
            "type": entry.target_type,
            "id": entry.target_id,
            "name": entry.target_name,
        },
        "before": entry.before,
        "after": entry.after,
    }


def next_hash(previous: str, entry: Entry, sequence: int) -> str:
    """The hash of the entry that is at this place, after the entry with the hash `previous`.

    SHA-256 over `previous`, a line break, and the entry as JSON with sorted names, without spaces.
    """
    canonical = json.dumps(
        content(entry, sequence), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(f"{previous}\n{canonical}".encode()).hexdigest()


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
