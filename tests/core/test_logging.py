import io
import json
import logging

import pytest
import structlog

from stepiq.core import logging as stepiq_logging


@pytest.fixture(autouse=True)
def restored():
    """Logging as it was before."""
    saved = structlog.get_config()
    loggers = [logging.getLogger(name) for name in ("", "stepiq", "dbos", "uvicorn.error")]
    states = [(lg.handlers[:], lg.level, lg.filters[:], lg.propagate) for lg in loggers]
    yield
    structlog.configure(**saved)
    for logger, (handlers, level, filters, propagate) in zip(loggers, states, strict=True):
        logger.handlers[:], logger.filters[:] = handlers, filters
        logger.setLevel(level)
        logger.propagate = propagate


class TestConfigure:
    @pytest.mark.parametrize("log_format", ["json", "console"])
    def test_a_traceback_shows_no_variables(self, log_format):
        stream = io.StringIO()
        stepiq_logging.configure(log_format, stream=stream)
        password = "hunter2" * 2

        try:
            raise ValueError(len(password))
        except ValueError:
            structlog.stdlib.get_logger("stepiq.test").exception("it_broke")

        assert "ValueError" in stream.getvalue()
        assert password not in stream.getvalue()

    def test_json_is_one_object_a_line_with_what_was_bound(self):
        stream = io.StringIO()
        stepiq_logging.configure("json", stream=stream)

        with stepiq_logging.bound(run_id="r1"):
            structlog.stdlib.get_logger("stepiq.test").info("it_ran", step="a\nb")

        line = json.loads(stream.getvalue())
        assert (line["event"], line["run_id"], line["step"]) == ("it_ran", "r1", "a\nb")
        assert line["level"] == "info"

    def test_libraries_speak_from_warnings_up(self):
        stream = io.StringIO()
        stepiq_logging.configure("json", stream=stream)

        logging.getLogger("httpx").info("quiet")
        logging.getLogger("httpx").warning("loud")

        assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]
