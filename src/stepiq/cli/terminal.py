"""Output that moves or has columns, with Rich. `cli.console` writes everything else."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from stepiq.core.control_characters import escape


class Terminal(Console):
    """A console that writes only its own control characters, not those of the content."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            is_content = not segment.control
            yield Segment(escape(segment.text), segment.style) if is_content else segment


def styled(text: str, style: str = "") -> Text:
    """Text whose width Rich measures as a `Terminal` writes it."""
    return Text(escape(text), style=style)


def to_stderr() -> Terminal:
    """A terminal on standard error."""
    return Terminal(stderr=True, highlight=False)
