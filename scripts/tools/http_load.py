"""Loads a server over kept-open connections, with `wrk` where it is installed, and reports rate and latencies."""

from __future__ import annotations

import http.client
import multiprocessing
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Load:
    """What one run of the loader saw: answers a second, latencies in milliseconds, failed requests."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


def combined(runs: Sequence[Load]) -> Load:
    """The medians of rate and latencies over several runs, and the sum of their failed requests."""
    return Load(
        statistics.median(run.requests_per_second for run in runs),
        statistics.median(run.p50_ms for run in runs),
        statistics.median(run.p99_ms for run in runs),
        sum(run.failed for run in runs),
    )


def loader() -> str:
    """The name of the loader that this machine has."""
    return "wrk" if shutil.which("wrk") else "http.client"


def load(url: str, connections: int, seconds: int) -> Load:
    """Ask for one URL over `connections` kept-open connections for that long."""
    return (
        load_with_wrk(url, connections, seconds)
        if shutil.which("wrk")
        else load_with_python(url, connections, seconds)
    )


def load_with_wrk(url: str, connections: int, seconds: int, script: Path | None = None) -> Load:
    """Load with `wrk`, one thread, its own latency histogram; `script` chooses the requests."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url]
    command[1:1] = ["-s", str(script)] if script else []
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = float(_found(r"Requests/sec:\s+([\d.]+)", report))
    errors = sum(int(count) for count in re.findall(r"(?:connect|read|write|timeout) (\d+)", report))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", report)
    return Load(
        rate,
        _milliseconds("50%", report),
        _milliseconds("99%", report),
        errors + int(refused[1] if refused else 0),
    )


def load_with_python(url: str, connections: int, seconds: int) -> Load:
    """Load with one Python process a connection."""
    with multiprocessing.get_context("spawn").Pool(connections) as pool:
        results = pool.starmap(_ask_repeatedly, [(url, seconds)] * connections)
    latencies = sorted(latency for taken, _ in results for latency in taken)
    cuts = statistics.quantiles(latencies, n=100)
    return Load(len(latencies) / seconds, 1000 * cuts[49], 1000 * cuts[98], sum(failed for _, failed in results))


def _ask_repeatedly(url: str, seconds: int) -> tuple[list[float], int]:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=5)
    latencies: list[float] = []
    failed = 0
    stop = time.monotonic() + seconds
    while (started := time.monotonic()) < stop:
        try:
            connection.request("GET", f"/{path}")
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise http.client.HTTPException(answer.status)
            latencies.append(time.monotonic() - started)
        except (OSError, http.client.HTTPException):
            failed += 1
            connection.close()
    return latencies, failed


def _found(pattern: str, report: str) -> str:
    match = re.search(pattern, report)
    if match is None:
        raise RuntimeError(f"wrk's report has no {pattern}: {report}")
    return match[1]


def _milliseconds(percentile: str, report: str) -> float:
    found = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)\s", report)
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]] if found else float("nan")
