"""Draw the output of a real `stepiq demo` in a terminal, as docs/images/demo.svg.

Usage: python scripts/draw_demo.py

It runs the demo twice in a temporary folder and draws the second run, which needs no download.
"""

import html
import os
import pty
import re
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
_TARGET = ROOT / "docs" / "images" / "demo.svg"
_COLUMNS = 112
_TEXT_SIZE, _CELL_WIDTH, _LINE_HEIGHT, _MARGIN = 13, 7.83, 19, 18
_TOKENS = re.compile(r"\x1b\[\??([0-9;]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")
_COLOURS = {"2": "#8b949e", "31": "#ff7b72", "32": "#3fb950", "33": "#d29922", "36": "#39c5cf"}
_PLAIN, _GROUND, _PROMPT = "#e6edf3", "#0d1117", "#7ee787"

Cell = tuple[str, str]
"""A character and its colour."""


class Screen:
    """The part of a terminal that the demo uses."""

    def __init__(self) -> None:
        self.lines: list[list[Cell]] = [[]]
        self._row = self._column = 0
        self._colour = _PLAIN

    def show(self, output: str) -> None:
        """Process the output of a program."""
        for numbers, command, returned, fed, text in _TOKENS.findall(output):
            if returned:
                self._column = 0
            elif fed:
                self._row += 1
                if self._row == len(self.lines):
                    self.lines.append([])
            elif text:
                self._write(text)
            else:
                self._obey(command, numbers)

    def _obey(self, command: str, numbers: str) -> None:
        if command == "A":
            self._row -= int(numbers or 1)
        elif command == "K":
            self.lines[self._row] = []
        elif command == "m":
            self._colour = _COLOURS.get(numbers.rpartition(";")[2], _PLAIN)

    def _write(self, text: str) -> None:
        line = self.lines[self._row]
        line += [(" ", _PLAIN)] * (self._column - len(line))
        line[self._column : self._column + len(text)] = [(each, self._colour) for each in text]
        self._column += len(text)


def main() -> None:
    """Run, draw, write."""
    with tempfile.TemporaryDirectory() as folder:
        _run_demo(folder)
        output = _run_demo(folder).replace(folder, ".data")
    screen = Screen()
    screen.show(output)
    lines = ["".join(character for character, _ in line) for line in screen.lines]
    end = next(number for number, line in enumerate(lines) if line == "Next:")
    _TARGET.write_text(_draw(screen.lines[:end]), encoding="utf-8")
    print(f"wrote {_TARGET.relative_to(ROOT)}")


def _run_demo(folder: str) -> str:
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,  # noqa: TID251 - handed on, not read
        "STEPIQ_DATA_DIR": folder,
        "COLUMNS": str(_COLUMNS),
        "LINES": "60",
        "TERM": "xterm",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "stepiq", "demo"],
        cwd=ROOT,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as demo:
        os.close(theirs)
        output = bytearray()
        while True:
            try:
                output += os.read(ours, 65_536)
            except OSError:  # the demo has ended and closed its end
                break
    os.close(ours)
    if demo.returncode:
        sys.exit(f"The demo ended with {demo.returncode}:\n{output.decode()}")
    return output.decode()


def _draw(lines: list[list[Cell]]) -> str:
    while not lines[-1]:
        lines.pop()
    prompt: list[Cell] = [("$", _PROMPT), *((each, _PLAIN) for each in " make demo")]
    shown = [prompt, *lines]
    width = round(max(len(line) for line in shown) * _CELL_WIDTH + 2 * _MARGIN)
    height = len(shown) * _LINE_HEIGHT + 2 * _MARGIN
    rows = [
        f'<text x="{_MARGIN}" y="{_MARGIN + number * _LINE_HEIGHT + _TEXT_SIZE}">{_spans(line)}</text>'
        for number, line in enumerate(shown)
        if line
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img">',
            "<title>make demo: a pipeline runs, step by step</title>",
            f'<rect width="100%" height="100%" rx="8" fill="{_GROUND}"/>',
            f"<g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" "
            f'font-size="{_TEXT_SIZE}" fill="{_PLAIN}" xml:space="preserve">',
            *rows,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _spans(line: list[Cell]) -> str:
    spans: list[str] = []
    column = 0
    for colour, cells in groupby(line, key=lambda cell: cell[1]):
        text = "".join(character for character, _ in cells)
        # Explicit position and length, so that the picture looks the same in every font.
        place = (
            f'x="{_MARGIN + column * _CELL_WIDTH:.1f}" textLength="{len(text) * _CELL_WIDTH:.1f}"'
        )
        fill = "" if colour == _PLAIN else f' fill="{colour}"'
        spans.append(f"<tspan {place}{fill}>{html.escape(text, quote=False)}</tspan>")
        column += len(text)
    return "".join(spans)


if __name__ == "__main__":
    main()
