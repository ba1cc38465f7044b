"""Tests of the checks. Each breaks one promise in the record of a trial without violations."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos import evidence as reading
from tests.chaos.check_runs import ORPHAN_SECONDS
from tests.chaos.checker import check
from tests.chaos.plan import FaultKind
from tests.chaos.report import report
from tests.chaos.sample import START, Sample, iso

Doctor = Callable[[Sample], Any]


def violations(sample: Sample) -> dict[str, list[str]]:
    return {row.promise: row.violations for row in check(sample.evidence()) if row.violations}


def records(sample: Sample, kind: str) -> list[dict[str, Any]]:
    return sample.ledger.of(kind)


def shift(sample: Sample, kind: str, number: int, **changes: Any) -> None:
    records(sample, kind)[number].update(changes)


def delivery(sample: Sample, **changes: Any) -> None:
    sample.deliveries["told"][0].update(changes)


def hook(sample: Sample, number: int, **changes: Any) -> None:
    """Change a request to the receiver. The first two are attempts of one delivery."""
    shift(sample, "hook", number, **changes)


def remove(sample: Sample, run_id: str) -> None:
    sample.listed[:] = [run for run in sample.listed if run["id"] != run_id]


def again(sample: Sample, run_id: str, new_id: str) -> None:
    """Add a copy of a run."""
    sample.details[new_id] = sample.details[run_id]
    sample.events[new_id] = sample.events[run_id]
    sample.deliveries[new_id] = sample.deliveries[run_id]
    sample.listed.append({**next(r for r in sample.listed if r["id"] == run_id), "id": new_id})


def call(sample: Sample, after: float, **changes: Any) -> None:
    """Add a copy of the first call to the model."""
    sample.ledger.records.append(
        {**records(sample, "call")[0], "at": START + after, "ended_at": START + after, **changes}
    )


def event(sample: Sample, run_id: str, number: int) -> dict[str, Any]:
    return sample.events[run_id][number]["data"]


def told(sample: Sample, number: int, **changes: Any) -> None:
    """Change the envelope of a request to the receiver."""
    hook(sample, number, envelope={**records(sample, "hook")[number]["envelope"], **changes})


def orphan(sample: Sample, killed: float, node: str = "worker-1") -> None:
    """Have a run stand still from second 60 to 75, in which a worker is killed."""
    event(sample, "cron", 2).update(created_at=iso(75))
    shift(sample, "fault", 2, at=START + 76)
    shift(sample, "mended", 2, fault_at=START + 76)
    strike(sample, killed, node)


def strike(sample: Sample, at: float, node: str) -> None:
    """Kill a worker, which is ready again after 0.1 s."""
    fault = sample.note("fault", at, fault=FaultKind.KILL_WORKER, node=node)
    sample.note("exited", at, node=node, code=-9, was_ready=True)
    sample.note("started", at, node=node)
    sample.note("ready", at + 0.1, node=node)
    sample.note("mended", at + 0.1, fault_at=fault["at"], node=node, resumes=False)
    sample.ledger.records.sort(key=lambda record: record["at"])


def log(sample: Sample, node: str, event: str, after: float, **facts: Any) -> None:
    """Add a line to the log of a node."""
    sample.logs[node].append({"event": event, "at": iso(after), **facts})


def longest_gap(sample: Sample) -> float:
    """The longest gap of a run in the check of P4. It breaks the promise if it is longer than ten seconds."""
    (row,) = (row for row in check(sample.evidence()) if row.promise == "P4")
    (found,) = re.findall(r"max ([0-9.]+) s", row.notes[0])
    assert bool(row.violations) == (float(found) > ORPHAN_SECONDS)
    return float(found)


BROKEN: dict[str, tuple[str, str, Doctor]] = {
    "lost run": ("P1", "lost", lambda s: remove(s, "told")),
    "unfinished run": ("P1", "unfinished", lambda s: s.listed[0].update(status="running")),
    "two runs of one request": ("P1", "doubled", lambda s: again(s, "refused", "other")),
    "run from nowhere": (
        "P1",
        "from nowhere",
        lambda s: s.listed[0].update(input_data={"tag": "x"}),
    ),
    "failed that should not": (
        "P1",
        "ended otherwise",
        lambda s: (s.listed[0].update(status="failed"), s.details["told"].update(status="failed")),
    ),
    "failed through our fault": (
        "P1",
        "ended otherwise",
        lambda s: s.details["refused"].update(error={"code": "internal"}),
    ),
    "never all over": (
        "P1",
        "not everything",
        lambda s: s.ledger.records.remove(records(s, "settled")[0]),
    ),
    "over too late": ("P1", "only", lambda s: shift(s, "settled", 0, at=START + 141)),
    "call after the record": ("P2", "after the step was recorded", lambda s: call(s, 13.5)),
    "more calls than attempts": ("P2", "2 calls", lambda s: call(s, 11.1)),
    "call of no step": ("P2", "no step", lambda s: call(s, 11.1, key="elsewhere:one:1")),
    "call without a key": ("P2", "no key", lambda s: call(s, 11.1, key=None)),
    "output that nobody gave": (
        "P2",
        "no call answered",
        lambda s: s.details["told"]["steps"][0].update(output="made up"),
    ),
    "gap in the journal": ("P3", "events [", lambda s: s.events["told"].pop(2)),
    "two ends in the journal": ("P3", "run states", lambda s: s.end("told", 16)),
    "step after the end": (
        "P3",
        "last event",
        lambda s: s.tell("told", "step.log", 16, step_id="one"),
    ),
    "step ended twice": (
        "P3",
        "ended as",
        lambda s: event(s, "told", 3).update(status="completed"),
    ),
    "attempt counted twice": (
        "P3",
        "attempts [2]",
        lambda s: event(s, "told", 3).update(attempt=2),
    ),
    "run ended by two workers": (
        "P3",
        "2 times",
        lambda s: s.logs["worker-1"].append({"event": "run_ended", "run_id": "told"}),
    ),
    "orphan": ("P4", "stood still", lambda s: event(s, "cron", 2).update(created_at=iso(75))),
    "error from the server": ("P5", "answered 500", lambda s: shift(s, "post", 3, status=500)),
    "no Retry-After": ("P5", "Retry-After None", lambda s: shift(s, "post", 3, retry_after=None)),
    "no answer": ("P5", "no answer", lambda s: shift(s, "post", 3, status=None)),
    "slow 503": ("P5", "waited", lambda s: shift(s, "post", 3, sent_at=START + 24.9)),
    "process that died": (
        "P5",
        "by itself",
        lambda s: s.note("exited", 50, node="api-1", code=1, was_ready=True),
    ),
    "key with two runs": ("P6", "started 2 runs", lambda s: again(s, "told", "other")),
    "key with two answers": (
        "P6",
        "with the runs",
        lambda s: shift(s, "post", 1, run_id="refused"),
    ),
    "key whose run is lost": ("P6", "there is no run", lambda s: remove(s, "told")),
    "tick with two outcomes": ("P7", "2 outcomes", lambda s: s.ticks.append(s.ticks[1])),
    "tick left out": ("P7", "no tick", lambda s: s.ticks[1].update(due_at=iso(180))),
    "tick with two runs": ("P7", "ticks started", lambda s: again(s, "cron", "cron-2")),
    "delivery that was not made": ("P8", "deliveries [", lambda s: s.deliveries["told"].clear()),
    "delivery of a cancelled run": (
        "P8",
        "deliveries [",
        lambda s: s.deliver("stopped", "hook-3", 200, after=50),
    ),
    "attempt twice": ("P8", "came as", lambda s: told(s, 1, meta={"attempt": 1})),
    "fifth attempt": ("P8", "attempt 5", lambda s: told(s, 5, meta={"attempt": 5})),
    "attempt that is not recorded": ("P8", "are recorded", lambda s: delivery(s, attempts=[{}])),
    "second id": ("P8", "no delivery", lambda s: hook(s, 1, delivery_id="another")),
    "wrong signature": ("P8", "signature", lambda s: hook(s, 0, is_genuine=False)),
    "wrong address": ("P8", "came to", lambda s: hook(s, 0, path="/elsewhere")),
    "counted as delivered": ("P8", "counts as delivered", lambda s: hook(s, 1, status=500)),
    "given up too early": ("P8", "failed after", lambda s: delivery(s, status="failed")),
    "never final": ("P8", "is pending", lambda s: delivery(s, status="pending")),
    "too early": ("P8", "after the one before", lambda s: hook(s, 1, at=START + 15.5)),
    "too late": ("P8", "after the one before", lambda s: hook(s, 1, at=START + 26.5)),
    "mail that was not written": ("P8", "written 0 times", lambda s: s.mails.clear()),
    "mail of another run": ("P8", "tells of", lambda s: s.mails[0].update(subject="other")),
    "list and run differ": ("P10", "in the list", lambda s: s.listed[0].update(status="failed")),
    "log ends otherwise": (
        "P10",
        "log ends",
        lambda s: event(s, "told", -1).update(status="failed"),
    ),
    "stream ends otherwise": (
        "P10",
        "stream ended",
        lambda s: records(s, "followed")[0]["events"][-1].__setitem__(2, "failed"),
    ),
    "wrong output": ("P10", "output 'x'", lambda s: s.details["told"].update(output="x")),
    "webhook says otherwise": ("P10", "was told", lambda s: told(s, 0, output="x")),
    "webhook of no run": (
        "P10",
        "no run",
        lambda s: told(s, 0, run={"id": "x", "status": "failed"}),
    ),
    "cancelled run that went on": (
        "P10",
        "the row says completed",
        lambda s: s.details["stopped"].update(status="completed"),
    ),
    "slow cancel": (
        "P10",
        "its cancel took",
        lambda s: shift(s, "cancel", 0, sent_at=START + 31.5),
    ),
    "call after the cancel": (
        "P10",
        "went on",
        lambda s: shift(s, "call", 2, ended_at=START + 33.7),
    ),
    "stream with a gap": ("P16", "heard", lambda s: records(s, "followed")[0]["events"].pop(1)),
    "stream with a repeat": (
        "P16",
        "heard",
        lambda s: records(s, "followed")[0]["events"].insert(1, [1, "run.status", "pending"]),
    ),
    "stream that never ends": (
        "P16",
        "never ended",
        lambda s: s.note("following", 50, run_id="cron"),
    ),
    "hostile run that never ends": (
        "P20",
        "unfinished",
        lambda s: s.ledger.records.remove(records(s, "hostile_ended")[0]),
    ),
    "attack that broke": (
        "P20",
        "stopped attacking",
        lambda s: s.note("hostile_broke", 50, workspace="hostile", error="KeyError('id')"),
    ),
    "attack that never took place": (
        "P20",
        "0 of 1 hostile workspaces",
        lambda s: s.ledger.records.remove(records(s, "hostile_stopped")[0]),
    ),
    "attack that came too late": (
        "P20",
        "after the last fault",
        lambda s: shift(s, "hostile_accepted", 0, at=START + 81),
    ),
    "attack without runs": (
        "P20",
        "did nothing: run 202",
        lambda s: records(s, "hostile_stopped")[0]["did"].pop("run 202"),
    ),
    "attack without streams": (
        "P20",
        "did nothing: stream",
        lambda s: records(s, "hostile_stopped")[0]["did"].pop("stream"),
    ),
    "attack without guesses": (
        "P20",
        "did nothing: guess",
        lambda s: records(s, "hostile_stopped")[0]["did"].pop("guess 401"),
    ),
    "attack without cancels": (
        "P20",
        "did nothing: cancel",
        lambda s: records(s, "hostile_stopped")[0]["did"].pop("cancel 200"),
    ),
    "guess that is let in": (
        "P20",
        "wrong answer: guess 200",
        lambda s: records(s, "hostile_stopped")[0]["did"].update({"guess 200": 1}),
    ),
    "attack that finds a fault": (
        "P20",
        "wrong answer: run 500",
        lambda s: records(s, "hostile_stopped")[0]["did"].update({"run 500": 1}),
    ),
    "a fault in the log": (
        "logs",
        "run_broke",
        lambda s: s.logs["worker-1"].append({"event": "run_broke"}),
    ),
    "a traceback": (
        "logs",
        "a traceback",
        lambda s: s.logs["worker-1"].append({"text": "Traceback (most recent call last):"}),
    ),
}


class TestCheck:
    def test_a_trial_that_kept_every_promise_passes(self):
        assert violations(Sample()) == {}

    def test_every_promise_looks_at_something(self):
        assert all(row.checked for row in check(Sample().evidence()))

    @pytest.mark.parametrize("name", BROKEN)
    def test_a_broken_promise_is_found(self, name: str):
        promise, words, doctor = BROKEN[name]
        sample = Sample()
        doctor(sample)

        found = violations(sample)

        assert any(words in violation for violation in found.get(promise, [])), found

    def test_a_call_of_a_worker_that_has_just_woken_is_one_in_flight(self):
        sample = Sample()
        sample.tell("cron", "step.status", 60, step_id="x", status="running", attempt=1)
        shift(sample, "fault", 2, at=START + 5)
        shift(sample, "mended", 2, at=START + 13, fault_at=START + 5)
        call(sample, 13.5)

        assert not any("after the step" in each for each in violations(sample).get("P2", []))

    @pytest.mark.parametrize(("started", "is_early"), [(0.0, False), (0.8, True)])
    def test_the_pause_after_an_interrupted_attempt_counts_from_its_start(
        self, started: float, *, is_early: bool
    ):
        sample = Sample()
        attempt = records(sample, "hook")[0]
        attempt["answered_at"] = attempt["at"] + 0.8
        shift(sample, "fault", 2, at=attempt["at"] + 0.2)
        shift(sample, "mended", 2, at=attempt["at"] + 0.9, fault_at=attempt["at"] + 0.2)
        assert "P8" in violations(sample)

        at = iso(attempt["at"] - START + started)
        sample.deliveries["told"][0]["attempts"][0] |= {"at": at, "duration_ms": None}

        assert ("P8" in violations(sample)) == is_early

    def test_no_other_loss_gives_it_more_time(self):
        sample = Sample()
        log(sample, "worker-1", "worker_ready", 1, worker="first")
        log(sample, "worker-1", "run_started", 60, run_id="cron")
        orphan(sample, 61, node="worker-1")
        strike(sample, 74, "worker-1")
        log(sample, "worker-2", "tickets_taken_over", 66, workers=["first"])

        assert longest_gap(sample) == 14

    def test_nor_do_tickets_that_are_returned_again_and_again(self):
        sample = Sample()
        log(sample, "worker-1", "worker_ready", 1, worker="first")
        log(sample, "worker-2", "worker_ready", 1, worker="second")
        log(sample, "worker-1", "run_started", 60, run_id="cron")
        orphan(sample, 61, node="worker-1")
        strike(sample, 64, "worker-2")
        strike(sample, 70, "worker-1")
        log(sample, "worker-2", "tickets_taken_over", 63, workers=["first"])
        log(sample, "worker-1", "tickets_taken_over", 69, workers=["second"])

        assert longest_gap(sample) == 11

    def test_a_worker_that_resumes_after_its_run_was_taken_over_has_no_time(self):
        sample = Sample()
        log(sample, "worker-1", "worker_ready", 1, worker="first")
        log(sample, "worker-1", "run_started", 50, run_id="cron")
        log(sample, "worker-2", "tickets_taken_over", 59, workers=["first"])
        orphan(sample, 69, node="worker-1")
        pause = sample.note("fault", 52, fault=FaultKind.PAUSE, node="worker-1")
        sample.note("mended", 66, fault_at=pause["at"], node="worker-1", resumes=True)
        sample.ledger.records.sort(key=lambda record: record["at"])

        assert longest_gap(sample) == 15

    @pytest.mark.parametrize(
        ("resumed", "killed", "node", "longest"),
        [
            pytest.param(66, 69, "worker-1", 9, id="resumed-and-lost"),
            pytest.param(66, 69, "worker-2", 15, id="another-one-was-lost"),
            pytest.param(71, 72, "worker-1", 12, id="resumed-late"),
        ],
    )
    def test_so_has_a_worker_that_resumed_and_still_had_the_run(
        self, resumed: float, killed: float, node: str, longest: float
    ):
        sample = Sample()
        log(sample, "worker-1", "worker_ready", 1, worker="first")
        log(sample, "worker-2", "worker_ready", 1, worker="second")
        log(sample, "worker-1", "run_started", 60, run_id="cron")
        orphan(sample, killed, node)
        pause = sample.note("fault", 61, fault=FaultKind.PAUSE, node="worker-1")
        sample.note("mended", resumed, fault_at=pause["at"], node="worker-1", resumes=True)
        sample.ledger.records.sort(key=lambda record: record["at"])

        assert longest_gap(sample) == longest

    def test_what_is_broken_takes_as_long_as_it_takes(self):
        sample = Sample()
        shift(sample, "mended", 1, at=START + 36)
        shift(sample, "cancel", 0, sent_at=START + 31)

        assert violations(sample) == {}

    @pytest.mark.parametrize(
        ("continued", "killed", "longest"),
        [
            pytest.param(66, 69, 9, id="continued-and-lost"),
            pytest.param(66, 62, 15, id="continued-after-the-loss"),
            pytest.param(71, 72, 12, id="continued-late"),
            pytest.param(63, 64, 11, id="not-continued-again"),
        ],
    )
    def test_each_loss_of_a_worker_has_its_own_seconds(
        self, continued: float, killed: float, longest: float
    ):
        sample = Sample()
        orphan(sample, killed)
        log(sample, "worker-1", "run_continued", continued, run_id="cron")

        assert longest_gap(sample) == longest

    @pytest.mark.parametrize(
        ("workers", "taken", "killed", "longest"),
        [
            pytest.param(["first"], 66, 69, 9, id="taken-over-and-lost"),
            pytest.param(["second"], 66, 69, 15, id="tickets-of-another-worker"),
            pytest.param(["first"], 66, 64, 15, id="taken-over-after-the-loss"),
            pytest.param(["first"], 71, 72, 12, id="taken-over-late"),
            pytest.param(["first"], 63, 64, 11, id="not-taken-over-again"),
        ],
    )
    def test_so_has_a_worker_that_had_taken_only_the_ticket(
        self, workers: list[str], taken: float, killed: float, longest: float
    ):
        sample = Sample()
        log(sample, "worker-1", "worker_ready", 1, worker="first")
        log(sample, "worker-2", "worker_ready", 1, worker="second")
        log(sample, "worker-1", "run_started", 60, run_id="cron")
        orphan(sample, killed, node="worker-2")
        log(sample, "worker-2", "tickets_taken_over", taken, workers=workers)

        assert longest_gap(sample) == longest

    @pytest.mark.parametrize(
        ("lost", "longest"),
        [
            pytest.param(61, 9, id="after-the-gap-began"),
            pytest.param(58, 15, id="before-it-began"),
        ],
    )
    def test_a_worker_may_have_had_a_run_that_it_did_not_start(self, lost: float, longest: float):
        sample = Sample()
        log(sample, "worker-1", "worker_ready", 1, worker="first")
        orphan(sample, 69, node="worker-2")
        strike(sample, lost, "worker-1")
        log(sample, "worker-2", "tickets_taken_over", 66, workers=["first"])

        assert longest_gap(sample) == longest

    def test_limits_grow_with_the_time_that_processes_need_to_start(self):
        sample = Sample()
        shift(sample, "cancel", 0, sent_at=START + 31)
        for ready in records(sample, "ready"):
            ready["at"] += 5

        assert "P10" not in violations(sample)


class TestReport:
    def test_it_names_the_seed_and_the_first_violations(self):
        sample = Sample()
        for _ in range(7):
            sample.logs["worker-1"].append({"event": "run_broke"})
        evidence = sample.evidence()

        text = report(evidence, check(evidence))

        assert "seed 1" in text
        assert "7 VIOLATIONS" in text
        assert text.count("run_broke") == 5
        assert "and 2 more" in text

    def test_a_kept_trial_is_checked_again(self, tmp_path):
        sample = Sample()
        remove(sample, "told")
        sample.evidence().save(tmp_path / "evidence.json")

        rows = check(reading.load(tmp_path / "evidence.json"))

        assert "P1" in {row.promise for row in rows if row.violations}
