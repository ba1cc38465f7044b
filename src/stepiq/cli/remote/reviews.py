"""`stepiq reviews`: lists and decides the reviews that runs of a server wait for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stepiq.cli.output.console import (
    UsageError,
    local_time,
    print_block,
    print_json,
    print_rows,
    print_text,
    say,
)
from stepiq.cli.remote.calling import everything, is_json, run_path
from stepiq.core import json
from stepiq.core.errors import NotFound
from stepiq.core.json import MalformedJson

if TYPE_CHECKING:
    from stepiq.client import AsyncClient


class NoOpenReview(NotFound):
    """The run waits for no review."""

    code = "no_open_review"


@dataclass(frozen=True, slots=True)
class ReviewChoice:
    """The review that a command is about."""

    run_id: str
    step_id: str | None
    """None: the only open review of the run."""
    iteration: int | None = None
    """None: the last one."""


async def show_list(client: "AsyncClient", *, limit: int) -> None:
    """Print open reviews, newest first."""
    found = await everything(client, "/api/reviews", limit=limit)
    if is_json():
        print_json({"data": found})
        return
    headings = ("run", "step", "pipeline", "requested", "expires", "question")
    print_rows(headings, [_cells(review) for review in found])
    if not found:
        say("No review is open.")


async def show(client: "AsyncClient", choice: ReviewChoice) -> None:
    """Print a review with the data to review."""
    review = (await client.request("GET", await _path(client, choice), query=_which(choice))).json()
    if is_json():
        print_json(review)
        return
    decided = review["decision"] or ("closed" if review["closed_at"] else "open")
    print_text(f"{review['pipeline_name']}: {review['step_id']} ({decided})")
    if review["reviewer"]:
        print_text(f"Decided by {review['reviewer']}")
    else:
        print_text(f"Expires {local_time(review['expires_at'])}")
    print_block(f"\n{review['message']}\n\n{review['input_text']}")


async def decide(
    client: "AsyncClient",
    choice: ReviewChoice,
    decision: str,
    *,
    comment: str | None,
    output: str | None,
) -> None:
    """Approve or reject a review."""
    body: dict[str, Any] = {"decision": decision}
    if comment is not None:
        body["comment"] = comment
    if output is not None:
        body["output"] = _parsed(output)
    path = await _path(client, choice)
    answer = (await client.request("POST", path, json={**body, **_which(choice)})).json()
    if is_json():
        print_json(answer)
    else:
        word = "approved" if decision == "approve" else "rejected"
        print_text(f"{path.rpartition('/')[2]}: {word}. The run is {answer['status']}.")


async def _path(client: "AsyncClient", choice: ReviewChoice) -> str:
    path = run_path(choice.run_id)
    step_id = choice.step_id or await _only_step(client, path.rpartition("/")[2])
    return f"{path}/reviews/{quote(step_id, safe='')}"


async def _only_step(client: "AsyncClient", run_id: str) -> str:
    found = [each for each in await everything(client, "/api/reviews") if each["run_id"] == run_id]
    steps = sorted({str(each["step_id"]) for each in found})
    if not steps:
        raise NoOpenReview(
            f"The run {run_id} waits for no review, or does not exist. `stepiq reviews list` lists"
            " the open reviews. To show a closed one, name its step."
        )
    if len(steps) > 1:
        raise UsageError(f"The run waits for several reviews. Name the step: {', '.join(steps)}.")
    return steps[0]


def _which(choice: ReviewChoice) -> dict[str, Any]:
    return {} if choice.iteration is None else {"iteration": choice.iteration}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text.encode())
    except MalformedJson as error:
        raise UsageError(
            f"--output must be JSON, such as '\"new text\"': {error.message}"
        ) from None


def _cells(review: Mapping[str, Any]) -> list[str]:
    return [
        review["run_id"],
        review["step_id"],
        review["pipeline_name"],
        local_time(review["requested_at"]),
        local_time(review["expires_at"]),
        review["message"],
    ]
