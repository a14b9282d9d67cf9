"""Logs: JSON lines, one wide line per request, and no content."""

from __future__ import annotations

import io
import json
import logging

from telemetry.logs import output as lines
from tests.e2e.serving import until
from tests.telemetry.records import MODEL, completed


class Writes(io.StringIO):
    """Counts its writes."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


def written(level: str = "info") -> list[dict[str, object]]:
    stream = io.StringIO()
    output = lines.configure(level, stream)
    completed(sink=lines.LogSink())
    logging.getLogger("elsewhere").warning("seen %s", 1)
    output.stop()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_one_wide_line_per_request() -> None:
    """A request is one JSON line with its figures; no content is in it."""
    request, _ = written()
    assert request["event"] == "request"
    assert (request["model"], request["status"], request["http_status"]) == (MODEL, "ok", 200)
    assert (request["ttft_ms"], request["total_ms"], request["cache_reason"]) == (109.5, 200.5, "appended")
    assert "secret" not in json.dumps(request)
    assert "error_type" not in request


def test_other_loggers_are_json_too() -> None:
    """Lines of the standard library's loggers have level and name."""
    other = written()[1]
    assert (other["event"], other["level"], other["logger"]) == ("seen 1", "warning", "elsewhere")


def test_many_lines_are_few_writes() -> None:
    """Lines that come together are written together, in order, and none is lost when the output stops."""
    stream = Writes()
    output = lines.configure("info", stream)
    for n in range(500):
        logging.getLogger("busy").info("%s", n)
    output.stop()
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == [
        str(n) for n in range(500)
    ]
    assert stream.writes < 50


def test_a_line_that_cannot_be_made_costs_no_other() -> None:
    """A bad format string is told of, with its logger; the lines around it are there."""
    stream = io.StringIO()
    output = lines.configure("info", stream)
    for text, values in (("before", ()), ("%d", ("no number",)), ("after", ())):
        logging.getLogger("odd").info(text, *values)
    output.stop()
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in found] == ["before", "a log line could not be written", "after"]
    assert found[1]["logger"] == "odd"


def test_the_level_is_kept() -> None:
    """Below the level nothing is written."""
    assert [line["event"] for line in written("warning")] == ["seen 1"]


def test_former_handlers_come_back() -> None:
    """Stopping leaves the root logger as it was."""
    before = logging.getLogger().handlers[:]
    written()
    assert logging.getLogger().handlers == before


def test_a_stream_that_fails_costs_its_lines_alone() -> None:
    """Whatever it raises (its reader is gone, its disk is full): the lines after that are written."""

    class Odd(Exception):  # noqa: N818
        pass

    class Fails(io.StringIO):
        failures = 1

        def write(self, text: str) -> int:
            if self.failures:
                self.failures -= 1
                raise Odd
            return super().write(text)

    stream = Fails()
    output = lines.configure("info", stream)
    logging.getLogger("first").info("lost")
    until(lambda: not stream.failures, 30, "the first line")
    logging.getLogger("second").info("written")
    output.stop()
    assert json.loads(stream.getvalue())["event"] == "written"
