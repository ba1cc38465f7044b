"""Shows a run in progress, with a line for each step, streamed text, tokens, cost and time; then its result."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner

from stepiq.cli.output.console import complain, json_text, print_output, say, say_block
from stepiq.cli.output.terminal import Terminal, styled, to_stderr
from stepiq.core.amounts import duration, ending, money
from stepiq.core.control_characters import escape_line

if TYPE_CHECKING:
    from stepiq.language.definitions.compiled import Definition
    from stepiq.language.definitions.step import Step
    from stepiq.steps.parallel.spec import ParallelSpec


class Labels:
    """The name of each execution of a step, whether the run may continue after its failure, and what failed inside."""

    def __init__(self, definition: "Definition | None" = None) -> None:
        """Without a definition, branches have only numbers, and the run may continue after each failure."""
        self._steps: dict[str, tuple[Step, tuple[ParallelSpec, ...]]] = {}
        self._failed: Counter[str] = Counter()
        """Failures inside the running step of each sequence, by its path."""
        if definition is not None:
            self._add(definition.steps, ())

    def count(self, event: Mapping[str, Any]) -> int:
        """Count the failure of an ended step for those around it. Returns the failures inside the step."""
        path = str(event.get("branch") or "")
        # A sequence executes one step at a time: failures below its path belong to that step.
        inside = self._failed.pop(path, 0)
        if event["status"] == "failed":
            while path:
                path = path.rpartition("/")[0]
                self._failed[path] += 1
        return inside

    def _add(self, steps: "tuple[Step, ...]", around: "tuple[ParallelSpec, ...]") -> None:
        # Commands that show runs of a server have no definition, and do not load the language.
        from stepiq.steps.parallel.spec import ParallelSpec

        for step in steps:
            self._steps[step.id] = step, around
            if isinstance(step.spec, ParallelSpec):
                for sequence in step.sequences:
                    self._add(sequence, (*around, step.spec))

    def of(self, event: Mapping[str, Any]) -> str:
        """The name of an event's step, with its item or branch inside a `parallel`."""
        step_id, path = escape_line(str(event["step_id"])), str(event.get("branch") or "")
        if not path:
            return step_id
        if step_id not in self._steps:
            return f"{step_id} [{escape_line(path)}]"
        _, around = self._steps[step_id]
        numbers = map(int, path.split("/"))
        places = [_place(spec, number) for spec, number in zip(around, numbers, strict=True)]
        # A branch of one step has the step's name.
        named = ", ".join(place for place in places if place != f"branch {step_id}")
        return f"{step_id} ({named})" if named else step_id

    def continues(self, event: Mapping[str, Any]) -> bool:
        """Whether the run may continue after this step's failure."""
        if event["step_id"] not in self._steps:
            return True
        from stepiq.steps.parallel.spec import BranchError

        step, around = self._steps[event["step_id"]]
        is_dropped = bool(around) and around[-1].on_branch_error is BranchError.CONTINUE
        return step.on_error.goes_on or is_dropped


def _place(spec: "ParallelSpec", number: int) -> str:
    return f"branch {spec.branches[number].id}" if spec.branches else f"item {number}"


_TAIL_LINES = 8
_MOST_AT_ONCE = 8
_MARKS = {"completed": ("✓", "green"), "failed": ("✗", "red"), "cancelled": ("■", "yellow")}


class ProgressLine(Protocol):
    """Shows the events of one run."""

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Show one event of the run's stream: its type and its data."""
        ...

    def close(self) -> None:
        """Show remaining output. May be called twice."""
        ...


def make_progress(definition: "Definition | None" = None) -> ProgressLine:
    """Create a live display on a terminal, or plain lines otherwise. Both write to standard error.

    With `definition`, branches are named by id, and failures that do not end the run are recognized.
    """
    console = to_stderr()
    labels = Labels(definition)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console, labels)
    return PlainProgress(labels)


class PlainProgress:
    """Lines for logs and pipes.

    A model's text is printed as it arrives. In the branches of a `parallel`, where several models respond at the same
    time, it is printed line by line, each line with the name of its step.
    """

    def __init__(
        self, labels: Labels | None = None, write: Callable[[str], None] | None = None
    ) -> None:
        """Lines go to `write`, by default to standard error."""
        self._labels = labels or Labels()
        self._write_text = write or _to_stderr
        self._is_mid_line = False
        self._unfinished: dict[str, str] = {}
        """The incomplete line of each step in a branch."""
        self._calls: dict[str, int] = {}
        """The number of the last call of each step that has sent text."""

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        match kind:
            case "step.delta":
                self._text(data)
            case "step.status" if data["status"] == "running":
                self._line(f"> {_title(self._labels.of(data), data)}", data)
            case "step.status":
                mark, _, ending = _ending(self._labels, data)
                self._line(f"{mark} {ending}", data)
            case "step.log":
                self._line(_logged(self._labels, data), data)
            case _:
                pass

    def close(self) -> None:
        for label in list(self._unfinished):
            self._finish(label)
        self._end_line()

    def _text(self, data: Mapping[str, Any]) -> None:
        label, call = self._labels.of(data), data.get("call", 1)
        if self._calls.get(label, call) != call:
            # The text of another call begins on a new line.
            self._finish(label)
            self._end_line()
        self._calls[label] = call
        if not data.get("branch"):
            self._write(str(data["text"]))
            return
        *lines, rest = (self._unfinished.get(label, "") + str(data["text"])).split("\n")
        self._end_line()
        for line in lines:
            self._write(f"{label} | {line}\n")
        self._unfinished[label] = rest

    def _line(self, text: str, data: Mapping[str, Any]) -> None:
        self._finish(self._labels.of(data))
        self._end_line()
        self._write(f"{text}\n")

    def _finish(self, label: str) -> None:
        if rest := self._unfinished.pop(label, ""):
            self._end_line()
            self._write(f"{label} | {rest}\n")

    def _end_line(self) -> None:
        if self._is_mid_line:
            self._write("\n")

    def _write(self, text: str) -> None:
        self._write_text(text)
        self._is_mid_line = not text.endswith("\n")


def _to_stderr(text: str) -> None:
    say_block(text, newline=False)


@dataclass(slots=True)
class _Flight:
    """A step in progress."""

    spinner: Spinner
    call: int = 1
    text: str = ""


class LiveProgress:
    """Updates the steps in progress at the bottom, with finished steps above them."""

    def __init__(self, console: Terminal, labels: Labels | None = None) -> None:
        self._console = console
        self._labels = labels or Labels()
        self._live: Live | None = None
        self._flights: dict[str, _Flight] = {}

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        match kind:
            case "step.delta":
                self._add(self._labels.of(data), data)
            case "step.status" if data["status"] == "running":
                self._begin(self._labels.of(data), data)
            case "step.status":
                self._end(self._labels.of(data), data)
            case "step.log":
                self._console.print(styled(_logged(self._labels, data), "yellow"))
            case _:
                pass

    def close(self) -> None:
        self._flights.clear()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _begin(self, label: str, data: Mapping[str, Any]) -> None:
        spinner = Spinner("dots", text=styled(_title(label, data)), style="cyan")
        self._flights[label] = _Flight(spinner)
        if self._live is None:
            self._live = Live(
                self._picture(), console=self._console, transient=True, refresh_per_second=12
            )
            self._live.start()
        self._live.update(self._picture())

    def _add(self, label: str, data: Mapping[str, Any]) -> None:
        if self._live is not None and (flight := self._flights.get(label)) is not None:
            if (call := data.get("call", 1)) != flight.call:
                flight.call, flight.text = call, ""
            flight.text += str(data["text"])
            self._live.update(self._picture())

    def _picture(self) -> RenderableType:
        shown = list(self._flights.values())[:_MOST_AT_ONCE]
        parts: list[RenderableType] = []
        for flight in shown:
            parts.append(flight.spinner)
            # Only the last lines of a long text. The full text is printed when the step is done.
            if tail := "\n".join(flight.text.splitlines()[-max(1, _TAIL_LINES // len(shown)) :]):
                parts.append(styled(tail, "dim"))
        if more := len(self._flights) - len(shown):
            parts.append(styled(f"… and {more} more", "dim"))
        return Group(*parts)

    def _end(self, label: str, data: Mapping[str, Any]) -> None:
        flight = self._flights.pop(label, None)
        if self._live is not None and self._flights:
            self._live.update(self._picture())
        else:
            self.close()
        mark, style, ending = _ending(self._labels, data)
        self._console.print(styled(f"{mark} ", style).append_text(styled(ending)))
        if flight is not None and flight.text:
            self._console.print(styled(flight.text, "dim"))


def _title(label: str, data: Mapping[str, Any]) -> str:
    attempt = int(data.get("attempt") or 1)
    again = f" (attempt {attempt})" if attempt > 1 else ""
    model = f" calls {data['model']}" if data.get("model") else ""
    return escape_line(f"{label}{model}{again}")


def _logged(labels: Labels, data: Mapping[str, Any]) -> str:
    return escape_line(f"  {data['level']}: {labels.of(data)}: {data['message']}")


def _ending(labels: Labels, data: Mapping[str, Any]) -> tuple[str, str, str]:
    """A mark, its style and a text such as `classify  212 tokens in, 31 out · $0.000050 · 1.2 s`."""
    mark, style = _MARKS.get(data["status"], ("-", "dim"))
    facts: list[str] = []
    if (failed := labels.count(data)) and data["status"] == "completed":
        mark, style = "!", "yellow"
        facts.append(f"{failed} failed")
    if data.get("model"):
        facts.append(f"{tokens(data['input_tokens'])} in, {data['output_tokens']:,} out")
        facts.append(money(data["cost_usd_micros"]))
    if data.get("duration_ms") is not None:
        facts.append(duration(data["duration_ms"]))
    if error := data.get("error"):
        facts.append(str(error["code"]))
    if data["status"] not in _MARKS:
        facts.append(str(data["status"]))
    line = escape_line(f"{labels.of(data)}  {' · '.join(facts)}")
    # A failure that ends the run is shown once, as the run's error.
    if error and labels.continues(data):
        line += f"\n  {escape_line(error['message'])}"
    return mark, style, line


def tokens(count: int) -> str:
    """Such as `1,204 tokens`."""
    return f"{count:,} {'token' if count == 1 else 'tokens'}"


def show_result(run: Mapping[str, Any]) -> bool:
    """Print a run: its output to standard output, the rest to standard error. Returns whether it completed."""
    completed = run["status"] == "completed"
    if completed:
        print_output(as_text(run["output"]))
    else:
        complain(failure(run))
    say(summary(run))
    return completed


def as_text(output: Any) -> str:
    """An output as text: strings unchanged, all other values as JSON."""
    return output if isinstance(output, str) else json_text(output)


def failure(run: Mapping[str, Any]) -> str:
    """Why a run did not complete."""
    error = run["error"]
    if not error:
        return f"The run ended with the status `{run['status']}`."
    return f"The run failed ({error['code']}). {error['message']}"


def summary(run: Mapping[str, Any]) -> str:
    """Such as `completed · 1 failed · 243 tokens (212 in, 31 out) · $0.000050 · 1.3 s`."""
    facts = [ending(str(run["status"]), run.get("failed_steps") or 0)]
    if run["total_tokens"]:
        parts = f"{run['input_tokens']:,} in, {run['output_tokens']:,} out"
        facts.append(f"{tokens(run['total_tokens'])} ({parts})")
        facts.append(money(run["cost_usd_micros"], is_complete=run["cost_complete"]))
    if run["started_at"] and run["completed_at"]:
        started = datetime.fromisoformat(run["started_at"])
        took = datetime.fromisoformat(run["completed_at"]) - started
        facts.append(duration(took.total_seconds() * 1_000))
    return " · ".join(facts)
