"""The attacks of hostile.py, by the names of its rows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from workspaces import Workspace

from attacks.base import Attack, Extra, quiet
from attacks.cuts import cut_calls
from attacks.lines import masked_lines
from attacks.logins import five_addresses, half_sent, many_addresses, while_logging_in
from attacks.requests import count_runs, large_inputs, streams
from attacks.runs import COMPUTATIONS, ENDLESS, ENDLESS_ANSWER, HANGING, LONG, masking, runs
from attacks.schedules import schedules
from stepiq.store.database import Database

_OF_WORKSPACES: dict[str, Attack] = {
    "code": runs(ENDLESS),
    "names": runs(HANGING),
    "streams": streams,
    "schedules": schedules,
    "computations": runs(*COMPUTATIONS),
    "masking": masking,
    "masked lines": masked_lines,
    "cut calls": cut_calls,
    "endless answers": runs(ENDLESS_ANSWER),
    "large inputs": large_inputs,
    "counting requests": count_runs,
}


@asynccontextmanager
async def _everything(
    hostile: list[Workspace], store: Database, bystander: Workspace
) -> AsyncIterator[Extra]:
    """Each workspace does the next one of the attacks, and clients without an account guess passwords."""
    attacks = list(_OF_WORKSPACES.values())
    groups = [hostile[first :: len(attacks)] for first in range(len(attacks))]
    async with AsyncExitStack() as stack:
        begun = [
            stack.enter_async_context(attack(group, store, bystander))
            for attack, group in zip(
                [*attacks, while_logging_in(many_addresses)], [*groups, []], strict=True
            )
        ]
        extras = await asyncio.gather(*begun)

        async def all_of_them() -> dict[str, float]:
            found: dict[str, float] = {}
            for extra in extras:
                found |= await extra()
            return found

        yield all_of_them


ATTACKS: dict[str, Attack] = {
    "nothing": quiet,
    **_OF_WORKSPACES,
    "logins": while_logging_in(many_addresses),
    "logins of five addresses": while_logging_in(five_addresses),
    "half-sent requests": while_logging_in(half_sent),
    "local model": runs(LONG, warm_up=20),
    "everything": _everything,
}
