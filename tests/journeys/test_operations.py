"""What an operator sees of a running service: metrics of all its processes, a line for each request, restarts."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from alarms import named_metrics
from constants import ROOT
from hashing_embedder import HashingEmbedder

from index.article import Article
from index.build import rebuild
from index.publishing.store import Store
from scripts.tools.server_process import free_port

ARTICLE = "news/brackholm-ferry-breaks-down-mid-river"
LIST = f"/v1/articles/{ARTICLE}/related"
COUNT = 'related_request_duration_seconds_count{method="GET",route="/v1/articles/{id}/related",policy="related"}'
UNIT = "reader-whom-nobody-may-name"


class Service:
    """A running service and its log."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port, self.process, self.log = port, process, log

    def ask(
        self, path: str, method: str = "GET", body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Over a connection of its own, which the kernel gives to one worker or the other."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            told = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, None if body is None else json.dumps(body), told)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def metrics(self) -> dict[str, float]:
        """By series as they are written."""
        lines = self.ask("/metrics")[2].decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    def lines(self) -> list[dict[str, Any]]:
        """The log so far; a line that is no JSON object is a failure."""
        return [json.loads(line) for line in self.log.read_text("ascii").splitlines()]


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end, pause = time.monotonic() + seconds, threading.Event()
    while not true():
        assert time.monotonic() < end, "it did not become true in time"
        pause.wait(0.05)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, sample_articles: list[Article]) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("operations")
    store = Store(folder / "store")
    rebuild(sample_articles, store, HashingEmbedder(), int(time.time()))
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RELATED_")} | {
        "RELATED_STORE": str(store.root),
        "RELATED_PORT": str(port),
        "RELATED_SEARCH_SOCKET": str(folder / "search.sock"),
        "RELATED_MODEL": str(folder / "no-model"),  # the search process is away: not what is looked at here
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, ROOT / "scripts" / "serve.py"], env=environment, stdout=subprocess.DEVNULL, stderr=log,
            cwd=ROOT,
        )  # fmt: skip
    running = Service(port, process, folder / "log")
    try:
        until(lambda: _both_workers_tell(running))
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    assert code == 0, (folder / "log").read_text()


def _both_workers_tell(service: Service) -> bool:
    try:
        told = service.metrics()
    except OSError:
        return False
    return all(told.get(f'related_snapshot_serving{{worker="{each}",channel="default"}}') == 1 for each in (1, 2))


def test_whichever_worker_is_scraped_tells_of_all(service: Service) -> None:
    before = service.metrics().get(COUNT, 0)
    workers = set()
    for _ in range(60):
        assert service.ask(LIST)[0] == 200
    until(lambda: service.log.read_text().count(f'"path":"{LIST}"') >= 60)
    workers = {line["process"] for line in service.lines() if line.get("path") == LIST}
    assert workers == {"web 1", "web 2"}
    assert [service.metrics()[COUNT] - before for _ in range(10)] == [60] * 10


def test_every_metric_of_the_alarms_and_the_dashboard_is_exported(service: Service) -> None:
    assert service.ask(f"/v1/related?id={ARTICLE}&section=sport&min_relevance=0")[0] == 200  # search is away
    assert service.ask("/v1/related?id=nobody")[0] == 404
    token = json.loads(service.ask(f"/v1/related?id={ARTICLE}&unit={UNIT}")[2])["token"]
    given = [{"kind": "view", "token": token}, {"kind": "view", "token": "forged"}]
    assert service.ask("/v1/events", "POST", {"events": given}, Content_Type="application/json")[0] == 202
    told = service.metrics()
    exported = {re.sub(r"_(bucket|sum|count)$", "", series.partition("{")[0]) for series in told}
    assert named_metrics() <= exported
    assert told['related_degraded_lists_total{reason="search_unavailable"}'] == 1
    assert told['related_problems_total{code="article_not_found",status="404"}'] == 1
    assert told["related_events_accepted_total"] == 1
    assert told['related_events_refused_total{reason="malformed_token"}'] == 1
    assert told["related_search_up"] == 0


def test_a_request_has_one_id_in_the_answer_and_in_the_log(service: Service) -> None:
    _, headers, _ = service.ask(LIST, X_Request_ID="from-the-proxy-1")
    assert headers["x-request-id"] == "from-the-proxy-1"
    _, headers, _ = service.ask("/v1/related?id=" + quote("\n\x1b[2J{}", safe=""), X_Request_ID='{"forged": 1}')
    assert re.fullmatch("[0-9a-f]{20}", headers["x-request-id"])
    asked = {"from-the-proxy-1", headers["x-request-id"]}  # of two workers, perhaps, each of which writes in its time
    until(lambda: asked <= {line.get("request_id") for line in service.lines()})
    (line,) = (line for line in service.lines() if line.get("request_id") == "from-the-proxy-1")
    assert (line["route"], line["status"], line["result"]) == ("/v1/articles/{id}/related", 200, "ranked")


def test_no_reader_and_no_key_stands_in_the_log(service: Service) -> None:
    service.ask(f"/v1/related?id={ARTICLE}&unit={UNIT}", Authorization="Bearer rs_secret")
    service.ask("/v1/related/batch", "POST", {"ids": [UNIT]}, X_API_Key="rs_secret")
    service.ask(LIST, X_Request_ID="afterwards")
    until(lambda: "afterwards" in service.log.read_text())
    text = service.log.read_text()
    assert UNIT not in text
    assert "rs_secret" not in text


def test_a_worker_that_was_killed_is_started_again_and_its_numbers_stay(service: Service) -> None:
    starts = 'related_process_starts_total{process="web 1"}'
    before = service.metrics()
    (line,) = subprocess.run(
        ["pgrep", "-P", str(service.process.pid), "-f", "granian"], capture_output=True, text=True, check=True
    ).stdout.split()[:1]
    os.kill(int(line), signal.SIGKILL)
    until(lambda: any(value > before[series] for series, value in _starts(service).items()))
    until(lambda: _both_workers_tell(service))
    told = service.metrics()
    assert told[starts] >= before[starts]
    assert told[COUNT] >= before[COUNT]
    until(lambda: any("ended (code -9)" in line["message"] for line in service.lines()))


def _starts(service: Service) -> dict[str, float]:
    try:
        told = service.metrics()
    except OSError:
        return {}
    return {series: value for series, value in told.items() if "starts_total" in series and "web" in series}
