"""Checks that all recipients of a run's result received the same result, as often as promised."""

import re
from collections import Counter
from itertools import pairwise
from typing import Any

from tests.chaos.custody import moment
from tests.chaos.evidence import Evidence
from tests.chaos.ledger import Record
from tests.chaos.row import Row, spread

PAUSES = (1, 2, 4)
EARLY_SECONDS = 0.5
LATE_SECONDS = 10.0
"""Delay without faults from which a delivery counts as late.

It allows for the backlog of restarted processes. The tests of deliveries check the exact pauses.
"""
ATTEMPTS = 4
CANCEL_SECONDS = 1.0
_EVENT = {"completed": "pipeline.run.completed", "failed": "pipeline.run.failed"}


def ticked(evidence: Evidence) -> Row:
    row = Row("P7", "every due tick has one outcome, and one run if it started one", unit="ticks")
    due = Counter(tick["due_at"] for tick in evidence.ticks)
    times = sorted(moment(at) for at in due)
    for at, count in due.items():
        row.checked += 1
        row.expect(count == 1, f"the tick of {at} has {count} outcomes")
    for before, after in pairwise(times):
        row.expect(after - before == 60, f"no tick between {before:.0f} and {after:.0f}")
    started = [tick["run_id"] for tick in evidence.ticks if tick["outcome"] == "started"]
    runs = [run["id"] for run in evidence.listed if run["trigger_type"] == "cron"]
    row.expect(sorted(started) == sorted(runs), f"ticks started {started}, but there are {runs}")
    return row


def delivered(evidence: Evidence) -> Row:
    row = Row(
        "P8", "deliveries: one id, at most 4 signed attempts, 1/2/4 s apart", unit="deliveries"
    )
    known: set[str] = set()
    early: list[float] = []
    late: list[float] = []
    for run_id, pipeline in evidence.pipeline_of.items():
        deliveries = evidence.deliveries[run_id]
        ended = evidence.details[run_id]["status"]
        wanted = pipeline.targets if ended == pipeline.ends else []
        found = [delivery["target"]["type"] for delivery in deliveries]
        row.expect(sorted(found) == sorted(wanted), f"{run_id}: deliveries {found}, not {wanted}")
        for delivery in deliveries:
            row.checked += 1
            known.add(delivery["id"])
            if delivery["target"]["type"] == "webhook":
                _webhook(evidence, row, run_id, delivery)
                _pauses(evidence, row, delivery, early, late)
            else:
                _mail(evidence, row, run_id, delivery)
    for delivery_id in evidence.hooks.keys() - known:
        row.violations.append(f"the receiver was asked under {delivery_id}, which is no delivery")
    row.notes.append(
        f"pauses, less what they should be, while something was broken: {spread(early)}"
    )
    row.notes.append(f"and while nothing was: {spread(late, EARLY_SECONDS)}")
    return row


def _webhook(evidence: Evidence, row: Row, run_id: str, delivery: dict[str, Any]) -> None:
    name, hooks = delivery["id"], evidence.hooks.get(delivery["id"], [])
    numbers = [hook["envelope"]["meta"]["attempt"] for hook in hooks]
    in_order = [
        hook["envelope"]["meta"]["attempt"]
        for hook in hooks
        if not evidence.woke_before(hook["at"])
    ]
    row.expect(
        in_order == sorted(in_order) and len(set(numbers)) == len(numbers),
        f"{name}: attempts came as {numbers}",
    )
    row.expect(
        max(numbers, default=0) <= ATTEMPTS, f"{name}: attempt {max(numbers, default=0)} came"
    )
    made = len(delivery["attempts"])
    row.expect(
        made <= ATTEMPTS and set(numbers) <= set(range(1, made + 1)),
        f"{name}: attempts {numbers} came, {made} are recorded",
    )
    for hook in hooks:
        row.expect(hook["is_genuine"], f"{name}: a signature does not check out")
        row.expect(hook["path"] == f"/{run_id}", f"{name}: came to {hook['path']}, not to its run")
    answers = [hook["status"] for hook in hooks]
    match delivery["status"]:
        case "delivered":
            row.expect(200 in answers, f"{name} counts as delivered, but was answered {answers}")
        case "failed":
            is_refused = 400 in answers
            row.expect(
                is_refused or made == ATTEMPTS, f"{name} failed after {made} attempts: {answers}"
            )
        case other:
            row.violations.append(f"{name} is {other}")


def _pauses(
    evidence: Evidence, row: Row, delivery: dict[str, Any], early: list[float], late: list[float]
) -> None:
    hooks = evidence.hooks.get(delivery["id"], [])
    # The server does not know when these ended, so it waits from their start.
    interrupted = {
        attempt["number"]: moment(attempt["at"])
        for attempt in delivery["attempts"]
        if attempt.get("duration_ms", 0) is None
    }
    for before, after in pairwise(hooks):
        number = before["envelope"]["meta"]["attempt"]
        if after["envelope"]["meta"]["attempt"] != number + 1 or number > len(PAUSES):
            continue
        wanted = PAUSES[number - 1]
        off = after["at"] - before["answered_at"] - wanted
        is_calm = evidence.is_calm(before["at"], after["at"])
        (late if is_calm else early).append(off)
        waited_beyond = off
        if number in interrupted:
            waited_beyond = (
                moment(after["envelope"]["meta"]["sent_at"]) - interrupted[number] - wanted
            )
        row.expect(
            waited_beyond >= -EARLY_SECONDS
            and (off <= LATE_SECONDS * evidence.slowness or not is_calm),
            f"{delivery['id']}: attempt {number + 1} came {wanted + off:.2f} s after the one before, not {wanted}",
        )


def _mail(evidence: Evidence, row: Row, run_id: str, delivery: dict[str, Any]) -> None:
    mails = [mail for mail in evidence.mails if delivery["id"] in mail["id"]]
    row.expect(
        delivery["status"] == "delivered" or len(delivery["attempts"]) == ATTEMPTS,
        f"the mail {delivery['id']} is {delivery['status']}",
    )
    if delivery["status"] == "delivered":
        row.expect(
            1 <= len(mails) <= ATTEMPTS, f"the mail {delivery['id']} was written {len(mails)} times"
        )
    for mail in mails:
        row.expect(
            mail["subject"] == run_id, f"the mail {delivery['id']} tells of {mail['subject']}"
        )


def agreed(evidence: Evidence) -> Row:
    row = Row("P10", "row, stream and webhook agree on one outcome; a cancel takes at most 1 s")
    followed = {f["run_id"]: f["events"] for f in evidence.of("followed")}
    for run in evidence.listed:
        row.checked += 1
        run_id, detail = run["id"], evidence.details[run["id"]]
        status = detail["status"]
        log = evidence.events[run_id]
        row.expect(
            run["status"] == status, f"{run_id} is {run['status']} in the list, {status} by itself"
        )
        row.expect(
            log and log[-1]["data"].get("status") == status, f"{run_id}: its log ends otherwise"
        )
        heard = followed.get(run_id)
        row.expect(heard is None or heard[-1][2] == status, f"{run_id}: its stream ended otherwise")
        _output(evidence, row, run_id, detail)
    for hooks in evidence.hooks.values():
        for hook in hooks:
            _told(evidence, row, hook)
    _cancels(evidence, row)
    return row


def _output(evidence: Evidence, row: Row, run_id: str, detail: dict[str, Any]) -> None:
    pipeline = evidence.pipeline_of.get(run_id)
    if pipeline is None or detail["status"] != "completed":
        row.expect(detail["output"] is None or pipeline is None, f"{run_id} has an output")
        return
    steps = {step["step_id"]: step["output"] for step in detail["steps"]}
    wanted = pipeline.output(str(detail["input_data"]["tag"]), steps)
    row.expect(detail["output"] == wanted, f"{run_id}: output {detail['output']!r}, not {wanted!r}")


def _told(evidence: Evidence, row: Row, hook: Record) -> None:
    envelope = hook["envelope"]
    run_id = envelope["run"]["id"]
    detail = evidence.details.get(run_id)
    if detail is None:
        row.violations.append(f"the receiver was told of {run_id}, which is no run")
        return
    told = (envelope["event"], envelope["run"]["status"], envelope["output"])
    wanted = (_EVENT.get(detail["status"]), detail["status"], detail["output"])
    row.expect(told == wanted, f"{run_id}: the receiver was told {told}, the row says {wanted}")


def _cancels(evidence: Evidence, row: Row) -> None:
    took: list[float] = []
    done: set[str] = set()
    for cancel in evidence.of("cancel"):
        run_id, status = cancel["run_id"], cancel["status"]
        final = evidence.details[run_id]["status"]
        if status == 409:
            row.expect(final != "pending", f"{run_id}: its cancel came too late, but it is {final}")
        if status != 200:
            continue
        done.add(run_id)
        row.expect(
            final == cancel["shown"] == "cancelled",
            f"{run_id}: its cancel was answered {cancel['shown']}, the row says {final}",
        )
        if evidence.is_calm(cancel["sent_at"], cancel["at"] + CANCEL_SECONDS):
            took.append(cancel["at"] - cancel["sent_at"])
            row.expect(
                took[-1] <= CANCEL_SECONDS * evidence.slowness,
                f"{run_id}: its cancel took {took[-1]:.2f} s",
            )
            _aborted(evidence, row, cancel)
    row.notes.append(
        f"{len(done)} runs cancelled; while nothing was broken: {spread(took, CANCEL_SECONDS)}"
    )


def _aborted(evidence: Evidence, row: Row, cancel: Record) -> None:
    for step in evidence.details[cancel["run_id"]]["steps"]:
        for call in evidence.calls.get(f"{cancel['run_id']}:{step['step_id']}:1", []):
            over = call["ended_at"] - cancel["at"]
            row.expect(
                over <= CANCEL_SECONDS * evidence.slowness,
                f"{cancel['run_id']}: a call went on for {over:.2f} s after its cancel was answered",
            )


def streamed(evidence: Evidence) -> Row:
    row = Row("P16", "a stream over reconnects has no gap and no repeat, and ends", unit="streams")
    followed = {f["run_id"]: f for f in evidence.of("followed")}
    for following in evidence.of("following"):
        row.expect(
            following["run_id"] in followed, f"the stream of {following['run_id']} never ended"
        )
    for run_id, stream in followed.items():
        row.checked += 1
        heard = [tuple(event) for event in stream["events"]]
        logged = [(e["seq"], e["type"], e["data"].get("status")) for e in evidence.events[run_id]]
        row.expect(heard == logged, f"{run_id}: heard {heard}, the log has {logged}")
    again = sum(stream["connections"] - 1 for stream in followed.values())
    row.notes.append(f"{again} reconnects")
    return row


_FAULTS = re.compile(
    r"request_failed|ticket_orphaned|targets_unreadable|.*_broke|tick_not_abandoned"
)


def logged(evidence: Evidence) -> Row:
    row = Row("logs", "no process reports a fault of its own", unit="lines")
    for node, lines in evidence.logs.items():
        for line in lines:
            row.checked += 1
            event = str(line.get("event", ""))
            is_trace = str(line.get("text", "")).startswith("Traceback")
            row.expect(
                not _FAULTS.fullmatch(event) and not is_trace,
                f"{node} at {line.get('at')}: {event or 'a traceback'} {_reason(line)}",
            )
    return row


def _reason(line: Record) -> str:
    trace = line.get("exception") or []
    if isinstance(trace, list) and trace:
        return f"{trace[0].get('exc_type')}: {str(trace[0].get('exc_value'))[:200]}"
    return ""
