"""Maskers of runs and deliveries: large ones are built in threads, and equal secrets share a masker."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from weakref import WeakValueDictionary

from stepiq.language import offload
from stepiq.redaction.masking import Masker

BUILT_AT_ONCE = 1_000
"""Maximum size of secrets whose masker is built on the event loop, which takes a few milliseconds at most."""
_SIZE_OF_A_SECRET = 50
"""How many characters take as long as a secret takes without its characters."""
KEPT_SIZE = 32_000_000
"""Maximum total size of cached maskers. The last one used is always cached."""

_Secrets = frozenset[tuple[str, str]]


class Maskers:
    """Returns the same masker for equal secrets."""

    def __init__(self) -> None:
        self._in_use: WeakValueDictionary[_Secrets, Masker] = WeakValueDictionary()
        self._recent: OrderedDict[_Secrets, Masker] = OrderedDict()
        self._building: dict[_Secrets, asyncio.Task[Masker]] = {}

    async def masker_of(self, secrets: Mapping[str, str]) -> Masker:
        """The masker for these values by name."""
        wanted = frozenset(secrets.items())
        masker = self._in_use.get(wanted)
        if masker is None:
            masker = await self._build(wanted)
        self._keep(wanted, masker)
        return masker

    async def _build(self, wanted: _Secrets) -> Masker:
        if sum(_SIZE_OF_A_SECRET + len(value) for _, value in wanted) <= BUILT_AT_ONCE:
            return Masker(dict(wanted))
        # Runs that start together share one thread, even if some of them are cancelled.
        task = self._building.get(wanted)
        if task is None:
            task = asyncio.create_task(offload.compute_long(Masker, dict(wanted)))
            self._building[wanted] = task
            task.add_done_callback(lambda _: self._building.pop(wanted))
        return await asyncio.shield(task)

    def _keep(self, wanted: _Secrets, masker: Masker) -> None:
        self._in_use[wanted] = self._recent[wanted] = masker
        self._recent.move_to_end(wanted)
        size = sum(each.size for each in self._recent.values())
        while size > KEPT_SIZE and len(self._recent) > 1:
            _, oldest = self._recent.popitem(last=False)
            size -= oldest.size
