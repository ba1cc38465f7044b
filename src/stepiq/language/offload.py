"""Keeps pure computations from blocking the event loop: small ones run inline, large ones in threads that yield to it.

Python runs one thread at a time, so a thread alone does not help: a computing thread delays the others at every
switch, and the loop needs several switches per request and per SQL statement. Templates and expressions therefore pause
after each fraction of a millisecond, and longer while the loop is busy. Work that cannot pause is interrupted by
Python after 5 ms, unless it is inside a library call that holds the GIL.

Each workspace has one computation running at a time, in round-robin order. A computation that has run for some
milliseconds waits for its next turn, so that short ones do not wait for long ones. One place is a reserve for workspaces
that want only one computation and have used little lately, because some computations cannot be suspended.
"""

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from stepiq.core.concurrency import pauses
from stepiq.core.concurrency.fairness import FairSemaphore, current_owner
from stepiq.core.json import Json
from stepiq.language.definitions.inputs import InputSchema
from stepiq.language.expressions import EvaluationMeter as Work
from stepiq.language.expressions import Expression
from stepiq.language.schemas import process_client
from stepiq.language.schemas.process_client import SchemaProcess
from stepiq.language.schemas.work import ValidationMeter
from stepiq.language.templates import OverBudget, RenderMeter

INLINE_OPERATIONS = 500
"""Most work done on the event loop, in operations of a meter; about half a millisecond."""
INLINE_CHARACTERS = 16 * 1024
"""Longest text, in characters or bytes, that is parsed as JSON on the event loop; about half a millisecond."""
_PLACES = 3
"""Computations that run at the same time, each in a thread."""
_RESERVE = 1
"""Places for owners that have no computation running, only one waiting, and little recent use, and for suspended jobs."""
_TURN_CPU_SECONDS = 0.005
"""After this time, a computation that can pause lets others have its place."""
_MOST_SUSPENDED = 100
"""Computations that wait for their next turn, each in a thread of its own. When there are so many, others run to their end."""
_LITTLE_USE_SECONDS = 5.0
_PAUSE_SECONDS = 0.000_05
"""Long enough for a waiting thread to take over. Releasing the GIL without sleeping is not enough."""
_BUSY_PAUSE_SECONDS = 0.002
"""The least pause if the event loop is busy. With the short one, two threads would get three quarters of the time."""
_BUSY_PAUSE_TIMES = 4
"""How many times as long as the computation before it the pause is, if the event loop is busy."""
_LONGEST_PAUSE_SECONDS = 0.2
_LONGEST_SHARED_PAUSE_SECONDS = 0.6
"""A job keeps its place during its pauses."""
_COMPUTING_SECONDS = 0.1
"""How long a thread counts as computing after a pause. Most pause again after half a millisecond."""

Pause = Callable[[], None]
P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D", str, bytes)
T_co = TypeVar("T_co", covariant=True)
M = TypeVar("M")


class Renders(Protocol[T_co]):
    """A template, or an object that consists of templates."""

    def render(self, context: Mapping[str, Json], meter: RenderMeter | None = None) -> T_co:
        """Render it with these values."""
        ...


async def render(template: Renders[T], context: Mapping[str, Json]) -> T:
    """Render a template: inline if it is small, otherwise again from the start in a thread.

    Lists and objects in the context must not change meanwhile, except that a value may be replaced with another.

    Raises:
        TemplateError: as for `Template.render`.
    """
    return await metered(lambda meter: template.render(context, meter), RenderMeter)


async def evaluate(expression: Expression, context: Mapping[str, Json]) -> Json:
    """Evaluate an expression: inline if it is little work, otherwise again in a thread. The rules of `render` apply.

    Raises:
        ExpressionError: as for `Expression.evaluate`.
    """
    return await metered(lambda meter: expression.evaluate(context, meter=meter), Work)


async def decide(expression: Expression, context: Mapping[str, Json]) -> bool:
    """Whether a condition is true, evaluated as by `evaluate`."""
    return await metered(lambda meter: expression.decide(context, meter=meter), Work)


async def validate(schema: InputSchema, payload: Mapping[str, Json]) -> dict[str, Json]:
    """Validate an object: inline if it is little work, otherwise again in a thread. The rules of `render` apply.

    Raises:
        InputInvalid: as for `InputSchema.validate`.
    """
    return await metered(lambda meter: schema.validate(payload, meter), ValidationMeter)


async def validate_apart(schema: InputSchema, payload: Mapping[str, Json]) -> dict[str, Json]:
    """`validate` for callers that hold a transaction, in the threads of `compute_apart`."""
    return await metered_apart(lambda meter: schema.validate(payload, meter), ValidationMeter)


async def metered(work: Callable[[M], T], meter: Callable[..., M]) -> T:
    """Run work that counts its operations: inline if there are few, otherwise again from the start in a thread.

    Args:
        work: raises `OverBudget` beyond its meter's budget, and does not catch what its meter's pause raises.
        meter: creates a meter from a budget or a pause.
    """
    return await _metered(work, meter, _turns)


async def metered_apart(work: Callable[[M], T], meter: Callable[..., M]) -> T:
    """`metered` for callers that hold a transaction, in the threads of `compute_apart`."""
    return await _metered(work, meter, _apart_turns)


async def _metered(work: Callable[[M], T], meter: Callable[..., M], turns: "_Turns") -> T:
    try:
        return work(meter(budget=INLINE_OPERATIONS))
    except OverBudget:
        pass
    return await _offload(lambda pause: work(meter(pause=pause)), turns)


async def compute(function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Call a function in a thread. It must end by itself: cancelling the caller does not stop it."""
    return await _offload(lambda pause: function(*args, **options))


async def compute_long(function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """`compute` for work that may take seconds, in threads of its own, so that other computations do not wait for it."""
    return await _offload(lambda pause: function(*args, **options), turns=_long_turns)


async def compute_apart(function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """`compute` for callers that hold a transaction, in threads of its own. It waits for other such computations only."""
    return await _offload(lambda pause: function(*args, **options), turns=_apart_turns)


async def read(
    function: Callable[Concatenate[D, P], T], data: D, *args: P.args, **options: P.kwargs
) -> T:
    """Call a function that parses text such as JSON: inline if the text is short, otherwise as `compute` does."""
    if len(data) <= INLINE_CHARACTERS:
        return function(data, *args, **options)
    return await compute(function, data, *args, **options)


class _Abandoned(BaseException):
    """The caller no longer waits for the result."""


class _Job:
    def __init__(self, work: Callable[[Pause], Any], *, is_urgent: bool = False) -> None:
        """Create a job. An urgent one pauses as if no other thread computed, because a transaction waits for it."""
        self._work = work
        self._is_urgent = is_urgent
        self.result: Future[Any] = Future()
        self.is_abandoned = False
        self.may_continue: threading.Event | None = None
        """Set at its next turn, if it is suspended."""
        self._loop_time = _cpu_clock()
        self._since = 0.0
        """CPU time of the thread at the end of the last pause."""
        self._turn_began = 0.0
        """CPU time of the thread at the beginning of the turn."""
        self._give_way: Callable[[_Job], None]

    def run(self, give_way: "Callable[[_Job], None]") -> None:
        """Do the work. `give_way` is called regularly with the job; it returns when the job may continue."""
        if not self.result.set_running_or_notify_cancel():
            return
        self._give_way = give_way
        self._since = self._turn_began = time.thread_time()
        try:
            with pauses.calling(self._pause):
                self.result.set_result(self._work(self._pause))
        except BaseException as error:
            self.result.set_exception(error)
        # Before the thread begins the next job.
        if self._computed() >= pauses.DUE_SECONDS:
            self._rest()
        _pauses.leave()

    def fail(self, error: Exception) -> None:
        """End with an error instead of the work."""
        with suppress(InvalidStateError):  # The caller is gone.
            self.result.set_exception(error)

    def _pause(self) -> None:
        if self.is_abandoned:
            raise _Abandoned
        self._rest()
        if self._since - self._turn_began >= _TURN_CPU_SECONDS:
            _pauses.leave()
            self._give_way(self)
            self._since = self._turn_began = time.thread_time()

    def _computed(self) -> float:
        return time.thread_time() - self._since

    def _rest(self) -> None:
        before, computed = self._loop_time(), self._computed()
        time.sleep(_PAUSE_SECONDS)
        if self._loop_time() - before > _PAUSE_SECONDS / 2:
            wanted = max(_BUSY_PAUSE_SECONDS, _BUSY_PAUSE_TIMES * computed)
            alone = min(wanted, _LONGEST_PAUSE_SECONDS)
            time.sleep(alone if self._is_urgent else _pauses.seconds(alone))
        self._since = time.thread_time()


def _cpu_clock() -> Callable[[], float]:
    """Returns a function with which other threads read the CPU seconds of the calling thread.

    It returns 0 on systems without such a clock.
    """
    if not hasattr(time, "pthread_getcpuclockid"):
        return lambda: 0.0
    clock = time.pthread_getcpuclockid(threading.get_ident())
    return lambda: time.clock_gettime(clock)


class _Pauses:
    """The pauses of all computing threads. Each is longer if more threads compute, so that all leave time to the loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._computing: dict[int, float] = {}
        """Until when each thread counts as computing."""

    def seconds(self, alone: float) -> float:
        """How long this thread pauses, which would pause so long if no other thread computed."""
        now, thread = time.monotonic(), threading.get_ident()
        with self._lock:
            self._computing = {each: end for each, end in self._computing.items() if end > now}
            others = self._computing.keys() - {thread}
            pause = min(alone * (1 + len(others)), _LONGEST_SHARED_PAUSE_SECONDS)
            self._computing[thread] = now + pause + _COMPUTING_SECONDS
        return pause

    def leave(self) -> None:
        """This thread no longer computes."""
        with self._lock:
            self._computing.pop(threading.get_ident(), None)


class _Turns:
    """Places for jobs, one per owner at a time, in round-robin order. Threads start when they are needed.

    The last free place is only for owners with a single job and little recent use, and for jobs that were suspended.
    Large values that jobs validate are sent to a process of these places.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.process = SchemaProcess()
        self._changed = threading.Condition()
        self._places = FairSemaphore(
            _PLACES, share=1, reserve=_RESERVE, little_use_seconds=_LITTLE_USE_SECONDS, now=now
        )
        self._waiting: OrderedDict[Hashable, deque[_Job]] = OrderedDict()
        """Jobs that begin or continue at the next turn of their owner."""
        self._beginning: deque[tuple[Hashable, _Job]] = deque()
        """Jobs that have a place, but no thread yet."""
        self._free_threads = 0
        self._suspended = 0

    def add(self, owner: Hashable, job: _Job) -> None:
        with self._changed:
            self._waiting.setdefault(owner, deque()).append(job)
            self._use_places()

    def _use_places(self) -> None:
        while (turn := self._next()) is not None:
            owner, job = turn
            if job.may_continue is not None:
                self._suspended -= 1
                job.may_continue.set()
                continue
            self._beginning.append((owner, job))
            if self._free_threads < len(self._beginning):
                try:
                    self._start_thread()
                except RuntimeError as error:
                    # The system allows no more threads.
                    self._beginning.pop()
                    self._places.release(owner)
                    job.fail(error)
                    continue
            self._changed.notify()

    def _start_thread(self) -> None:
        # Daemon threads, so that a computation does not keep the process from exiting.
        threading.Thread(target=self._work, name="offload", daemon=True).start()
        self._free_threads += 1

    def _work(self) -> None:
        process_client.use(self.process)
        while True:
            with self._changed:
                while not self._beginning:
                    self._changed.wait()
                owner, job = self._beginning.popleft()
                self._free_threads -= 1
            job.run(partial(self._give_way, owner))
            # Released early: it holds a whole context.
            del job
            with self._changed:
                self._free_threads += 1
                self._places.release(owner)
                self._use_places()
                if self._free_threads - len(self._beginning) > _PLACES:
                    self._free_threads -= 1
                    return

    def _give_way(self, owner: Hashable, job: _Job) -> None:
        """Wait for the next turn of the owner, if others wait for theirs."""
        with self._changed:
            others = (each for each in self._waiting if not self._places.held(each))
            if next(others, None) is None or self._suspended >= _MOST_SUSPENDED:
                return
            job.may_continue = threading.Event()
            self._suspended += 1
            self._places.release(owner)
            # At the end of the round, before the owner's other jobs.
            self._waiting.setdefault(owner, deque()).appendleft(job)
            self._waiting.move_to_end(owner)
            self._use_places()
        job.may_continue.wait()
        job.may_continue = None

    def _next(self) -> tuple[Hashable, _Job] | None:
        is_overtaking = False
        for owner, jobs in self._waiting.items():
            # Suspended jobs can use the reserve, unless one that has waited longer needs the other place.
            is_suspended = jobs[0].may_continue is not None
            from_reserve = is_suspended and not is_overtaking
            can_use_reserve = from_reserve if is_suspended else len(jobs) == 1
            has_place = can_use_reserve or self._places.free > _RESERVE
            if has_place and self._places.take(owner, from_reserve=from_reserve):
                job = jobs.popleft()
                del self._waiting[owner]
                if jobs:
                    self._waiting[owner] = jobs
                return owner, job
            is_overtaking = is_overtaking or not self._places.held(owner)
        return None


_pauses = _Pauses()
_turns = _Turns()
_long_turns = _Turns()
_apart_turns = _Turns()


async def _offload(work: Callable[[Pause], T], turns: _Turns = _turns) -> T:
    job = _Job(work, is_urgent=turns is _apart_turns)
    turns.add(current_owner(), job)
    try:
        return await asyncio.wrap_future(job.result)
    except asyncio.CancelledError:
        job.is_abandoned = True
        raise
