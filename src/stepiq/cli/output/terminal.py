"""Live output and tables, with Rich. `cli.output.console` writes everything else."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from stepiq.core.control_characters import escape


class Terminal(Console):
    """A console that writes its own control characters, but escapes those of the content."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            is_content = not segment.control
            yield Segment(escape(segment.text), segment.style) if is_content else segment


def styled(text: str, style: str = "") -> Text:
    """Escaped text, so that Rich measures the width that a `Terminal` prints."""
    return Text(escape(text), style=style)


def to_stderr() -> Terminal:
    """A terminal on standard error."""
    return Terminal(stderr=True, highlight=False)
