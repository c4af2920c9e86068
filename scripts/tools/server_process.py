"""Runs a server as a process of its own, on a free port, and reads its answers from a socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_open(port: int, server: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Return when the port takes connections. Raises RuntimeError when the server ends or is too slow."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not open port {port}: {server.args!r}")


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server (a program beside this Python) in `folder`, from its first answer until the block ends."""
    program = [Path(sys.executable).parent / command[0], *command[1:]]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(program, cwd=folder, env=environment, stderr=log, start_new_session=True)
    try:
        wait_until_open(port, server)
        yield server
    finally:
        server.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            server.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # a worker that still starts loses SIGTERM
        server.wait()


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body. Not by http.client, whose time would count as the server's. Raises OSError."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += _more(connection)
    head, _, body = read.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += _more(connection)
    return int(head.split(b" ", 2)[1]), body


def _more(connection: socket.socket) -> bytes:
    read = connection.recv(1 << 16)
    if not read:
        raise ConnectionResetError("the service hung up")
    return read
