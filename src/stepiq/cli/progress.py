"""A run as it happens, for people: a line for each step, its text as it comes, tokens, cost and time."""

import sys
from collections.abc import Mapping
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

_TAIL_LINES = 8
_MICROS = 1_000_000
_MARKS = {"completed": ("✓", "green"), "failed": ("✗", "red"), "cancelled": ("■", "yellow")}


class Progress(Protocol):
    """Shows the events of one run."""

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Show one event of the run's stream: its type and what its data holds."""
        ...

    def close(self) -> None:
        """No more events come; may be called twice."""
        ...


def make_progress() -> Progress:
    """Live on a terminal, plain lines elsewhere; on standard error either way."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console)
    return PlainProgress()


class PlainProgress:
    """Lines for logs and pipes; the text of a model stands on lines of its own."""

    def __init__(self) -> None:
        self._is_mid_line = False

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        match kind:
            case "step.delta":
                self._write(str(data["text"]))
            case "step.status" if data["status"] == "running":
                self._line(f"> {_title(data)}")
            case "step.status":
                mark, _ = _MARKS.get(data["status"], ("-", ""))
                self._line(f"{mark} {_ending(data)}")
            case "step.log":
                self._line(f"  {data['level']}: {data['message']}")
            case _:
                pass

    def close(self) -> None:
        if self._is_mid_line:
            self._write("\n")

    def _line(self, text: str) -> None:
        self.close()
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
        self._is_mid_line = not text.endswith("\n")


class LiveProgress:
    """The step in flight moves at the bottom; what is done stays above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._title = ""
        self._text = ""

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        match kind:
            case "step.delta":
                self._text += str(data["text"])
                self._refresh()
            case "step.status" if data["status"] == "running":
                self._begin(_title(data))
            case "step.status":
                self._end(data)
            case "step.log":
                self._console.print(Text(f"  {data['level']}: {data['message']}", style="yellow"))
            case _:
                pass

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _begin(self, title: str) -> None:
        self.close()
        self._title, self._text = title, ""
        self._live = Live(
            self._picture(), console=self._console, transient=True, refresh_per_second=12
        )
        self._live.start()

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._picture())

    def _picture(self) -> RenderableType:
        # The end of a long text is what moves; the whole of it is shown when the step is done.
        tail = "\n".join(self._text.splitlines()[-_TAIL_LINES:])
        spinner = Spinner("dots", text=Text(self._title), style="cyan")
        return Group(spinner, Text(tail, style="dim")) if tail else spinner

    def _end(self, data: Mapping[str, Any]) -> None:
        self.close()
        mark, style = _MARKS.get(data["status"], ("-", "dim"))
        self._console.print(Text.assemble((f"{mark} ", style), _ending(data)))
        if self._text:
            self._console.print(Text(self._text, style="dim"))
        self._text = ""


def _title(data: Mapping[str, Any]) -> str:
    attempt = int(data.get("attempt") or 1)
    again = f" (attempt {attempt})" if attempt > 1 else ""
    model = f" asks {data['model']}" if data.get("model") else ""
    return f"{data['step_id']}{model}{again}"


def _ending(data: Mapping[str, Any]) -> str:
    """Such as `classify  212 tokens in, 31 out · $0.000050 · 1.2 s`."""
    facts: list[str] = []
    if data.get("model"):
        facts.append(f"{tokens(data['input_tokens'])} in, {data['output_tokens']:,} out")
        facts.append(money(data["cost_usd_micros"]))
    if data.get("duration_ms") is not None:
        facts.append(duration(data["duration_ms"]))
    if data.get("error"):
        # The message stands below, as the run's.
        facts.append(str(data["error"]["code"]))
    if data["status"] not in _MARKS:
        facts.append(str(data["status"]))
    return f"{data['step_id']}  {' · '.join(facts)}"


def tokens(count: int) -> str:
    """Such as `1,204 tokens`."""
    return f"{count:,} {'token' if count == 1 else 'tokens'}"


def money(micros: int | None, *, is_complete: bool = True) -> str:
    """Micro-dollars as dollars; None is a price that nobody knows."""
    if micros is None:
        return "cost unknown"
    shown = f"${micros / _MICROS:.6f}" if micros else "$0"
    return shown if is_complete else f"{shown} and what has no known price"


def duration(milliseconds: float) -> str:
    """Such as `35 ms`, `1.2 s` or `3 min 5 s`."""
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1_000
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
