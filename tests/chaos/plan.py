"""The plan of a trial, drawn from one seed."""

import random
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class Options:
    """The options of a trial."""

    store: str
    seed: int
    kills: int = 500
    runs: int = 5000
    apis: int = 2
    workers: int = 3
    """Number of workers. With 0, one `stepiq serve` executes the runs, as always on SQLite."""
    minutes: float = 60.0
    """Time limit after which no more faults and runs start."""
    speed: float = 1.0
    """Factor by which pauses between faults are shortened."""
    hostile: int = 0
    """Number of hostile workspaces that attack during the whole trial."""
    hostile_plan: str = "strangers"
    """Plan of the hostile workspaces: `starter` without its limit of runs per day, or one of the server's plans."""
    patience: float = 1.0
    """Minimum factor for time limits, for machines with other load."""

    @property
    def is_sqlite(self) -> bool:
        return self.store == "sqlite"

    @property
    def is_split(self) -> bool:
        """Whether API and workers are separate processes."""
        return not self.is_sqlite and self.workers > 0


class FaultKind(StrEnum):
    """The kinds of faults of a process or a connection."""

    KILL_API = "kill an API"
    KILL_WORKER = "kill a worker"
    KILL_STORE = "kill PostgreSQL"
    KILL_BACKEND = "kill one backend of PostgreSQL"
    TERMINATE = "stop a process with SIGTERM"
    PAUSE = "pause a worker past its lease"
    CUT_ALL = "cut all connections to the store"
    REFUSE = "refuse connections to the store"
    HOLD = "hold back all that is said to and by the store"
    CUT_COMMIT = "cut a connection between COMMIT and its answer"
    CUT_BEFORE_COMMIT = "cut a connection before its COMMIT"

    @property
    def is_kill(self) -> bool:
        return self.name.startswith("KILL")


_SPLIT = {
    FaultKind.KILL_API: 22,
    FaultKind.KILL_WORKER: 56,
    FaultKind.KILL_STORE: 12,
    FaultKind.KILL_BACKEND: 10,
    FaultKind.TERMINATE: 8,
    FaultKind.PAUSE: 28,
    FaultKind.CUT_ALL: 6,
    FaultKind.REFUSE: 6,
    FaultKind.HOLD: 4,
    FaultKind.CUT_COMMIT: 26,
    FaultKind.CUT_BEFORE_COMMIT: 8,
}
_SERVE = {**_SPLIT, FaultKind.KILL_API: 0, FaultKind.KILL_WORKER: 70, FaultKind.PAUSE: 5}
_SQLITE = {FaultKind.KILL_WORKER: 100, FaultKind.TERMINATE: 8, FaultKind.PAUSE: 10}


@dataclass(frozen=True)
class Fault:
    """One planned fault."""

    kind: FaultKind
    pick: float
    """Selects one of the possible targets, from 0 to 1."""
    seconds: float
    """How long the target stays down or paused."""
    is_early: bool
    """Whether it can hit a process that is still starting."""


@dataclass(frozen=True)
class RunPlan:
    """One request to start a run, and the further actions of its client."""

    tag: str
    pipeline: str
    trigger: str
    """`api`, `webhook`, or `key`: the API with an `Idempotency-Key`."""
    posts: int
    """Number of clients that send it at the same time. More than one only with a key."""
    offset: float
    """When it starts within its moment, from 0 to 1."""
    follows: bool
    cancels_after: float | None
    """Seconds after acceptance. None does not cancel the run."""


@dataclass(frozen=True)
class Moment:
    """A period in which runs start, and the fault at its end."""

    seconds: float
    runs: list[RunPlan]
    fault: Fault


@dataclass(frozen=True)
class Plan:
    """All random choices of a trial."""

    options: Options
    moments: list[Moment] = field(default_factory=list)


def draw(options: Options) -> Plan:
    """Draw the plan for a seed."""
    rng = random.Random(options.seed)
    faults = _faults(options, rng)
    moments: list[Moment] = []
    started = 0
    for index, fault in enumerate(faults):
        until = round(options.runs * (index + 1) / len(faults))
        runs = [_run(options, number, rng) for number in range(started, until)]
        started = until
        moments.append(Moment(rng.uniform(0.1, 2.6) / options.speed, runs, fault))
    return Plan(options, moments)


def _faults(options: Options, rng: random.Random) -> list[Fault]:
    weights = _SQLITE if options.is_sqlite else _SPLIT if options.is_split else _SERVE
    faults: list[Fault] = []
    kills = 0
    while kills < options.kills:
        (kind,) = rng.choices(list(weights), list(weights.values()))
        faults.append(_fault(options, kind, rng))
        kills += kind.is_kill
    return faults


def _fault(options: Options, kind: FaultKind, rng: random.Random) -> Fault:
    seconds = rng.choice([0.0, rng.uniform(0.0, 2.0)])
    if kind is FaultKind.PAUSE:
        # On PostgreSQL, longer than the lease of 5 s. SQLite has no lease.
        seconds = rng.uniform(0.5, 4.0) if options.is_sqlite else rng.uniform(6.5, 9.5)
    elif kind in (FaultKind.REFUSE, FaultKind.HOLD):
        seconds = rng.uniform(0.2, 4.0)
    return Fault(kind, rng.random(), seconds, is_early=rng.random() < 0.15)


_PIPELINES = {
    "shape": 20,
    "ask": 25,
    "tell": 20,
    "ask_and_tell": 20,
    "long": 8,
    "refused": 7,
}


def _run(options: Options, number: int, rng: random.Random) -> RunPlan:
    (pipeline,) = rng.choices(list(_PIPELINES), list(_PIPELINES.values()))
    trigger = rng.choice(["api", "webhook", "key"])
    posts = rng.choices([1, 3, 50], [75, 20, 5])[0] if trigger == "key" else 1
    cancels = pipeline == "long" and rng.random() < 0.6
    cancels = cancels or rng.random() < 0.03
    return RunPlan(
        tag=f"{options.seed}-{number}",
        pipeline=pipeline,
        trigger=trigger,
        posts=posts,
        offset=rng.random(),
        follows=pipeline == "long" or rng.random() < 0.25,
        cancels_after=rng.uniform(0.0, 2.0) if cancels else None,
    )


def for_text(seed: int, *words: object) -> random.Random:
    """A random generator seeded by a text, so that its values do not depend on time or order of use."""
    return random.Random(":".join([str(seed), *map(str, words)]))
