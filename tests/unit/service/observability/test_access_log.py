"""A line for each request: for programs and for people, and nobody's but ours."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from served import until

from service.observability.access_log import RequestLog
from service.observability.lines import HELD
from service.observability.logging import JsonLines, LineHandler, TextLines, is_text
from service.observability.request_info import Noted, current
from service.recommend.response import RelatedList

NASTY = ["a\nb", "\r\n{}", "\x1b[2J", "\x9b31m", "\u2028x", "\u202e", "\x00", '"}', "\ud800", "ś"]
ESCAPES = [each for text in NASTY for each in text if not each.isprintable()]


def wsgi(path: str) -> str:
    return path.encode("utf-8", "surrogatepass").decode("latin-1")


def written(tmp_path: Path, text: bool, *calls: dict[str, Any], level: Any = "info") -> list[str]:
    """The lines of a log, split at line feeds alone."""
    file = tmp_path / "log"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = RequestLog(level, text, "web 1", descriptor)
    for each in calls:
        log(
            **{"noted": Noted(), "method": "GET", "route": "/a", "status": 200, "seconds": 0.0012, "path": "/a"}
            | each
        )
    os.close(descriptor)
    return file.read_bytes().decode("ascii" if not text else "utf-8").split("\n")[:-1]


def test_a_request_is_a_line_of_json(tmp_path: Path) -> None:
    noted = Noted("from-the-caller")
    noted.lists = (RelatedList(b"", None, None, "latest", "filled", ("search_unavailable",)),)
    (line,) = written(tmp_path, False, {"noted": noted, "path": wsgi("/v1/ż")})
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "info", "process": "web 1", "message": "request", "request_id": "from-the-caller", "method": "GET",
        "route": "/a", "path": "/v1/ż", "status": 200, "seconds": 0.0012, "policy": "latest", "result": "filled",
        "degraded": ["search_unavailable"],
    }  # fmt: skip


def test_beyond_a_hundred_lines_a_second_requests_are_counted_and_faults_of_ours_still_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([*[1_000.5] * 151, 1_001.5])
    monkeypatch.setattr("service.observability.access_log.time", lambda: next(moments))
    calls = [{}] * 130 + [{"status": 503}] + [{}] * 20 + [{"path": "/later"}]
    told = [json.loads(line) for line in written(tmp_path, False, *calls)]
    assert [each["status"] for each in told] == [200] * 100 + [503, 200]
    assert [each.get("unlogged", 0) for each in told] == [0] * 100 + [30, 20]
    assert told[-1]["path"] == "/later"


def test_requests_without_a_line_are_counted_though_no_request_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_000.5]
    monkeypatch.setattr("service.observability.access_log.time", lambda: clock[0])
    with (tmp_path / "log").open("wb") as file:
        log = RequestLog("info", False, "web 1", file.fileno())
        log.hold()
        for _ in range(130):
            log(Noted(), "GET", "/", 200, 0.001, "/")
        clock[0] = 1_001.5
        until(lambda: b"not logged" in (tmp_path / "log").read_bytes())
        for _ in range(110):
            log(Noted(), "GET", "/", 200, 0.001, "/")
        log.flush()  # as at the end of the process, within the second
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["unlogged"] for line in lines if line["message"] == "requests not logged"] == [30, 10]
    assert sum("status" in line for line in lines) == 200


def test_at_level_debug_each_request_is_logged(tmp_path: Path) -> None:
    assert len(written(tmp_path, False, *[{}] * 500, level="debug")) == 500


def test_an_error_of_ours_has_its_level_and_code(tmp_path: Path) -> None:
    noted = Noted()
    noted.problem = "internal_error", 500
    (line,) = written(tmp_path, False, {"status": 200}, {"noted": noted, "status": 500}, level="error")
    assert (json.loads(line)["level"], json.loads(line)["code"]) == ("error", "internal_error")


@pytest.mark.parametrize("nasty", NASTY)
@pytest.mark.parametrize("text", [False, True])
def test_nobody_writes_lines_or_commands_for_a_terminal_into_the_log(tmp_path: Path, nasty: str, text: bool) -> None:
    (line,) = written(tmp_path, text, {"path": wsgi(f"/v1/{nasty}")})
    assert not any(each in line for each in ESCAPES)
    record = logging.LogRecord("service", logging.ERROR, "", 0, "no article %s", (nasty,), None)
    told = (TextLines("web 1") if text else JsonLines("web 1")).format(record)
    assert not any(each in told for each in ESCAPES)
    if not text:
        assert json.loads(told)["message"] == f"no article {nasty}"


def test_a_trace_is_part_of_its_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), (type(error), error, error.__traceback__))
    told = JsonLines("web 1").format(record)
    assert "\n" not in told
    assert "two\nlines" in json.loads(told)["trace"]
    assert all(line.startswith("    ") for line in TextLines("web 1").format(record).split("\n")[1:])


def test_what_is_logged_during_a_request_carries_its_id() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), None)
    before = current.set(Noted("r-1"))
    try:
        assert json.loads(JsonLines("web").format(record))["request_id"] == "r-1"
        assert "[r-1]" in TextLines("web").format(record)
    finally:
        current.reset(before)
    assert "request_id" not in json.loads(JsonLines("web").format(record))


@pytest.mark.parametrize("asked", ["a", "A-b_c.d:9", "x" * 64])
def test_a_well_formed_request_id_is_taken(asked: str) -> None:
    assert Noted(asked).request_id == asked


@pytest.mark.parametrize("asked", ["", "x" * 65, "a b", "a\n", "ż", '"', None])
def test_any_other_is_replaced_by_one_of_its_own(asked: str | None) -> None:
    first, second = Noted(asked).request_id, Noted(asked).request_id
    assert first != second
    assert Noted(first).request_id == first


def let_go(log: RequestLog, reader: int, writer: int) -> None:
    """Read what a log that nobody read still holds, and end its pipe."""
    drained = threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(reader, 1 << 16), b"")])
    drained.start()
    log.flush()
    os.close(writer)
    drained.join(10)
    os.close(reader)


def test_a_log_that_nobody_reads_costs_no_answer() -> None:
    reader, writer = os.pipe()
    log = RequestLog("debug", False, "web 1", writer)
    log.hold()
    for _ in range(20_000):  # 5 MB: far more than a pipe takes
        log(Noted(), "GET", "/a", 200, 0.001, "/a")
    first = os.read(reader, 60_000)
    assert first.count(b"\n") > 100
    let_go(log, reader, writer)


def test_a_log_on_a_full_disk_costs_no_answer() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    RequestLog("info", False, "web 1", full)(Noted(), "GET", "/a", 200, 0.001, "/a")
    os.close(full)


def test_text_is_for_terminals_and_for_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (is_text("text"), is_text("json")) == (True, False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert is_text("auto")


def test_a_record_that_nobody_reads_holds_up_nobody_and_the_newest_are_kept() -> None:
    reader, writer = os.pipe()
    handler = LineHandler(held=True, descriptor=writer)
    logger = logging.Logger("x")
    logger.addHandler(handler)
    for number in range(HELD + 20_000):
        logger.error("%s", f"{number} {'x' * 100}")
    found = bytearray()
    while f"{HELD + 19_999} ".encode() not in found:
        found += os.read(reader, 1 << 16)
    assert found.count(b"\n") < HELD + 20_000
    os.close(writer)
    os.close(reader)


def test_what_waits_to_be_written_of_a_request_holds_no_list() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while True:  # nobody reads, so that lines wait
        try:
            os.write(writer, bytes(4_096))
        except BlockingIOError:
            break
    os.set_blocking(writer, True)
    log = RequestLog("info", False, "web 1", writer)
    log.hold()
    noted = Noted()
    noted.lists = (RelatedList(b"an answer", None, None, "latest", "filled", ()),)
    log(noted, "GET", "/a", 200, 0.001, "/a")
    assert sys.getrefcount(noted) == 2  # ours, and that of the call
    let_go(log, reader, writer)


def test_lines_of_a_process_that_ends_or_was_forked_are_written() -> None:
    program = """if True:
        import logging, multiprocessing, os
        from service.observability.logging import configure
        configure("info", "json", "web 1")
        logging.info("of the parent")
        def work():
            logging.info("of the child")
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join()
        """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    told = sorted(json.loads(line)["message"] for line in done.stderr.splitlines())
    assert told == ["of the child", "of the parent"]
