import asyncio
import io
import json
import logging
import subprocess
import sys

import pytest
import structlog

from stepiq.core.observability import log_output
from stepiq.core.observability import logging as stepiq_logging
from stepiq.store.database import StoreUnavailable
from tests.support.hostile import HOSTILE, controls_in


class _Odd:
    def __repr__(self) -> str:
        return f"x\n{HOSTILE}"


class TestConfigure:
    @pytest.mark.parametrize("log_format", ["json", "console"])
    def test_a_traceback_shows_no_variables(self, log_format):
        stream = io.StringIO()
        log_output.configure(log_format, stream=stream)
        password = "hunter2" * 2

        try:
            raise ValueError(len(password))
        except ValueError:
            structlog.stdlib.get_logger("stepiq.test").exception("it_broke")

        assert "ValueError" in stream.getvalue()
        assert password not in stream.getvalue()

    def test_json_is_one_object_a_line_with_what_was_bound(self):
        stream = io.StringIO()
        log_output.configure("json", stream=stream)

        with stepiq_logging.bound(run_id="r1"):
            structlog.stdlib.get_logger("stepiq.test").info("it_ran", step="a\nb")

        line = json.loads(stream.getvalue())
        assert (line["event"], line["run_id"], line["step"]) == ("it_ran", "r1", "a\nb")
        assert line["level"] == "info"

    def test_a_logger_follows_a_later_configuration(self):
        first, second = io.StringIO(), io.StringIO()
        log = stepiq_logging.get("stepiq.test")

        log_output.configure("json", stream=first)
        log.info("early")
        log_output.configure("json", stream=second, process=2)
        log.info("late")

        assert "late" not in first.getvalue()
        assert json.loads(second.getvalue())["process"] == 2

    def test_the_console_gets_no_control_characters_of_the_content(self):
        stream = io.StringIO()
        log_output.configure("console", stream=stream)
        log = structlog.stdlib.get_logger("stepiq.test")

        try:
            raise ValueError(HOSTILE)
        except ValueError:
            log.exception(HOSTILE, text=HOSTILE, values=[HOSTILE], other=_Odd())
        logging.getLogger("httpx").warning("%s", HOSTILE, stack_info=True)

        assert r"\x1b]52;" in stream.getvalue()
        assert not controls_in(stream.getvalue())

    def test_a_text_cannot_add_lines_to_the_console(self):
        stream = io.StringIO()
        log_output.configure("console", stream=stream)

        structlog.stdlib.get_logger("stepiq.test").info("a\nb", text="c\nd", other=_Odd())

        assert len(stream.getvalue().splitlines()) == 1

    def test_libraries_speak_from_warnings_up(self):
        stream = io.StringIO()
        log_output.configure("json", stream=stream)

        logging.getLogger("httpx").info("quiet")
        logging.getLogger("httpx").warning("loud")

        assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]

    def test_auto_is_for_people_on_a_terminal_and_for_programs_elsewhere(self):
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        shown = []
        for stream in (Terminal(), io.StringIO()):
            log_output.configure(stream=stream)
            structlog.stdlib.get_logger("stepiq.test").info("it_ran")
            shown.append(stream.getvalue())

        assert "\x1b[" in shown[0]
        assert json.loads(shown[1])["event"] == "it_ran"

    def test_facts_are_bound_in_tasks_started_inside_and_gone_outside(self):
        stream = io.StringIO()
        log_output.configure("json", stream=stream)
        log = structlog.stdlib.get_logger("stepiq.test")

        async def inner() -> None:
            log.info("inside")

        async def outer() -> None:
            with stepiq_logging.bound(run_id="r1"):
                await asyncio.create_task(inner())
            log.info("outside")

        asyncio.run(outer())

        inside, outside = (json.loads(line) for line in stream.getvalue().splitlines())
        assert inside["run_id"] == "r1"
        assert "run_id" not in outside

    @pytest.mark.parametrize("name", ["dbos", "uvicorn.error"])
    def test_a_cancelled_run_or_stream_and_an_outage_are_no_errors_of_a_library(self, name):
        stream = io.StringIO()
        log_output.configure("json", stream=stream)

        for error in (asyncio.CancelledError(), StoreUnavailable("Gone."), ValueError()):
            try:
                raise error
            except BaseException:
                logging.getLogger(name).exception("it broke")

        (line,) = stream.getvalue().splitlines()
        assert json.loads(line)["exception"][0]["exc_type"] == "ValueError"

    def test_the_causes_of_an_error_show_no_variables_either(self):
        stream = io.StringIO()
        log_output.configure("json", stream=stream)

        def break_with(password: str) -> None:
            try:
                raise KeyError(len(password))
            except KeyError as error:
                raise ValueError from error

        try:
            break_with("hunter2" * 2)
        except ValueError:
            structlog.stdlib.get_logger("stepiq.test").exception("it_broke")

        assert "KeyError" in stream.getvalue()
        assert "hunter2" not in stream.getvalue().replace("break_with", "")


class TestPythonCaptured:
    def test_what_python_prints_is_in_the_log(self):
        code = """
import threading, warnings
from stepiq.core.observability import log_output

class Careless:
    def __del__(self):
        raise KeyError

log_output.configure("json")
with log_output.python_captured():
    warnings.warn("take care")
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    Careless()
"""
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

        lines = [json.loads(line) for line in ended.stderr.splitlines()]
        assert [line["event"] for line in lines[1:]] == ["thread_broke", "finalizer_broke"]
        assert "take care" in lines[0]["event"]


class TestFacts:
    def test_they_are_what_was_said_without_what_renders_it(self):
        assert log_output.facts({"event": "x", "_record": 1}) == {"event": "x"}
