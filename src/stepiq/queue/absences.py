"""How long other workers have been missing, without the outages of the database."""

import math
from collections.abc import Iterable

_OUTAGE_GRACE_SECONDS = 3.0
"""How long others must be missing after this worker has restored its lease. They may have lost theirs in the same
outage, and need longer to restore them on a busy machine."""


class Absences:
    """The workers that hold tickets but no lease, at the last look. Times are those of the event loop's clock."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        """When each worker was first missing. Outages since then are added."""
        self._looked_at = 0.0
        self._restored_at = -math.inf
        self._has_failed = False

    def note(self, missing: Iterable[str], now: float, restored_at: float) -> None:
        """Record the result of a look.

        Args:
            missing: the names of the workers.
            now: the time of the look.
            restored_at: of this worker's own lease; see `Presence`.
        """
        outage = self._outage(now, restored_at)
        self._since = {each: self._since.get(each, now - outage) + outage for each in missing}
        self._looked_at, self._restored_at, self._has_failed = now, restored_at, False

    def note_failure(self) -> None:
        """Record that the database did not respond. The time until the next look does not count."""
        self._has_failed = True

    def _outage(self, now: float, restored_at: float) -> float:
        """Seconds since the last look in which a worker could be missing because of the database."""
        if restored_at == self._restored_at < math.inf and not self._has_failed:
            return 0.0
        was_restored = self._restored_at != restored_at < math.inf
        end = restored_at if was_restored else now
        return min(now, max(end, self._looked_at)) - self._looked_at

    def ends_of_grace(self, grace_seconds: float) -> dict[str, float]:
        """When the tickets of each missing worker may be taken.

        Never while this worker's own lease is lost. After it was restored, the others have `grace_seconds` to restore
        theirs, or three seconds, less the seconds that they were missing before.
        """
        lease = self._restored_at
        if lease == math.inf:
            return dict.fromkeys(self._since, math.inf)
        return {
            each: max(max(since, lease) + grace_seconds, min(since, lease) + _OUTAGE_GRACE_SECONDS)
            for each, since in self._since.items()
        }
