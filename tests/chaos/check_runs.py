"""Checks that every accepted run was kept, executed as promised, and ended."""

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

from tests.chaos.custody import moment
from tests.chaos.evidence import Evidence, merged, overlap, tag_of
from tests.chaos.hostile import ATTACKS
from tests.chaos.ledger import Record
from tests.chaos.plan import FaultKind
from tests.chaos.row import Row, spread

SETTLED_SECONDS = 60
ORPHAN_SECONDS = 10
UNAVAILABLE_SECONDS = 5
WIDE = 50
_FINAL = ("completed", "failed", "cancelled")
_WRONG = ("guess 2", "run 500", "guess 500", "cancel 500")
_BETWEEN_CALLS_SECONDS = 0.1
"""Tolerance for recorded end times, which are taken before they are written, and not by the model's clock call."""


def accepted(evidence: Evidence) -> Row:
    row = Row("P1", "what was answered 202 ends, as it should; all within 60 s of the last kill")
    status = {run["id"]: run["status"] for run in evidence.listed}
    for post in evidence.of("post"):
        if post["status"] == 202:
            found = status.get(post["run_id"])
            row.expect(found, f"lost: {post['tag']} was answered 202 with {post['run_id']}")
    for run in evidence.listed:
        row.checked += 1
        row.expect(run["status"] in _FINAL, f"unfinished: {run['id']} is {run['status']}")
    _doubled(evidence, row)
    cancelled = {cancel["run_id"] for cancel in evidence.of("cancel")}
    for run_id, pipeline in evidence.pipeline_of.items():
        wanted = {pipeline.ends} | ({"cancelled"} if run_id in cancelled else set())
        error = (evidence.details[run_id]["error"] or {}).get("code")
        row.expect(
            status[run_id] in wanted and error in (None, pipeline.error_code),
            f"ended otherwise: {run_id} of {pipeline.name} is {status[run_id]}, error {error}",
        )
    _settled(evidence, row)
    return row


def hostile(evidence: Evidence) -> Row:
    row = Row(
        "P20", "runs of hostile workspaces are not lost either; the rows above hold for the others"
    )
    ended = {record["run_id"]: record["status"] for record in evidence.of("hostile_ended")}
    for record in evidence.of("hostile_accepted"):
        row.checked += 1
        row.expect(ended.get(record["run_id"]) in _FINAL, f"unfinished: {record['run_id']}")
    for broken in evidence.of("hostile_broke"):
        row.expect(None, f"{broken['workspace']} stopped attacking: {broken['error']}")
    if evidence.options.hostile:
        _attacked(evidence, row)
        row.notes.append(
            f"{evidence.options.hostile} hostile workspaces with the plan {evidence.options.hostile_plan}"
        )
    return row


def _attacked(evidence: Evidence, row: Row) -> None:
    """Check that every workspace made every attack, and that every response was an allowed one."""
    calm = evidence.first("calm")
    begun = {
        record["workspace"]
        for record in evidence.of("hostile_accepted")
        if calm is None or record["at"] < calm["at"]
    }
    stopped = {record["workspace"]: record["did"] for record in evidence.of("hostile_stopped")}
    row.expect(
        len(stopped) == evidence.options.hostile,
        f"{len(stopped)} of {evidence.options.hostile} hostile workspaces attacked to the end",
    )
    for workspace, did in stopped.items():
        row.expect(workspace in begun, f"{workspace} began to attack after the last fault")
        for what in ATTACKS:
            row.expect(any(key.startswith(what) for key in did), f"{workspace} did nothing: {what}")
        for key in did:
            row.expect(not key.startswith(_WRONG), f"{workspace} got a wrong answer: {key}")


def _doubled(evidence: Evidence, row: Row) -> None:
    asked = {post["tag"] for post in evidence.of("post")}
    tags = Counter(tag_of(run) for run in evidence.listed if run["trigger_type"] != "cron")
    for tag, count in tags.items():
        row.expect(count == 1, f"doubled: {count} runs for the one request {tag}")
        row.expect(tag in asked, f"from nowhere: a run of {tag}, which nobody asked for")


def _settled(evidence: Evidence, row: Row) -> None:
    settled, last = evidence.first("settled"), evidence.faults[-1:]
    if settled is None or not last:
        row.expect(settled is not None, "not everything had ended when the harness stopped waiting")
        return
    seconds = settled["at"] - last[0]["until"]
    row.notes.append(f"all ended {max(0.0, seconds):.1f} s after the last fault was mended")
    row.expect(
        seconds <= SETTLED_SECONDS * evidence.slowness,
        f"all ended only {seconds:.1f} s after the last fault",
    )


def recorded(evidence: Evidence) -> Row:
    row = Row(
        "P2", "a recorded step never runs again; one in flight repeats under its key", unit="steps"
    )
    repeats = 0
    for run_id, pipeline in evidence.pipeline_of.items():
        steps = {step["step_id"]: step for step in evidence.details[run_id]["steps"]}
        for step_id in pipeline.asked:
            key = f"{run_id}:{step_id}:1"
            calls = evidence.calls.get(key, [])
            if step_id in steps:
                row.checked += 1
                repeats += max(0, len(calls) - 1)
                _step(evidence, row, key, steps[step_id], calls)
    known = {f"{run_id}:{s}:1" for run_id, p in evidence.pipeline_of.items() for s in p.asked}
    for key in evidence.calls.keys() - known:
        row.violations.append(f"a call under {key or 'no key'}, which is no step of a run")
    row.notes.append(f"{repeats} repeated calls, all of them before the step was recorded")
    return row


def _step(
    evidence: Evidence, row: Row, key: str, step: dict[str, Any], calls: list[Record]
) -> None:
    run_id = key.partition(":")[0]
    told = [
        e["data"] for e in evidence.events[run_id] if e["data"].get("step_id") == step["step_id"]
    ]
    begun = [event for event in told if event.get("status") == "running"]
    row.expect(
        len(calls) <= len(begun),
        f"{key}: {len(calls)} calls, but the journal has {len(begun)} attempts",
    )
    ends = [e for e in told if e.get("status") in _FINAL and "attempts" in e]
    if step["status"] == "completed":
        texts = {call["text"] for call in calls if call["outcome"] == "answered"}
        row.expect(step["output"] in texts, f"{key}: no call answered what is recorded")
    for end in ends:
        ended_at = moment(end["created_at"])
        for call in calls:
            late = call["at"] - ended_at > _BETWEEN_CALLS_SECONDS
            # A process that was paused beyond its lease may still send a call that it had begun.
            row.expect(
                not late or evidence.woke_before(call["at"]),
                f"{key}: call {call['number']} came {call['at'] - ended_at:.2f} s after the step was recorded",
            )


def paused(evidence: Evidence) -> Row:
    row = Row("P3", "a worker that lost its run changes nothing: each journal is one story")
    for run in evidence.listed:
        row.checked += 1
        _story(row, run["id"], evidence.events[run["id"]])
    ended = Counter(
        line["run_id"]
        for lines in evidence.logs.values()
        for line in lines
        if line.get("event") == "run_ended"
    )
    for run_id, times in ended.items():
        row.expect(times == 1, f"{run_id} was brought to its end {times} times")
    lost = sum(
        line.get("event") == "run_claim_lost" for log in evidence.logs.values() for line in log
    )
    pauses = [f for f in evidence.faults if f["fault"] == FaultKind.PAUSE]
    row.notes.append(f"{len(pauses)} pauses; {lost} times a worker found that it had lost its run")
    return row


def _story(row: Row, run_id: str, events: list[dict[str, Any]]) -> None:
    numbers = [event["seq"] for event in events]
    row.expect(numbers == list(range(1, len(events) + 1)), f"{run_id}: events {numbers}")
    runs = [event["data"]["status"] for event in events if event["type"] == "run.status"]
    wanted = ["pending", "running"] if "running" in runs else ["pending"]
    row.expect(runs[:-1] == wanted and runs[-1] in _FINAL, f"{run_id}: run states {runs}")
    last = events[-1] if events else {"type": None}
    row.expect(last["type"] == "run.status", f"{run_id}: its last event is {last['type']}")
    steps: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event["type"] == "step.status":
            steps[event["data"]["step_id"]].append(event["data"])
    for step_id, told in steps.items():
        begun = [event["attempt"] for event in told if event["status"] == "running"]
        row.expect(
            begun == list(range(1, len(begun) + 1)), f"{run_id}: attempts {begun} of {step_id}"
        )
        ends = [event["status"] for event in told if event["status"] != "running"]
        row.expect(
            len(ends) == 1 and told[-1]["status"] == ends[0], f"{run_id}: {step_id} ended as {ends}"
        )


def orphaned(evidence: Evidence) -> Row:
    row = Row(
        "P4",
        "a run whose worker is gone goes on within 10 s, while there is a store and a worker",
        unit="gaps",
    )
    waits: list[float] = []
    parts: list[float] = []
    struck = merged((f["at"], f["until"]) for f in evidence.faults)
    for run in evidence.listed:
        busy = [
            (call["at"], call["ended_at"])
            for step in evidence.details[run["id"]]["steps"]
            for call in evidence.calls.get(f"{run['id']}:{step['step_id']}:1", [])
        ]
        times = [moment(event["data"]["created_at"]) for event in evidence.events[run["id"]]]
        times += [at for span in busy for at in span]
        excused = merged([*busy, *evidence.unable])
        times.sort()
        for start, end in pairwise(times):
            stood = end - start - overlap(excused, start, end)
            if overlap(struck, start, end):
                row.checked += 1
                waits.append(stood)
            # Each loss of a worker has its own 10 s, also if it had taken the run over from another one.
            losses = evidence.custody.losses(run["id"], start, end)
            for since, until in pairwise([start, *losses, end]):
                seconds = until - since - overlap(excused, since, until)
                if overlap(struck, start, end):
                    parts.append(seconds)
                row.expect(
                    seconds <= ORPHAN_SECONDS * evidence.slowness,
                    f"{run['id']} stood still for {seconds:.1f} s from {since:.3f}",
                )
    row.notes.append(f"gaps in which something broke: {spread(parts, ORPHAN_SECONDS)}")
    row.notes.append(
        f"the same, not divided where the next worker was lost too: {spread(waits, ORPHAN_SECONDS)}"
    )
    return row


def unavailable(evidence: Evidence) -> Row:
    row = Row(
        "P5",
        "without the store: 503 and Retry-After within 5 s; by itself it recovers",
        unit="answers",
    )
    waits: list[float] = []
    for answer in [*evidence.of("post"), *evidence.of("cancel")]:
        _answer(evidence, row, answer, waits)
    _died(evidence, row)
    cuts = sum(fault["fault"] == FaultKind.CUT_COMMIT for fault in evidence.faults)
    row.notes.append(
        f"{cuts} COMMITs whose answer was cut off; 503 after {spread(waits, UNAVAILABLE_SECONDS)}"
    )
    return row


def _answer(evidence: Evidence, row: Row, answer: Record, waits: list[float]) -> None:
    status, waited = answer["status"], answer["at"] - answer["sent_at"]
    name = f"{answer['kind']} of {answer.get('tag') or answer['run_id']}"
    allowed = {202, 409, 503, None} if answer["kind"] == "post" else {200, 409, 503, None}
    row.expect(status in allowed, f"{name} was answered {status} {answer.get('code') or ''}")
    if status is None:
        row.expect(
            _is_struck(evidence, answer),
            f"{name}: no answer after {waited:.1f} s, though nothing happened to {answer['node']}",
        )
    elif status == 503:
        row.checked += 1
        waits.append(waited)
        retry_after = answer["retry_after"]
        row.expect(str(retry_after).isdigit(), f"{name}: 503 with Retry-After {retry_after}")
        row.expect(
            waited <= UNAVAILABLE_SECONDS * evidence.slowness or _is_struck(evidence, answer),
            f"{name} waited {waited:.1f} s for its 503",
        )


def _is_struck(evidence: Evidence, answer: Record) -> bool:
    """Whether a fault affected the process that received the request."""
    return any(
        fault["node"] == answer["node"]
        and fault["at"] <= answer["at"]
        and fault["until"] >= answer["sent_at"]
        for fault in evidence.faults
    )


def _died(evidence: Evidence, row: Row) -> None:
    struck = (FaultKind.KILL_API, FaultKind.KILL_WORKER, FaultKind.TERMINATE)
    since = UNAVAILABLE_SECONDS * evidence.slowness
    for end in evidence.of("exited"):
        ours = [
            f
            for f in evidence.faults
            if f["node"] == end["node"]
            and f["fault"] in struck
            and f["at"] <= end["at"] <= f["until"] + 1
        ]
        # A process that starts without a store reports it and exits. The service manager restarts it.
        excused = ours or (
            not end["was_ready"] and overlap(evidence.store_away, end["at"] - since, end["at"])
        )
        row.expect(excused, f"{end['node']} ended by itself with {end['code']} at {end['at']:.3f}")


def keyed(evidence: Evidence) -> Row:
    row = Row("P6", "one Idempotency-Key, one run", unit="keys")
    tags = Counter(tag_of(run) for run in evidence.listed)
    posts: dict[str, list[Record]] = defaultdict(list)
    for post in evidence.of("post"):
        if post["key"] is not None:
            posts[post["key"]].append(post)
    for key, sent in posts.items():
        row.checked += 1
        answered = {post["run_id"] for post in sent if post["status"] == 202}
        row.expect(len(answered) <= 1, f"{key} was answered with the runs {sorted(answered)}")
        row.expect(tags[key] <= 1, f"{key} started {tags[key]} runs")
        row.expect(tags[key] or not answered, f"{key} was answered 202, and there is no run")
    wide = sum(sent[0]["clients"] >= WIDE for sent in posts.values())
    row.notes.append(f"{sum(map(len, posts.values()))} posts; {wide} keys posted by {WIDE} at once")
    return row
