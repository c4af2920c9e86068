"""Serve related stories: web workers on one port, and the search process behind them.

    python scripts/serve.py [--example ID]

Settings are RELATED_... variables (service/config.py). This process only watches the others. Each
that dies is started again, after a wait that doubles while it keeps dying as it starts. SIGTERM
and Ctrl-C are passed on: the workers answer what they have taken, then end.

Exit codes: 0 stopped on request, 2 a wrong setting or a taken port or search socket, else that of a worker which
ended before any had answered: starting it again would only repeat the fault.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO

from index.publishing.store import Store
from service.archive.brands import BadBrands, read_brands
from service.auth.api_keys import BadKeys, read_keys
from service.config import BadSetting, Settings
from service.live_store.errors import LiveStoreUnavailable
from service.live_store.migrate import migrate
from service.observability.logging import configure
from service.observability.metrics import Measures
from service.observability.sharing import SUPERVISOR, begin_anew, shared
from service.recommend.policy import BadPolicies, read_policies
from service.search.socket_lock import SocketInUse, lock_socket

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None  # here: after a fork nothing may be looked up
LOOK_SECONDS = 0.1
FIRST_WAIT_SECONDS = 0.1
AGAIN_SECONDS = 0.5

log = logging.getLogger("serve")
GRACE_SECONDS = 8  # for answers under way; `docker stop` kills after 10 s


class PortTaken(Exception):
    """The address cannot be listened on; the message names it and the settings."""


@dataclass
class Child:
    """A process that is started again when it ends.

    Each wait is twice the one before, up to the longest; after a life of `steady_seconds` the
    process had started well, and its next wait is the first one again.
    """

    name: str
    command: Sequence[str]
    steady_seconds: float
    longest_wait_seconds: float
    measures: Measures
    environment: dict[str, str] = field(default_factory=dict)
    wait_seconds: float = FIRST_WAIT_SECONDS
    due: float = 0.0
    started: float = 0.0
    process: subprocess.Popen[bytes] | None = None

    def tend(self, now: float) -> int | None:
        """Start the process when it is due. Returns its exit code when it has just ended, else None."""
        if self.process is None:
            if now >= self.due:
                self._start(now)
            return None
        code = self.process.poll()
        if code is not None:
            # A killed parent would leave a worker behind that holds the port.
            self._signal_session(self.process.pid, signal.SIGKILL)
            self.process = None
            if now - self.started >= self.steady_seconds:
                self.wait_seconds = FIRST_WAIT_SECONDS
            self.due = now + self.wait_seconds
            self.measures.tell("related_process_up", 0, self.name)
            log.error("%s ended (code %s); next start in %g s", self.name, code, self.wait_seconds)
            self.wait_seconds = min(2 * self.wait_seconds, self.longest_wait_seconds)
        return code

    def ask_to_end(self) -> None:
        """Send SIGTERM if it runs."""
        if self.process is not None:
            self.process.terminate()

    def wait_for_end(self, deadline: float) -> None:
        """Wait for its end until that time of the monotonic clock; then kill it.

        SIGTERM is repeated to all of its session: a granian worker that still starts up loses the first one.
        """
        if self.process is None:
            return
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(AGAIN_SECONDS)
                break
            self._signal_session(self.process.pid, signal.SIGTERM)
        self._signal_session(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _start(self, now: float) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches it through this process alone."""
        self.started = now
        environment = {**os.environ, **self.environment}
        self.process = subprocess.Popen(
            self.command, env=environment, start_new_session=True, preexec_fn=_end_with_parent
        )
        log.info("%s started (process %s)", self.name, self.process.pid)
        self.measures.count("related_process_starts_total", self.name)
        self.measures.tell("related_process_up", 1, self.name)

    @staticmethod
    def _signal_session(leader: int, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, number)


def main() -> int:
    """Run until a signal asks to stop or the workers cannot start. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--example", default="ARTICLE_ID", metavar="ID", help="the article named in the curl line")
    example = parser.parse_args().example
    try:
        settings = Settings.from_environment()
        read_policies(settings.policies)  # a wrong file is said before anything starts
        read_brands(settings.brands)
        if settings.keys is not None:
            read_keys(settings.keys)
        check_port(settings.host, settings.port)
        held = hold_socket(settings)
    except (BadSetting, BadPolicies, BadKeys, BadBrands, PortTaken, SocketInUse, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    configure(settings.log_level, settings.log_format, SUPERVISOR)
    begin_anew(settings.tallies)
    measures = Measures(shared(settings, SUPERVISOR))
    prepare_live_store(settings)
    warn_of_an_empty_store(settings)
    signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: signals.append(number))
    workers = [web_worker(settings, number, measures) for number in range(1, settings.workers + 1)]
    search = search_process(measures)
    code = watch(workers, search, lambda: has_answered(settings, example), signals)
    stop(workers)
    stop([search])
    if held is not None:
        held.close()
    return code


def warn_of_an_empty_store(settings: Settings) -> None:
    """Say what to do where there is nothing to serve yet; serving begins by itself once there is."""
    if Store(settings.store).active_id(settings.channel) is None:
        log.warning(
            "no snapshot of channel %s in %s (RELATED_STORE) yet; make one: "
            "python scripts/rebuild_index.py --source PATH --store %s",
            settings.channel, settings.store, settings.store,
        )  # fmt: skip


def prepare_live_store(settings: Settings) -> None:
    """Bring the live store's tables up to date. While it is away the workers serve without it, and say so."""
    if settings.live_url is None:
        return
    try:
        migrate(settings.live_url)
    except LiveStoreUnavailable as error:
        log.warning("serving without live changes until the live store answers: %s", error)


def watch(workers: Sequence[Child], search: Child, answers: Callable[[], bool], signals: list[int]) -> int:
    """Keep all running until a signal arrives (0), or a worker ends before any answered (its exit code)."""
    answering = False
    while not signals:
        now = time.monotonic()
        search.tend(now)
        for worker in workers:
            code = worker.tend(now)
            if code is not None and not answering:
                return code or 1
        answering = answering or answers()
        time.sleep(LOOK_SECONDS)
    return 0


def stop(children: Sequence[Child]) -> None:
    """End them together, each with time for its answers under way."""
    deadline = time.monotonic() + GRACE_SECONDS
    for child in children:
        child.ask_to_end()
    for child in children:
        child.wait_for_end(deadline)


def web_worker(settings: Settings, number: int, measures: Measures) -> Child:
    """One granian server with one worker; all listen on the same port, and the kernel shares them out.

    Why not one granian with several workers: it gives up, with all of them, when one dies twice in
    5.5 s. Why granian: `scripts/benchmarks/bench_server.py`, and the README's figures.
    """
    command = [sys.executable, "-m", "granian", "--interface", "rsgi", "--loop", "uvloop", "--workers", "1"]
    command += ["--host", settings.host, "--port", str(settings.port), "--http", "1", "--no-ws"]
    command += ["--log-level", "error", "--workers-kill-timeout", str(GRACE_SECONDS - 1)]
    # Granian's backpressure counts open connections, idle ones too: a low number shuts readers out.
    command += ["--backlog", "2048", "--backpressure", "1024", "service.wsgi:front"]
    # A worker answers from tables: pools of BLAS threads would cost it memory and gain nothing.
    # And each of its threads would keep what a large body took.
    environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    environment["RELATED_WORKER"] = str(number)
    return Child(f"web {number}", command, 1, 2, measures, environment)


def search_process(measures: Measures) -> Child:
    """The process that holds the model and FAISS; the web workers answer without it while it is away."""
    return Child("search", [sys.executable, "-m", "service.cli.search_process"], 60, 30, measures)


def announce(settings: Settings, example: str) -> None:
    """Print where to look."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    demo = f"Demonstration pages: {address}/ · " if settings.demo == "on" else ""
    print(f"Serving {address} · {demo}description of the API: {address}/docs")
    if settings.keys is not None:
        print(f"The newsroom’s console: {address}/console/ (sign in with an editor’s key)")
    print(f"Try: curl '{address}/v1/related?id={example}&limit=3'", flush=True)


def check_port(host: str, port: int) -> None:
    """Raises PortTaken. The workers themselves would share another server's port without a word."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"cannot listen on {host}, port {port} (RELATED_HOST, RELATED_PORT): {error.strerror}"
            ) from None


def hold_socket(settings: Settings) -> IO[bytes] | None:
    """Lock the search socket for this service until the file is closed. Raises `SocketInUse`.

    None where the file system has no locks or cannot be written to: the search process then says so itself.
    """
    try:
        return lock_socket(settings.socket, SUPERVISOR)
    except OSError:
        return None


def has_answered(settings: Settings, example: str) -> bool:
    """Whether a worker takes connections by now; if so, says where."""
    try:
        socket.create_connection((settings.host, settings.port), timeout=1).close()
    except OSError:
        return False
    announce(settings, example)
    return True


def _end_with_parent() -> None:
    """Have Linux end the new process should this one be killed; elsewhere it would stay behind."""
    if PRCTL is not None:
        PRCTL(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
