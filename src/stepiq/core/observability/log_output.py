"""Where the lines of `core.observability.logging` are written, and in which format."""

import io
import logging
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from stepiq.core.control_characters import escape, escape_line
from stepiq.core.errors import Unavailable
from stepiq.core.observability.logging import forget_outputs, get

LogFormat = Literal["auto", "console", "json"]

_OF_SEVERAL_LINES = ("exception", "stack")
_INTERRUPTED = "Asyncio task cancelled"
_CONSOLE_CALLS = 3
"""Number of calls of a stack that people see. In JSON, it is complete."""


def is_for_people(log_format: LogFormat, stream: TextIO | None = None) -> bool:
    """Whether logs are text for people, rather than JSON for programs; `configure` describes the arguments."""
    target = stream if stream is not None else sys.stderr
    return log_format == "console" or (log_format == "auto" and target.isatty())


def configure(
    log_format: LogFormat = "auto",
    level: int = logging.INFO,
    stream: TextIO | None = None,
    process: int | None = None,
) -> None:
    """Write all logs, of stepIQ and of libraries, to one stream in one format.

    Args:
        log_format: `auto` is `console` if the stream is a terminal, and `json` otherwise.
        level: lowest level of stepIQ's own lines. Libraries log only warnings and errors.
        stream: standard error by default, so that the output of a command contains no logs.
        process: the number of this process, if a server has several. Every line contains it.
    """
    target = stream if stream is not None else sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    # Tracebacks show only code, because values of variables can be secrets.
    final: list[Processor] = []
    if process is not None:
        final.append(lambda _logger, _method, event: {**event, "process": process})
    if is_for_people(log_format, target):
        # The default formatter would show values of variables: passwords, prompts, keys.
        colors = target.isatty()
        final += [
            _shorten_stack,
            _escape_controls,
            structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=_plain_traceback),
        ]
    else:
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        final += [
            structlog.processors.ExceptionRenderer(tracebacks),
            structlog.processors.JSONRenderer(),
        ]
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    # Not through the standard library, which takes twice as long for a line.
    structlog.configure(
        processors=[*shared, *final],
        logger_factory=partial(_Lines, target),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    forget_outputs()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    engine = logging.getLogger("dbos")
    engine.handlers[:] = [handler]
    engine.propagate = False
    engine.setLevel(logging.WARNING)
    engine.filters[:] = [_drop_expected]
    logging.getLogger("uvicorn.error").filters[:] = [_drop_expected]


class _Lines:
    """Writes lines to a stream. A line that cannot be written is lost, as in the standard library."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self.name = name
        self._logger = structlog.WriteLogger(stream)

    def msg(self, line: str) -> None:
        with suppress(OSError, ValueError):
            self._logger.msg(line)

    debug = info = warning = error = critical = exception = msg


@contextmanager
def python_captured() -> Generator[None]:
    """Log what Python prints to standard error: warnings, and errors of threads and finalizers."""
    log = get("stepiq.python")

    def in_thread(arguments: threading.ExceptHookArgs) -> None:
        log.error("thread_broke", exc_info=arguments.exc_value)

    def unraisable(arguments: "sys.UnraisableHookArgs") -> None:
        log.error("finalizer_broke", where=repr(arguments.object), exc_info=arguments.exc_value)

    before = threading.excepthook, sys.unraisablehook
    threading.excepthook, sys.unraisablehook = in_thread, unraisable
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        threading.excepthook, sys.unraisablehook = before


def _shorten_stack(_logger: object, _method: str, event: EventDict) -> EventDict:
    calls = str(event.get("stack") or "").splitlines()
    if len(calls) > _CONSOLE_CALLS:
        event["stack"] = "\n".join(["…", *calls[-_CONSOLE_CALLS:]])
    return event


def _escape_controls(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Escape untrusted text, so that it cannot control the terminal or add lines to the log."""
    return {key: _escaped(key, value) for key, value in event.items()}


def _escaped(key: str, value: object) -> object:
    if key == "exc_info":
        return value
    text = value if isinstance(value, str) else repr(value)
    return escape(text) if key in _OF_SEVERAL_LINES else escape_line(text)


def _plain_traceback(stream: TextIO, error: ExcInfo) -> None:
    traceback = io.StringIO()
    structlog.dev.plain_traceback(traceback, error)
    stream.write(escape(traceback.getvalue()))


def _drop_expected(record: logging.LogRecord) -> bool:
    # The libraries report a CancelledError as an error when a user cancels a run, and when a stopping server ends its
    # open streams. The queue's library also reports why it cannot start, which its caller reports, and it warns of each run
    # that is interrupted, by the stop of the process or because another process has taken it over.
    if str(record.msg).startswith(_INTERRUPTED):
        return False
    if not record.exc_info or record.exc_info[0] is None:
        return True
    kind = record.exc_info[0]
    return "Cancelled" not in kind.__name__ and not issubclass(kind, Unavailable)


def facts(event: EventDict) -> EventDict:
    """The fields of a captured line without rendering keys. For tests."""
    return {key: value for key, value in event.items() if not key.startswith("_")}
